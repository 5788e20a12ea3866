//! The AWS lane: live ECS, load balancers and WAF, compared with Terraform's state.

use moorline_model::declaration::Aws;
use moorline_model::drift::{DriftKind, Finding, Lane, Severity};
use serde_json::Value;

use crate::facilities::AwsReads;

/// What a finding is about that says that the state could not be read.
const STATE: &str = "terraform state";

/// Whether these findings say that nothing was asked of AWS, because the state could not be read.
#[must_use]
pub(crate) fn state_was_unread(findings: &[Finding]) -> bool {
    findings.iter().any(|finding| finding.address == STATE && finding.kind == DriftKind::Unverifiable)
}

/// Reads what AWS says of the resources in a state. A state that could not be read makes the whole lane unverifiable.
pub(crate) async fn findings(
    world: &impl AwsReads,
    declared: &Aws,
    state: Result<Option<Value>, String>,
) -> Vec<Finding> {
    match state {
        Ok(Some(state)) => world.aws_findings(declared, &state).await,
        Ok(None) => Vec::new(),
        Err(error) => vec![Finding {
            lane: Lane::Aws,
            address: STATE.to_owned(),
            path: String::new(),
            kind: DriftKind::Unverifiable,
            severity: Severity::Warning,
            declared: None,
            live: None,
            note: Some(error),
        }],
    }
}
