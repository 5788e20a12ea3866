//! The reconciler: daemon and command line.
//!
//! Reading order: [`moorline_cycle`] is the sentence the whole system hangs on; [`keeper`] runs it for one environment,
//! [`facilities`] are what it needs of the world, [`daemon`] starts keepers and what they share.

pub mod bell;
pub mod cli;
pub mod clock;
pub mod daemon;
pub mod demo;
pub mod explanations;
pub mod facilities;
pub mod keeper;
pub mod metrics;
pub mod outbox;
pub mod random;
#[cfg(test)]
mod sample;
pub mod secrets;
pub mod settings;
pub mod shared;
pub mod source;

/// Errors with their causes, in one line.
pub use moorline_config::chain;
