//! kill -9 at every step of the journal, before its effect, after it, and after it was recorded: the next start ends
//! in the same place as a run that nobody disturbed, and nobody is told twice.

use futures_util::{StreamExt as _, stream};
use moorline_api::views::EnvironmentView;
use moorline_model::CommitId;
use moorline_model::drift::Drift;
use moorline_model::rollout::Phase;
use moorline_model::status::StatusWord;
use moorline_tests::{Fault, Provider, Shown as _, World, until};
use rustix::process::Signal;
use serde_json::json;

/// The moments of a step; see the daemon's `failpoint`.
const MOMENTS: [&str; 3] = ["begun", "done", "recorded"];
/// Cases at a time: each is four processes, and Terraform is a few more.
const AT_A_TIME: usize = 2;

/// What is disturbed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Scenario {
    /// A good document, by a canary.
    Deploy,
    /// A document whose provider is dead: it fails while it is staged.
    FailsStaged,
    /// A document whose provider dies once every replica serves it.
    FailsServing,
    /// A good document that Terraform hands over.
    Apply,
    /// A bad one that Terraform hands over.
    ApplyFails,
}

/// Where it ended. Commits are told by their role, because no two runs have the same.
#[derive(Debug, PartialEq, Eq)]
struct End {
    phase: Option<Phase>,
    verified: &'static str,
    applied: &'static str,
    attested: Vec<&'static str>,
    candidates: usize,
    held: Vec<&'static str>,
    frozen: Option<String>,
    word: String,
    drift: Vec<Drift>,
    /// Transition of each mail, in order.
    told: Vec<String>,
}

/// Runs a scenario, killed at this moment if there is one.
async fn run(scenario: Scenario, kill_at: Option<&str>) -> End {
    let mut world = match scenario {
        Scenario::Apply | Scenario::ApplyFails => World::with_terraform().await,
        _ => World::with_canary().await,
    };
    let other = Provider::start().await;
    let before = world.settle().await;
    let before_digest = world.digests().await[0].clone();
    world.mailed(before.short()).await;
    world.daemon.stop().await;
    let after = match scenario {
        Scenario::Deploy | Scenario::Apply => world.push_model("second"),
        Scenario::FailsStaged | Scenario::ApplyFails => world.push_broken(),
        Scenario::FailsServing => {
            world.document["providers"]["local"]["base_url"] = json!(other.base_url());
            // Long enough to see the provider die.
            world.declaration["environments"][0]["verify"]["window"] = json!("3s");
            world.push_model("second")
        }
    };
    match kill_at {
        None => world.daemon.start().await,
        Some(moment) => {
            world.daemon.start_to_be_killed_at(moment).await;
            let status = tokio::select! {
                status = world.daemon.ended() => status,
                never = dies_once_served(&world.gateways, &before_digest, &other, scenario) => match never {},
            };
            let signal = std::os::unix::process::ExitStatusExt::signal(&status);
            assert_eq!(signal, Some(Signal::KILL.as_raw()), "{scenario:?} is killed at {moment}: {status}");
            world.daemon.start().await;
        }
    }
    let phase = match scenario {
        Scenario::Deploy | Scenario::Apply => Phase::Succeeded,
        _ => Phase::RolledBack,
    };
    let environment = tokio::select! {
        environment = world.ends(&after, &phase) => environment,
        never = dies_once_served(&world.gateways, &before_digest, &other, scenario) => match never {},
    };
    end(&world, environment, &before, &after).await
}

/// Lets the other provider die as soon as a gateway serves another document than before.
async fn dies_once_served(
    gateways: &[moorline_tests::Gateway],
    before: &str,
    other: &Provider,
    scenario: Scenario,
) -> std::convert::Infallible {
    if scenario == Scenario::FailsServing {
        let serves = || async {
            let digest = gateways[1].digest().await;
            (digest.as_deref() != Some(before)).then_some(())
        };
        until("the new document serves", serves).await;
        other.set(Fault::Error);
    }
    std::future::pending().await
}

async fn end(world: &World, environment: EnvironmentView, before: &CommitId, after: &CommitId) -> End {
    let role = |commit: Option<&str>| match commit {
        Some(commit) if commit == before.as_str() => "before",
        Some(commit) if commit == after.as_str() => "after",
        _ => "neither",
    };
    // The last message is sent after the state says so.
    let word = match environment.phase() {
        Some(Phase::Succeeded) => "verified healthy",
        _ => "was rolled back",
    };
    let last = || async {
        world.mail.holding(after.short()).iter().any(|mail| mail.body().contains(word)).then_some(())
    };
    until("the last mail", last).await;
    let drift = world.drift().await.drift;
    let mut attested = Vec::new();
    let mut candidates = 0;
    for gateway in &world.gateways {
        let status = gateway.status().await;
        candidates += usize::from(status.candidate.is_some());
        attested.push(role(status.stable.unwrap().commit.as_deref()));
    }
    // A kill between the server's answer and the record's note of it sends a mail again: SMTP has no way to ask. It is
    // the same mail to its receivers, for it has the same id.
    let mut ids: Vec<String> = Vec::new();
    for mail in world.mail.mails() {
        let id = mail.header("Message-ID").unwrap().to_owned();
        if !ids.contains(&id) {
            ids.push(id);
        }
    }
    End {
        phase: environment.phase().cloned(),
        verified: role(environment.verified_commit().map(CommitId::as_str)),
        applied: role(environment.applied_commit().map(CommitId::as_str)),
        attested,
        candidates,
        held: environment.holds.iter().map(|hold| role(hold.commit.as_ref().map(CommitId::as_str))).collect(),
        word: word_because(&environment),
        frozen: environment.frozen,
        drift,
        told: ids.iter().map(|id| transition(id)).collect(),
    }
}

/// The word; when it is not known how things stand, with what the conditions say.
fn word_because(environment: &EnvironmentView) -> String {
    match environment.status.word {
        word @ StatusWord::CannotCheck => format!("{word}: {:?}", environment.conditions),
        word => word.to_string(),
    }
}

/// The transition in a message's id: `<rollout.test.ID.verified.9.email@example.com>`.
fn transition(id: &str) -> String {
    let known = [
        "opened",
        "changed",
        "resolved",
        "verified",
        "cannot_check",
        "progressed",
        "rolling_back",
        "rolled_back",
        "failed",
        "frozen",
    ];
    let id = id.replace("rolling.back", "rolling_back").replace("rolled.back", "rolled_back");
    let word = id.split('.').find(|word| known.contains(word));
    word.unwrap_or(id.as_str()).to_owned()
}

/// Kills the scenario at every moment of these steps.
async fn disturb(scenario: Scenario, steps: &[&str]) {
    let undisturbed = run(scenario, None).await;
    let expected = match scenario {
        Scenario::Deploy | Scenario::Apply => ("after", vec!["verified", "verified"]),
        _ => ("before", vec!["verified", "rolling_back", "rolled_back"]),
    };
    assert_eq!((undisturbed.verified, undisturbed.candidates), (expected.0, 0), "{undisturbed:?}");
    assert_eq!(undisturbed.attested, [expected.0; 2], "{undisturbed:?}");
    assert_eq!(undisturbed.told, expected.1, "{undisturbed:?}");
    let moments: Vec<String> =
        steps.iter().flat_map(|step| MOMENTS.map(|moment| format!("{step}:{moment}"))).collect();
    let ends = stream::iter(moments).map(|moment| async move {
        let end = run(scenario, Some(&moment)).await;
        (moment, end)
    });
    let ends: Vec<_> = ends.buffer_unordered(AT_A_TIME).collect().await;
    for (moment, end) in ends {
        assert_eq!(end, undisturbed, "{scenario:?} killed at {moment}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deploy_by_canary_survives_a_kill_at_every_step() {
    disturb(Scenario::Deploy, &["gateway.stage", "gateway.shift", "gateway.promote"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_candidate_that_fails_is_taken_back_through_a_kill_at_every_step() {
    disturb(Scenario::FailsStaged, &["gateway.stage", "gateway.undo"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_document_that_fails_while_it_serves_is_taken_back_through_a_kill_at_every_step() {
    disturb(Scenario::FailsServing, &["gateway.promote", "gateway.undo"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_apply_survives_a_kill_at_every_step() {
    disturb(Scenario::Apply, &["terraform.plan", "terraform.apply"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_apply_is_taken_back_through_a_kill_at_every_step() {
    disturb(Scenario::ApplyFails, &["terraform.plan_back", "terraform.apply_back"]).await;
}
