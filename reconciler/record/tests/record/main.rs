//! The record against real SQLite files.
#![expect(clippy::unwrap_used, reason = "in a test a panic is the report")]

mod crash;
mod cycle;
mod deferred;
mod people;
mod sample;
mod trouble;
