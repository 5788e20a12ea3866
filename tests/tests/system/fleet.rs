//! Many environments: what a commit costs that touches one of them, in counts that do not depend on the machine.

use std::time::Duration;

use moorline_tests::{Api, Fleet, fleet, until};

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
async fn in_sync(api: &Api, commit: &str) {
    let look = async || {
        let all = api.read(&format!("/environments?limit={ENVIRONMENTS}")).await?;
        let all = all["environments"].as_array()?.clone();
        let is_there = |environment: &serde_json::Value| {
            let commit_in_force =
                environment.pointer("/applied/revision/commit").or(environment.pointer("/applied/commit"));
            environment["status"]["word"] == "in sync"
                && commit_in_force.is_some_and(|applied| applied == commit)
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
    let api = fleet.daemon.api();
    in_sync(&api, &first).await;
    assert_eq!(fleet.serving(), ENVIRONMENTS);
    assert_eq!(figure(&api, PARSED).await, 1.0, "the declaration is parsed once for all");

    let lines = async |number: usize| {
        let path = format!("/environments/{}/history?limit=1000", fleet::name(number));
        api.read(&path).await.unwrap()["events"].as_array().unwrap().len()
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
    in_sync(&api, &second).await;
    assert_eq!(fleet.serves(7), Some(digest));

    let after = counts().await;
    let (cycles, parsed, writes) = (after.0 - before.0, after.1 - before.1, after.2 - before.2);
    assert!(cycles < 25.0, "{cycles} cycles: nobody woke the others");
    assert_eq!(parsed, 0.0, "moorline.yaml is as it was, and is not parsed again");
    // The lease's are among them, one in five seconds.
    assert!(writes < 40.0, "{writes} writes: the others write nothing");
    assert_eq!(lines(1).await, others_before, "an environment that it does not touch has no line of it");
    let rollouts = api.read(&format!("/environments/{}/rollouts", fleet::name(1))).await.unwrap();
    assert_eq!(rollouts["rollouts"].as_array().unwrap().len(), 1, "and no rollout");

    // What was only in memory is found again after a crash.
    fleet.daemon.kill().await;
    fleet.daemon.start().await;
    in_sync(&fleet.daemon.api(), &second).await;
}
