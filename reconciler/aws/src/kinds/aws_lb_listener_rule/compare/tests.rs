use serde_json::json;

use super::super::sample::{NEXT, STABLE, forward, rule, rule_with};
use super::*;
use crate::sample;

const OTHER: &str = "arn:aws:elasticloadbalancing:us-east-1:123456789012:targetgroup/other/0123456789abcdef";

fn declared() -> ListenerRule {
    sample::declared(&sample::state()).remove(0)
}

fn findings(declared: &ListenerRule, live: Option<&Rule>) -> Vec<Finding> {
    super::findings(declared, sample::RULE, live)
}

fn path(target_group: &str) -> String {
    format!("action[0].{}", target_path(target_group))
}

#[test]
fn a_rule_in_sync_has_no_findings() {
    assert_eq!(findings(&declared(), Some(&rule())), []);
}

#[test]
fn a_rule_that_is_gone_is_missing() {
    let found = findings(&declared(), None);
    assert_eq!((found[0].kind, found[0].path.as_str(), found.len()), (DriftKind::Missing, "", 1));
}

#[test]
fn another_weight_is_a_warning_and_another_target_is_critical() {
    let found = findings(&declared(), Some(&rule_with(forward(&[(STABLE, 50), (NEXT, 10)]))));
    assert_eq!(found.len(), 1);
    assert_eq!((found[0].path.clone(), found[0].severity), (path(STABLE), Severity::Warning));
    assert_eq!((found[0].declared.as_deref(), found[0].live.as_deref()), (Some("90"), Some("50")));

    let found = findings(&declared(), Some(&rule_with(forward(&[(STABLE, 90), (NEXT, 10), (OTHER, 5)]))));
    assert_eq!(found.len(), 1);
    assert_eq!((found[0].path.clone(), found[0].severity), (path(OTHER), Severity::Critical));
}

#[test]
fn conditions_and_priority_are_found_by_their_paths() {
    let mut live = rule();
    live.priority = Some("11".to_owned());
    live.conditions.as_mut().unwrap().remove(0);
    let found = findings(&declared(), Some(&live));
    let found: Vec<_> = found.iter().map(|finding| (finding.path.as_str(), finding.severity)).collect();
    assert_eq!(
        found,
        [("condition[\"http_header x-tenant\"]", Severity::Critical), ("priority", Severity::Warning)]
    );
}

#[test]
fn weights_that_ecs_shifts_are_quiet_between_its_two_targets_and_alert_beyond() {
    let mut state = sample::state();
    let arn = declared().arn;
    sample::values(&mut state, sample::SERVICE)["load_balancer"][0]["advanced_configuration"] = json!([{"alternate_target_group_arn": NEXT, "production_listener_rule": arn, "role_arn": "arn:role"}]);
    let declared: ListenerRule = sample::declared(&state).remove(0);
    assert_eq!(findings(&declared, Some(&rule_with(forward(&[(NEXT, 100)])))), []);

    let found = findings(&declared, Some(&rule_with(forward(&[(NEXT, 100), (OTHER, 1)]))));
    assert_eq!(found.len(), 1);
    assert_eq!((found[0].kind, found[0].path.clone()), (DriftKind::OutOfBand, path(OTHER)));
    assert_eq!(
        found[0].note.as_deref(),
        Some("not a target group of module.gateway.aws_ecs_service.gateway")
    );

    // What ECS does not own on that rule is still compared.
    let mut live = rule();
    live.priority = Some("11".to_owned());
    assert_eq!(findings(&declared, Some(&live))[0].path, "priority");
}
