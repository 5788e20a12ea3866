//! What people ask for by the command line, and what they are told came of it.

use moorline_tests::cli::{CommandResult, moorline};
use moorline_tests::daemon::OPERATOR_TOKEN;
use moorline_tests::{Daemon, World, until};
use serde_json::json;

/// Runs a command as somebody who may act.
async fn run(world: &World, arguments: &[&str]) -> CommandResult {
    moorline(arguments, &[("MOORLINE_SERVER", world.daemon.base()), ("MOORLINE_TOKEN", OPERATOR_TOKEN)]).await
}

/// How it ended, and what it printed: one line.
fn told(result: &CommandResult) -> (i32, &str) {
    (result.code, result.stdout.trim_end())
}

#[tokio::test(flavor = "multi_thread")]
async fn each_act_says_what_came_of_it_and_ends_so() {
    let mut world = World::new().await;
    let first = world.settle().await;
    let short = first.short();

    // Nothing to go back to: refused at once, and nothing is recorded.
    let back = run(&world, &["rollback", "test", "--reason", "why not"]).await;
    assert_eq!(back.code, 1, "{back:?}");
    assert!(back.stderr.contains("no other commit verified healthy here"), "{back:?}");
    assert!(!world.audit().await.contains(&"rollback".to_owned()), "what is refused was not asked for");

    let result = run(&world, &["sync", "test"]).await;
    assert_eq!(told(&result), (0, format!("test: looked; {short} is in force").as_str()), "{result:?}");
    let result = run(&world, &["release", "test"]).await;
    assert_eq!(result.code, 0, "{result:?}");
    assert!(result.stdout.contains("nothing was held"), "{result:?}");
    let result = run(&world, &["hold", "test", "--reason", "a freeze of ours"]).await;
    assert_eq!(told(&result), (0, "test: held everything"), "{result:?}");

    // The head that was pushed just now is the one that is looked at.
    let second = world.push_model("second");
    let result = run(&world, &["sync", "test"]).await;
    assert_eq!(result.code, 5, "{result:?}");
    assert!(result.stdout.contains("everything is held by operator: a freeze of ours"), "{result:?}");
    let result = run(&world, &["release", "test", "--output", "json", "--wait", "60"]).await;
    assert_eq!(result.code, 0, "{result:?}");
    let told = result.json();
    assert_eq!(told["outcome"]["outcome"], "under_way", "{told}");
    assert_eq!(told["outcome"]["message"], format!("lifted the hold; {} begins", second.short()));
    assert_eq!((&told["rollout"]["is_over"], &told["status"]["word"]), (&json!(true), &json!("in sync")));

    // An intent that a later one overtakes has its outcome too.
    let result = run(&world, &["rollback", "test", "--reason", "it is dearer", "--output", "json"]).await;
    let told = result.json();
    assert_eq!((result.code, &told["outcome"]["outcome"]), (0, &json!("under_way")), "{result:?}");
    let environment = world.verified(&first).await;
    let rollout = environment.rollout.unwrap().id.to_string();
    assert_eq!(told["rollout"]["id"], rollout, "the rollout that it named");
    let again = run(&world, &["rollback", "test", "--to", second.as_str(), "--reason", "or not"]).await;
    assert_eq!(again.code, 5, "a hold refuses: {again:?}");
    assert!(again.stderr.contains("release it first"), "{again:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn approve_shows_the_commit_and_each_change_that_it_approves_with_its_values() {
    let mut world = World::new().await;
    world.declaration["environments"][0]["apply"] = json!({"approval": "required"});
    let first = world.push("the first one");
    world.daemon.start().await;
    world.when("the first waits", |environment| environment.waits_for_approval.is_some()).await;
    assert_eq!(run(&world, &["approve", "test", "--wait", "60"]).await.code, 0);
    world.verified(&first).await;

    world.document["routes"][0]["limits"][0]["requests"] = json!(2_000_000);
    let second = world.push("raise the limit");
    world.when("the second waits", |environment| environment.waits_for_approval.is_some()).await;
    let result = run(&world, &["approve", "test", "--wait", "60"]).await;
    assert_eq!(result.code, 0, "{result:?}");
    for shown in [
        &format!("{} by ", second.short()),
        ": raise the limit",
        "the limit of route /v1/chat/* rises from 1000000 to 2000000 requests per key and 1h",
        "route /v1/chat/*: limit 1000000 → 2000000 requests per key and 1h",
    ] {
        assert!(result.stderr.contains(shown), "{shown}: {result:?}");
    }
    assert!(result.stdout.contains("approved the document of"), "{result:?}");
    world.verified(&second).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_window_that_is_closed_is_told_with_the_moment_it_opens() {
    let mut world = World::new().await;
    world.settle().await;
    // Open for one minute, and never today.
    let day = jiff::Zoned::now().with_time_zone(jiff::tz::TimeZone::UTC).weekday();
    let other = if day == jiff::civil::Weekday::Monday { "Wed" } else { "Mon" };
    let window = format!("{other} 03:00-03:01 UTC");
    world.declaration["environments"][0]["apply"] = json!({"windows": [{"allow": window}]});
    world.push_model("second");
    let result = run(&world, &["sync", "test"]).await;
    assert_eq!(result.code, 5, "{result:?}");
    assert!(
        result.stdout.contains("outside of the windows") && result.stdout.contains("opens at"),
        "{result:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_intent_that_is_not_applied_in_time_is_no_success() {
    let mut world = World::new().await;
    world.settle().await;
    // The daemon that leads is gone, and its lease not yet: the follower records intents and cannot apply them.
    let mut follower = Daemon::new(world.folder.path(), "follower", world.repository.path());
    follower.start().await;
    let follows = || async { follower.log().contains("another daemon leads").then_some(()) };
    until("the second one follows", follows).await;
    world.daemon.kill().await;
    let at_follower = [("MOORLINE_SERVER", follower.base()), ("MOORLINE_TOKEN", OPERATOR_TOKEN)];
    let result = moorline(&["hold", "test", "--reason", "a test"], &at_follower).await;
    assert_eq!(result.code, 3, "{result:?}");
    assert!(result.stderr.contains("not applied within 3 s"), "{result:?}");
    assert!(
        result.stderr.contains("the daemon that leads (") && result.stderr.contains("moorline status test")
    );
    let applied = || async {
        let environment = follower.environment().await?;
        (!environment.holds.is_empty()).then_some(())
    };
    until("the follower leads, and applies it", applied).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_waits_for_a_commit_that_is_rolled_back_is_told_so_with_the_reason() {
    let mut world = World::new().await;
    let first = world.settle().await;
    let second = world.push_broken();
    let result = run(&world, &["sync", "test", "--wait", "60"]).await;
    assert_eq!(result.code, 7, "{result:?}");
    let last = result.stderr.lines().last().unwrap().to_owned();
    let ended = format!("error: test: {} was rolled back and is held: ", second.short());
    assert!(last.starts_with(&ended) && last.len() > ended.len(), "{result:?}");
    world.verified(&first).await;

    // As JSON: the intent as last read, and the error beside it.
    run(&world, &["release", "test"]).await;
    let result = run(&world, &["sync", "test", "--wait", "60", "--output", "json"]).await;
    let told = result.json();
    assert_eq!((result.code, &told["error"]["kind"]), (7, &json!("rolled_back")), "{result:?}");
    assert_eq!(told["error"]["next"], "moorline why test");
    assert_eq!(told["wish"], "sync", "{told}");
}
