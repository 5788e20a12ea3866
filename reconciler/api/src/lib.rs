//! The daemon's HTTP API, one definition for all who use it: the web serves it, the command line and the tests call it.
//!
//! Reading order: `endpoints` lists every endpoint with the types of its request and response; `views` are those
//! types; `client` calls endpoints and reads views. The description of the API is made by `moorline_admin::openapi`.

#![expect(missing_docs, reason = "only this workspace uses the crate; a doc says what a name does not")]

pub mod access;
pub mod client;
pub mod endpoints;
pub mod problem;
pub mod views;

pub use access::{Access, Endpoint};
pub use client::{Client, ClientError};
pub use moorline_admin::endpoint::{BodyRule, Nothing};
pub use moorline_admin::openapi::{About, Description, EventStream, OpenApi};
pub use moorline_admin::{ConnectionFault, Document, EffectiveConfig, Server};
pub use moorline_model::Exit;
pub use problem::Problem;
