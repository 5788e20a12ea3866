//! The data plane over real sockets: a gateway started in this process, a provider that does as it is told, and
//! callers that speak bytes.

mod accounting;
mod admission;
mod caller;
mod cancel;
mod clocks;
mod drain;
mod gateway;
mod input;
mod limits;
mod passthrough;
mod provider;
mod resilience;
mod slow;
mod stream;
mod swap;
mod trust;
