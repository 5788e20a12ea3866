//! What policies see.

use jiff::Timestamp;
use moorline_model::plan::PlanSummary;
use serde_json::{Value, json};

use crate::desired::Desired;

/// The policies' input: `{environment, commit, author, plan, document, now}`. `plan` is null without Terraform or
/// before it has planned, `document` while it awaits Terraform; values of attributes are in neither.
#[must_use]
pub fn policy_input(desired: &Desired, plan: Option<&PlanSummary>, now: Timestamp) -> Value {
    json!({
        "environment": desired.environment.name,
        "commit": desired.revision.commit,
        "author": desired.revision.author,
        "plan": plan,
        "document": desired.document.config().map(|config| config.value()),
        "now": now,
    })
}
