//! The data plane over real sockets: a gateway started in this process, a provider that does as it is told, and
//! callers that speak bytes.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "in a test a panic is the report"
)]

mod accounting;
mod admission;
mod bad_input;
mod cache;
mod caller;
mod cancel;
mod census;
mod certificates;
mod clocks;
mod credentials;
mod defaults;
mod destinations;
mod dialects;
mod drain;
mod endpoints;
mod evasion;
mod gateway;
mod guardrails;
mod headers;
mod heartbeat;
mod identity;
mod input;
#[path = "../../src/jwt/signer.rs"]
mod issuer;
mod limits;
mod logs;
mod overflow;
mod own_origin;
mod passthrough;
mod provider;
mod providers;
mod resilience;
mod secure;
mod slow;
mod smuggling;
mod stream;
mod swap;
mod telemetry;
mod tenants;
mod tokens;
mod trust;
mod webhook;
