//! Says of secrets that a declaration names and this daemon has no value for, when the declaration is read: hours later,
//! when the first is needed, nobody remembers the merge.
//!
//! In: each declaration, once. Out: one warning for each secret, and none again until it had a value in between.

use std::collections::BTreeSet;

use moorline_config::WeakToken;
use moorline_model::declaration::Declaration;

use crate::chain;
use crate::secrets::Secrets;

/// What was said.
#[derive(Debug, Default)]
pub(super) struct Absent {
    told: BTreeSet<String>,
}

impl Absent {
    /// Looks for a value of everything that is named.
    pub(super) fn tell(&mut self, declaration: &Declaration, secrets: &Secrets) {
        let mut absent = BTreeSet::new();
        for named in declaration.references() {
            let problem = match secrets.declared(named.reference) {
                Err(error) => chain::of(&error),
                // Anybody could hand over a document with it.
                Ok(token) if named.path.ends_with(".document_token") && token.as_token().is_err() => {
                    format!("{} is no token: {WeakToken}", named.reference)
                }
                Ok(_) => continue,
            };
            let reference = named.reference.to_string();
            // One that several places name is one secret.
            if absent.insert(reference.clone()) && !self.told.contains(&reference) {
                let environment = named.environment.map(ToString::to_string);
                tracing::warn!(
                    environment,
                    path = named.path,
                    "{problem}; until then what needs it cannot be done"
                );
            }
        }
        self.told = absent;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_without_a_value_is_told_once_until_it_had_one() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("token");
        let text = format!(
            "version: 1\nenvironments: [{{name: dev, gateway: {{document: [g.yaml], endpoints: ['http://a:1'], \
             admin_token: 'file:{0}', document_token: 'file:{0}'}}}}]",
            file.display()
        );
        let declaration = Declaration::parse("moorline.yaml", &text).unwrap();
        let (mut absent, secrets) = (Absent::default(), Secrets::default());
        absent.tell(&declaration, &secrets);
        assert_eq!(absent.told.len(), 1);
        absent.tell(&declaration, &secrets);
        assert_eq!(absent.told.len(), 1);
        std::fs::write(&file, "hunter2").unwrap();
        absent.tell(&declaration, &secrets);
        assert_eq!(absent.told.len(), 1, "a document token that anybody could guess is as good as none");
        std::fs::write(&file, "correct-horse").unwrap();
        absent.tell(&declaration, &secrets);
        assert!(absent.told.is_empty());
    }
}
