//! Secrets: [`Reference`] is what a document may say, [`Secret`] is the value once resolved.
//!
//! A reference is safe to print, store and digest. A secret is a type whose `Debug` shows nothing, which has no
//! `Display` and no `Serialize`, and which is wiped when dropped.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// Where a secret's value is found. Written `env:NAME`, `file:/path`, `secretsmanager:id[#key]`, `ssm:/name` or
/// `vault:path#key`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Reference {
    /// An environment variable of the process that resolves it.
    Env(String),
    /// A file's content, without its last line end.
    File(String),
    /// An AWS Secrets Manager secret, and the key inside its JSON when there is one.
    SecretsManager {
        /// Name or ARN.
        id: String,
        /// Key in the secret's JSON object.
        key: Option<String>,
    },
    /// An AWS SSM parameter, by its full name.
    Ssm(String),
    /// A HashiCorp Vault KV v2 entry.
    Vault {
        /// Where the engine is mounted (the first segment), and the path below it.
        path: String,
        /// Key in the entry.
        key: String,
    },
}

/// Says that a text is no reference. The text itself is left out: it may be the secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "a literal stands where a reference belongs: expected env:NAME, file:/path, secretsmanager:id[#key], ssm:/name or vault:path#key"
)]
pub struct LiteralSecret;

impl FromStr for Reference {
    type Err = LiteralSecret;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (scheme, rest) = text.split_once(':').ok_or(LiteralSecret)?;
        if rest.is_empty() {
            return Err(LiteralSecret);
        }
        match scheme {
            "env" if is_variable(rest) => Ok(Self::Env(rest.to_owned())),
            "file" if rest.starts_with('/') => Ok(Self::File(rest.to_owned())),
            "secretsmanager" => Ok(match rest.split_once('#') {
                Some((id, key)) => Self::SecretsManager { id: id.to_owned(), key: Some(key.to_owned()) },
                None => Self::SecretsManager { id: rest.to_owned(), key: None },
            }),
            "ssm" if rest.starts_with('/') => Ok(Self::Ssm(rest.to_owned())),
            "vault" => match rest.split_once('#') {
                Some((path, key)) if !path.is_empty() && !key.is_empty() => {
                    Ok(Self::Vault { path: path.to_owned(), key: key.to_owned() })
                }
                _ => Err(LiteralSecret),
            },
            _ => Err(LiteralSecret),
        }
    }
}

fn is_variable(text: &str) -> bool {
    !text.starts_with(|c: char| c.is_ascii_digit())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

impl fmt::Display for Reference {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Env(name) => write!(formatter, "env:{name}"),
            Self::File(path) => write!(formatter, "file:{path}"),
            Self::SecretsManager { id, key: Some(key) } => write!(formatter, "secretsmanager:{id}#{key}"),
            Self::SecretsManager { id, key: None } => write!(formatter, "secretsmanager:{id}"),
            Self::Ssm(name) => write!(formatter, "ssm:{name}"),
            Self::Vault { path, key } => write!(formatter, "vault:{path}#{key}"),
        }
    }
}

impl TryFrom<String> for Reference {
    type Error = LiteralSecret;
    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Reference> for String {
    fn from(reference: Reference) -> Self {
        reference.to_string()
    }
}

impl JsonSchema for Reference {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Reference".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string",
            "description": "Where a secret's value is found; never the value itself.",
            "pattern": "^(env:[A-Za-z_][A-Za-z0-9_]*|file:/.*|secretsmanager:.+|ssm:/.*|vault:[^#]+#.+)$",
            "examples": [
                "env:OPENAI_API_KEY",
                "file:/run/secrets/key",
                "secretsmanager:ai-gateway/openai#api_key",
                "ssm:/ai-gateway/openai",
                "vault:ai-gateway/openai#api_key",
            ],
        })
    }
}

/// How long a bearer token may be, in bytes.
const TOKEN_LENGTH: std::ops::RangeInclusive<usize> = 8..=1024;

/// Says that a secret is no token. The value is left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected 8 to 1024 visible ASCII characters without spaces, such as `openssl rand -hex 32` makes")]
pub struct WeakToken;

/// A resolved secret. It cannot be printed or serialised; [`Secret::expose`] is the one way to its value, and a
/// search for that word finds every place that uses one.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(zeroize::Zeroizing<String>);

impl Secret {
    /// Wraps a value.
    #[must_use]
    pub fn new(value: String) -> Self {
        Self(zeroize::Zeroizing::new(value))
    }

    /// The value, for the one call that needs it.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// The value, when it can be a bearer token that protects something.
    ///
    /// # Errors
    /// [`WeakToken`] when anybody could guess it, or when no `Authorization` header could carry it.
    pub fn as_token(&self) -> Result<&str, WeakToken> {
        let value = self.expose();
        let is_sound =
            TOKEN_LENGTH.contains(&value.len()) && value.bytes().all(|byte| byte.is_ascii_graphic());
        if is_sound { Ok(value) } else { Err(WeakToken) }
    }

    /// Eight hex digits of the value's SHA-256: enough to see that two secrets differ, too little to guess from.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        let hash = Sha256::digest(self.0.as_bytes());
        hex::encode(&hash[..4])
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Secret(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_written_form_is_read_back_as_written() {
        for text in [
            "env:KEY",
            "file:/run/key",
            "secretsmanager:a/b",
            "secretsmanager:a#k",
            "ssm:/a/b",
            "vault:a/b#k",
        ] {
            let reference: Reference = text.parse().unwrap();
            assert_eq!(reference.to_string(), text);
        }
    }

    #[test]
    fn a_literal_is_refused_without_repeating_it() {
        for text in ["sk-live-123", "env:", "env:1X", "file:relative", "vault:path", "http:x"] {
            let error = text.parse::<Reference>().unwrap_err();
            assert!(!error.to_string().contains("sk-live"));
        }
    }

    #[test]
    fn a_secret_prints_nothing_of_its_value() {
        let secret = Secret::new("hunter2".to_owned());
        assert_eq!(format!("{secret:?}"), "Secret(…)");
        assert_eq!(secret.fingerprint().len(), 8);
    }

    #[test]
    fn what_anybody_could_guess_or_no_header_could_carry_is_no_token() {
        let token = |text: &str| Secret::new(text.to_owned()).as_token().map(str::to_owned);
        assert_eq!(token("correct-horse").as_deref(), Ok("correct-horse"));
        for text in ["", "short12", "with a space", "with-\u{e9}-in-it", "line-end\n", &"x".repeat(1025)] {
            assert_eq!(token(text), Err(WeakToken), "{text:?}");
        }
    }
}
