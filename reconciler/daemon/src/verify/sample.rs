//! Statistics of the candidate and of stable, over the same time, added up over all replicas.

use std::collections::BTreeMap;

use futures_util::future::join_all;
use jiff::Timestamp;
use moorline_admin::{Client, Generation, Stats};
use moorline_config::Digest;
use moorline_model::rollout::{Phase, Rollout};
use moorline_plan::gateway::ReplicaReading;
use moorline_plan::verify::Sample;

use crate::fleet::Fleet;

/// Reads what candidate and stable counted since the phase began. While baking the document is stable itself, and
/// there is nothing beside it to compare with.
pub(super) async fn take(
    rollout: &Rollout,
    fleet: &Fleet,
    attested: &[ReplicaReading],
    expected: Digest,
) -> (Sample, Option<Sample>) {
    let since = rollout.phase_since;
    let compares = rollout.phase != Phase::Baking;
    let reads = fleet.replicas.iter().zip(attested).map(|((_, client), reading)| {
        let serving = reading.stable().map(|stable| (stable.digest, stable.generation));
        let tried = reading.candidate().map(|candidate| (candidate.digest, candidate.generation));
        let mine = [tried, serving].into_iter().flatten().find(|(digest, _)| *digest == expected);
        let beside = serving.filter(|(digest, _)| compares && *digest != expected);
        let client = client.clone();
        async move { (read(&client, mine, since).await, read(&client, beside, since).await) }
    });
    let (candidates, stables): (Vec<_>, Vec<_>) = join_all(reads).await.into_iter().unzip();
    let candidate = merged(candidates).unwrap_or_default();
    (candidate, merged(stables))
}

/// What a generation counted on one replica; `None` when it is not there or could not be asked.
async fn read(client: &Client, generation: Option<(Digest, u64)>, since: Timestamp) -> Option<Stats> {
    let (_, number) = generation?;
    client.stats(Generation(number), Some(since)).await.ok()
}

/// One sample of the replicas' statistics; `None` when no replica gave any.
fn merged(stats: Vec<Option<Stats>>) -> Option<Sample> {
    let mut all: Option<Stats> = None;
    for one in stats.into_iter().flatten() {
        match &mut all {
            None => all = Some(one),
            Some(sum) => {
                sum.total.merge(&one.total);
                for (model, usage) in one.models {
                    sum.models.entry(model).or_default().merge(&usage);
                }
            }
        }
    }
    all.map(|stats| sample(&stats))
}

fn sample(stats: &Stats) -> Sample {
    #[expect(clippy::cast_precision_loss, reason = "latencies are far below 2^52 µs")]
    let quantile_ms = |share| stats.total.latency.quantile(share).map(|micros| micros as f64 / 1000.0);
    let faults_by_model: BTreeMap<String, u64> = stats
        .models
        .iter()
        .map(|(model, usage)| (model.clone(), usage.faults()))
        .filter(|(_, faults)| *faults > 0)
        .collect();
    Sample {
        requests: stats.total.requests,
        faults: stats.total.faults(),
        p95_ms: quantile_ms(0.95),
        p99_ms: quantile_ms(0.99),
        cost_micros: stats.total.cost_micros,
        faults_by_model,
    }
}
