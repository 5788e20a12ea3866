//! The request and response of each call, named `{Call}Request` and `{Call}Response`. Field numbers are Terraform's.

use std::collections::BTreeMap;

use super::{DynamicValue, diagnostic::Diagnostic, schema::Schema};

/// A request that says nothing.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub struct EmptyRequest {}

/// What the provider can do beyond the protocol's first release.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub struct ServerCapabilities {
    /// It wants to plan destruction too.
    #[prost(bool, tag = "1")]
    pub plan_destroy: bool,
    /// It works without being asked for its schema first.
    #[prost(bool, tag = "2")]
    pub get_provider_schema_optional: bool,
    /// It can take over the state of other types.
    #[prost(bool, tag = "3")]
    pub move_resource_state: bool,
}

/// A type by its name.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct TypeName {
    /// The name.
    #[prost(string, tag = "1")]
    pub type_name: String,
}

/// What the provider offers, by name.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct GetMetadataResponse {
    /// Capabilities.
    #[prost(message, optional, tag = "1")]
    pub server_capabilities: Option<ServerCapabilities>,
    /// Diagnostics.
    #[prost(message, repeated, tag = "2")]
    pub diagnostics: Vec<Diagnostic>,
    /// Data sources.
    #[prost(message, repeated, tag = "3")]
    pub data_sources: Vec<TypeName>,
    /// Managed resources.
    #[prost(message, repeated, tag = "4")]
    pub resources: Vec<TypeName>,
}

/// What the provider offers, in full.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct GetProviderSchemaResponse {
    /// The provider block.
    #[prost(message, optional, tag = "1")]
    pub provider: Option<Schema>,
    /// Managed resources.
    #[prost(btree_map = "string, message", tag = "2")]
    pub resource_schemas: BTreeMap<String, Schema>,
    /// Data sources.
    #[prost(btree_map = "string, message", tag = "3")]
    pub data_source_schemas: BTreeMap<String, Schema>,
    /// Diagnostics.
    #[prost(message, repeated, tag = "4")]
    pub diagnostics: Vec<Diagnostic>,
    /// Capabilities.
    #[prost(message, optional, tag = "6")]
    pub server_capabilities: Option<ServerCapabilities>,
}

/// Asks whether the provider block is right.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct ValidateProviderConfigRequest {
    /// The block.
    #[prost(message, optional, tag = "1")]
    pub config: Option<DynamicValue>,
}

/// Answers it.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct ValidateProviderConfigResponse {
    /// What is wrong.
    #[prost(message, repeated, tag = "2")]
    pub diagnostics: Vec<Diagnostic>,
}

/// Asks whether a resource or data block is right.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct ValidateTypeConfigRequest {
    /// The type.
    #[prost(string, tag = "1")]
    pub type_name: String,
    /// The block.
    #[prost(message, optional, tag = "2")]
    pub config: Option<DynamicValue>,
}

/// An answer of diagnostics alone.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct DiagnosticsResponse {
    /// What is wrong.
    #[prost(message, repeated, tag = "1")]
    pub diagnostics: Vec<Diagnostic>,
}

/// State as a state file stores it.
#[derive(Clone, PartialEq, Eq, prost::Message)]
#[prost(skip_debug)]
pub struct RawState {
    /// As JSON.
    #[prost(bytes = "vec", tag = "1")]
    pub json: Vec<u8>,
}

impl std::fmt::Debug for RawState {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "RawState({} bytes)", self.json.len())
    }
}

/// Asks to bring stored state to the schema of today.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct UpgradeResourceStateRequest {
    /// The type.
    #[prost(string, tag = "1")]
    pub type_name: String,
    /// Schema version it was stored under.
    #[prost(int64, tag = "2")]
    pub version: i64,
    /// The state.
    #[prost(message, optional, tag = "3")]
    pub raw_state: Option<RawState>,
}

/// The state of today.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct UpgradeResourceStateResponse {
    /// The state.
    #[prost(message, optional, tag = "1")]
    pub upgraded_state: Option<DynamicValue>,
    /// What is wrong.
    #[prost(message, repeated, tag = "2")]
    pub diagnostics: Vec<Diagnostic>,
}

/// Hands the provider block over.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct ConfigureProviderRequest {
    /// Who asks.
    #[prost(string, tag = "1")]
    pub terraform_version: String,
    /// The block.
    #[prost(message, optional, tag = "2")]
    pub config: Option<DynamicValue>,
}

/// Asks for a resource as it is.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct ReadResourceRequest {
    /// The type.
    #[prost(string, tag = "1")]
    pub type_name: String,
    /// As it was last seen.
    #[prost(message, optional, tag = "2")]
    pub current_state: Option<DynamicValue>,
    /// The provider's own notes.
    #[prost(bytes = "vec", tag = "3")]
    pub private: Vec<u8>,
}

/// The resource as it is; null when it is gone.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct ReadResourceResponse {
    /// As it is.
    #[prost(message, optional, tag = "1")]
    pub new_state: Option<DynamicValue>,
    /// What is wrong.
    #[prost(message, repeated, tag = "2")]
    pub diagnostics: Vec<Diagnostic>,
    /// The provider's own notes.
    #[prost(bytes = "vec", tag = "3")]
    pub private: Vec<u8>,
}

/// Asks what a change would come to.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct PlanResourceChangeRequest {
    /// The type.
    #[prost(string, tag = "1")]
    pub type_name: String,
    /// As it is.
    #[prost(message, optional, tag = "2")]
    pub prior_state: Option<DynamicValue>,
    /// As Terraform would have it.
    #[prost(message, optional, tag = "3")]
    pub proposed_new_state: Option<DynamicValue>,
    /// As it is written.
    #[prost(message, optional, tag = "4")]
    pub config: Option<DynamicValue>,
    /// The provider's own notes.
    #[prost(bytes = "vec", tag = "5")]
    pub prior_private: Vec<u8>,
}

/// What the change would come to.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct PlanResourceChangeResponse {
    /// As it will be.
    #[prost(message, optional, tag = "1")]
    pub planned_state: Option<DynamicValue>,
    /// The provider's own notes.
    #[prost(bytes = "vec", tag = "3")]
    pub planned_private: Vec<u8>,
    /// What is wrong.
    #[prost(message, repeated, tag = "4")]
    pub diagnostics: Vec<Diagnostic>,
}

/// Asks to make a change.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct ApplyResourceChangeRequest {
    /// The type.
    #[prost(string, tag = "1")]
    pub type_name: String,
    /// As it is.
    #[prost(message, optional, tag = "2")]
    pub prior_state: Option<DynamicValue>,
    /// As it shall be; null to destroy.
    #[prost(message, optional, tag = "3")]
    pub planned_state: Option<DynamicValue>,
    /// As it is written.
    #[prost(message, optional, tag = "4")]
    pub config: Option<DynamicValue>,
    /// The provider's own notes.
    #[prost(bytes = "vec", tag = "5")]
    pub planned_private: Vec<u8>,
}

/// What came of it.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct ApplyResourceChangeResponse {
    /// As it is now.
    #[prost(message, optional, tag = "1")]
    pub new_state: Option<DynamicValue>,
    /// The provider's own notes.
    #[prost(bytes = "vec", tag = "2")]
    pub private: Vec<u8>,
    /// What is wrong.
    #[prost(message, repeated, tag = "3")]
    pub diagnostics: Vec<Diagnostic>,
}

/// Asks to begin managing something that exists.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct ImportResourceStateRequest {
    /// The type.
    #[prost(string, tag = "1")]
    pub type_name: String,
    /// What to import.
    #[prost(string, tag = "2")]
    pub id: String,
}

/// One thing imported.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct ImportedResource {
    /// The type.
    #[prost(string, tag = "1")]
    pub type_name: String,
    /// Enough state to read the rest.
    #[prost(message, optional, tag = "2")]
    pub state: Option<DynamicValue>,
    /// The provider's own notes.
    #[prost(bytes = "vec", tag = "3")]
    pub private: Vec<u8>,
}

/// What was imported.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct ImportResourceStateResponse {
    /// The things.
    #[prost(message, repeated, tag = "1")]
    pub imported_resources: Vec<ImportedResource>,
    /// What is wrong.
    #[prost(message, repeated, tag = "2")]
    pub diagnostics: Vec<Diagnostic>,
}

/// Asks to take over the state of another type.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct MoveResourceStateRequest {
    /// Provider of the other type.
    #[prost(string, tag = "1")]
    pub source_provider_address: String,
    /// The other type.
    #[prost(string, tag = "2")]
    pub source_type_name: String,
    /// Our type.
    #[prost(string, tag = "5")]
    pub target_type_name: String,
}

/// What came of it.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct MoveResourceStateResponse {
    /// The state as ours.
    #[prost(message, optional, tag = "1")]
    pub target_state: Option<DynamicValue>,
    /// What is wrong.
    #[prost(message, repeated, tag = "2")]
    pub diagnostics: Vec<Diagnostic>,
}

/// Asks a data source.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct ReadDataSourceRequest {
    /// The type.
    #[prost(string, tag = "1")]
    pub type_name: String,
    /// The block.
    #[prost(message, optional, tag = "2")]
    pub config: Option<DynamicValue>,
}

/// What it said.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct ReadDataSourceResponse {
    /// The data.
    #[prost(message, optional, tag = "1")]
    pub state: Option<DynamicValue>,
    /// What is wrong.
    #[prost(message, repeated, tag = "2")]
    pub diagnostics: Vec<Diagnostic>,
}

/// The provider's functions: there are none, so the message has no fields of ours.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub struct GetFunctionsResponse {}

/// Why a function failed.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct FunctionError {
    /// In words.
    #[prost(string, tag = "1")]
    pub text: String,
}

/// Calls a function by name; its arguments are left unread.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct CallFunctionRequest {
    /// The function.
    #[prost(string, tag = "1")]
    pub name: String,
}

/// What it came to.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct CallFunctionResponse {
    /// Why it failed.
    #[prost(message, optional, tag = "2")]
    pub error: Option<FunctionError>,
}

/// Answers a stop.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct StopProviderResponse {
    /// Why it cannot stop; empty when it can.
    #[prost(string, tag = "1")]
    pub error: String,
}
