//! The AWS lane where Terraform's state, with which AWS is compared, could not be read.

use moorline_model::CheckFailed;
use moorline_model::drift::{DriftKind, Finding, Lane, Severity};

/// What a finding is about that says that the state could not be read.
pub(crate) const STATE: &str = "terraform state";

/// The finding that makes the whole lane unverifiable.
pub(crate) fn state_unread(failed: &CheckFailed) -> Vec<Finding> {
    vec![Finding {
        lane: Lane::Aws,
        address: STATE.to_owned(),
        path: String::new(),
        kind: DriftKind::Unverifiable,
        severity: Severity::Warning,
        declared: None,
        live: None,
        note: Some(failed.because.clone()),
    }]
}
