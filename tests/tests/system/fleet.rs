//! Many environments: what a commit costs that touches one of them, in counts that do not depend on the machine.

use std::time::Duration;

use moorline_api::Client;
use moorline_api::views::EnvironmentView;
use moorline_model::CommitId;
use moorline_model::status::StatusWord;
use moorline_tests::api::answered;
use moorline_tests::{Api, Fleet, Shown as _, fleet, until};

const ENVIRONMENTS: usize = 40;
const CYCLES: &str = "moorline_cycle_seconds_count";
const PARSED: &str = "moorline_declarations_parsed_total";
const WRITES: &str = "moorline_record_writes_total";

/// A metric of the daemon, over all its labels.
async fn figure(api: &Api, name: &str) -> f64 {
    let text = api.text("/metrics").await.unwrap();
    let samples = text.lines().filter(|line| line.split([' ', '{']).next() == Some(name));
    samples.map(|line| line.rsplit_once(' ').unwrap().1.parse::<f64>().unwrap()).sum()
}

/// Waits until every environment is in sync with this commit.
async fn in_sync(client: &Client, commit: &CommitId) {
    let look = async || {
        let all = answered(client.environments().await)?.environments;
        let is_there = |environment: &EnvironmentView| {
            environment.status.word == StatusWord::InSync && environment.applied_commit() == Some(commit)
        };
        (all.len() == ENVIRONMENTS && all.iter().all(is_there)).then_some(())
    };
    until("all are in sync", look).await;
}

#[tokio::test]
async fn a_commit_costs_what_it_touches() {
    let folder = tempfile::tempdir().unwrap();
    let mut fleet = Fleet::new(folder.path(), ENVIRONMENTS).await;
    // No look by the schedule is among those that are counted, however slow the machine.
    fleet.drift = "1h";
    let first = fleet.push("everything");
    fleet.daemon.start().await;
    let (api, client) = (fleet.daemon.api(), fleet.daemon.client());
    in_sync(&client, &first).await;
    assert_eq!(fleet.serving(), ENVIRONMENTS);
    assert_eq!(figure(&api, PARSED).await, 1.0, "the declaration is parsed once for all");

    let lines = async |number: usize| {
        let history = client.history(&fleet::name(number), 1_000).await;
        history.unwrap().events.len()
    };
    let others_before = lines(1).await;
    let counts = async || {
        let (mut cycles, mut before) = (figure(&api, CYCLES).await, -1.0);
        while cycles != before {
            // What the gateways said of the last rollout is looked at within a second.
            tokio::time::sleep(Duration::from_secs(2)).await;
            (before, cycles) = (cycles, figure(&api, CYCLES).await);
        }
        (cycles, figure(&api, PARSED).await, figure(&api, WRITES).await)
    };
    let before = counts().await;
    let digest = fleet.change(7, "another-model");
    let second = fleet.push("one of them");
    in_sync(&client, &second).await;
    assert_eq!(fleet.serves(7), Some(digest));

    let after = counts().await;
    let (cycles, parsed, writes) = (after.0 - before.0, after.1 - before.1, after.2 - before.2);
    assert!(cycles < 25.0, "{cycles} cycles: nobody woke the others");
    assert_eq!(parsed, 0.0, "moorline.yaml is as it was, and is not parsed again");
    // The lease's are among them, one in five seconds.
    assert!(writes < 40.0, "{writes} writes: the others write nothing");
    assert_eq!(lines(1).await, others_before, "an environment that it does not touch has no line of it");
    let rollouts = client.rollouts(&fleet::name(1), 50).await.unwrap().rollouts;
    assert_eq!(rollouts.len(), 1, "and no rollout");

    // What was only in memory is found again after a crash.
    fleet.daemon.kill().await;
    fleet.daemon.start().await;
    in_sync(&fleet.daemon.client(), &second).await;
}
