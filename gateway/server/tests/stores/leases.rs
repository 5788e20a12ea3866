//! Counting together: exactly, with nothing stranded, whatever happens to replicas and to the store.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use http::HeaderMap;
use moorline_config::{Config, Reference, Secret};
use moorline_gateway::limits::{Demand, Denied, Limits, Reservation, Use, WindowClock, reserve};
use moorline_gateway::routing::limit::{Subject, Who};
use moorline_gateway::routing::{KeyHash, Routing};
use rustix::process::Signal;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tokio::task::JoinSet;

use super::redis::{DEADLINE, Redis};

/// One gateway, as far as limits go.
#[derive(Clone)]
struct Replica {
    limits: Arc<Limits>,
    routing: Arc<Routing>,
    now: Arc<AtomicU64>,
}

impl Replica {
    fn new(redis: &Redis, limits: &Value, when_lost: &str) -> Self {
        let now = Arc::new(AtomicU64::new(1_000));
        let clock = Arc::clone(&now);
        let counters = Limits::new(WindowClock::new(move || clock.load(Ordering::SeqCst)));
        let routing = routing(redis, limits, when_lost);
        Self { limits: Arc::new(counters), routing: Arc::new(routing), now }
    }

    /// The same process with another document.
    fn with(&self, redis: &Redis, limits: &Value) -> Self {
        Self { routing: Arc::new(routing(redis, limits, "closed")), ..self.clone() }
    }

    async fn ask(&self, tokens: u64) -> Result<Reservation, Denied> {
        let (proof, _) = self.routing.key(&KeyHash::of(b"key")).unwrap();
        let model = self.routing.model_named("m").unwrap();
        let headers = HeaderMap::new();
        let subject =
            Subject { caller: Who::Key(proof.key), model, peer: [127, 0, 0, 1].into(), headers: &headers };
        let route = self.routing.route("/v1/x").unwrap();
        reserve(&self.limits, route.limits.iter(), &subject, Demand { tokens, cost_micros: tokens }).await
    }

    /// Whether a request is admitted and used up what it reserved.
    async fn passes(&self, tokens: u64) -> bool {
        let by = Instant::now() + DEADLINE;
        loop {
            match self.ask(tokens).await {
                Ok(held) => {
                    held.settle(Use { requests: 1, tokens, cost_micros: tokens });
                    return true;
                }
                Err(Denied::Limited(_)) => return false,
                // On a machine that is too busy the store may be slow: nothing was counted then.
                Err(Denied::StoreLost) => assert!(Instant::now() < by, "the store stays lost"),
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

fn routing(redis: &Redis, limits: &Value, when_lost: &str) -> Routing {
    let document = json!({
        "version": 1, "name": "test",
        "providers": {"p": {"kind": "openai", "api_key": "env:KEY"}},
        "models": {"m": {"targets": [{"provider": "p", "model": "m"}]}},
        "routes": [{"path": "/v1/*", "limits": limits}],
        "keys": [{"name": "k", "sha256": hex::encode(Sha256::digest("key"))}],
        "stores": {"limits": {"redis": "env:REDIS_URL", "when_lost": when_lost}},
    });
    let url = redis.url();
    let resolve = |reference: &Reference| {
        let is_url = reference.to_string() == "env:REDIS_URL";
        Some(Secret::new(if is_url { url.clone() } else { "sk".to_owned() }))
    };
    Routing::compile(&Config::from_value("test", &document).unwrap(), &resolve)
}

/// Asks from many tasks at once until every replica refuses, and counts what was admitted.
async fn drain(replicas: &[Replica], tasks: usize, amount: u64) -> u64 {
    let mut asking = JoinSet::new();
    for replica in replicas {
        for _ in 0..tasks {
            let replica = replica.clone();
            asking.spawn(async move {
                let mut admitted = 0;
                while replica.passes(amount).await {
                    admitted += 1;
                    tokio::task::yield_now().await;
                }
                admitted
            });
        }
    }
    asking.join_all().await.into_iter().sum()
}

/// Waits until something is so.
async fn until(mut is_so: impl AsyncFnMut() -> bool) {
    let by = Instant::now() + DEADLINE;
    while !is_so().await {
        assert!(Instant::now() < by, "it did not come to be so in time");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn replicas_together_admit_exactly_the_limit_of_every_kind_and_shape() {
    let redis = Redis::start();
    for (limits, amount, expected) in [
        (json!([{"requests": 1000, "window": "1h"}]), 1, 1_000),
        (json!([{"requests": 1000, "window": "1h", "algorithm": "sliding"}]), 1, 1_000),
        (json!([{"tokens": 50_000, "window": "2h"}]), 70, 714),
        (json!([{"budget": 0.05, "window": "3h"}]), 70, 714),
        (json!([{"requests": 1, "window": "4h"}]), 1, 1),
    ] {
        let replicas: Vec<_> = (0..3).map(|_| Replica::new(&redis, &limits, "closed")).collect();
        assert_eq!(drain(&replicas, 8, amount).await, expected, "{limits}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_one_replica_took_ahead_another_can_use_to_the_last() {
    let redis = Redis::start();
    let limits = json!([{"requests": 1000, "window": "1h"}]);
    let (busy, other) = (Replica::new(&redis, &limits, "closed"), Replica::new(&redis, &limits, "closed"));
    // A burst makes it take ahead; then it falls silent, with a part in its hands.
    for _ in 0..100 {
        assert!(busy.passes(1).await);
    }
    assert_eq!(drain(&[other], 4, 1).await, 900);
    assert!(!busy.passes(1).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn most_requests_are_served_without_asking_the_store() {
    let mut redis = Redis::start();
    let replica = Replica::new(&redis, &json!([{"requests": 1_000_000, "window": "1h"}]), "closed");
    for _ in 0..20_000 {
        assert!(replica.passes(1).await);
    }
    let client = ::redis::Client::open(redis.url()).unwrap();
    let mut connection = client.get_connection().unwrap();
    let stats: String = ::redis::cmd("INFO").arg("commandstats").query(&mut connection).unwrap();
    let calls: u64 = stats
        .lines()
        .find_map(|line| line.strip_prefix("cmdstat_evalsha:calls="))
        .and_then(|rest| rest.split(',').next()?.parse().ok())
        .unwrap();
    assert!(calls < 200, "{calls} calls for 20,000 requests");
    redis.kill();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_failed_is_given_back_to_whoever_asks_next() {
    let redis = Redis::start();
    let limits = json!([{"requests": 10, "window": "1h"}, {"tokens": 1000, "window": "1h"}]);
    let (one, other) = (Replica::new(&redis, &limits, "closed"), Replica::new(&redis, &limits, "closed"));
    let mut held = Vec::new();
    while let Ok(reservation) = one.ask(100).await {
        held.push(reservation);
    }
    assert_eq!(held.len(), 10);
    assert!(!other.passes(100).await);
    drop(held);
    let mut admitted = 0;
    until(async || {
        one.now.fetch_add(10, Ordering::SeqCst);
        other.now.fetch_add(10, Ordering::SeqCst);
        admitted += u64::from(other.passes(100).await);
        admitted == 10
    })
    .await;
    assert!(!one.passes(100).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_used_beyond_the_estimate_counts_for_all_replicas() {
    let redis = Redis::start();
    let limits = json!([{"tokens": 1000, "window": "1h"}]);
    let (one, other) = (Replica::new(&redis, &limits, "closed"), Replica::new(&redis, &limits, "closed"));
    let held = one.ask(10).await.unwrap();
    assert!(other.passes(10).await);
    held.settle(Use { requests: 1, tokens: 5_000, cost_micros: 0 });
    until(async || !other.passes(1).await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_window_has_its_whole_allowance_for_all_replicas() {
    let redis = Redis::start();
    for algorithm in ["fixed", "sliding"] {
        let limits = json!([{"requests": 100, "window": "16s", "algorithm": algorithm}]);
        let replicas: Vec<_> = (0..2).map(|_| Replica::new(&redis, &limits, "closed")).collect();
        for window in 0..3 {
            for replica in &replicas {
                replica.now.store(1_000 + window * 17_000, Ordering::SeqCst);
            }
            assert_eq!(drain(&replicas, 4, 1).await, 100, "{algorithm} {window}");
        }
    }
    // Nothing stays in the store for ever.
    assert!(
        redis
            .dump()
            .iter()
            .all(|(key, ttl)| *ttl > 0 && key.starts_with("moorline:test:limits:requests:16s"))
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn places_for_what_runs_now_are_shared_and_freed_when_it_ends() {
    let redis = Redis::start();
    let limits = json!([{"concurrency": 20}]);
    let replicas: Vec<_> = (0..2).map(|_| Replica::new(&redis, &limits, "closed")).collect();
    for _ in 0..3 {
        let mut held = Vec::new();
        loop {
            let mut admitted = false;
            for replica in &replicas {
                if let Ok(reservation) = replica.ask(1).await {
                    held.push(reservation);
                    admitted = true;
                }
            }
            if !admitted {
                break;
            }
        }
        assert_eq!(held.len(), 20);
        drop(held);
        for replica in &replicas {
            replica.now.fetch_add(200, Ordering::SeqCst);
        }
        // All of them are free again for one replica alone.
        until(async || {
            replicas[1].now.fetch_add(20, Ordering::SeqCst);
            let mut held = Vec::new();
            while let Ok(reservation) = replicas[1].ask(1).await {
                held.push(reservation);
            }
            held.len() == 20
        })
        .await;
        for replica in &replicas {
            replica.now.fetch_add(200, Ordering::SeqCst);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_changed_limit_goes_on_counting_where_the_old_one_was() {
    let redis = Redis::start();
    let limit = |requests: u64| json!([{"requests": requests, "window": "1h"}]);
    let replica = Replica::new(&redis, &limit(1000), "closed");
    for _ in 0..500 {
        assert!(replica.passes(1).await);
    }
    // Both documents serve, as stable and candidate do: what was taken under the larger limit is not the smaller's.
    let smaller = replica.with(&redis, &limit(510));
    let mut admitted = 0;
    while smaller.passes(1).await {
        admitted += 1;
    }
    assert_eq!(admitted, 10);
    assert!(replica.passes(1).await);
    assert_eq!(drain(&[replica], 2, 1).await, 489);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_that_ends_returns_what_it_holds() {
    let redis = Redis::start();
    let limits = json!([{"requests": 1000, "window": "1h"}]);
    let (ends, other) = (Replica::new(&redis, &limits, "closed"), Replica::new(&redis, &limits, "closed"));
    for _ in 0..100 {
        assert!(ends.passes(1).await);
    }
    let closing = Arc::clone(&ends.limits);
    tokio::task::spawn_blocking(move || closing.close()).await.unwrap();
    assert!(matches!(ends.ask(1).await, Err(Denied::StoreLost)));
    assert_eq!(drain(&[other], 4, 1).await, 900);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_store_is_refused_or_passed_as_declared_and_found_again() {
    let mut redis = Redis::start();
    let limits = json!([{"requests": 100, "window": "1h"}]);
    let (open, closed) = (Replica::new(&redis, &limits, "open"), Replica::new(&redis, &limits, "closed"));
    for _ in 0..10 {
        assert!(open.passes(1).await && closed.passes(1).await);
    }
    redis.kill();
    // What was taken before may still be used; then the document's word counts.
    let mut last = 0;
    while closed.ask(1).await.map(|held| held.settle(Use { requests: 1, ..Use::default() })).is_ok() {
        last += 1;
    }
    assert!(last < 90, "{last}");
    assert_eq!(closed.ask(1).await.unwrap_err(), Denied::StoreLost);
    until(async || closed.limits.health().lost() == 1).await;
    // Open counts on its own, and stops at what even one replica may not pass.
    let mut passed = 10;
    while open.passes(1).await {
        passed += 1;
    }
    assert_eq!(passed, 100);
    redis.restart();
    until(async || closed.limits.health().lost() + open.limits.health().lost() == 0).await;
    // The store forgot everything, but the replicas tell it, each as it finds it again: nothing is left.
    until(async || !closed.passes(1).await).await;
    assert!(!open.passes(1).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_falls_silent_holds_no_request_for_long() {
    let redis = Redis::start();
    let replica = Replica::new(&redis, &json!([{"requests": 100, "window": "1h"}]), "closed");
    assert!(replica.passes(1).await);
    redis.freeze(Signal::STOP);
    let refused = async { while replica.ask(1).await.is_ok() {} };
    tokio::time::timeout(DEADLINE, refused).await.expect("a silent store is not waited for without end");
    until(async || replica.limits.health().lost() == 1).await;
    // The quickest of five: a machine may stand still, but a store that is waited for is waited for each time.
    let mut quickest = Duration::MAX;
    for _ in 0..5 {
        let asked = Instant::now();
        assert_eq!(replica.ask(1).await.unwrap_err(), Denied::StoreLost);
        quickest = quickest.min(asked.elapsed());
    }
    assert!(quickest < Duration::from_millis(200), "known to be lost, it is not waited for: {quickest:?}");
    redis.freeze(Signal::CONT);
    until(async || replica.ask(1).await.is_ok()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_calls_at_the_edge_of_a_budget_overspend_by_their_estimates_errors_only() {
    let redis = Redis::start();
    // 1,000 calls at once over three replicas, each estimated at 100 and costing 130, at a budget of 10,000.
    let limits = json!([{"budget": 0.01, "window": "1h"}]);
    let replicas: Vec<_> = (0..3).map(|_| Replica::new(&redis, &limits, "closed")).collect();
    let mut asking = JoinSet::new();
    for call in 0..1_000 {
        let replica = replicas[call % 3].clone();
        asking.spawn(async move { replica.ask(100).await.ok() });
    }
    let held: Vec<Reservation> = asking.join_all().await.into_iter().flatten().collect();
    assert_eq!(held.len(), 100, "the estimates never pass the budget, and use all of it");
    for reservation in held {
        reservation.settle(Use { requests: 1, tokens: 0, cost_micros: 130 });
    }
    // Spent: 13,000. The bound: what the calls under way cost beyond their estimates, 100 * 30.
    until(async || {
        let mut passed = 0;
        for replica in &replicas {
            passed += u64::from(replica.passes(1).await);
        }
        passed == 0
    })
    .await;
}
