//! A thousand calls at the last cents of a budget, over three gateway processes.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use moorline_admin::Stats;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::processes::{Gateway, KEY, TOKEN, WINDOW, document};
use super::redis::{DEADLINE, Redis};

const CALLS: u64 = 1_000;
/// Millionths of a dollar: what a call is taken to cost before, and what it costs.
const ESTIMATE: u64 = 1_000;
const COST: u64 = 1_300;
/// A hundred calls by their estimates.
const BUDGET: u64 = 100 * ESTIMATE;

/// A provider that keeps every call waiting until all are there; its base URL, and how many came.
async fn holding(go: watch::Receiver<bool>) -> (String, Arc<AtomicU64>) {
    let arrived = Arc::new(AtomicU64::new(0));
    let count = Arc::clone(&arrived);
    let respond = move || {
        let (count, mut go) = (Arc::clone(&count), go.clone());
        async move {
            count.fetch_add(1, Ordering::SeqCst);
            drop(go.wait_for(|go| *go).await);
            // 13 tokens out, where 10 were asked for at most.
            let usage = json!({"prompt_tokens": 0, "completion_tokens": 13});
            let body = json!({"choices": [], "usage": usage}).to_string();
            ([("content-type", "application/json")], body)
        }
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let app = axum::Router::new().fallback(respond);
    tokio_util::task::TaskTracker::new().spawn(async move { axum::serve(listener, app).await });
    (format!("http://{address}/v1"), arrived)
}

fn declared(base_url: &str) -> Value {
    let mut document = document(base_url, &json!([{"budget": 0.1, "window": WINDOW}]), "closed");
    // 100 USD a million tokens out, and nothing for those in.
    document["models"]["m"]["price"] = json!({"input": 0, "output": 100});
    document["routes"][0]["retry"] = json!({"attempts": 1});
    document["routes"][0]["timeouts"] = json!({"headers": "2m", "total": "5m"});
    document
}

async fn call(gateway: &Gateway) -> (u16, String) {
    let body = json!({"model": "m", "max_tokens": 10, "messages": []}).to_string();
    let request = gateway.client.post(format!("{}/v1/chat/completions", gateway.data)).bearer_auth(KEY);
    let answer = request.timeout(4 * DEADLINE).body(body).send().await.unwrap();
    (answer.status().as_u16(), answer.text().await.unwrap())
}

async fn spent(gateway: &Gateway) -> u64 {
    let stats = gateway.client.get(format!("{}/admin/v1/stats", gateway.admin)).bearer_auth(TOKEN);
    let stats = stats.send().await.unwrap().text().await.unwrap();
    serde_json::from_str::<Stats>(&stats).unwrap().total.cost_micros
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_calls_at_once_over_three_gateways_overspend_by_what_they_cost_beyond_their_estimates() {
    let (redis, (release, go)) = (Redis::start(), watch::channel(false));
    let (base_url, arrived) = holding(go).await;
    let document = declared(&base_url);
    let gateways = [0, 1, 2].map(|_| Arc::new(Gateway::start(&document, &redis.url())));
    let refused = Arc::new(AtomicU64::new(0));
    let mut asking = JoinSet::new();
    for number in 0..CALLS {
        let gateway = Arc::clone(&gateways[usize::try_from(number % 3).unwrap()]);
        let refused = Arc::clone(&refused);
        asking.spawn(async move {
            loop {
                match call(&gateway).await {
                    (200, _) => return 1,
                    (429, body) => {
                        assert!(body.contains("budget_exceeded"), "{body}");
                        refused.fetch_add(1, Ordering::SeqCst);
                        return 0;
                    }
                    // The store may be slow on a busy machine: nothing was counted then.
                    (other, body) => assert_eq!(other, 503, "{body}"),
                }
            }
        });
    }
    // All of them are decided on before one of them has ended.
    let by = Instant::now() + 3 * DEADLINE;
    while arrived.load(Ordering::SeqCst) + refused.load(Ordering::SeqCst) < CALLS {
        let (arrived, refused) = (arrived.load(Ordering::SeqCst), refused.load(Ordering::SeqCst));
        assert!(Instant::now() < by, "{arrived} arrived and {refused} were refused");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    release.send(true).unwrap();
    let at_once: u64 = asking.join_all().await.into_iter().sum();
    // What others take ahead may come back too late for a call on a busy machine: too few then, and never too many.
    let usable = BUDGET * 7 / 8..=BUDGET;
    assert!(usable.contains(&(at_once * ESTIMATE)), "{at_once} were admitted at once");
    let mut admitted = at_once;
    for gateway in &gateways {
        while call(gateway).await.0 != 429 {
            admitted += 1;
            assert!(admitted * ESTIMATE <= BUDGET, "{admitted} are admitted beyond the budget");
        }
    }
    // The bound of decision 0008: what those under way cost beyond their estimates.
    let (expected, bound) = (admitted * COST, admitted * (COST - ESTIMATE));
    let by = Instant::now() + DEADLINE;
    let mut sum = 0;
    while sum != expected {
        assert!(sum < expected && Instant::now() < by, "{sum} spent, not {expected}");
        tokio::time::sleep(Duration::from_millis(10)).await;
        sum = 0;
        for gateway in &gateways {
            sum += spent(gateway).await;
        }
    }
    assert!(sum > BUDGET && sum <= BUDGET + bound, "{sum} spent of {BUDGET}, {bound} more at most");
}
