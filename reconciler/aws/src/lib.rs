//! The AWS lane of drift: between two plans, what AWS serves now is compared with what Terraform's state says it made.
//!
//! In: where AWS is ([`moorline_model::declaration::Aws`]) and the state as `terraform show -json` writes it.
//! Out: [`moorline_model::drift::Finding`]s of lane `aws`, at Terraform addresses and attribute paths.
//!
//! `kinds.rs` is the table of the resource types that are compared. A file below `kinds/` says all about one of them:
//! what the state declares, how several are read in one call, and what differs how severely. The rest is the same
//! for all: [`managed()`] picks what is compared out of the state, [`Aws`] asks in batches and gathers the findings.
//!
//! Guarantees: what cannot be read is `unverifiable`, never `missing` and never in sync; a value that is sensitive in
//! the state is neither compared nor shown.

mod attributes;
mod aws;
mod batch;
mod clients;
mod connections;
mod fields;
mod finding;
mod kind;
mod kinds;
mod managed;
mod read;
#[cfg(test)]
mod sample;
mod state;

pub use aws::{Aws, loader};
pub use connections::Connections;
pub use kinds::compared;
pub use managed::{Managed, managed};
