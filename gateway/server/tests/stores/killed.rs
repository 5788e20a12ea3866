//! Gateways that end without a word while they hold a part of what all share.

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::json;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use super::processes::{Gateway, KEY, WINDOW, document, provider};
use super::redis::{DEADLINE, Redis};

/// A provider that never answers.
async fn silent() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let app = axum::Router::new().fallback(std::future::pending::<()>);
    tokio_util::task::TaskTracker::new().spawn(async move { axum::serve(listener, app).await });
    format!("http://{address}/v1")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_replica_takes_with_it_what_it_held_and_others_go_on_with_all_the_rest() {
    let redis = Redis::start();
    let document = document(&provider().await, &json!([{"requests": 1000, "window": WINDOW}]), "closed");
    let mut killed = Gateway::start(&document, &redis.url());
    let others = [0, 1].map(|_| Arc::new(Gateway::start(&document, &redis.url())));
    let mut served = 0;
    while served < 100 {
        // A burst makes it take ahead.
        match killed.ask().await.0 {
            200 => served += 1,
            other => assert_eq!(other, 503, "the store may be slow on a busy machine"),
        }
    }
    killed.kill();
    let mut asking = JoinSet::new();
    for caller in 0..8 {
        let gateway = Arc::clone(&others[caller % 2]);
        asking.spawn(async move {
            let mut admitted = 0;
            loop {
                match gateway.ask().await {
                    (200, _) => admitted += 1,
                    (429, _) => return admitted,
                    (other, body) => assert_eq!(other, 503, "{body}"),
                }
            }
        });
    }
    let all = tokio::time::timeout(2 * DEADLINE, asking.join_all());
    let mut admitted: u64 = all.await.expect("nobody waits for the dead").into_iter().sum();
    // Decision 0008: never too much, and at most a sixth of what was left too little. What the living take ahead may
    // come back after a caller gave up.
    let by = Instant::now() + DEADLINE;
    while admitted < 900 - 1_000 / 6 {
        admitted += u64::from(others[0].ask().await.0 == 200);
        assert!(Instant::now() < by, "{admitted} after the 100 of the killed one");
    }
    assert!(admitted <= 900, "{admitted} after the 100 of the killed one");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn places_of_a_killed_replica_are_free_again_once_it_is_believed_to_be_dead() {
    let redis = Redis::start();
    let limits = json!([{"concurrency": 4}]);
    let mut never_ends = document(&silent().await, &limits, "closed");
    never_ends["routes"][0]["timeouts"] = json!({"headers": "5m", "total": "5m"});
    let mut killed = Gateway::start(&never_ends, &redis.url());
    let other = Gateway::start(&document(&provider().await, &limits, "closed"), &redis.url());
    // Takes all places, one after the other, with requests that never end.
    let mut hanging = JoinSet::new();
    for _ in 0..4 {
        let request = killed.client.post(format!("{}/v1/chat/completions", killed.data)).bearer_auth(KEY);
        let request = request.timeout(4 * DEADLINE).body(json!({"model": "m", "messages": []}).to_string());
        hanging.spawn(async move {
            // Refused while the store is slow, on a busy machine.
            while request.try_clone().unwrap().send().await.is_ok() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        });
    }
    other.until(429).await;
    killed.kill();
    // Its places are held for it, and then are not: a replica is believed to live for 10 s after its last word.
    let by = Instant::now() + 2 * DEADLINE;
    while other.ask().await.0 != 200 {
        assert!(Instant::now() < by, "its places are held for ever");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
