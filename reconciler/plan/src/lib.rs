//! Deciding: everything between what was read and what is done. Pure: no I/O, no clock, no async; `now` and ids are
//! arguments.
//!
//! Reading order, which is the order of a cycle: [`intent`] applies what people asked for; [`desired`] is what a commit
//! declares and [`changes`](mod@changes) what that changes; [`gateway`] compares it with what replicas attest and [`drift`] gives the differences a history;
//! [`adopt`] remembers what gateways served when they were first met;
//! [`gates`] and [`policy`] say what keeps a change from beginning; [`decide`](mod@decide) names the one next step and
//! [`advance`](mod@advance) what is remembered once it was taken; [`verify`] judges what is being tried; [`announce`]
//! and [`conditions`] notify people of what changed, with [`replica_groups`] for what replicas share. [`preflight`] stands apart: checks of the files alone, before anything happens.

#![expect(missing_docs, reason = "only this workspace uses the crate; a doc says what a name does not")]

pub mod adopt;
pub mod advance;
pub mod age;
pub mod announce;
pub mod changes;
pub mod conditions;
pub mod decide;
pub mod desired;
pub mod drift;
pub mod gates;
pub mod gateway;
mod incident;
pub mod intent;
pub mod lanes;
mod masked;
pub mod policy;
pub mod preflight;
pub mod replica_groups;
pub mod retire;
#[cfg(test)]
mod sample;
pub mod verify;

pub use advance::{Advance, Inputs, StepOutcome, advance};
pub use decide::{Decision, Situation, decide};
pub use desired::{Desired, DesiredDocument, desired};
