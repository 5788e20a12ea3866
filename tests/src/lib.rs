//! System tests: the real binaries against real parts.
//!
//! [`World`] is what most tests need: two gateways, a provider, a mail server, a Git repository and a daemon, all real
//! processes and sockets in a folder of their own. The other modules are its parts, for tests that need less. Nothing
//! here waits for a fixed time: [`wait`] looks until a deadline.

#![expect(missing_docs, reason = "only this workspace uses the crate; a doc says what a name does not")]
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "what a test needs and does not get is its report"
)]

pub mod api;
pub mod aws;
pub mod browser;
pub mod cli;
pub mod daemon;
pub mod declared;
pub mod dialect;
pub mod fleet;
pub mod gateway;
pub mod hcl;
pub mod mail;
pub mod process;
pub mod provider;
pub mod reference;
pub mod repository;
pub mod shown;
pub mod slack;
pub mod tasks;
pub mod traffic;
pub mod wait;
pub mod webhook;
pub mod world;

pub use api::Api;
pub use browser::Browser;
pub use daemon::Daemon;
pub use fleet::Fleet;
pub use gateway::Gateway;
pub use provider::{Fault, Provider};
pub use repository::{Files, Repository};
pub use shown::Shown;
pub use traffic::Traffic;
pub use wait::{in_time, until};
pub use world::World;
