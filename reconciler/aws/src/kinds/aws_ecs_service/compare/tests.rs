use serde_json::json;

use super::super::sample::{deployment, service};
use super::*;
use crate::sample;

fn declared() -> Service {
    sample::declared(&sample::state()).remove(0)
}

fn findings(declared: &Service, live: Option<&LiveService>) -> Vec<Finding> {
    super::findings(declared, sample::SERVICE, live)
}

/// Kind, path, declared, live and note of each finding.
fn described(findings: &[Finding]) -> Vec<String> {
    let described = |finding: &Finding| {
        let part = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
        let (kind, severity) = (finding.kind, finding.severity);
        let (declared, live, note) = (part(&finding.declared), part(&finding.live), part(&finding.note));
        format!("{kind:?} {severity:?} {}: {declared} -> {live} ({note})", finding.path)
    };
    findings.iter().map(described).collect()
}

#[test]
fn a_service_in_sync_has_no_findings() {
    assert_eq!(findings(&declared(), Some(&service())), []);
}

#[test]
fn each_compared_attribute_is_found_by_its_path() {
    let mut live = service();
    live.desired_count = 5;
    live.enable_execute_command = true;
    live.launch_type = Some(aws_sdk_ecs::types::LaunchType::Ec2);
    live.deployment_configuration = None;
    live.network_configuration = None;
    live.task_definition = Some("gateway:6".to_owned());
    insta::assert_snapshot!(described(&findings(&declared(), Some(&live))).join("\n"), @r"
    Changed Critical task_definition: gateway:7 -> gateway:6 (-)
    Changed Warning deployment_circuit_breaker[0].enable: true -> false (-)
    Changed Warning deployment_circuit_breaker[0].rollback: true -> false (-)
    Changed Warning desired_count: 2 -> 5 (-)
    Changed Critical enable_execute_command: false -> true (-)
    Changed Warning launch_type: FARGATE -> EC2 (-)
    Changed Critical network_configuration[0].assign_public_ip: false -> - (-)
    Changed Critical network_configuration[0].security_groups: sg-0a1b2c3d4e5f60718 -> - (-)
    Changed Critical network_configuration[0].subnets: subnet-0aa11bb22cc33dd44, subnet-0ee55ff66aa77bb88 -> - (-)
    ");
}

#[test]
fn only_what_aws_calls_gone_is_missing() {
    let mut live = service();
    let kinds = |live: Option<&LiveService>| {
        findings(&declared(), live)
            .iter()
            .map(|finding| (finding.kind, finding.path.clone()))
            .collect::<Vec<_>>()
    };
    let missing = vec![(DriftKind::Missing, String::new())];
    assert_eq!(kinds(None), missing);
    for status in ["INACTIVE", "DRAINING"] {
        live.status = Some(status.to_owned());
        assert_eq!(kinds(Some(&live)), missing);
    }
    live.status = None;
    assert_eq!(kinds(Some(&live)), []);
}

#[test]
fn a_rollback_by_the_breaker_is_not_an_edit_by_hand() {
    let mut live = service();
    live.task_definition = Some("gateway:6".to_owned());
    live.deployments = Some(vec![
        deployment("PRIMARY", DeploymentRolloutState::InProgress, 6),
        deployment("ACTIVE", DeploymentRolloutState::Failed, 7),
    ]);
    let expected = [format!("OutOfBand Critical task_definition: gateway:7 -> gateway:6 ({ROLLED_BACK})")];
    assert_eq!(described(&findings(&declared(), Some(&live))), expected);

    // Later the failed deployment is gone from the list, and only the reason tells.
    let mut primary = deployment("PRIMARY", DeploymentRolloutState::InProgress, 6);
    primary.rollout_state_reason =
        Some("ECS deployment circuit breaker: rolling back to deploymentId ecs-svc/1.".to_owned());
    live.deployments = Some(vec![primary]);
    assert_eq!(described(&findings(&declared(), Some(&live))), expected);
}

#[test]
fn a_failed_deployment_without_rollback_is_out_of_band_at_the_declared_revision_too() {
    let mut live = service();
    live.deployments = Some(vec![deployment("PRIMARY", DeploymentRolloutState::Failed, 7)]);
    let expected = [format!("OutOfBand Critical task_definition: gateway:7 -> gateway:7 ({FAILED})")];
    assert_eq!(described(&findings(&declared(), Some(&live))), expected);
    // An older deployment that failed is history once the declared one serves.
    live.deployments = Some(vec![
        deployment("PRIMARY", DeploymentRolloutState::Completed, 7),
        deployment("ACTIVE", DeploymentRolloutState::Failed, 6),
    ]);
    assert_eq!(findings(&declared(), Some(&live)), []);
}

#[test]
fn another_controllers_revisions_are_quiet_within_the_family() {
    let mut state = sample::state();
    sample::values(&mut state, sample::SERVICE)["deployment_controller"] = json!([{"type": "CODE_DEPLOY"}]);
    let declared: Service = sample::declared(&state).remove(0);
    let mut live = service();
    live.task_definition = Some("gateway:9".to_owned());
    assert_eq!(findings(&declared, Some(&live)), []);
    live.task_definition = Some("miner:1".to_owned());
    let expected = ["OutOfBand Critical task_definition: gateway:7 -> miner:1 (-)"];
    assert_eq!(described(&findings(&declared, Some(&live))), expected);
}

#[test]
fn an_autoscaled_count_is_quiet_between_its_bounds_and_alerts_outside() {
    let mut state = sample::state();
    let bounds = json!({
        "resource_id": "service/ai-gateway/gateway", "scalable_dimension": "ecs:service:DesiredCount",
        "min_capacity": 2, "max_capacity": 8,
    });
    sample::add(&mut state, "aws_appautoscaling_target", &bounds);
    let declared: Service = sample::declared(&state).remove(0);
    let found = |count: i32| {
        let mut live = service();
        live.desired_count = count;
        described(&findings(&declared, Some(&live)))
    };
    assert!(found(2).is_empty() && found(8).is_empty());
    assert_eq!(found(9), ["OutOfBand Warning desired_count: 2 to 8 -> 9 (outside the autoscaler's bounds)"]);
    assert_eq!(found(0), ["OutOfBand Critical desired_count: 2 to 8 -> 0 (outside the autoscaler's bounds)"]);
}
