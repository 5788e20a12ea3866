//! The cycle that ships, in a small world: commits, replicas and a Terraform that do what they are told.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "in tests a panic is the report, also in what they share"
)]

mod properties;
mod scenarios;
mod script;
mod world;
mod writes;
