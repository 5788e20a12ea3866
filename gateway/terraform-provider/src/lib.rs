//! Terraform and OpenTofu provider for the Moorline gateway.
//!
//! In: HCL, as values over the plugin protocol. Out: a gateway document, handed over to a *document endpoint* (a
//! gateway's admin API, or the daemon's).
//!
//! Layers, from the wire inwards: [`plugin`] is being a child process of Terraform (handshake, mutual TLS, shutdown);
//! [`protocol`] the gRPC messages; [`value`] and [`schema`] Terraform's values and types; [`provider`] takes a call
//! to the [`resource::Resource`] it is about: [`gateway_resource`], [`upstream_resource`], or [`status_data`].
//! [`connection`] is the way to the endpoint, [`report`] turns failures into diagnostics, [`mirror`] installs.

pub mod connection;
pub mod gateway_resource;
pub mod mirror;
pub mod plugin;
pub mod protocol;
pub mod provider;
pub mod report;
pub mod resource;
pub mod schema;
pub mod status_data;
pub mod upstream_resource;
pub mod value;

pub use provider::Provider;
