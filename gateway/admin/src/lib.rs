//! The gateway's admin API: the JSON it speaks, and a typed client.
//!
//! The same *document endpoint* (`GET` with ETag, `PUT` with `If-Match`) is offered by a gateway
//! (`/admin/v1/config`) and by the daemon (`/api/v1/environments/{name}/document`); [`client::Client`] drives a
//! gateway, [`client::DocumentEndpoint`] either of the two. What the admin API is made of is listed in [`endpoints`], and
//! [`openapi`] describes it.

pub mod client;
pub mod connection;
pub mod endpoint;
pub mod endpoints;
pub mod error;
pub mod events;
pub mod failure;
pub mod histogram;
pub mod openapi;
pub mod problem;
pub mod server;
pub mod stats;
pub mod status;

pub use client::{Client, ClientTls, DocumentEndpoint, Http, WriteOptions};
pub use connection::ConnectionFault;
pub use error::AdminError;
pub use events::{Events, KEEP_ALIVE};
pub use failure::{Failure, Fault, TargetFailure};
pub use histogram::Histogram;
pub use problem::Problem;
pub use server::Server;
pub use stats::{ErrorKind, Stats, Usage};
pub use status::{
    Attestation, Candidate, CandidateStaged, ConfigPlan, Document, EffectiveConfig, Event, Generation,
    Origin, Recent, Rejected, Source, StaleSecret, Status, Touched, Validation, Weight,
};
