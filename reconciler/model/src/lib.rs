//! The nouns of the reconciler. Data only: no I/O, no clock; `now` and ids come in as arguments.
//!
//! Reading order: [`declaration`] is what a repository says (`moorline.yaml`), [`bootstrap`] what the daemon is
//! started with; [`revision`], [`drift`], [`plan`] and [`rollout`] are what happens; [`environment`] is all that is
//! remembered of one environment between two cycles.

#![expect(missing_docs, reason = "only this workspace uses the crate; a doc says what a name does not")]

pub mod adoption;
pub mod bootstrap;
pub mod callers;
pub mod changes;
pub mod comparison;
pub mod condition;
pub mod declaration;
pub mod drift;
pub mod environment;
pub mod event;
pub mod exit;
pub mod failure;
pub mod id;
pub mod intent;
pub mod masking;
pub mod notification;
pub mod page;
pub mod plan;
pub mod revision;
pub mod rollout;
pub mod schedule;
pub mod status;
pub mod window;

pub use moorline_config::Secret;

/// The gateway's document: parsing, digests, differences, units. Crates that know the model reach it through here.
pub use moorline_config as config;

pub use exit::Exit;
pub use failure::{CheckFailed, FailureClass};
pub use id::{EnvironmentName, IncidentKey, RolloutId};
pub use revision::{CommitId, Revision};
