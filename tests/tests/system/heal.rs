//! Drift that is left to people: messages name the command that restores the declared state, and it does.

use moorline_admin::{DocumentEndpoint, Origin, WriteOptions};
use moorline_model::Secret;
use moorline_model::rollout::RolloutKind;
use moorline_tests::cli::{CommandResult, moorline};
use moorline_tests::daemon::OPERATOR_TOKEN;
use moorline_tests::world::DOCUMENT_TOKEN;
use moorline_tests::{Shown as _, World, declared};
use serde_json::json;

async fn run(world: &World, arguments: &[&str]) -> CommandResult {
    moorline(arguments, &[("MOORLINE_SERVER", world.daemon.base()), ("MOORLINE_TOKEN", OPERATOR_TOKEN)]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edit_by_hand_is_given_back_where_a_person_says_so() {
    let mut world = World::new().await;
    world.declaration["environments"][0]["drift"]["heal"] = json!([]);
    world.settle().await;
    let good = declared::digest(&world.document);
    for gateway in &world.gateways {
        gateway.edit(|document| document["location"] = json!("elsewhere")).await;
    }
    world.when("both drift", |environment| environment.drift.open == 2).await;
    world.mailed("moorline heal test").await;
    let admin: Vec<_> = world.gateways.iter().map(|gateway| gateway.admin.clone()).collect();

    let result = run(&world, &["heal", "test", "--only", "http://10.0.0.1:8788"]).await;
    assert_eq!(result.code, 1, "{result:?}");
    let listed = format!("does not drift; what does: {}", admin.iter().min().unwrap());
    assert!(result.stderr.contains(&listed), "{result:?}");

    // An intent passes a hold on everything: nothing new is put there, and a release would bring in more.
    run(&world, &["hold", "test", "--reason", "an incident"]).await;
    let result = run(&world, &["heal", "test", "--only", &format!("{}/", admin[0])]).await;
    assert_eq!(result.code, 0, "{result:?}");
    assert!(
        result.stdout.contains(&format!("on {}, though everything is held by operator", admin[0])),
        "{result:?}"
    );
    let digests = world.digests().await;
    assert_eq!(digests[0], good);
    assert_ne!(digests[1], good, "only that one");
    world.when("one drifts", |environment| environment.drift.open == 1).await;

    let result = run(&world, &["heal", "test", "--output", "json", "--reason", "the night is over"]).await;
    assert_eq!((result.code, &result.json()["outcome"]["outcome"]), (0, &json!("done")), "{result:?}");
    assert_eq!(world.digests().await, [good.clone(), good]);
    world.when("nothing drifts", |environment| environment.drift.open == 0).await;
    let result = run(&world, &["heal", "test"]).await;
    assert_eq!(result.code, 0, "{result:?}");
    assert!(result.stdout.contains("nothing differs from what is declared"), "{result:?}");
    let told = |message: &String| {
        message.contains("operator restores the document") && message.contains("the night is over")
    };
    assert!(world.history().await.iter().any(told), "{:?}", world.history().await);
    let audit = world.audit().await;
    let heals = audit.iter().filter(|action| *action == "gateway.heal").count();
    assert_eq!(heals, 2, "{audit:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_terraform_owns_is_planned_and_applied_at_the_commit_in_force() {
    let mut world = World::with_terraform().await;
    world.declaration["environments"][0]["schedule"]["plan"] = json!("2s");
    let first = world.settle().await;
    let good = world.digests().await;
    // Somebody writes what Terraform owns, past Terraform.
    let token = Some(Secret::new(DOCUMENT_TOKEN.to_owned()));
    let endpoint = DocumentEndpoint::new(&world.daemon.document_url(), token).unwrap();
    let mut document = endpoint.get().await.unwrap().unwrap().document;
    document["location"] = json!("elsewhere");
    let as_terraform = WriteOptions { origin: Some(Origin::Terraform), ..WriteOptions::default() };
    endpoint.put(&document, &as_terraform).await.unwrap();
    world.when("Terraform's plan finds it", |environment| environment.drift.open > 0).await;
    let before = world.audit().await.len();

    let result = run(&world, &["heal", "test", "--wait", "60", "--output", "json"]).await;
    let told = result.json();
    assert_eq!(told["outcome"]["outcome"], "under_way", "{result:?}");
    assert_eq!(told["rollout"]["phase"]["phase"], "succeeded", "{result:?}");
    let environment = world.when("nothing drifts", |environment| environment.drift.open == 0).await;
    let kind = &environment.rollout.as_ref().unwrap().kind;
    assert!(matches!(kind, RolloutKind::Heal { .. }), "{kind:?}");
    assert_eq!(environment.verified_commit(), Some(&first));
    assert_eq!(world.digests().await, good);
    let audit = world.audit().await;
    let acted: Vec<_> = audit[before..].iter().map(String::as_str).collect();
    assert_eq!(acted[..4], ["heal", "terraform.plan", "terraform.apply", "document.put"], "{acted:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edit_by_hand_is_found_through_the_gateways_events_long_before_the_schedule() {
    let mut world = World::new().await;
    world.declaration["environments"][0]["drift"]["heal"] = json!([]);
    world.declaration["environments"][0]["schedule"]["drift"] = json!("1h");
    world.settle().await;
    world.gateways[1].edit(|document| document["location"] = json!("elsewhere")).await;
    world.when("it drifts", |environment| environment.drift.open == 1).await;
}
