//! Says of secrets that a declaration names and this daemon has no value for, when the declaration is read: hours later,
//! when the first is needed, nobody remembers the merge.
//!
//! In: each declaration, once. Out: one warning for each secret, and none again until it had a value in between.

use std::collections::BTreeSet;

use moorline_config::WeakToken;
use moorline_model::declaration::Declaration;

use crate::chain;
use crate::secrets::Secrets;
use moorline_cycle::log_once::LogOnce;

/// How the log's memory calls these warnings, before the reference.
const ABOUT: &str = "the value of ";

/// Looks for a value of everything that is named.
pub(crate) fn warn(declaration: &Declaration, secrets: &Secrets, logged: &LogOnce) {
    let mut absent = BTreeSet::new();
    for named in declaration.references() {
        let about = format!("{ABOUT}{}", named.reference);
        let problem = match secrets.declared(&named.reference) {
            Err(error) => chain::of(&error),
            // Anybody could hand over a document with it.
            Ok(token) if named.path.ends_with(".document_token") && token.as_token().is_err() => {
                format!("{} is no token: {WeakToken}", named.reference)
            }
            Ok(_) => continue,
        };
        // One that several places name is one secret.
        if absent.insert(about.clone()) && logged.is_new(&about, &problem) {
            let environment = named.environment.map(ToString::to_string);
            tracing::warn!(
                environment,
                path = named.path,
                "{problem}; what needs it cannot be done before it has a value"
            );
        }
    }
    logged.retain(ABOUT, &absent);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_without_a_value_is_logged_once_until_it_had_one() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("token");
        let text = format!(
            "version: 1\nenvironments: [{{name: dev, gateway: {{document: [g.yaml], endpoints: ['http://a:1'], \
             admin_token: 'file:{0}', document_token: 'file:{0}'}}}}]",
            file.display()
        );
        let declaration = Declaration::parse("moorline.yaml", &text).unwrap();
        let (logged, secrets) = (LogOnce::default(), Secrets::default());
        let about = format!("{ABOUT}file:{}", file.display());
        let last = || {
            warn(&declaration, &secrets, &logged);
            // What is logged already is not logged again.
            logged.last(&about)
        };
        let unread = last().unwrap();
        assert_eq!(last(), Some(unread.clone()));
        std::fs::write(&file, "hunter2").unwrap();
        let weak = last().unwrap();
        assert!(weak != unread && weak.contains("is no token"), "anybody could guess it: {weak}");
        std::fs::write(&file, "correct-horse").unwrap();
        assert_eq!(last(), None, "logged anew when it is gone again");
    }
}
