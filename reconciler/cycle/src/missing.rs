//! Secrets that an environment declares and that have no value where the daemon runs. `moorline why` names them before a step
//! fails because of them; deciding does not look at them.

use moorline_config::Reference;
use moorline_plan::desired::Desired;
use moorline_plan::gates::MissingSecret;

use crate::facilities::Secrets;

/// Those that have no value, by where the declaration names them.
pub(crate) fn missing(declared: &Desired, secrets: &impl Secrets) -> Vec<MissingSecret> {
    let unresolved = |(path, reference): (String, &Reference)| {
        let error = secrets.secret(reference).err()?;
        Some(MissingSecret { path, why: crate::chain::of(&error) })
    };
    declared.environment.references().into_iter().filter_map(unresolved).collect()
}

#[cfg(test)]
mod tests {
    use moorline_config::Secret;
    use moorline_model::declaration::Declaration;
    use moorline_plan::desired::desired;

    use super::*;
    use crate::facilities::ResolveError;

    struct Nothing;

    impl Secrets for Nothing {
        fn secret(&self, reference: &Reference) -> Result<Secret, ResolveError> {
            match reference {
                Reference::Env(name) if name == "PATH" => Ok(Secret::new("x".to_owned())),
                _ => Err(ResolveError::Unset(reference.clone())),
            }
        }
    }

    #[test]
    fn a_secret_without_a_value_is_named_with_its_place() {
        let text = "version: 1\nenvironments: [{name: prod, gateway: {document: {terraform: openai_gateway.main}, \
            endpoints: ['http://a'], admin_token: 'env:PATH'}, terraform: {directory: infra, \
            environment: {TOKEN: 'env:MOORLINE_NO_SUCH_VARIABLE'}}}]";
        let declaration = Declaration::parse("moorline.yaml", text).unwrap();
        let revision = serde_json::from_value(serde_json::json!({
            "commit": "1".repeat(40), "author": "me", "message": "one", "committed_at": "2026-11-21T12:00:00Z",
        }));
        let name = "prod".parse().unwrap();
        let declared = desired(revision.unwrap(), &name, &declaration, &[], None, None).unwrap();
        let missing = missing(&declared, &Nothing);
        assert_eq!(missing.len(), 1, "{missing:?}");
        assert_eq!(missing[0].path, "terraform.environment.TOKEN");
    }
}
