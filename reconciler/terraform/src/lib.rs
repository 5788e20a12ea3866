//! Runs Terraform behind a static gate and reads its JSON.
//!
//! In: a [`runner::Job`], which is a tree at a commit, what the environment declares, and resolved secrets. Out: a
//! redacted [`moorline_model::plan::PlanSummary`] with a saved plan, or the result of applying one.
//!
//! Reading order: [`runner`] is the seam and its nouns, [`embedded`] the runner that starts a child process, and what
//! it does in order: [`gate`] reads the code before anything runs, `child` runs one command, `event` and
//! [`diagnostic`] read what it says, [`plan_json`] reads the plan, [`redact`] keeps secrets in.

#![expect(missing_docs, reason = "only this workspace uses the crate; a doc says what a name does not")]

mod child;
mod descriptors;
pub mod diagnostic;
pub mod embedded;
pub mod error;
mod event;
pub mod gate;
pub mod locate;
pub mod plan_json;
mod private;
pub mod redact;
pub mod runner;
mod seal;

pub use descriptors::inherited_descriptors;
pub use embedded::EmbeddedRunner;
pub use error::RunError;
pub use locate::locate;
pub use private::{plan_path, unwritten_state};
pub use runner::{Applied, Event, Job, Planned, Progress, Runner, SavedPlan, StateIdentity, StateRead};
pub use seal::Seal;
