//! One cycle of one environment: source → desired → observe → diff → decide → act → verify → record → notify.
//!
//! [`Cycle::run`](cycle::Cycle::run) is that sentence, as it ships. It is generic over [`facilities`], the few things that it
//! needs of the world; what decides is in `moorline_plan`, and pure.

mod act;
mod admin_class;
mod adopt;
mod aws;
mod client;
mod declaration;
mod desired;
mod diff;
mod failpoint;
mod fleet;
mod missing;
mod observe;
mod policies;
mod record;
mod schedule;
mod terraform;
mod verify;
mod working_state;

pub mod commit_cache;
pub mod cycle;
pub mod facilities;
pub mod fast_forward;
pub mod log_once;
pub mod shared_alerts;
pub mod source_status;
pub mod touched;

pub(crate) use moorline_config::chain;

pub use act::{ActError, Interrupted};
pub use cycle::{Cache, Cycle, CycleError, Requeue};
pub use declaration::{DeclarationError, ParsedDeclarations, declarations_parsed};
pub use source_status::{Head, News, SourceStatus};
