//! Statistics of the candidate and of stable, over the same time, added up over all replicas.

use std::collections::BTreeMap;

use futures_util::future::join_all;
use jiff::Timestamp;
use moorline_admin::{Generation, Stats};
use moorline_config::Digest;
use moorline_model::CheckFailed;
use moorline_plan::gateway::ReplicaReading;
use moorline_plan::verify::Sample;

use crate::facilities::Gateway;
use crate::fleet::Replicas;

/// What is asked of the replicas.
#[derive(Clone, Copy)]
pub(super) struct SampleQuery {
    /// The rollout's document.
    pub(super) expected: Digest,
    /// Since when is counted.
    pub(super) since: Timestamp,
    /// Whether another document beside it is to be compared with. While baking the document is stable itself, and
    /// there is none.
    pub(super) compares: bool,
}

/// Reads what candidate and stable counted since the phase began. A replica that does not say counts as one that cannot
/// be read: what it served is not known to be well.
pub(super) async fn take<G: Gateway>(
    query: SampleQuery,
    fleet: &Replicas<G>,
    attested: &mut [ReplicaReading],
) -> (Sample, Option<Sample>) {
    let SampleQuery { expected, since, compares } = query;
    let reads = fleet.replicas.iter().zip(&*attested).map(|((_, client), reading)| {
        let serving = reading.stable().map(|stable| (stable.digest, stable.generation));
        let tried = reading.candidate().map(|candidate| (candidate.digest, candidate.generation));
        let mine = [tried, serving].into_iter().flatten().find(|(digest, _)| *digest == expected);
        let beside = serving.filter(|(digest, _)| compares && *digest != expected);
        let client = client.clone();
        async move { (read(fleet, &client, mine, since).await, read(fleet, &client, beside, since).await) }
    });
    let counted = join_all(reads).await;
    let (mut candidates, mut stables) = (Vec::new(), Vec::new());
    for (reading, (mine, beside)) in attested.iter_mut().zip(counted) {
        for (stats, all) in [(mine, &mut candidates), (beside, &mut stables)] {
            match stats {
                Ok(stats) => all.extend(stats),
                Err(failed) => reading.result = Err(failed.after("does not tell its statistics and ")),
            }
        }
    }
    (merged(candidates).unwrap_or_default(), merged(stables))
}

/// What a generation counted on one replica; `None` when it is not there.
async fn read<G: Gateway>(
    fleet: &Replicas<G>,
    client: &G,
    generation: Option<(Digest, u64)>,
    since: Timestamp,
) -> Result<Option<Stats>, CheckFailed> {
    let Some((_, number)) = generation else { return Ok(None) };
    let stats = client.stats(Generation(number), Some(since)).await;
    stats.map(Some).map_err(|error| fleet.failed(&error))
}

/// One sample of the replicas' statistics; `None` when no replica gave any.
fn merged(stats: Vec<Stats>) -> Option<Sample> {
    let all = stats.into_iter().reduce(|mut sum, one| {
        sum.total.merge(&one.total);
        for (model, usage) in one.models {
            sum.models.entry(model).or_default().merge(&usage);
        }
        sum
    });
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
        requests: stats.total.asked(),
        faults: stats.total.faults(),
        p95_ms: quantile_ms(0.95),
        p99_ms: quantile_ms(0.99),
        cost_micros: stats.total.cost_micros,
        faults_by_model,
    }
}

#[cfg(test)]
mod tests {
    use moorline_admin::{Client, ErrorKind, Usage};
    use moorline_model::FailureClass;
    use moorline_plan::gateway::{ReplicaStatus, Serving};

    use super::*;

    #[test]
    fn what_the_cache_answered_speaks_neither_for_a_document_nor_against_it() {
        let usage = Usage {
            requests: 1_000,
            cache_hits: 990,
            errors: [(ErrorKind::UpstreamFailed, 5)].into(),
            ..Usage::default()
        };
        let since = Timestamp::UNIX_EPOCH;
        let total = usage.clone();
        let stats = Stats {
            generation: Generation(1),
            since,
            until: since,
            total,
            models: [("m".to_owned(), usage)].into(),
            routes: [].into(),
            authentication: [].into(),
            shadows: [].into(),
        };
        let sample = sample(&stats);
        assert_eq!(
            (sample.requests, sample.faults),
            (10, 5),
            "half of what was asked failed, not one in 200"
        );
    }

    #[tokio::test]
    async fn a_replica_that_does_not_tell_its_statistics_is_not_taken_for_well() {
        let gone = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
        let endpoint = format!("http://{gone}");
        let client = Client::new(&endpoint, None).unwrap();
        let fleet = Replicas { replicas: vec![(endpoint.clone(), client)], token: None };
        let expected: Digest = format!("sha256:{}", "0".repeat(64)).parse().unwrap();
        let since = Timestamp::UNIX_EPOCH;
        let (commit, actor, reason) = (None, None, None);
        let origin = "git".to_owned();
        let stable = Some(Serving { digest: expected, commit, generation: 1, origin, actor, reason, since });
        let status =
            ReplicaStatus { instance: "a".to_owned(), stable, candidate: None, document: None, recent: None };
        let mut attested = [ReplicaReading { endpoint, result: Ok(status) }];
        take(SampleQuery { expected, since, compares: false }, &fleet, &mut attested).await;
        let failed = attested[0].result.as_ref().unwrap_err();
        assert_eq!(failed.class, FailureClass::Transient, "{failed}");
        assert!(
            failed.because.starts_with("does not tell its statistics and refuses connections"),
            "{failed}"
        );
    }
}
