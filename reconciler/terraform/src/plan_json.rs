//! Reads `terraform show -json PLAN` (format 1.x, Terraform's and OpenTofu's) into a redacted summary.
//!
//! Fields that are not known are passed over, actions that are not known count as the most dangerous. Whether there is
//! drift is read from here and never from an exit code: the code 2 is also given for plans that change nothing.

mod classify;
mod difference;
mod document;

use moorline_model::plan::{Action, PlanBinding, PlanSummary, ResourceChange};
use serde::Deserialize as _;
use serde_json::Value;

use crate::redact::Known;
use document::Plan;

/// Reads a plan. `known` are the secrets already known; what the plan marks is added to them.
///
/// # Errors
/// Why it cannot be read. The reason never holds a value.
pub fn read(json: &[u8], binding: PlanBinding, known: &Known) -> Result<PlanSummary, String> {
    let value = parse(json)?;
    // Serde's own words may repeat a value.
    let plan = Plan::deserialize(&value).map_err(|_| "it is not of the form of a plan".to_owned())?;
    if plan.format_version.split('.').next() != Some("1") {
        let version: String =
            plan.format_version.chars().take(8).filter(|c| c.is_ascii_digit() || *c == '.').collect();
        return Err(format!("its format is {version}, and this release reads 1.x"));
    }
    if plan.errored {
        return Err("it is the plan of a run that failed".to_owned());
    }
    let mut known = known.clone();
    plan.learn(&mut known);
    let (changes, findings) = classify::classify(&plan, &known);
    let outputs = plan
        .output_changes
        .iter()
        .filter(|(_, change)| change.action() != Action::NoOp)
        .map(|(name, _)| known.text(name))
        .collect();
    Ok(PlanSummary { binding, changes, outputs, findings, resource_count: plan.resource_count() })
}

/// Parses JSON. An error names the place and never a value.
pub(crate) fn parse(json: &[u8]) -> Result<Value, String> {
    serde_json::from_slice(json).map_err(|error| {
        let kind = if error.is_eof() { "it ends too early" } else { "it is no JSON" };
        format!("{kind}, at line {} column {}", error.line(), error.column())
    })
}

/// A change as the summary has it.
fn summary(address: String, resource_type: &str, action: Action, attributes: Vec<String>) -> ResourceChange {
    ResourceChange { address, resource_type: resource_type.to_owned(), action, attributes }
}

#[cfg(test)]
mod tests;
