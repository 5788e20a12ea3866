//! The secrets that a declaration names.

use moorline_config::Reference;
use serde_json::{Value, json};

use super::{Declaration, Environment, notify};
use crate::EnvironmentName;

/// How references look that the daemon resolves: gateways know more kinds.
const SERVED: &str = "^(env:[A-Za-z_][A-Za-z0-9_]*|file:/.*)$";

/// Why a reference cannot be declared to the daemon, if so.
pub(crate) fn unsupported(reference: &Reference) -> Option<String> {
    let is_served = matches!(reference, Reference::Env(_) | Reference::File(_));
    (!is_served).then(|| {
        format!(
            "{reference} is of a kind that this release does not resolve: expected env:NAME or file:/path"
        )
    })
}

/// Leaves in a schema only the kinds of references that the daemon resolves.
pub(crate) fn only_supported(mut schema: Value) -> Value {
    if let Some(reference) = schema.pointer_mut("/$defs/Reference") {
        reference["pattern"] = json!(SERVED);
        reference["examples"] = json!(["env:GATEWAY_ADMIN_TOKEN", "file:/run/secrets/token"]);
    }
    schema
}

/// A secret that the daemon resolves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedSecret<'a> {
    /// Path inside the declaration.
    pub path: String,
    /// The environment it is for; `None`: for all of them.
    pub environment: Option<&'a EnvironmentName>,
    /// Where its value is found.
    pub reference: Reference,
}

impl Declaration {
    /// Every reference the declaration holds, in the order written. The daemon resolves them, each when it is needed.
    #[must_use]
    pub fn references(&self) -> Vec<NamedSecret<'_>> {
        let mut found = Vec::new();
        for (index, environment) in self.environments.iter().enumerate() {
            found.extend(environment.references().into_iter().map(|(path, reference)| NamedSecret {
                path: format!("environments[{index}].{path}"),
                environment: Some(&environment.name),
                reference: reference.clone(),
            }));
        }
        for channel in self.notifications.channels() {
            found.extend(notify::references(&channel).into_iter().map(|(path, reference)| NamedSecret {
                path,
                environment: None,
                reference,
            }));
        }
        found
    }
}

impl Environment {
    /// Every reference the environment holds, by its path in it, in the order written.
    #[must_use]
    pub fn references(&self) -> Vec<(String, &Reference)> {
        let gateway = &self.gateway;
        let mut found = vec![("gateway.admin_token".to_owned(), &gateway.admin_token)];
        if let Some(reference) = &gateway.document_token {
            found.push(("gateway.document_token".to_owned(), reference));
        }
        for (name, reference) in self.terraform.iter().flat_map(|terraform| &terraform.environment) {
            found.push((format!("terraform.environment.{name}"), reference));
        }
        for (number, probe) in self.verify.probes.iter().enumerate() {
            if let Some(reference) = &probe.key {
                found.push((format!("verify.probes[{number}].key"), reference));
            }
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_reference_of_a_declaration_is_left_out() {
        let text = "\
version: 1
environments:
  - name: dev
    gateway: {document: [g.yaml], endpoints: ['http://a:1'], admin_token: 'env:S1', document_token: 'env:S2'}
    terraform: {directory: infra, environment: {A: 'env:S3', B: 'env:S4'}}
    verify: {probes: [{model: m, key: 'env:S5'}]}
notifications: {slack: {channel: '#a', token: 'env:S6'}, email: {from: a@b.c, to: [a@b.c], smtp: 'env:S7'},
  channels: {b: {pager: {key: 'env:S8'}}, c: {relay: {keys: [{key: 'env:S9'}]}}}}
";
        let declaration = Declaration::parse("moorline.yaml", text).unwrap();
        let found: Vec<_> =
            declaration.references().iter().map(|named| named.reference.to_string()).collect();
        let written: Vec<_> = text.split("env:").skip(1).map(|rest| format!("env:{}", &rest[..2])).collect();
        assert_eq!(found, written);
    }
}
