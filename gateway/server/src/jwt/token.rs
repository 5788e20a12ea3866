//! What is written in a token: three parts, read strictly.
//!
//! A member that stands twice, a number that is a text, a part that is not quite base64url: what two readers could read
//! apart is refused, because the issuer and we are two readers.

use std::collections::BTreeMap;
use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use moorline_config::document::JwtAlgorithm;
use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, Visitor};
use serde_json::Value;

use crate::limits::Millis;

/// The longest token.
pub const TOKEN_BYTES_MAX: usize = 8 * 1024;
/// The longest name of a key.
pub const KID_BYTES_MAX: usize = 256;

/// Why a token is refused. Callers are told a part of it only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// It is longer than [`TOKEN_BYTES_MAX`].
    #[error("it is too long")]
    TooLong,
    /// It is not three parts of base64url that hold two JSON objects, each member once, and a signature.
    #[error("it is not well formed")]
    Malformed,
    /// Its header asks for something that must be understood (`crit`).
    #[error("its header holds `crit`")]
    Critical,
    /// Its `typ` is that of a token for another purpose.
    #[error("it is of another type")]
    Type,
    /// Its `alg` is not accepted here.
    #[error("its algorithm is not accepted")]
    Algorithm,
    /// Its `iss` is not the declared issuer.
    #[error("it is of another issuer")]
    Issuer,
    /// Its `aud` does not name us.
    #[error("it is for another audience")]
    Audience,
    /// The issuer publishes no such key, or none for this algorithm.
    #[error("its key is not known")]
    UnknownKey,
    /// No keys of the issuer could be fetched yet.
    #[error("no keys of the issuer could be fetched yet")]
    NoKeys,
    /// The signature is not the key's.
    #[error("its signature is wrong")]
    Signature,
    /// Its time is over.
    #[error("it has expired")]
    Expired,
    /// Its time has not come.
    #[error("it is not valid yet")]
    NotYet,
    /// A declared claim is missing, or is not what it must be.
    #[error("a claim that callers are told by is missing or unusable")]
    Claims,
}

/// A token, read and not yet believed.
#[derive(Debug)]
pub struct Token<'a> {
    /// By which algorithm it says that it is signed.
    pub algorithm: JwtAlgorithm,
    /// With which key.
    pub key: Option<String>,
    /// What it claims.
    pub claims: Claims,
    /// What is signed.
    pub signed: &'a [u8],
    /// The signature.
    pub signature: Vec<u8>,
}

/// What a token claims.
#[derive(Debug)]
pub struct Claims {
    /// `exp`.
    pub expires: Millis,
    /// `nbf`.
    pub not_before: Option<Millis>,
    all: BTreeMap<String, Value>,
}

/// Whether a proof looks like a token: three parts.
#[must_use]
pub fn is_token(given: &[u8]) -> bool {
    memchr::memchr_iter(b'.', given).count() == 2
}

impl<'a> Token<'a> {
    /// Reads a token.
    ///
    /// # Errors
    /// Why it is none.
    pub fn read(token: &'a [u8]) -> Result<Self, TokenError> {
        if token.len() > TOKEN_BYTES_MAX {
            return Err(TokenError::TooLong);
        }
        let mut parts = token.split(|byte| *byte == b'.');
        let (Some(header), Some(payload), Some(signature), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(TokenError::Malformed);
        };
        let signed = token.get(..header.len() + 1 + payload.len()).ok_or(TokenError::Malformed)?;
        let (algorithm, key) = header_of(&decoded(header)?)?;
        let claims = Claims::read(&decoded(payload)?)?;
        Ok(Self { algorithm, key, claims, signed, signature: decoded(signature)? })
    }
}

fn decoded(part: &[u8]) -> Result<Vec<u8>, TokenError> {
    // Without padding and without stray bits at the end: one way to write each part.
    URL_SAFE_NO_PAD.decode(part).map_err(|_| TokenError::Malformed)
}

/// Of the header only `alg`, `kid`, `typ` and `crit` are read: where a token says that its key is found (`jku`, `jwk`,
/// `x5u`, `x5c`) is of no interest.
fn header_of(json: &[u8]) -> Result<(JwtAlgorithm, Option<String>), TokenError> {
    let Object(mut header) = serde_json::from_slice(json).map_err(|_| TokenError::Malformed)?;
    if header.contains_key("crit") {
        return Err(TokenError::Critical);
    }
    let mut text = |name: &str| match header.remove(name) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(TokenError::Malformed),
    };
    let typ = text("typ")?;
    let is_for_access = |typ: &String| {
        let typ = typ.to_ascii_lowercase();
        matches!(typ.strip_prefix("application/").unwrap_or(&typ), "jwt" | "at+jwt")
    };
    if !typ.as_ref().is_none_or(is_for_access) {
        return Err(TokenError::Type);
    }
    let algorithm = match text("alg")?.as_deref() {
        Some("RS256") => JwtAlgorithm::Rs256,
        Some("ES256") => JwtAlgorithm::Es256,
        Some("EdDSA") => JwtAlgorithm::EdDsa,
        _ => return Err(TokenError::Algorithm),
    };
    let key = text("kid")?;
    if key.as_ref().is_some_and(|key| key.len() > KID_BYTES_MAX) {
        return Err(TokenError::Malformed);
    }
    Ok((algorithm, key))
}

impl Claims {
    fn read(json: &[u8]) -> Result<Self, TokenError> {
        let Object(all) = serde_json::from_slice(json).map_err(|_| TokenError::Malformed)?;
        let moment = |name: &str| all.get(name).map(numeric_date).transpose();
        let expires = moment("exp")?.ok_or(TokenError::Malformed)?;
        let not_before = moment("nbf")?;
        // Not judged: it says nothing that `exp` and `nbf` do not. But it is a moment or the token is none.
        moment("iat")?;
        Ok(Self { expires, not_before, all })
    }

    /// A claim that is a text.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<&str> {
        self.all.get(name).and_then(Value::as_str)
    }

    /// A claim that is a text, or a list of texts and of nothing else.
    #[must_use]
    pub fn texts(&self, name: &str) -> Option<Vec<&str>> {
        match self.all.get(name)? {
            Value::String(text) => Some(vec![text]),
            Value::Array(items) => items.iter().map(Value::as_str).collect(),
            _ => None,
        }
    }
}

/// Seconds since the epoch, perhaps with a fraction (RFC 7519 §2).
fn numeric_date(value: &Value) -> Result<Millis, TokenError> {
    let seconds = value.as_f64().filter(|seconds| seconds.is_finite()).ok_or(TokenError::Malformed)?;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "`as` keeps within the range: what lies before the epoch is 0"
    )]
    Ok((seconds * 1e3) as Millis)
}

/// A JSON object in which no member stands twice.
struct Object(BTreeMap<String, Value>);

impl<'de> Deserialize<'de> for Object {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members;
        impl<'de> Visitor<'de> for Members {
            type Value = Object;
            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Object, A::Error> {
                let mut members = BTreeMap::new();
                while let Some((name, value)) = map.next_entry::<String, Value>()? {
                    if members.insert(name, value).is_some() {
                        return Err(A::Error::custom("a member stands twice"));
                    }
                }
                Ok(Object(members))
            }
        }
        deserializer.deserialize_map(Members)
    }
}
