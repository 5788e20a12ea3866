//! The AWS lane over the wire: against an emulator, and against answers that AWS gives on bad days.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "in tests a panic is the report")]

mod connections;
mod emulator;
mod failures;
mod live;
mod server;
mod shape;
mod world;
