//! What a listener rule differs in, and how much that matters.

use aws_sdk_elasticloadbalancingv2::types::Rule;
use moorline_model::drift::{DriftKind, Finding, Severity};

use super::action::target_path;
use super::form::{PRIORITY, live as live_fields};
use super::{ListenerRule, TrafficShift};
use crate::fields::Difference;
use crate::finding::{changed, missing};

pub(super) fn findings(declared: &ListenerRule, address: &str, live: Option<&Rule>) -> Vec<Finding> {
    let Some(live) = live else {
        return vec![missing(address, format!("listener rule {}", declared.arn))];
    };
    let differences = declared.fields.differences(&live_fields(live)).into_iter();
    differences.filter_map(|difference| finding(declared, address, difference)).collect()
}

fn finding(declared: &ListenerRule, address: &str, difference: Difference) -> Option<Finding> {
    let severity = severity(&difference);
    match &declared.traffic_shift {
        Some(shift) if is_target(&difference.path) => (!is_within(shift, &difference)).then(|| Finding {
            kind: DriftKind::OutOfBand,
            note: Some(format!("not a target group of {}", shift.service)),
            ..changed(address, difference, Severity::Critical)
        }),
        _ => Some(changed(address, difference, severity)),
    }
}

fn is_target(path: &str) -> bool {
    path.contains(".forward[0].target_group[")
}

/// Whether ECS may have done it: between a service's two target groups it moves weights as it likes.
fn is_within(shift: &TrafficShift, difference: &Difference) -> bool {
    shift.target_groups.iter().any(|target_group| difference.path.ends_with(&target_path(target_group)))
}

fn severity(difference: &Difference) -> Severity {
    match (&difference.declared, &difference.live) {
        _ if difference.path == PRIORITY => Severity::Warning,
        // Another share for the same target; a target that comes or goes is another matter.
        (Some(_), Some(_)) if is_target(&difference.path) => Severity::Warning,
        _ if difference.path.ends_with("stickiness") => Severity::Warning,
        _ => Severity::Critical,
    }
}

#[cfg(test)]
mod tests;
