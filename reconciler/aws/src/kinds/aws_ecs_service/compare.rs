//! What an ECS service differs in, and how much that matters.

use aws_sdk_ecs::types::{Deployment, DeploymentRolloutState, Service as LiveService};
use moorline_model::drift::{DriftKind, Finding, Severity};

use super::form::{DESIRED_COUNT, TASK_DEFINITION, live as live_fields};
use super::task_definition::TaskDefinition;
use super::{Deployments, Service};
use crate::fields::Difference;
use crate::finding::{changed, missing};

const ROLLED_BACK: &str = "rolled back by the deployment circuit breaker";
const FAILED: &str = "the deployment failed and was not rolled back";

pub(super) fn findings(declared: &Service, address: &str, live: Option<&LiveService>) -> Vec<Finding> {
    let name = format!("service {} in cluster {}", declared.name, declared.cluster);
    let Some(live) = live else { return vec![missing(address, name)] };
    match live.status.as_deref() {
        Some("INACTIVE") => return vec![missing(address, name)],
        // Deleted already; only its last tasks still run.
        Some("DRAINING") => {
            let note = Some("it is being deleted".to_owned());
            return vec![Finding { note, ..missing(address, name) }];
        }
        _ => {}
    }
    let mut findings: Vec<Finding> = task_definition(declared, address, live).into_iter().collect();
    findings.extend(scaled(declared, address, live.desired_count));
    let fields = live_fields(live).limited_to(&declared.fields);
    findings.extend(declared.fields.differences(&fields).into_iter().map(|difference| {
        let severity = severity(&difference);
        changed(address, difference, severity)
    }));
    findings
}

/// The task definition, with what the deployments say about how it came to be.
fn task_definition(declared: &Service, address: &str, live: &LiveService) -> Option<Finding> {
    let wanted = declared.task_definition.as_ref()?;
    let served = TaskDefinition::parse(live.task_definition.as_deref()?);
    let primary =
        live.deployments().iter().find(|deployment| deployment.status.as_deref() == Some("PRIMARY"));
    let is_served = match declared.deployments {
        Deployments::Declared => wanted.is_served_by(&served),
        Deployments::Delegated => wanted.family == served.family,
    };
    let note = match (is_served, primary.is_some_and(is_failed)) {
        (_, true) => Some(FAILED),
        (true, false) => return None,
        (false, false) => is_rolled_back(live, primary).then_some(ROLLED_BACK),
    };
    let difference = Difference {
        path: TASK_DEFINITION.to_owned(),
        declared: Some(wanted.to_string()),
        live: Some(served.to_string()),
    };
    let found = changed(address, difference, Severity::Critical);
    let is_out_of_band = note.is_some() || declared.deployments == Deployments::Delegated;
    let kind = if is_out_of_band { DriftKind::OutOfBand } else { DriftKind::Changed };
    Some(Finding { kind, note: note.map(str::to_owned), ..found })
}

fn is_failed(deployment: &Deployment) -> bool {
    deployment.rollout_state == Some(DeploymentRolloutState::Failed)
}

/// The deployment circuit breaker leaves the failed deployment in the list while it goes back, and says so in the new one's reason.
fn is_rolled_back(live: &LiveService, primary: Option<&Deployment>) -> bool {
    let reason = primary.and_then(|primary| primary.rollout_state_reason.as_deref()).unwrap_or_default();
    live.deployments().iter().any(is_failed) || reason.contains("rolling back")
}

/// A count that an autoscaler owns is no drift between its bounds.
fn scaled(declared: &Service, address: &str, count: i32) -> Option<Finding> {
    let bounds = declared.scaling.as_ref()?;
    if (bounds.min..=bounds.max).contains(&i64::from(count)) {
        return None;
    }
    let difference = Difference {
        path: DESIRED_COUNT.to_owned(),
        declared: Some(format!("{} to {}", bounds.min, bounds.max)),
        live: Some(count.to_string()),
    };
    let severity = severity(&difference);
    let note = Some("outside the autoscaler's bounds".to_owned());
    Some(Finding { kind: DriftKind::OutOfBand, note, ..changed(address, difference, severity) })
}

fn severity(difference: &Difference) -> Severity {
    match difference.path.as_str() {
        // No task runs.
        DESIRED_COUNT if difference.live.as_deref() == Some("0") => Severity::Critical,
        // ECS Exec opens a shell in the tasks.
        "enable_execute_command" => Severity::Critical,
        path if path.starts_with("network_configuration") => Severity::Critical,
        _ => Severity::Warning,
    }
}

#[cfg(test)]
mod tests;
