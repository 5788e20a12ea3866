//! Guardrails: what may not be asked, and what may not be answered.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::schema::{SECRET_URL, given, zero};
use crate::{ByteSize, Duration, Reference};

/// One rule about the text of requests and answers. Exactly one of `max_bytes`, `regex`, `pii`, `words` and `webhook` is
/// given.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("oneOf" = ["max_bytes", "regex", "pii", "words", "webhook"].map(given)))]
pub struct Guardrail {
    /// What it reads. Default: `both`.
    #[serde(default)]
    pub on: GuardrailStage,
    /// What happens when it finds something. Default: `block`.
    #[serde(default)]
    pub mode: GuardrailMode,
    /// The most bytes of a request's body, and of an answer's text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_bytes: Option<ByteSize>,
    /// Regular expressions that must not be found. In a stream they are found in up to 256 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 64))]
    pub regex: Option<Vec<String>>,
    /// Data of persons that must not be found.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 64))]
    pub pii: Option<Vec<Pii>>,
    /// Words and phrases that must not be found, whatever their case, accents, width, and spaces between.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 10000))]
    pub words: Option<Vec<String>>,
    /// A service that is asked what it thinks of the text. A streamed answer is held until it has said so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub webhook: Option<Webhook>,
}

/// A service that judges texts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Webhook {
    /// Where it is: `https://`, or `http://` on this machine. Redirects are not followed.
    #[schemars(regex(pattern = SECRET_URL))]
    pub url: String,
    /// A token that it is sent as `Authorization: Bearer`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<Reference>,
    /// How long it may take for an answer. Default: 2s.
    #[serde(default = "Webhook::default_timeout")]
    #[schemars(extend("not" = zero()))]
    pub timeout: Duration,
    /// What happens when it gives no answer that counts. Default: `block`.
    #[serde(default)]
    pub when_unavailable: WhenUnavailable,
}

impl Webhook {
    const fn default_timeout() -> Duration {
        Duration::from_seconds(2)
    }
}

/// What happens when a service that judges gives no answer that counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum WhenUnavailable {
    /// The request, or the answer, is refused (503).
    #[default]
    Block,
    /// It passes, and is counted.
    Allow,
}

/// What a guardrail reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum GuardrailStage {
    /// What callers send.
    Request,
    /// What models answer: text and the arguments of tools.
    Response,
    /// Both.
    #[default]
    Both,
}

/// What happens when a guardrail finds something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum GuardrailMode {
    /// The request, or the rest of the answer, is refused. So is what cannot be read.
    #[default]
    Block,
    /// It passes, and is counted.
    Monitor,
}

/// A kind of data of persons.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Pii {
    /// Addresses for mail.
    Email,
    /// Telephone numbers: international with `+`, or ten digits in the North American form.
    Phone,
    /// Card numbers of 13 to 19 digits with a right check digit.
    CreditCard,
    /// International bank account numbers with right length and check digits.
    Iban,
    /// Social security numbers of the United States.
    UsSsn,
    /// IPv4 and IPv6 addresses.
    Ip,
}
