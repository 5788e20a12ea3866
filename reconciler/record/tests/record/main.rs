//! The record against real SQLite files.
#![expect(clippy::unwrap_used, reason = "in a test a panic is the report")]

mod ages;
mod crash;
mod cycle;
mod people;
mod sample;
mod trouble;
