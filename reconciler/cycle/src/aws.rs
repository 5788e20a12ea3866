//! The AWS lane where Terraform's state, with which AWS is compared, could not be read.

use moorline_model::drift::{DriftKind, Finding, Lane, Severity};

/// What a finding is about that says that the state could not be read.
const STATE: &str = "terraform state";

/// Whether these findings say that nothing was asked of AWS, because the state could not be read.
#[must_use]
pub(crate) fn state_was_unread(findings: &[Finding]) -> bool {
    findings.iter().any(|finding| finding.address == STATE && finding.kind == DriftKind::Unverifiable)
}

/// The finding that makes the whole lane unverifiable.
pub(crate) fn state_unread(because: String) -> Vec<Finding> {
    vec![Finding {
        lane: Lane::Aws,
        address: STATE.to_owned(),
        path: String::new(),
        kind: DriftKind::Unverifiable,
        severity: Severity::Warning,
        declared: None,
        live: None,
        note: Some(because),
    }]
}
