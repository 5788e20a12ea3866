//! Values that stand on this host: environment variables and files.

use std::fs::File;
use std::io::{self, Read as _};

use moorline_config::Secret;

use super::{Environment, SECRET_BYTES_MAX, SecretError, one_line};

/// The value of a variable.
pub(super) fn variable(environment: &Environment, name: &str) -> Result<Secret, SecretError> {
    environment(name).filter(|value| !value.is_empty()).map(Secret::new).ok_or(SecretError::Unset)
}

/// A file's content without its last line end.
pub(super) fn file(path: &str) -> Result<Secret, SecretError> {
    let file = File::open(path).map_err(|error| SecretError::Unreadable(error.kind()))?;
    let mut text = String::new();
    let limit = SECRET_BYTES_MAX as u64 + 1;
    file.take(limit).read_to_string(&mut text).map_err(|error| match error.kind() {
        io::ErrorKind::InvalidData => SecretError::NotText,
        other => SecretError::Unreadable(other),
    })?;
    one_line(text)
}
