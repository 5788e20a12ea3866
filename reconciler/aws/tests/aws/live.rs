//! Resources live in an emulator.

use aws_sdk_elasticloadbalancingv2::types::Matcher;
use moorline_aws::managed;
use moorline_model::drift::{DriftKind, Finding, Lane, Severity};

use serde_json::{Value, json};

use crate::emulator::Emulator;
use crate::world::{RULE, SERVICE, WEB_ACL, World, known_bad, per_ip, resource};

/// Address, kind, path, declared and live.
fn described(findings: &[Finding]) -> Vec<String> {
    let described = |finding: &Finding| {
        let part = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
        let (declared, live) = (part(&finding.declared), part(&finding.live));
        format!("{:?} {} {}: {declared} -> {live}", finding.kind, finding.address, finding.path)
    };
    findings.iter().map(described).collect()
}

async fn world(name: &str) -> World {
    World::build(name, Emulator::shared().address()).await
}

#[tokio::test]
async fn what_was_just_made_is_in_sync() {
    let world = world("in-sync").await;
    let managed = world.managed();
    assert_eq!(managed.addresses().collect::<Vec<_>>(), [SERVICE, RULE, WEB_ACL]);
    assert_eq!(described(&world.aws.findings(&managed).await), Vec::<String>::new());
}

#[tokio::test]
async fn a_service_edited_by_hand_is_found_at_its_address_and_paths() {
    let world = world("edited-service").await;
    let update = world.ecs.update_service().cluster(&world.name).service(&world.name).desired_count(5);
    let update = update.enable_execute_command(true).task_definition(format!("{}:2", world.name));
    update.send().await.unwrap();
    let found = world.aws.findings(&world.managed()).await;
    assert_eq!(
        described(&found),
        [
            format!("Changed {SERVICE} task_definition: edited-service:1 -> edited-service:2"),
            format!("Changed {SERVICE} desired_count: 2 -> 5"),
            format!("Changed {SERVICE} enable_execute_command: false -> true"),
        ]
    );
    assert_eq!(found[2].severity, Severity::Critical);
    assert!(found.iter().all(|finding| finding.lane == Lane::Aws));
}

#[tokio::test]
async fn a_listener_rule_edited_by_hand_is_found_at_its_address_and_paths() {
    let world = world("edited-rule").await;
    let update = world.load_balancers.modify_rule().rule_arn(&world.rule_arn).actions(world.forward(50, 50));
    update.send().await.unwrap();
    let [first, second] = &world.target_groups;
    assert_eq!(
        described(&world.aws.findings(&world.managed()).await),
        [
            format!("Changed {RULE} action[0].forward[0].target_group[\"{first}\"]: 90 -> 50"),
            format!("Changed {RULE} action[0].forward[0].target_group[\"{second}\"]: 10 -> 50"),
        ]
    );
}

#[tokio::test]
async fn a_web_acl_edited_by_hand_is_found_at_its_address_and_paths() {
    let world = world("edited-web-acl").await;
    world.set_rules(vec![per_ip(9000)]).await;
    assert_eq!(
        described(&world.aws.findings(&world.managed()).await),
        [
            format!(
                "Missing {WEB_ACL} rule[\"known-bad\"]: \
             none on managed_rule_group AWS/AWSManagedRulesKnownBadInputsRuleSet, priority 2 -> -"
            ),
            format!(
                "Changed {WEB_ACL} rule[\"per-ip\"].statement[0].rate_based_statement[0].limit: 2000 -> 9000"
            ),
        ]
    );
    world.set_rules(vec![per_ip(2000), known_bad()]).await;
    assert_eq!(described(&world.aws.findings(&world.managed()).await), Vec::<String>::new());
}

#[tokio::test]
async fn what_was_deleted_is_missing() {
    let world = world("deleted").await;
    let managed = world.managed();
    world.ecs.delete_service().cluster(&world.name).service(&world.name).force(true).send().await.unwrap();
    world.load_balancers.delete_rule().rule_arn(&world.rule_arn).send().await.unwrap();
    world.delete_web_acl().await;
    let found = world.aws.findings(&managed).await;
    let missing = |finding: &Finding| finding.kind == DriftKind::Missing && finding.path.is_empty();
    assert!(found.iter().all(missing), "{found:?}");
    assert_eq!(
        found.iter().map(|finding| finding.address.as_str()).collect::<Vec<_>>(),
        [SERVICE, RULE, WEB_ACL]
    );
}

#[tokio::test]
async fn a_service_whose_cluster_never_was_is_missing() {
    let world = world("no-cluster").await;
    let mut state = world.state();
    resource(&mut state, SERVICE)["values"]["cluster"] = json!("nowhere");
    let found = world.aws.findings(&managed(&state)).await;
    assert_eq!(found.iter().map(|finding| finding.kind).collect::<Vec<_>>(), [DriftKind::Missing]);
}

#[tokio::test]
async fn when_aws_goes_away_everything_is_unverifiable() {
    let emulator = Emulator::start();
    let world = World::build("unplugged", emulator.address()).await;
    let managed = world.managed();
    assert_eq!(described(&world.aws.findings(&managed).await), Vec::<String>::new());
    emulator.stop();
    let found = world.aws.findings(&managed).await;
    assert_eq!(
        found.iter().map(|finding| finding.address.as_str()).collect::<Vec<_>>(),
        [SERVICE, RULE, WEB_ACL]
    );
    for finding in &found {
        assert_eq!(finding.kind, DriftKind::Unverifiable);
        let note = finding.note.as_ref().unwrap();
        assert!(note.contains("could not be sent") && note.contains("onnect"), "{note}");
    }
}

#[tokio::test]
async fn one_rule_of_many_that_is_gone_is_found_out() {
    let world = world("one-of-many").await;
    let mut state = world.state();
    let there = resource(&mut state, RULE).clone();
    let mut gone = there.clone();
    gone["address"] = json!("aws_lb_listener_rule.gone");
    gone["values"]["arn"] = json!(format!("{}0", world.rule_arn));
    let resources = state["values"]["root_module"]["resources"].as_array_mut().unwrap();
    resources.push(gone);
    // A second module that manages the same rule: AWS is asked for it once.
    resources.push(json!({"address": "aws_lb_listener_rule.twice", "mode": "managed", "type": there["type"], "values": there["values"]}));
    let found = world.aws.findings(&managed(&state)).await;
    assert_eq!(described(&found).len(), 1, "{found:?}");
    assert_eq!((found[0].address.as_str(), found[0].kind), ("aws_lb_listener_rule.gone", DriftKind::Missing));
}

#[tokio::test]
async fn one_service_of_many_that_is_gone_is_found_out() {
    let world = world("one-service").await;
    let mut state = world.state();
    let service = resource(&mut state, SERVICE).clone();
    let resources = state["values"]["root_module"]["resources"].as_array_mut().unwrap();
    for number in 0..12 {
        let mut gone = service.clone();
        gone["address"] = json!(format!("aws_ecs_service.gone[{number}]"));
        gone["values"]["name"] = json!(format!("gone-{number}"));
        resources.push(gone);
    }
    let found = world.aws.findings(&managed(&state)).await;
    let gone: Vec<_> = (0..12).map(|number| format!("aws_ecs_service.gone[{number}]")).collect();
    assert_eq!(found.iter().map(|finding| finding.address.clone()).collect::<Vec<_>>(), gone);
    assert!(found.iter().all(|finding| finding.kind == DriftKind::Missing), "{found:?}");
}

#[tokio::test]
async fn a_target_group_whose_health_check_was_loosened_by_hand_is_found() {
    const ADDRESS: &str = "aws_lb_target_group.gateway";
    let world = world("target-group").await;
    let [arn, _] = &world.target_groups;
    let make = |path: &str, matcher: &str| {
        let matcher = Matcher::builder().http_code(matcher).build();
        let change = world.load_balancers.modify_target_group().target_group_arn(arn).health_check_path(path);
        let change = change.health_check_interval_seconds(30).healthy_threshold_count(3);
        change.unhealthy_threshold_count(4).matcher(matcher).send()
    };
    make("/healthz", "200").await.unwrap();
    let mut group: Value = serde_json::from_str(include_str!("../fixtures/target_group.json")).unwrap();
    let answer = world.load_balancers.describe_target_groups().target_group_arns(arn).send().await.unwrap();
    let vpc = answer.target_groups()[0].vpc_id().unwrap();
    (group["values"]["arn"], group["values"]["vpc_id"]) = (json!(arn), json!(vpc));
    let managed = managed(&json!({"values": {"root_module": {"resources": [group]}}}));
    assert_eq!(described(&world.aws.findings(&managed).await), Vec::<String>::new());

    make("/", "200-499").await.unwrap();
    let expected = [
        format!("Changed {ADDRESS} health_check[0].matcher: 200 -> 200-499"),
        format!("Changed {ADDRESS} health_check[0].path: /healthz -> /"),
    ];
    assert_eq!(described(&world.aws.findings(&managed).await), expected);

    world.load_balancers.delete_rule().rule_arn(&world.rule_arn).send().await.unwrap();
    world.delete_listener().await;
    world.load_balancers.delete_target_group().target_group_arn(arn).send().await.unwrap();
    let found = world.aws.findings(&managed).await;
    assert_eq!(described(&found), [format!("Missing {ADDRESS} : target group {arn} -> -")]);
}
