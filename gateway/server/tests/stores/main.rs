//! Limits over a real Redis, shared by several replicas: in this process, and as processes of their own.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "in a test a panic is the report"
)]

mod killed;
mod leases;
mod overspend;
mod processes;
mod redis;
