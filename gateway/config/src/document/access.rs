//! Who may call: virtual keys and other proofs.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Limit;
use crate::schema::SECRET_URL;
use crate::{GuardrailName, KeyName, ModelName, Moment, TeamName};

/// A virtual key. Only the SHA-256 of the key is declared, as 64 lower-case hex digits.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Key {
    /// The key's name, in metrics and logs.
    pub name: KeyName,
    /// SHA-256 of the key.
    #[schemars(regex(pattern = r"^[0-9a-f]{64}$"))]
    pub sha256: String,
    /// The team it belongs to, for limits `per: team`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub team: Option<TeamName>,
    /// When the key stops to be accepted. Absent: never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<Moment>,
    /// The key that this one replaces, accepted beside it for a while. Both are one key to limits, logs and metrics.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous: Option<PreviousKey>,
    /// What is known of whoever holds the key, for conditions and for the access log.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub metadata: BTreeMap<String, String>,
    /// Models the key may use. Absent: all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub models: Option<Vec<ModelName>>,
    /// Guardrails that its requests and answers must pass, beside those of the route.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub guardrails: Vec<GuardrailName>,
    /// Limits of this key, over all routes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub limits: Vec<Limit>,
}

/// A key on its way out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PreviousKey {
    /// SHA-256 of the key.
    #[schemars(regex(pattern = r"^[0-9a-f]{64}$"))]
    pub sha256: String,
    /// When it stops to be accepted.
    pub expires: Moment,
}

/// Ways to prove who calls, beside virtual keys.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Auth {
    /// JSON Web Tokens of an identity provider.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jwt: Option<Jwt>,
}

/// Which JSON Web Tokens are accepted, and what they allow.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Jwt {
    /// The `iss` claim, exactly.
    #[schemars(regex(pattern = SECRET_URL))]
    pub issuer: String,
    /// A value the `aud` claim must hold.
    #[schemars(length(min = 1, max = 512))]
    pub audience: String,
    /// Where the issuer publishes its keys.
    #[schemars(regex(pattern = SECRET_URL))]
    pub jwks_url: String,
    /// Signature algorithms accepted. Default: all that are known.
    #[serde(default = "Jwt::default_algorithms")]
    #[schemars(length(min = 1))]
    pub algorithms: Vec<JwtAlgorithm>,
    /// Which claims tell callers apart.
    #[serde(default)]
    pub claims: JwtClaims,
    /// Models that callers with a token may use. Absent: all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub models: Option<Vec<ModelName>>,
    /// Limits of callers with a token, over all routes; `per: key` counts each caller on its own, `per: route` all of
    /// them together.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub limits: Vec<Limit>,
}

impl Jwt {
    fn default_algorithms() -> Vec<JwtAlgorithm> {
        vec![JwtAlgorithm::Rs256, JwtAlgorithm::Es256, JwtAlgorithm::EdDsa]
    }
}

/// How a token is signed. Algorithms with a shared secret, and none at all, are not among them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum JwtAlgorithm {
    /// RSA, PKCS #1 v1.5, SHA-256; keys of at least 2048 bits.
    #[serde(rename = "RS256")]
    Rs256,
    /// ECDSA on P-256, SHA-256.
    #[serde(rename = "ES256")]
    Es256,
    /// Ed25519.
    #[serde(rename = "EdDSA")]
    EdDsa,
}

impl JwtAlgorithm {
    /// The algorithm as tokens name it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Rs256 => "RS256",
            Self::Es256 => "ES256",
            Self::EdDsa => "EdDSA",
        }
    }
}

/// Which claims tell callers apart. A token without a claim that is named here is refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct JwtClaims {
    /// Names the caller, in limits, metrics and logs. Default: `sub`.
    pub name: String,
    /// Names its team, for limits `per: team`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub team: Option<String>,
    /// Lists the models it may use, of those in `models`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub models: Option<String>,
}

impl Default for JwtClaims {
    fn default() -> Self {
        Self { name: "sub".to_owned(), team: None, models: None }
    }
}
