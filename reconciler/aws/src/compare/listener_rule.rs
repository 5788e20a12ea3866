//! Listener rules.

use aws_sdk_elasticloadbalancingv2::types::Rule;
use moorline_model::drift::{DriftKind, Finding, Severity};

use super::{changed, missing};
use crate::fields::Difference;
use crate::managed::{ListenerRule, Pair};
use crate::normalise::action::target_path;
use crate::normalise::listener_rule::{PRIORITY, live as live_fields};

/// What a listener rule that may not be there differs in.
pub(crate) fn findings(declared: &ListenerRule, live: Option<&Rule>) -> Vec<Finding> {
    let Some(live) = live else {
        return vec![missing(&declared.address, format!("listener rule {}", declared.at.arn))];
    };
    let differences = declared.fields.differences(&live_fields(live)).into_iter();
    differences.filter_map(|difference| finding(declared, difference)).collect()
}

fn finding(declared: &ListenerRule, difference: Difference) -> Option<Finding> {
    let severity = severity(&difference);
    match &declared.shifted {
        Some(pair) if is_target(&difference.path) => (!is_within(pair, &difference)).then(|| Finding {
            kind: DriftKind::OutOfBand,
            note: Some(format!("not a target group of {}", pair.service)),
            ..changed(&declared.address, difference, Severity::Critical)
        }),
        _ => Some(changed(&declared.address, difference, severity)),
    }
}

fn is_target(path: &str) -> bool {
    path.contains(".forward[0].target_group[")
}

/// Whether ECS may have done it: between a service's two target groups it moves weights as it likes.
fn is_within(pair: &Pair, difference: &Difference) -> bool {
    pair.target_groups.iter().any(|target_group| difference.path.ends_with(&target_path(target_group)))
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
