//! The daemon: settings → record → web → lease → repository → keepers → wait → drain.
//!
//! Reading order: [`run`](run()) starts and ends it, [`keeper`] runs the cycles of one environment
//! ([`moorline_cycle`] is the sentence), [`facilities`] are what a cycle needs of the world.
//!
//! Tasks: the web; the lease's renewal; the source's watcher; one keeper an environment, started and stopped by the
//! manager; the outbox. All hang on one tracker and one token, but the lease, which outlives the others. Wake-ups start their work,
//! `watch` channels carry what the repository says; nothing else passes between them but the record.

#![expect(missing_docs, reason = "only this workspace uses the crate; a doc says what a name does not")]

mod absent;
pub mod clock;
pub mod event_streams;
pub mod explanations;
pub mod facilities;
pub mod keeper;
mod lease;
mod manager;
pub mod metrics;
pub mod outbox;
mod own_secrets;
pub mod random;
mod run;
#[cfg(test)]
mod sample;
pub mod secrets;
pub mod settings;
pub mod shared;
pub mod source;
mod spread;
mod start;
pub mod turns;
mod upkeep;
pub mod wakeups;

/// Errors with their causes, in one line.
pub use moorline_config::chain;
pub use run::{DaemonError, End, run};
