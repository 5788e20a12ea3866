//! What policies see.

use jiff::Timestamp;
use moorline_model::config::Config;
use moorline_model::plan::PlanSummary;
use serde_json::{Value, json};

use crate::desired::Desired;

/// The policies' input: `{environment, commit, author, plan, document, now}`. `plan` is null without Terraform or
/// before it has planned, `document` (the one that the rollout brings) while it awaits Terraform; values of attributes
/// are in neither.
#[must_use]
pub fn policy_input(
    desired: &Desired,
    plan: Option<&PlanSummary>,
    document: Option<&Config>,
    now: Timestamp,
) -> Value {
    json!({
        "environment": desired.environment.name,
        "commit": desired.revision.commit,
        "author": desired.revision.author,
        "plan": plan,
        "document": document.map(Config::value),
        "now": now,
    })
}
