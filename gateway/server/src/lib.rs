//! The AI gateway.
//!
//! Two halves share one [`state::State`]. The **data plane** answers callers: a thread per core, each with its own
//! listener and upstream connections, which loads one [`generation::Snapshot`] a request and never waits for the
//! other half. The **control plane** decides what is served: the admin API, the watched file, the last good document
//! on disk, metrics, and the order of starting and stopping.
//!
//! Reading order of the control plane: [`generation`] (what is served), [`state`] (the only place that changes it),
//! [`recorder`] (what was counted), [`admin`] (who may ask for changes), [`lifecycle`] (start to exit).

// Control plane.
pub mod access;
pub mod admin;
pub mod aws;
pub mod backoff;
pub mod clock;
pub mod command_line;
mod digits;
pub mod document_source;
pub mod failures;
pub mod gauges;
pub mod generation;
pub mod lifecycle;
pub mod meters;
pub mod metrics;
pub mod recorder;
pub mod secrets;
pub mod state;
pub mod tally;
pub mod telemetry;
pub mod tls;
pub mod watch;

// Data plane.
pub mod cache;
pub mod data;
pub mod guardrails;
pub mod health;
pub mod jwt;
pub mod limits;
pub mod routing;
