//! Upstream providers: what protocol each speaks, where it is, and where its key is found.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::Reference;
use crate::schema::{HTTP_URL, SECRET_URL, given};

/// What protocol a provider speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ProviderKind {
    /// api.openai.com.
    Openai,
    /// api.anthropic.com.
    Anthropic,
    /// Azure OpenAI.
    AzureOpenai,
    /// AWS Bedrock.
    Bedrock,
    /// Google Gemini.
    Gemini,
    /// Cohere.
    Cohere,
    /// Any server that speaks the OpenAI protocol.
    OpenaiCompatible,
}

impl ProviderKind {
    /// The kind as written in a document.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Openai => "openai",
            Self::Anthropic => "anthropic",
            Self::AzureOpenai => "azure_openai",
            Self::Bedrock => "bedrock",
            Self::Gemini => "gemini",
            Self::Cohere => "cohere",
            Self::OpenaiCompatible => "openai_compatible",
        }
    }
}

/// An upstream provider. Its address comes from here and from nowhere else.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("allOf" = rules()))]
pub struct Provider {
    /// The protocol it speaks.
    pub kind: ProviderKind,
    /// Base of its URLs, up to and with the version (`http://10.0.3.7:8000/v1`). Absent: the kind's public one. For
    /// `azure_openai`: up to the host (`https://NAME.openai.azure.com`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = HTTP_URL), length(max = 2048))]
    pub base_url: Option<String>,
    /// Where its key is found. Absent: requests carry no key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api_key: Option<Reference>,
    /// `azure_openai`: the API version, which chooses the paths of deployments. Absent: `/openai/v1`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = PLAIN))]
    pub api_version: Option<String>,
    /// `azure_openai`: a service principal in place of a key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entra: Option<Entra>,
    /// `bedrock`: the AWS region.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = PLAIN))]
    pub region: Option<String>,
    /// `bedrock`: keys to sign requests with. Absent, and without `api_key`: those of the process (environment, task
    /// role).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub aws: Option<AwsKeys>,
}

/// What becomes a part of an address.
const PLAIN: &str = "^[A-Za-z0-9.-]{1,64}$";

/// Which fields belong to which kind, as [`crate::check`] has it.
fn rules() -> Vec<Value> {
    let kinds = |kinds: &[&str]| json!({"required": ["kind"], "properties": {"kind": {"enum": kinds}}});
    let mut rules = vec![
        json!({"if": kinds(&["openai_compatible", "azure_openai"]), "then": given("base_url")}),
        json!({"if": kinds(&["bedrock"]), "then": given("region")}),
    ];
    for (field, kind) in [
        ("api_version", "azure_openai"),
        ("entra", "azure_openai"),
        ("region", "bedrock"),
        ("aws", "bedrock"),
    ] {
        rules.push(json!({"if": given(field), "then": kinds(&[kind])}));
    }
    for field in ["entra", "aws"] {
        rules.push(json!({"not": {"allOf": [given(field), given("api_key")]}}));
    }
    rules
}

/// A service principal of Microsoft Entra.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Entra {
    /// The directory's id.
    #[schemars(regex(pattern = PLAIN))]
    pub tenant_id: String,
    /// The application's id.
    #[schemars(regex(pattern = PLAIN))]
    pub client_id: String,
    /// Where its secret is found.
    pub client_secret: Reference,
    /// Who gives tokens out. Default: `https://login.microsoftonline.com`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = SECRET_URL))]
    pub authority: Option<String>,
}

/// AWS keys.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AwsKeys {
    /// Where the access key's id is found.
    pub access_key_id: Reference,
    /// Where the secret access key is found.
    pub secret_access_key: Reference,
    /// Where the session token is found, for temporary keys.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session_token: Option<Reference>,
}
