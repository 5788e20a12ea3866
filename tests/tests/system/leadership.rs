//! Two daemons on one store: one leads and acts; one that slept through its lease is refused.

use std::time::Duration;

use moorline_api::views::EnvironmentView;
use moorline_model::rollout::Phase;
use moorline_model::status::StatusWord;
use moorline_tests::gateway::ADMIN_TOKEN;
use moorline_tests::{Daemon, Shown as _, World, declared, until};
use rustix::process::Signal;
use sqlx::ConnectOptions as _;
use sqlx::sqlite::SqliteConnectOptions;

#[tokio::test(flavor = "multi_thread")]
async fn one_leads_and_a_leader_that_slept_too_long_writes_nothing_more() {
    let mut world = World::with_canary().await;
    // Long enough to fall asleep in.
    for step in world.declaration["environments"][0]["rollout"]["steps"].as_array_mut().unwrap() {
        step["hold"] = "2s".into();
    }
    world.settle().await;
    let mut follower = Daemon::new(world.folder.path(), "follower", world.repository.path());
    for (name, value) in [
        ("GATEWAY_TOKEN", ADMIN_TOKEN),
        ("CALLER_KEY", declared::CALLER_KEY),
        ("SMTP_URL", &world.mail.url()),
    ] {
        follower.set(name, value);
    }
    follower.start().await;
    let follows = || async { follower.log().contains("another daemon leads").then_some(()) };
    until("the second one follows", follows).await;
    let seen = follower.environment().await.unwrap();
    assert_eq!(seen.status.word, StatusWord::InSync, "a follower serves the console");

    // The leader falls asleep in the middle of a rollout.
    let second = world.push_model("second");
    let shifts = |environment: &EnvironmentView| {
        let rollout = environment.rollout_of(&second);
        rollout.is_some_and(|rollout| matches!(rollout.phase, Phase::Shifting { .. }))
    };
    world.when("it shifts", shifts).await;
    fall_asleep(&world).await;
    let by_the_other = || async {
        let environment = follower.environment().await?;
        (environment.verified_commit() == Some(&second)).then_some(environment)
    };
    let before = until("the other one takes over and ends the rollout", by_the_other).await;
    let audit = follower.audit().await;
    let digests = world.digests().await;

    // It wakes up in the middle of what it was about to do, and is refused.
    world.daemon.process().signal(Signal::CONT);
    let status = world.daemon.ended().await;
    assert_eq!(status.code(), Some(1), "{}", world.daemon.log());
    let after = follower.environment().await.unwrap();
    assert_eq!(after.rollout, before.rollout);
    assert_eq!(follower.audit().await, audit, "no effect was even begun");
    assert_eq!(world.digests().await, digests);
    for mail in world.mail.mails() {
        let id = mail.header("Message-ID").unwrap().to_owned();
        let same = world.mail.mails().iter().filter(|other| other.header("Message-ID") == Some(&id)).count();
        assert_eq!(same, 1, "{id} came {same} times");
    }
}

/// Stops the leader where it stands, but not in the middle of a write: a process that sleeps with SQLite's lock keeps every
/// other one out of the file, and that is not what is asked here.
async fn fall_asleep(world: &World) {
    let file = world.folder.path().join("moorline.db");
    let options = SqliteConnectOptions::new().filename(file).busy_timeout(Duration::from_millis(100));
    let asleep = || async {
        world.daemon.process().signal(Signal::STOP);
        let mut connection = options.connect().await.ok()?;
        let is_free = sqlx::raw_sql("BEGIN IMMEDIATE; ROLLBACK").execute(&mut connection).await.is_ok();
        if !is_free {
            world.daemon.process().signal(Signal::CONT);
        }
        is_free.then_some(())
    };
    until("the leader sleeps", asleep).await;
}
