//! The command line against a running daemon: what it says and how it ends.

use moorline_api::views::EnvironmentView;
use moorline_model::rollout::Phase;
use moorline_model::status::StatusWord;
use moorline_tests::cli::{self, CommandResult, Watch, moorline};
use moorline_tests::daemon::{OPERATOR_TOKEN, VIEWER_TOKEN};
use moorline_tests::declared::caller_key_sha256;
use moorline_tests::gateway::{ADMIN_TOKEN, Gateway};
use moorline_tests::{Shown as _, World};
use serde_json::json;

/// What is declared of `another-key-of-tests`.
const ANOTHER_SHA256: &str = "18137d790529a8ea002a393f2cc28b7a3d24ea22d9671ee7bfe939a21e6145c0";

/// Runs a command as somebody who may act.
async fn run(world: &World, arguments: &[&str]) -> CommandResult {
    moorline(arguments, &[("MOORLINE_SERVER", world.daemon.base()), ("MOORLINE_TOKEN", OPERATOR_TOKEN)]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn people_see_how_it_stands_and_scripts_get_the_exit_codes() {
    let mut world = World::new().await;
    // Drift stays, so that it can be looked at.
    world.declaration["environments"][0]["drift"]["heal"] = json!([]);
    let first = world.settle().await;

    let status = run(&world, &["status"]).await;
    assert_eq!(status.code, 0, "{status:?}");
    assert!(status.stdout.starts_with("● in sync"), "{status:?}");
    assert_eq!(status.stdout.lines().count(), 1, "one line an environment: {status:?}");
    assert!(!status.stdout.contains('\u{1b}'), "colour is for a terminal: {status:?}");
    let status = run(&world, &["status", "test"]).await;
    for axis in ["source", "plan", "apply", "health", "drift", "hold"] {
        assert!(status.stdout.contains(axis), "{axis}: {status:?}");
    }
    let status = run(&world, &["status", "test", "--output", "json"]).await.json();
    assert_eq!((&status["version"], &status["verified"]["revision"]["commit"]), (&json!(1), &json!(first)));
    let history = run(&world, &["history", "test", "--limit", "3"]).await;
    assert_eq!((history.code, history.stdout.lines().count()), (0, 3), "{history:?}");
    assert!(history.stdout.lines().next().unwrap().contains("is in force"), "newest first: {history:?}");
    let why = run(&world, &["why", "test"]).await;
    let answer = format!("Nothing waits: {} is in force, verified", first.short());
    assert!(why.code == 0 && why.stdout.starts_with(&answer), "{why:?}");
    assert_eq!(run(&world, &["drift", "test"]).await.code, 0);

    world.gateways[1].edit(|document| document["location"] = json!("elsewhere")).await;
    world.when("drifted", |environment| environment.status.word == StatusWord::Drifted).await;
    assert_eq!(run(&world, &["status", "test"]).await.code, 2);
    let drift = run(&world, &["drift", "test"]).await;
    assert_eq!(drift.code, 2, "{drift:?}");
    let why = run(&world, &["why", "test"]).await;
    assert_eq!(why.code, 2, "why exits as status does: {why:?}");
    assert!(
        why.stdout.starts_with("test waits for you: ") && why.stdout.contains("nobody heals it"),
        "{why:?}"
    );
    assert!(why.stdout.contains("Callers: 1 of 2 replicas answer them from another document"), "{why:?}");
    assert!(drift.stdout.contains("location") && drift.stdout.contains("elsewhere"), "{drift:?}");
    assert_eq!(why.stdout.matches("Callers:").count(), 1, "once: {why:?}");
    let history = run(&world, &["history", "test"]).await;
    assert!(
        history.stdout.contains("live \"elsewhere\"") || history.stdout.contains("live elsewhere"),
        "{history:?}"
    );

    world.gateways[1].freeze();
    world.when("cannot check", |environment| environment.status.word == StatusWord::CannotCheck).await;
    assert_eq!(run(&world, &["status", "test"]).await.code, 6);
    world.gateways[1].thaw();
}

// Invariant 9.
#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_read_is_neither_verifying_nor_in_sync_nor_free_of_drift() {
    let mut world = World::new().await;
    let freeze = |world: &World| world.gateways.iter().for_each(Gateway::freeze);
    let thaw = |world: &World| world.gateways.iter().for_each(Gateway::thaw);
    freeze(&world);
    let first = world.push("the first one");
    world.daemon.start().await;
    let is_dark = |environment: &EnvironmentView| {
        environment.status.word == StatusWord::CannotCheck && environment.phase() == Some(&Phase::Staging)
    };
    world.when("it cannot be checked what the rollout does", is_dark).await;
    let drift = run(&world, &["drift", "test"]).await;
    assert_eq!(drift.code, 6, "{drift:?}");
    assert!(drift.stderr.contains("Not checked: nothing is in force yet"), "{drift:?}");

    thaw(&world);
    world.verified(&first).await;
    let drift = run(&world, &["drift", "test"]).await;
    assert_eq!(drift.code, 0, "{drift:?}");
    assert!(drift.stdout.contains("gateway   compared"), "{drift:?}");

    freeze(&world);
    world.when("cannot check", |environment| environment.status.word == StatusWord::CannotCheck).await;
    let drift = run(&world, &["drift", "test"]).await;
    assert_eq!(drift.code, 6, "{drift:?}");
    assert!(drift.stderr.contains("2 of 2 replicas cannot be read"), "{drift:?}");
    thaw(&world);
}

#[tokio::test(flavor = "multi_thread")]
async fn people_hold_release_sync_and_roll_back() {
    let mut world = World::new().await;
    let first = world.settle().await;

    let held = run(&world, &["hold", "test", "--reason", "a freeze of ours"]).await;
    assert_eq!(held.code, 0, "{held:?}");
    world.when("held", |environment| !environment.holds.is_empty()).await;
    let second = world.push_model("second");
    let is_seen =
        |environment: &EnvironmentView| environment.wanted.as_ref().is_some_and(|head| head.commit == second);
    world.when("seen", is_seen).await;
    world.when("held", |environment| environment.status.word == StatusWord::Held).await;
    let why = run(&world, &["why", "test"]).await;
    assert_eq!(why.code, 5, "{why:?}");
    assert!(format!("{}{}", why.stdout, why.stderr).contains("a freeze of ours"), "{why:?}");
    assert_eq!(run(&world, &["status", "test"]).await.code, 5);

    let released = run(&world, &["release", "test", "--wait", "60"]).await;
    assert_eq!(released.code, 0, "{released:?}");
    world.verified(&second).await;
    assert_eq!(run(&world, &["sync", "test", "--wait", "60"]).await.code, 0);

    let back = run(&world, &["rollback", "test", "--reason", "it is dearer", "--wait", "60"]).await;
    let environment = world.verified(&first).await;
    assert_eq!(environment.holds[0].commit, Some(second), "{environment:#?}");
    // It is done, though the head is held: that is what a script is told.
    assert_eq!(back.code, 0, "{back:?}");
    assert_eq!(
        back.stdout.lines().last().unwrap(),
        format!("test: {} is in force", first.short()),
        "{back:?}"
    );
    let result = |message: &String| message.contains("it is dearer");
    assert!(world.history().await.iter().any(result), "{:?}", world.history().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_says_what_a_checkout_changes_with_values_and_without_secrets() {
    let mut world = World::new().await;
    let first = world.settle().await;
    world.document["routes"][0]["limits"][0]["requests"] = json!(2_000_000);
    world.document["keys"][0]["sha256"] = json!(ANOTHER_SHA256);
    world.document["providers"]["local"]["api_key"] = json!("env:ANOTHER_KEY");
    let checkout = tempfile::tempdir().unwrap();
    for (path, text) in world.tree() {
        std::fs::write(checkout.path().join(path), text).unwrap();
    }
    let path = checkout.path().to_str().unwrap();
    let variables = [("GATEWAY_TOKEN", ADMIN_TOKEN)];
    let plan = async |more: &[&str]| moorline(&[&["plan", "test", path], more].concat(), &variables).await;
    let text = plan(&[]).await;
    assert_eq!(text.code, 2, "{text:?}");
    let limit = "the limit of route /v1/chat/* rises from 1000000 to 2000000 requests per key and 1h";
    assert!(text.stdout.contains(limit), "{text:?}");
    for line in [
        "key caller: sha256 changes (not shown)",
        "provider local: api_key changes env:…",
        "route /v1/chat/*: limit 1000000 → 2000000 requests per key and 1h",
    ] {
        assert!(text.stdout.contains(line), "{line}: {text:?}");
    }
    let told = plan(&["--output", "json"]).await;
    assert_eq!(told.json()["document"]["fields"][2]["after"], "2000000", "{told:?}");
    let planned = told.json()["document"]["sentence"].as_str().unwrap().to_owned();
    assert!(planned.contains(limit), "{planned}");
    for result in [&text, &told] {
        for secret in ["ANOTHER", "PROVIDER_KEY", ANOTHER_SHA256, &caller_key_sha256()] {
            assert!(!result.stdout.contains(secret), "{secret}: {result:?}");
        }
    }

    // Merged, it is shown in the same words by the history, the rollout and its mails.
    world.document["providers"]["local"]["api_key"] = json!("env:PROVIDER_KEY");
    world.document["keys"][0]["sha256"] = json!(caller_key_sha256());
    let second = world.push("raise the limit");
    assert_ne!(first, second);
    let changes = world.verified(&second).await.rollout.unwrap().changes.unwrap();
    assert_eq!(changes.sentence, limit);
    assert!(world.history().await.iter().any(|line| line.contains("begins") && line.contains(limit)));
    // Mails fold long lines.
    world.mailed("rises from 1000000 to 2000000").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_done_has_its_own_exit_code() {
    let mut world = World::new().await;
    world.settle().await;
    let base = world.daemon.base().to_owned();
    let without = moorline(&["status", "--server", &base], &[]).await;
    assert_eq!(without.code, 4, "{without:?}");
    assert!(without.stderr.contains("--token"), "{without:?}");
    let viewer = [("MOORLINE_TOKEN", VIEWER_TOKEN), ("MOORLINE_SERVER", base.as_str())];
    assert_eq!(moorline(&["status"], &viewer).await.code, 0);
    // Who pastes the API's address is understood, and who gives a gateway's is told so.
    assert_eq!(moorline(&["status", "--server", &format!("{base}/api/v1")], &viewer).await.code, 0);
    let gateway = moorline(&["status", "--server", &world.gateways[0].admin], &viewer).await;
    assert_eq!(gateway.code, 1, "{gateway:?}");
    assert!(gateway.stderr.contains("not the daemon"), "{gateway:?}");
    assert_eq!(moorline(&["hold", "test", "--reason", "no"], &viewer).await.code, 4);
    assert_eq!(run(&world, &["status", "no-such-environment"]).await.code, 1);
    // Refused here, before any request to the daemon.
    for operation in ["hold", "rollback"] {
        let result =
            moorline(&[operation, "test", "--server", "http://127.0.0.1:1", "--output", "json"], &[]).await;
        let next = format!("moorline {operation} test --reason \"…\"");
        assert_eq!((result.code, &result.json()["error"]["next"]), (64, &json!(next)), "{result:?}");
    }
    assert_eq!(run(&world, &["approve", "test"]).await.code, 1, "no plan waits");
    assert_eq!(run(&world, &["no-such-command"]).await.code, 64);
    let nobody = moorline(&["status", "--server", "http://127.0.0.1:1"], &[]).await;
    assert_eq!(nobody.code, 6, "{nobody:?}");
    assert!(nobody.stderr.contains("refuses connections: start it there"), "{nobody:?}");
    // The fault is known, and so is the way on: nothing is to be started there.
    for (server, way_on) in [
        ("http://nosuch.invalid".to_owned(), "correct the host in its address"),
        (base.replace("http://", "https://"), "write http:// rather than https://"),
    ] {
        let result = moorline(&["status", "--server", &server], &[]).await;
        assert!(result.code == 6 && result.stderr.contains(way_on), "{result:?}");
        assert!(!result.stderr.contains("start it"), "{result:?}");
        assert!(result.stderr.contains("--server or MOORLINE_SERVER"), "{result:?}");
    }
    assert_eq!(run(&world, &["history", "test", "--limit", "0"]).await.code, 64);
    // A script reads on stdout why it failed, in the same shape for each.
    let refused = moorline(&["status", "--server", &base, "--output", "json"], &[]).await;
    let error = refused.json();
    assert_eq!((&error["version"], &error["error"]["kind"]), (&json!(1), &json!("sign_in")), "{refused:?}");
    assert!(error["error"]["next"].as_str().unwrap().contains("--token"), "{refused:?}");
    let wrong = run(&world, &["status", "--no-such-flag", "--output", "json"]).await;
    assert_eq!((wrong.code, &wrong.json()["error"]["kind"]), (64, &json!("usage")), "{wrong:?}");
    assert_eq!(wrong.json()["error"]["message"], "unexpected argument '--no-such-flag' found", "{wrong:?}");
    assert_eq!(world.environment().await.unwrap().holds, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watch_that_is_piped_says_each_change_until_it_is_interrupted() {
    let mut world = World::new().await;
    world.settle().await;
    let variables = [("MOORLINE_SERVER", world.daemon.base()), ("MOORLINE_TOKEN", VIEWER_TOKEN)];
    let mut watch = Watch::start(&["status", "--watch"], &variables);
    let first = watch.line().await;
    assert!(first.contains("● in sync") && !first.contains('\u{1b}'), "{first}");
    run(&world, &["hold", "test", "--reason", "a feast"]).await;
    let held = watch.line().await;
    assert!(held.contains("■ held") && held.contains("a feast"), "{held}");
    assert_eq!(watch.interrupt().await, 130);
}

#[tokio::test]
async fn a_wrong_command_line_ends_with_64_whichever_program_it_is_for() {
    for program in ["moorline", "moorline-gateway", "terraform-provider-moorline", "bench"] {
        let wrong = cli::run(program, &["--no-such-flag"], &[]).await;
        assert_eq!(wrong.code, 64, "{program}: {wrong:?}");
        assert!(wrong.stderr.contains("--no-such-flag") && wrong.stdout.is_empty(), "{program}: {wrong:?}");
        let help = cli::run(program, &["--help"], &[]).await;
        assert_eq!(help.code, 0, "{program}: {help:?}");
        assert!(help.stdout.contains("Usage:"), "{program}: {help:?}");
    }
    for program in ["moorline", "moorline-gateway", "terraform-provider-moorline"] {
        assert_eq!(cli::run(program, &["--version"], &[]).await.code, 0, "{program}");
    }
    let nothing_asked = cli::run("terraform-provider-moorline", &[], &[]).await;
    assert_eq!(nothing_asked.code, 64, "{nothing_asked:?}");
}

#[tokio::test]
async fn schemas_completions_and_a_first_checkout_need_no_daemon() {
    for document in ["gateway", "repository", "daemon"] {
        let schema = moorline(&["schema", document], &[]).await;
        assert_eq!(schema.code, 0, "{schema:?}");
        assert!(schema.json()["properties"].is_object(), "{document}");
    }
    assert!(moorline(&["completions", "bash"], &[]).await.stdout.contains("moorline"));
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().to_str().unwrap();
    assert_eq!(moorline(&["init", path], &[("HOME", path)]).await.code, 0);
    let valid = moorline(&["validate", path], &[]).await;
    assert_eq!(valid.code, 0, "what init writes is valid: {valid:?}");
    let policies = concat!(env!("CARGO_MANIFEST_DIR"), "/../policies");
    let tested = moorline(&["policy", "test", policies], &[]).await;
    assert_eq!(tested.code, 0, "{tested:?}");
}
