//! What a refusal of AWS says about a secret.

use aws_sdk_secretsmanager::error::{ProvideErrorMetadata, SdkError};

use super::SecretError;
use crate::aws::{NoRegion, Said, said};

/// `not_found`: the codes by which a service says that there is no such secret.
pub(super) fn refusal<E>(error: &SdkError<E>, not_found: &[&str]) -> SecretError
where
    E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
{
    match said(error) {
        Said { code: Some(code), .. } if not_found.contains(&code.as_str()) => SecretError::NotFound,
        Said { text, is_passing: true, .. } => SecretError::Unreachable(text),
        Said { text, .. } => SecretError::Refused(text),
    }
}

impl From<NoRegion> for SecretError {
    fn from(error: NoRegion) -> Self {
        Self::NotConfigured(error.to_string())
    }
}
