//! The three kinds, live in an emulator.

use moorline_model::drift::{DriftKind, Finding, Lane, Severity};

use crate::emulator::Emulator;
use crate::world::{RULE, SERVICE, WEB_ACL, World, known_bad, per_ip};

/// Address, kind, path, declared and live.
fn told(findings: &[Finding]) -> Vec<String> {
    let told = |finding: &Finding| {
        let part = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
        let (declared, live) = (part(&finding.declared), part(&finding.live));
        format!("{:?} {} {}: {declared} -> {live}", finding.kind, finding.address, finding.path)
    };
    findings.iter().map(told).collect()
}

async fn world(name: &str) -> World {
    World::build(name, Emulator::shared().address()).await
}

#[tokio::test]
async fn what_was_just_made_is_in_step() {
    let world = world("in-step").await;
    let managed = world.managed();
    assert_eq!((managed.services.len(), managed.listener_rules.len(), managed.web_acls.len()), (1, 1, 1));
    assert_eq!(told(&world.aws.findings(&managed).await), Vec::<String>::new());
}

#[tokio::test]
async fn a_service_edited_by_hand_is_found_at_its_address_and_paths() {
    let world = world("edited-service").await;
    let update = world.ecs.update_service().cluster(&world.name).service(&world.name).desired_count(5);
    let update = update.enable_execute_command(true).task_definition(format!("{}:2", world.name));
    update.send().await.unwrap();
    let found = world.aws.findings(&world.managed()).await;
    assert_eq!(
        told(&found),
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
        told(&world.aws.findings(&world.managed()).await),
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
        told(&world.aws.findings(&world.managed()).await),
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
    assert_eq!(told(&world.aws.findings(&world.managed()).await), Vec::<String>::new());
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
    let mut managed = world.managed();
    managed.services[0].at.cluster = "nowhere".to_owned();
    let found = world.aws.findings(&managed).await;
    assert_eq!(found.iter().map(|finding| finding.kind).collect::<Vec<_>>(), [DriftKind::Missing]);
}

#[tokio::test]
async fn when_aws_goes_away_everything_is_unverifiable() {
    let emulator = Emulator::start();
    let world = World::build("unplugged", emulator.address()).await;
    let managed = world.managed();
    assert_eq!(told(&world.aws.findings(&managed).await), Vec::<String>::new());
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
