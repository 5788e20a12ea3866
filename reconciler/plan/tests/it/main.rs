//! The deciding half with whatever it may be given.
#![expect(clippy::unwrap_used, reason = "in tests a panic is the report, also in what they share")]

mod arbitrary;
mod every_state;
