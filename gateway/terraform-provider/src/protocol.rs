//! Terraform's plugin protocol, version 6, as prost messages written by hand and one tonic service.
//!
//! In: gRPC requests of Terraform or OpenTofu. Out: calls of the [`ProviderRpc`] trait, and its answers on the wire.
//! Only what both programs send to a provider of managed resources and data sources is here; any other call is
//! answered with gRPC's `UNIMPLEMENTED`, which both take for "this provider has none of that".
//! Why by hand: `docs/decisions/0002-terraform-provider-protocol.md`.

pub mod calls;
pub mod diagnostic;
pub mod schema;
pub mod service;

pub use diagnostic::{AttributePath, Diagnostic, Severity};
pub use service::{ProviderRpc, ProviderServer};

/// The protocol's major version.
pub const VERSION: u32 = 6;

/// A value in one of two encodings; Terraform sends msgpack, and JSON out of a state file.
#[derive(Clone, PartialEq, Eq, prost::Message)]
#[prost(skip_debug)]
pub struct DynamicValue {
    /// msgpack bytes.
    #[prost(bytes = "vec", tag = "1")]
    pub msgpack: Vec<u8>,
    /// JSON bytes.
    #[prost(bytes = "vec", tag = "2")]
    pub json: Vec<u8>,
}

impl std::fmt::Debug for DynamicValue {
    /// Sizes only: the provider's configuration holds a token.
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "DynamicValue({} + {} bytes)", self.msgpack.len(), self.json.len())
    }
}
