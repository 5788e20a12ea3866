//! The reconciler: daemon and command line.
//!
//! Reading order: [`cycle`] is the sentence the whole system hangs on; [`keeper`] runs it for one environment,
//! [`daemon`] starts keepers and what they share. `source`, `act`, `verify` and `outbox` are the stages that touch the
//! world; deciding is in `moorline-plan`.

pub mod act;
pub mod aws;
pub mod bell;
pub mod cli;
pub mod clock;
pub mod cycle;
pub mod daemon;
pub mod demo;
pub mod explanations;
mod failpoint;
pub mod fleet;
pub mod keeper;
pub mod metrics;
pub mod outbox;
pub mod random;
pub mod said;
#[cfg(test)]
mod sample;
pub mod secrets;
pub mod settings;
pub mod shared;
pub mod source;
pub mod speaker;
pub mod verify;

/// Errors with their causes, in one line.
pub use moorline_config::chain;
