//! What goes wrong is told with the thing, the cause and the next step: by a probe that failed, by a replica that cannot
//! be read, and by the command line.

use moorline_api::views::EnvironmentView;
use moorline_model::condition::ConditionType;
use moorline_model::rollout::Phase;
use moorline_model::status::StatusWord;
use moorline_tests::cli::moorline;
use moorline_tests::gateway::PROVIDER_KEY;
use moorline_tests::traffic::Caller;
use moorline_tests::{Fault, Shown as _, World, declared};
use serde_json::json;

/// What a rollout's last verdict rests on.
fn reasons(environment: &EnvironmentView) -> String {
    let evidence = environment.rollout.as_ref().and_then(|rollout| rollout.evidence.as_ref());
    format!("{evidence:?}")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_probe_says_which_provider_fails_and_how() {
    let mut world = World::new().await;
    world.settle().await;

    // Nobody listens where the provider should be.
    let dead = world.push_broken();
    let environment = world.ends(&dead, &Phase::RolledBack).await;
    let said = reasons(&environment);
    let sentence = "provider local refuses connections";
    let target = "(target first at http://127.0.0.1:1/v1)";
    assert!(said.contains(sentence) && said.contains(target), "{said}");
    assert!(said.contains("got 502 instead of 200"), "{said}");
    world.mailed(sentence).await;
    assert!(world.history().await.iter().any(|line| line.contains(sentence)), "{:?}", world.history().await);

    // The provider refuses the gateway's key: its reference is named, and its value nowhere.
    world.provider.set(Fault::Unauthorized);
    let denied = world.push_repaired("second");
    let said = reasons(&world.ends(&denied, &Phase::RolledBack).await);
    assert!(said.contains("provider local refuses the gateway's credential (401)"), "{said}");
    assert!(said.contains("give the gateway a good one at env:PROVIDER_KEY"), "{said}");
    assert!(!said.contains(PROVIDER_KEY), "{said}");
    assert!(!world.daemon.log().contains(PROVIDER_KEY));
    world.provider.set(Fault::None);

    // The document has no such key any more.
    world.document["keys"][0]["sha256"] = json!("ab".repeat(32));
    let unknown = world.push_model("third");
    let said = reasons(&world.ends(&unknown, &Phase::RolledBack).await);
    assert!(said.contains("the document declares no key with the value of env:CALLER_KEY"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_probe_that_can_never_pass_is_a_mistake_also_where_the_document_stays_as_it_is() {
    let mut world = World::new().await;
    let first = world.settle().await;
    world.declaration["environments"][0]["verify"]["probes"][0]["model"] = json!("no-such-model");
    let bad = world.push("a probe of nothing");
    let sentence = "verify.probes[0].model: this probe can never pass";
    let is_told = |environment: &EnvironmentView| {
        environment.status.word == StatusWord::Failed
            && environment.because(ConditionType::Source).contains(sentence)
    };
    let environment = world.when("the mistake is told", is_told).await;
    assert_eq!(environment.wanted.as_ref().unwrap().commit, bad, "{environment:#?}");
    assert_eq!(environment.applied_commit(), Some(&first), "{environment:#?}");
    world.mailed(sentence).await;
    // A document that it fits makes it right.
    world.declaration["environments"][0]["verify"]["probes"][0]["model"] = json!("small");
    let good = world.push("a probe of something");
    world.verified(&good).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_fails_after_the_promotion_is_told_as_well() {
    let mut world = World::new().await;
    world.declaration["environments"][0]["verify"]["window"] = json!("60s");
    let first = world.push("the first one");
    world.daemon.start().await;
    world.ends(&first, &Phase::Baking).await;
    // The document serves as stable now: there is no candidate that a probe could be pinned to.
    world.provider.set(Fault::Error);
    let said = |environment: &EnvironmentView| {
        reasons(environment).contains("provider local answers 500 (target first at")
    };
    world.when("the fault is told", said).await;
}

/// Why replicas of the environment cannot be read.
fn errors(environment: &EnvironmentView) -> Vec<&str> {
    environment.replicas.iter().filter_map(|replica| replica.error.as_deref()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_that_cannot_be_read_says_what_is_wrong_with_it() {
    let mut world = World::new().await;
    world.daemon.set("OTHER_TOKEN", "another-token-of-tests");
    world.settle().await;
    let gateway = world.gateways[0].admin.clone();
    // Where, the reference of the token, and what is said.
    let cases = [
        (world.gateways[0].data.clone(), "GATEWAY_TOKEN", "is a gateway's caller port, not its admin port"),
        (world.daemon.base().to_owned(), "GATEWAY_TOKEN", "is a Moorline daemon, not a gateway's admin port"),
        (
            format!("http://{}", world.provider.address()),
            "GATEWAY_TOKEN",
            "not as a gateway's admin port does",
        ),
        ("http://127.0.0.1:1".to_owned(), "GATEWAY_TOKEN", "refuses connections: start it there, or correct"),
        (
            gateway.clone(),
            "OTHER_TOKEN",
            "refuses the admin token (401): the daemon read it from env:OTHER_TOKEN",
        ),
        (
            gateway,
            "NOT_SET_ANYWHERE",
            "env:NOT_SET_ANYWHERE is not set in the daemon's environment: set it there",
        ),
    ];
    for (endpoint, token, sentence) in cases {
        world.declaration["environments"][0]["gateway"]["endpoints"] = json!([endpoint]);
        world.declaration["environments"][0]["gateway"]["admin_token"] = json!(format!("env:{token}"));
        world.push(sentence);
        let is_said =
            |environment: &EnvironmentView| errors(environment).iter().any(|error| error.contains(sentence));
        let environment = world.when(sentence, is_said).await;
        let said = errors(&environment).concat();
        // A library's words come after the sentence, never before it.
        assert!(!said.starts_with("error") && !said.contains("client error"), "{said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn callers_whom_a_provider_fails_are_told_of_though_everything_is_in_sync() {
    let mut world = World::new().await;
    world.settle().await;
    world.provider.set(Fault::Error);
    let caller = Caller::new(&world.gateways[0].data);
    let told = async {
        world
            .when("callers are affected", |environment| {
                let callers = &environment.callers;
                callers.affected == Some(true) && callers.sentence.contains("failed in the minute before")
            })
            .await
    };
    let asking = async {
        loop {
            drop(caller.ask(false).await);
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    };
    tokio::select! {
        environment = told => assert_eq!(environment.status.word, StatusWord::InSync, "{environment:#?}"),
        () = asking => {}
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_names_a_wrong_address_or_token_is_taken_back_and_mended() {
    let mut world = World::new().await;
    world.daemon.set("OTHER_TOKEN", "another-token-of-tests");
    world.settle().await;
    let gateway = world.declaration["environments"][0]["gateway"].clone();
    let wrong = [
        ("endpoints", json!([world.gateways[0].data])),
        ("endpoints", json!([world.daemon.base()])),
        ("admin_token", json!("env:OTHER_TOKEN")),
    ];
    for (model, (field, value)) in ["one", "two", "three"].into_iter().zip(wrong) {
        world.declaration["environments"][0]["gateway"][field] = value;
        let bad = world.push_model(model);
        // It cannot be verified there, and the commit before it names the gateways that can be asked.
        world.ends(&bad, &Phase::RolledBack).await;
        world.declaration["environments"][0]["gateway"] = gateway.clone();
        let good = world.push_model(model);
        world.verified(&good).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_line_knows_a_gateway_from_the_daemon() {
    let world = World::new().await;
    let gateway = &world.gateways[0];
    gateway.client.put_config(&world.document, &declared::written()).await.unwrap();
    for (server, what) in
        [(&gateway.data, "a gateway's caller port"), (&gateway.admin, "a gateway's admin port")]
    {
        for command in [&["status"][..], &["why", "test"], &["hold", "test", "--reason", "no"]] {
            let said =
                moorline(command, &[("MOORLINE_SERVER", server), ("MOORLINE_TOKEN", "any-token")]).await;
            assert_eq!(said.code, 1, "{command:?}: {said:?}");
            let sentence =
                format!("{server} is {what}, not the daemon: give the daemon's address with --server");
            assert!(said.stderr.contains(&sentence), "{command:?}: {said:?}");
        }
    }
    let nobody = moorline(&["status", "--server", "http://127.0.0.1:1"], &[]).await;
    let sentence = "error: http://127.0.0.1:1 refuses connections: start it there, or correct its address; the \
                    daemon's address is --server or MOORLINE_SERVER";
    assert!(nobody.code == 6 && nobody.stderr.starts_with(sentence), "{nobody:?}");
}
