//! Resolves secret references for the daemon.
//!
//! A repository may name secrets of the daemon's environment, but never the daemon's own: a reference that
//! `moorlined.yaml` itself uses is refused when `moorline.yaml` uses it. Otherwise a merged line could hand the
//! daemon's tokens to Terraform code.

use std::collections::BTreeSet;
use std::io::Read;

use moorline_config::{Reference, Secret};
use moorline_model::bootstrap::Bootstrap;

/// Most bytes read of a secret's file.
const FILE_BYTES_MAX: u64 = 64 << 10;

/// Why a reference has no value.
#[derive(Debug, thiserror::Error)]
pub enum ResolveError {
    /// The variable is not set.
    #[error("{0} is not set in the daemon's environment")]
    Unset(Reference),
    /// The file cannot be read.
    #[error("{reference} cannot be read")]
    File {
        /// The reference.
        reference: Reference,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The kind is not resolved by this release.
    #[error("{0} is of a kind that this release does not resolve: expected env:NAME or file:/path")]
    Kind(Reference),
    /// The repository names one of the daemon's own secrets.
    #[error("{0} is the daemon's own and cannot be used by a repository")]
    Reserved(Reference),
}

/// Resolves references, with the daemon's own kept apart.
#[derive(Debug, Clone, Default)]
pub struct Secrets {
    reserved: BTreeSet<Reference>,
}

impl Secrets {
    /// Reserves every reference the daemon's settings hold.
    #[must_use]
    pub fn new(bootstrap: &Bootstrap) -> Self {
        Self { reserved: bootstrap.references().into_iter().cloned().collect() }
    }

    /// Resolves one of the daemon's own references.
    ///
    /// # Errors
    /// See [`ResolveError`].
    pub fn own(reference: &Reference) -> Result<Secret, ResolveError> {
        match reference {
            Reference::Env(name) => match std::env::var(name) {
                Ok(value) if !value.is_empty() => Ok(Secret::new(value)),
                _ => Err(ResolveError::Unset(reference.clone())),
            },
            Reference::File(path) => {
                let unreadable = |source| ResolveError::File { reference: reference.clone(), source };
                let mut text = String::new();
                let file = std::fs::File::open(path).map_err(unreadable)?;
                file.take(FILE_BYTES_MAX).read_to_string(&mut text).map_err(unreadable)?;
                Ok(Secret::new(text.trim_end_matches(['\r', '\n']).to_owned()))
            }
            Reference::SecretsManager { .. } | Reference::Ssm(_) | Reference::Vault { .. } => {
                Err(ResolveError::Kind(reference.clone()))
            }
        }
    }

    /// Resolves a reference that the repository declares.
    ///
    /// # Errors
    /// See [`ResolveError`]; `Reserved` for the daemon's own.
    pub fn declared(&self, reference: &Reference) -> Result<Secret, ResolveError> {
        if self.reserved.contains(reference) {
            return Err(ResolveError::Reserved(reference.clone()));
        }
        Self::own(reference)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_repository_cannot_name_the_daemons_own_secrets() {
        let own: Reference = "env:PATH".parse().unwrap();
        let secrets = Secrets { reserved: BTreeSet::from([own.clone()]) };
        assert!(Secrets::own(&own).is_ok());
        assert!(matches!(secrets.declared(&own), Err(ResolveError::Reserved(_))));
    }

    #[test]
    fn what_is_unset_is_named() {
        let reference: Reference = "env:MOORLINE_NO_SUCH_VARIABLE".parse().unwrap();
        let error = Secrets::own(&reference).unwrap_err();
        assert_eq!(error.to_string(), "env:MOORLINE_NO_SUCH_VARIABLE is not set in the daemon's environment");
    }
}
