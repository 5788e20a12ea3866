//! Gateways that serve something else when Moorline first meets them.

use moorline_admin::{Origin, WriteOptions};
use moorline_api::views::EnvironmentView;
use moorline_model::condition::ConditionType;
use moorline_model::status::StatusWord;
use moorline_tests::cli::{CommandResult, moorline};
use moorline_tests::daemon::OPERATOR_TOKEN;
use moorline_tests::{Shown as _, World, declared};
use serde_json::json;

async fn run(world: &World, arguments: &[&str]) -> CommandResult {
    moorline(arguments, &[("MOORLINE_SERVER", world.daemon.base()), ("MOORLINE_TOKEN", OPERATOR_TOKEN)]).await
}

/// Each gateway serves a document of its own: one written by Terraform, one by hand.
async fn inhabited() -> World {
    let world = World::new().await;
    for (gateway, (origin, model)) in
        world.gateways.iter().zip([(Origin::Terraform, "by-terraform"), (Origin::Manual, "by-hand")])
    {
        let mut document = world.document.clone();
        declared::aim(&mut document, model);
        let by_hand = origin == Origin::Manual;
        let options = WriteOptions {
            origin: Some(origin),
            take_over: true,
            actor: by_hand.then(|| "jane".to_owned()),
            reason: by_hand.then(|| "before Moorline".to_owned()),
            ..WriteOptions::default()
        };
        gateway.client.put_config(&document, &options).await.unwrap();
    }
    world
}

#[tokio::test(flavor = "multi_thread")]
async fn what_served_before_is_shown_adopted_and_gone_back_to() {
    let mut world = inhabited().await;
    let before = world.digests().await;
    let first = world.push("the first one");
    world.daemon.start().await;
    let asks = |environment: &EnvironmentView| {
        let because = environment.because(ConditionType::Apply);
        environment.status.word == StatusWord::Held && because.contains("Moorline has not put that there")
    };
    let environment = world.when("it asks", asks).await;
    let owners: Vec<_> = environment.found.iter().map(|found| found.origin.as_str()).collect();
    assert_eq!(owners, ["terraform", "manual"], "{environment:#?}");
    let why = run(&world, &["why", "test"]).await;
    let result = format!("{}{}", why.stdout, why.stderr);
    for part in ["moorline adopt test", "manual by jane since", "before Moorline", "models.small.targets"] {
        assert!(result.contains(part), "{part}: {result}");
    }
    // Nobody's impatience replaces it.
    let result = run(&world, &["sync", "test"]).await;
    assert_eq!(result.code, 5, "{result:?}");
    assert_eq!(world.digests().await, before);
    assert!(!world.audit().await.contains(&"gateway.stage".to_owned()));

    let result = run(&world, &["adopt", "test", "--wait", "60"]).await;
    assert_eq!(result.code, 0, "{result:?}");
    for part in
        ["serves by-terraform, declared first", "serves by-hand, declared first", "manual by jane since"]
    {
        assert!(result.stderr.contains(part), "{part}: {result:?}");
    }
    world.verified(&first).await;
    let declared = declared::digest(&world.document);
    assert_eq!(world.digests().await, [declared.clone(), declared]);
    let again = run(&world, &["adopt", "test"]).await;
    assert_eq!(again.code, 1, "{again:?}");

    // Each goes back to its own, and what was left stays out.
    let result = run(&world, &["rollback", "test", "--reason", "it was better before"]).await;
    assert_eq!(result.code, 0, "{result:?}");
    assert_eq!(world.digests().await, before);
    let is_held = |environment: &EnvironmentView| environment.status.word == StatusWord::Held;
    let environment = world.when("it rests", is_held).await;
    assert_eq!(environment.holds[0].commit, Some(first), "{environment:#?}");
    let stable = world.gateways[0].status().await.stable.unwrap();
    assert_eq!(stable.reason.as_deref(), Some("it was better before"));
}

#[tokio::test(flavor = "multi_thread")]
async fn where_adopt_is_declared_nobody_is_asked() {
    let mut world = inhabited().await;
    let before = world.digests().await;
    world.declaration["environments"][0]["gateway"]["adopt"] = json!(true);
    world.settle().await;
    let result = run(&world, &["rollback", "test", "--reason", "it was better before"]).await;
    assert_eq!(result.code, 0, "{result:?}");
    assert_eq!(world.digests().await, before, "the documents were kept all the same");
}

/// Neither a rename nor an address that moves over takes a gateway along, with the rule that guarded it.
#[tokio::test(flavor = "multi_thread")]
async fn gateways_of_another_environment_are_not_written_over_without_a_word() {
    let mut world = World::new().await;
    world.declaration["environments"][0]["apply"] = json!({"approval": "required"});
    let first = world.push("the first one");
    world.daemon.start().await;
    world.when("it waits", |environment| environment.waits_for_approval.is_some()).await;
    assert_eq!(run(&world, &["approve", "test", "--wait", "60"]).await.code, 0);
    world.verified(&first).await;
    let before = world.digests().await;

    let environment = &mut world.declaration["environments"][0];
    environment["name"] = json!("renamed");
    environment["apply"] = json!({});
    environment["drift"] = json!({"heal": ["gateway"]});
    declared::aim(&mut world.document, "by-nobody");
    world.push("another name, and no rule");
    let held = async || {
        let result = run(&world, &["why", "renamed"]).await;
        (result.code == 5 && result.stdout.contains("(git, for test since")).then_some(())
    };
    moorline_tests::wait::before(std::time::Duration::from_secs(60), held).await.unwrap();
    assert_eq!(run(&world, &["sync", "renamed"]).await.code, 5, "nobody's impatience");
    assert_eq!(world.digests().await, before);
    let result = run(&world, &["adopt", "renamed", "--wait", "60"]).await;
    assert_eq!(result.code, 0, "{result:?}");
    assert_ne!(world.digests().await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_that_was_lost_is_built_anew_without_a_question() {
    let mut world = World::new().await;
    world.settle().await;
    lose_the_record(&mut world).await;
    let second = world.push_model("second");
    world.daemon.start().await;
    world.verified(&second).await;

    // Lost again, with nothing new in Git: the replicas serve it already, and are compared with it all the same.
    lose_the_record(&mut world).await;
    world.daemon.start().await;
    world.verified(&second).await;
    world.when("it is in sync", |environment| environment.status.word == StatusWord::InSync).await;
}

async fn lose_the_record(world: &mut World) {
    world.daemon.stop().await;
    for file in ["moorline.db", "moorline.db-wal", "moorline.db-shm"] {
        drop(std::fs::remove_file(world.folder.path().join(file)));
    }
}
