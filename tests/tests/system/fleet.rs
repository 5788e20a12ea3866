//! Many environments: what a commit costs that touches one of them, in counts that do not depend on the machine.

use moorline_tests::{Api, Fleet, fleet, until};

const ENVIRONMENTS: usize = 40;

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
    let first = fleet.push("everything");
    fleet.daemon.start().await;
    let api = fleet.daemon.api();
    in_sync(&api, &first).await;
    assert_eq!(fleet.serving(), ENVIRONMENTS);

    let lines = async |number: usize| {
        let path = format!("/environments/{}/history?limit=1000", fleet::name(number));
        api.read(&path).await.unwrap()["events"].as_array().unwrap().len()
    };
    let others_before = lines(1).await;
    let (cycles, writes) = (
        figure(&api, "moorline_cycle_seconds_count").await,
        figure(&api, "moorline_record_writes_total").await,
    );
    let digest = fleet.change(7, "another-model");
    let second = fleet.push("one of them");
    in_sync(&api, &second).await;
    assert_eq!(fleet.serves(7), Some(digest));

    // Each of the others may have looked once by its schedule meanwhile; nobody woke them.
    let cycles = figure(&api, "moorline_cycle_seconds_count").await - cycles;
    assert!(cycles < 25.0 + ENVIRONMENTS as f64, "{cycles} cycles");
    let writes = figure(&api, "moorline_record_writes_total").await - writes;
    assert!(writes < 25.0, "{writes} writes: the others write nothing");
    assert_eq!(lines(1).await, others_before, "an environment that it does not touch has no line of it");
    let rollouts = api.read(&format!("/environments/{}/rollouts", fleet::name(1))).await.unwrap();
    assert_eq!(rollouts["rollouts"].as_array().unwrap().len(), 1, "and no rollout");

    // What was only in memory is found again after a crash.
    fleet.daemon.kill().await;
    fleet.daemon.start().await;
    in_sync(&fleet.daemon.api(), &second).await;
}
