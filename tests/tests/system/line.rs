//! One commit travels from Git to live gateways, is verified, and comes back when it is bad.

use moorline_api::endpoints;
use moorline_api::views::{EnvironmentView, IntentRequest};
use moorline_model::condition::ConditionType;
use moorline_model::drift::DriftKind;
use moorline_model::rollout::Phase;
use moorline_model::status::StatusWord;
use moorline_tests::{Shown as _, World, declared};
use rustix::process::Signal;

/// Waits until a cycle has looked at everything again.
async fn a_cycle_later(world: &World) -> EnvironmentView {
    let checked = |environment: &EnvironmentView| environment.condition(ConditionType::Health).checked_at;
    let before = checked(&world.environment().await.unwrap());
    world.when("another cycle", |environment| checked(environment) > before).await
}

fn is_in_sync(environment: &EnvironmentView) -> bool {
    environment.status.word == StatusWord::InSync
}

#[tokio::test(flavor = "multi_thread")]
async fn a_push_is_attested_by_every_replica_and_then_there_is_nothing_to_do() {
    let mut world = World::new().await;
    let first = world.settle().await;
    let digest = declared::digest(&world.document);
    assert_eq!(world.digests().await, [digest.clone(), digest]);

    let second = world.push_model("second");
    let environment = world.verified(&second).await;
    let digest = declared::digest(&world.document);
    assert_eq!(world.digests().await, [digest.clone(), digest.clone()]);
    for gateway in &world.gateways {
        let stable = gateway.status().await.stable.unwrap();
        assert_eq!(stable.commit.as_deref(), Some(second.as_str()));
        assert_eq!(stable.origin, moorline_admin::Origin::Git);
    }
    assert_eq!(environment.applied.unwrap().digest.to_string(), digest);
    assert_eq!(environment.status.word, StatusWord::InSync);
    let history = world.history().await.join("\n");
    assert!(history.contains(first.short()) && history.contains(second.short()), "{history}");

    // Nothing is left to do: no further effect, no further line of history, the same generations.
    let (audit, history) = (world.audit().await, world.history().await);
    assert_eq!(audit, ["gateway.stage", "gateway.promote", "gateway.stage", "gateway.promote"]);
    a_cycle_later(&world).await;
    a_cycle_later(&world).await;
    assert_eq!(world.audit().await, audit);
    assert_eq!(world.history().await, history);
    world.daemon.restart().await;
    a_cycle_later(&world).await;
    assert_eq!(world.audit().await, audit, "a restart finds nothing to do either");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_effect_without_its_audit_line_written_first() {
    let mut world = World::new().await;
    let commit = world.push("the first one");
    world.daemon.start_to_be_killed_at("gateway.stage:begun").await;
    let status = world.daemon.ended().await;
    assert_eq!(std::os::unix::process::ExitStatusExt::signal(&status), Some(Signal::KILL.as_raw()));
    for gateway in &world.gateways {
        let status = gateway.status().await;
        assert!(status.candidate.is_none() && status.stable.is_none(), "{status:?}");
    }
    // The web of the next life answers before any cycle of it has ended.
    world.daemon.start().await;
    assert_eq!(world.audit().await.first().map(String::as_str), Some("gateway.stage"));
    world.verified(&commit).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_canary_is_seen_at_every_weight_and_callers_notice_nothing() {
    let mut world = World::with_canary().await;
    // Long enough at each weight to be seen there.
    for step in world.declaration["environments"][0]["rollout"]["steps"].as_array_mut().unwrap() {
        step["hold"] = "1s".into();
    }
    world.declaration["environments"][0]["verify"]["min_requests"] = 5.into();
    world.push("the first one");
    world.daemon.start().await;
    // The first one has no stable beside it; callers come once it serves.
    world.when("the first one serves", |environment| environment.phase() == Some(&Phase::Baking)).await;
    let traffic = world.traffic(4);
    traffic.serves("first", 20).await;
    world.when("the first one is verified", |environment| environment.verified.is_some()).await;

    let second = world.push_model("second");
    for weight in ["10%", "50%"] {
        let seen = || async {
            let candidate = world.gateways[1].status().await.candidate?;
            (candidate.weight.to_string() == weight).then_some(())
        };
        moorline_tests::until(&format!("a candidate at {weight}"), seen).await;
    }
    traffic.serves("second", 1).await;
    world.verified(&second).await;
    traffic.serves("second", 20).await;
    traffic.stop_without_failures().await;
    let canary = ["gateway.stage", "gateway.shift", "gateway.shift", "gateway.promote"];
    let first = ["gateway.stage", "gateway.promote"];
    assert_eq!(world.audit().await, [&first[..], &canary[..]].concat());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_commit_is_rolled_back_and_held_until_it_is_released() {
    let mut world = World::with_canary().await;
    let good = world.settle().await;
    let before = world.digests().await;
    let traffic = world.traffic(2);

    let bad = world.push_broken();
    let environment = world.ends(&bad, &Phase::RolledBack).await;
    assert_eq!(environment.status.word, StatusWord::Held);
    assert_eq!(environment.holds[0].commit.as_ref(), Some(&bad));
    assert_eq!(environment.verified_commit(), Some(&good));
    assert_eq!(world.digests().await, before);

    // One thread: the first mail says that it goes back, the second refers to it and says that it is back.
    world.mailed("was rolled back").await;
    let about_bad = world.mail.holding(bad.short());
    assert_eq!(about_bad.len(), 2, "{about_bad:#?}");
    let thread = about_bad[0].header("Message-ID").unwrap();
    assert_eq!(about_bad[0].header("In-Reply-To"), None);
    assert_eq!(about_bad[1].header("In-Reply-To"), Some(thread));
    assert_eq!(about_bad[0].header("Subject"), about_bad[1].header("Subject"));

    // Held: neither time, nor a restart, nor a sync brings it in.
    let effects = world.audit().await;
    a_cycle_later(&world).await;
    world.daemon.restart().await;
    a_cycle_later(&world).await;
    world.submit(&endpoints::SYNC, &IntentRequest::default()).await.unwrap();
    a_cycle_later(&world).await;
    let done: Vec<_> =
        world.audit().await.into_iter().filter(|action| action.starts_with("gateway.")).collect();
    assert_eq!(done, effects, "nothing was done for a held commit");
    traffic.stop_without_failures().await;

    // Released, it is tried again; what was wrong with it is wrong still, and nobody takes it back a second time.
    world.submit(&endpoints::RELEASE, &IntentRequest::default()).await.unwrap();
    let tried = |environment: &EnvironmentView| environment.rollout.is_some() && environment.frozen.is_some();
    world.when("the released commit was tried and froze", tried).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_newer_commit_comes_in_although_the_one_before_is_held() {
    let mut world = World::new().await;
    world.settle().await;
    let bad = world.push_broken();
    world.ends(&bad, &Phase::RolledBack).await;
    let newer = world.push_repaired("third");
    let environment = world.verified(&newer).await;
    assert_eq!(environment.status.word, StatusWord::InSync, "{environment:#?}");
    let digest = declared::digest(&world.document);
    assert_eq!(world.digests().await, [digest.clone(), digest]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_live_edit_is_confirmed_told_once_healed_and_told_to_be_over() {
    let mut world = World::new().await;
    world.settle().await;
    let declared = world.digests().await;

    world.gateways[0].edit(|document| document["routes"][0]["limits"][0]["requests"] = 9.into()).await;
    world.mailed("as declared again").await;
    assert_eq!(world.digests().await, declared, "it is healed");
    let address = &world.gateways[0].admin;
    let mails = world.mail.holding(address);
    assert_eq!(mails.len(), 2, "opened once, resolved once: {mails:#?}");
    assert!(mails[0].body().contains("routes[0].limits[0].requests"), "{}", mails[0].body());
    assert!(mails[0].body().contains("night-shift"), "{}", mails[0].body());
    assert_eq!(mails[1].header("In-Reply-To"), mails[0].header("Message-ID"));
    let environment = world.when("in sync", is_in_sync).await;
    assert_eq!(environment.drift.open, 0);
    assert!(world.audit().await.contains(&"gateway.heal".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_that_does_not_answer_is_unverifiable_and_never_missing_or_in_step() {
    let mut world = World::new().await;
    world.settle().await;
    world.gateways[1].freeze();
    let is_dark = |environment: &EnvironmentView| environment.status.word == StatusWord::CannotCheck;
    let environment = world.when("cannot check", is_dark).await;
    assert!(environment.replicas[1].error.is_some(), "{environment:#?}");
    world.when("it is confirmed", |environment| environment.drift.open == 1).await;
    let drift = world.drift().await.drift;
    assert_eq!(drift[0].finding.kind, DriftKind::Unverifiable, "{drift:#?}");
    assert_eq!(drift[0].finding.address, world.gateways[1].admin);
    world.mailed("cannot be read").await;

    world.gateways[1].thaw();
    world.mailed("can be read again").await;
    world.when("in sync", is_in_sync).await;
    let mails = world.mail.holding(&world.gateways[1].admin);
    assert_eq!(mails.len(), 2, "{mails:#?}");
    assert!(!world.audit().await.contains(&"gateway.heal".to_owned()), "what is not known is not healed");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rewritten_branch_is_followed_like_any_other_head() {
    let mut world = World::new().await;
    world.settle().await;
    declared::aim(&mut world.document, "rewritten");
    let commit = world.repository.force_push(&world.tree(), "a history of its own");
    world.verified(&commit).await;
    let digest = declared::digest(&world.document);
    assert_eq!(world.digests().await, [digest.clone(), digest]);
}
