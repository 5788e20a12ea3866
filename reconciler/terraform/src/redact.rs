//! Keeps secrets in: values are redacted when they are read, before anything is returned, logged or stored.
//!
//! Three nets, each of which may be the only one that holds:
//! 1. the masks that Terraform writes beside values ([`Mask`]); a shape it does not know counts as secret;
//! 2. names that look like a secret's (masking);
//! 3. values known to be secret ([`Known`]): the job's variables and everything that stood under a mask, wherever
//!    else they turn up. Providers copy sensitive inputs to outputs that carry no mask.

mod known;
mod mask;
mod raw_state;
mod state;

pub use known::Known;
pub use mask::Mask;
pub use state::redact_state;

pub(crate) use mask::hidden;
pub(crate) use raw_state::learn_raw_state;
pub(crate) use state::{learn_values, redact_value};

/// What stands where a secret stood.
pub const REDACTED: &str = "(sensitive)";
