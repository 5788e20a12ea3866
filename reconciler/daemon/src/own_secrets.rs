//! The secrets of the daemon's own settings, read once at the start.
//!
//! In: the settings. Out: [`OwnSecrets`], or every one of them that has no value, that anybody could guess, or that is
//! the same as another's: two roles with one token are one role. No message repeats a value.

use std::fmt;

use moorline_config::{Reference, Secret, WeakToken};
use moorline_cycle::facilities::ResolveError;
use moorline_model::bootstrap::Bootstrap;
use moorline_web::{Roles, TokenHash};

use crate::chain;
use crate::secrets::Secrets;

/// The shortest secret of webhooks, in bytes.
const WEBHOOK_SECRET_MIN: usize = 8;

/// The secrets of the daemon's own settings.
#[derive(Debug)]
pub(crate) struct OwnSecrets {
    /// What opens the daemon's API.
    pub(crate) roles: Roles,
    /// What webhooks are signed with.
    pub(crate) webhook_secret: Option<Secret>,
    /// What opens the repository.
    pub(crate) repository_token: Option<Secret>,
}

impl OwnSecrets {
    /// Reads every secret that the settings name.
    pub(crate) fn read(settings: &Bootstrap) -> Result<Self, UnusableSecrets> {
        let (tokens, repository) = (&settings.tokens, &settings.repository);
        let mut reading = Reading::default();
        let roles = Roles {
            admin: reading.token("tokens.admin", tokens.admin.as_ref()),
            operator: reading.token("tokens.operator", tokens.operator.as_ref()),
            viewer: reading.token("tokens.viewer", tokens.viewer.as_ref()),
        };
        let webhook_secret = repository.webhook_secret.as_ref();
        let webhook_secret = reading.webhook_secret("repository.webhook_secret", webhook_secret);
        let repository_token = reading.value("repository.token", repository.token.as_ref());
        match reading.unusable {
            unusable if unusable.is_empty() => Ok(Self { roles, webhook_secret, repository_token }),
            unusable => Err(UnusableSecrets(unusable)),
        }
    }
}

/// Every secret of the settings that cannot be used, one a line.
#[derive(Debug, thiserror::Error)]
pub struct UnusableSecrets(Vec<Unusable>);

impl fmt::Display for UnusableSecrets {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("secrets of the daemon's settings cannot be used:")?;
        self.0.iter().try_for_each(|unusable| write!(formatter, "\n{}", chain::of(unusable)))
    }
}

/// Why a secret cannot be used.
#[derive(Debug, thiserror::Error)]
enum Unusable {
    /// It has no value.
    #[error("{key} has no value")]
    Absent {
        key: &'static str,
        #[source]
        source: ResolveError,
    },
    /// Anybody could guess it, or no header could carry it.
    #[error("{key} ({reference}) is no token")]
    Token {
        key: &'static str,
        reference: Reference,
        #[source]
        source: WeakToken,
    },
    /// Anybody could guess it.
    #[error("{key} ({reference}) can be guessed: expected at least {WEBHOOK_SECRET_MIN} characters")]
    Short { key: &'static str, reference: Reference },
    /// It is another's too.
    #[error("{key} ({reference}) is the same secret as {other}: give each its own")]
    Shared { key: &'static str, reference: Reference, other: &'static str },
}

/// What was read so far.
#[derive(Default)]
struct Reading {
    apart: Vec<(&'static str, Secret)>,
    unusable: Vec<Unusable>,
}

impl Reading {
    fn value(&mut self, key: &'static str, reference: Option<&Reference>) -> Option<Secret> {
        let value = Secrets::own(reference?);
        value.map_err(|source| self.unusable.push(Unusable::Absent { key, source })).ok()
    }

    fn token(&mut self, key: &'static str, reference: Option<&Reference>) -> Option<TokenHash> {
        let value = self.value(key, reference)?;
        let reference = reference?;
        if let Err(source) = value.as_token() {
            self.unusable.push(Unusable::Token { key, reference: reference.clone(), source });
            return None;
        }
        let hash = TokenHash::of(&value);
        self.keep_apart(key, reference, value);
        hash
    }

    fn webhook_secret(&mut self, key: &'static str, reference: Option<&Reference>) -> Option<Secret> {
        let value = self.value(key, reference)?;
        let reference = reference?;
        if value.expose().len() < WEBHOOK_SECRET_MIN {
            self.unusable.push(Unusable::Short { key, reference: reference.clone() });
            return None;
        }
        self.keep_apart(key, reference, value.clone());
        Some(value)
    }

    /// Notes a secret that no other may be the same as.
    fn keep_apart(&mut self, key: &'static str, reference: &Reference, value: Secret) {
        if let Some((other, _)) = self.apart.iter().find(|(_, known)| *known == value) {
            self.unusable.push(Unusable::Shared { key, reference: reference.clone(), other });
        }
        self.apart.push((key, value));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Settings whose secrets are files with these contents; `None` is a file that is not there.
    fn read(secrets: &[(&str, Option<&str>)]) -> Result<OwnSecrets, String> {
        let folder = tempfile::tempdir().unwrap();
        let mut settings = serde_json::json!({"repository": {"url": "/srv/deploy.git"}, "tokens": {}});
        for (key, value) in secrets {
            let path = folder.path().join(key);
            if let Some(value) = value {
                std::fs::write(&path, value).unwrap();
            }
            let (section, field) = key.split_once('.').unwrap();
            settings[section][field] = serde_json::json!(format!("file:{}", path.display()));
        }
        let text = settings.to_string();
        let source = moorline_config::Source { name: "moorlined.yaml", text: &text };
        OwnSecrets::read(&Bootstrap::parse(&[source]).unwrap()).map_err(|error| chain::of(&error))
    }

    #[test]
    fn every_secret_that_cannot_be_used_is_named_and_none_is_repeated() {
        let error = read(&[
            ("tokens.admin", Some("hunter2")),
            ("tokens.operator", Some("with spaces")),
            ("tokens.viewer", None),
            ("repository.webhook_secret", Some("hook")),
        ])
        .unwrap_err();
        let lines: Vec<&str> = error.lines().skip(1).collect();
        let keys = ["tokens.admin", "tokens.operator", "tokens.viewer", "repository.webhook_secret"];
        assert_eq!(lines.len(), keys.len(), "{error}");
        for (line, key) in lines.iter().zip(keys) {
            assert!(line.starts_with(key), "{error}");
        }
        for secret in ["hunter2", "with spaces", "hook\n"] {
            assert!(!error.contains(secret), "{error}");
        }
    }

    #[test]
    fn two_roles_with_one_token_are_refused() {
        let (one, other) = (Some("correct-horse"), Some("battery-staple"));
        assert!(
            read(&[("tokens.admin", one), ("tokens.operator", other), ("repository.token", one)]).is_ok()
        );
        for keys in [
            ["tokens.admin", "tokens.viewer"],
            ["tokens.operator", "tokens.viewer"],
            ["tokens.operator", "repository.webhook_secret"],
        ] {
            let error = read(&keys.map(|key| (key, one))).unwrap_err();
            assert!(
                error.contains("is the same secret as") && keys.iter().all(|key| error.contains(key)),
                "{error}"
            );
            assert!(!error.contains("correct-horse"), "{error}");
        }
    }
}
