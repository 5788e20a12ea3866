//! Gateways as they are deployed: processes of their own that share a Redis.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use super::redis::{DEADLINE, Redis};

pub(crate) const TOKEN: &str = "marker-admin-token";
pub(crate) const KEY: &str = "vk-caller";
/// Longer than any test, and hardly ever at its end.
pub(crate) const WINDOW: &str = "40d";

/// A gateway process.
pub(crate) struct Gateway {
    child: Child,
    pub(crate) data: String,
    pub(crate) admin: String,
    pub(crate) client: reqwest::Client,
    files: tempfile::TempDir,
}

impl Gateway {
    pub(crate) fn start(document: &Value, redis_url: &str) -> Self {
        Self::start_trusting(document, redis_url, None)
    }

    /// Starts one that trusts this authority.
    fn start_trusting(document: &Value, redis_url: &str, authority: Option<&str>) -> Self {
        let files = tempfile::tempdir().unwrap();
        let config = files.path().join("gateway.yaml");
        std::fs::write(&config, document.to_string()).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_moorline-gateway"));
        command.env_clear().env("TOKEN", TOKEN).env("UPSTREAM_KEY", "sk").env("REDIS_URL", redis_url);
        command.args(["--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--workers", "2"]);
        command.args(["--admin-token", "env:TOKEN", "--config"]).arg(config);
        if let Some(authority) = authority {
            std::fs::write(files.path().join("authority.pem"), authority).unwrap();
            command.env("SSL_CERT_FILE", files.path().join("authority.pem"));
        }
        let log = std::fs::File::create(files.path().join("log")).unwrap();
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(log);
        let mut child = command.spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let announced: Value = serde_json::from_str(&line).unwrap();
        let url = |port: &str| format!("http://{}", announced["listening"][port].as_str().unwrap());
        let client = reqwest::Client::builder().timeout(DEADLINE).build().unwrap();
        Self { child, data: url("data"), admin: url("admin"), client, files }
    }

    /// Asks, and says what the cache had.
    async fn ask_cache(&self) -> (u16, String) {
        let body = json!({"model": "m", "messages": [{"role": "user", "content": "hi"}]});
        let request = self.client.post(format!("{}/v1/chat/completions", self.data)).bearer_auth(KEY);
        let answer = request.body(body.to_string()).send().await.unwrap();
        let had = answer.headers().get("x-moorline-cache").unwrap().to_str().unwrap().to_owned();
        (answer.status().as_u16(), had)
    }

    pub(crate) async fn ask(&self) -> (u16, String) {
        let body = json!({"model": "m", "messages": [{"role": "user", "content": "hi"}]});
        let request = self.client.post(format!("{}/v1/chat/completions", self.data)).bearer_auth(KEY);
        let answer = request.body(body.to_string()).send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    }

    /// Asks until a status comes that is waited for.
    pub(crate) async fn until(&self, awaited: u16) -> String {
        let by = Instant::now() + DEADLINE;
        loop {
            let (status, body) = self.ask().await;
            if status == awaited {
                return body;
            }
            assert!(Instant::now() < by, "no {awaited} in time, but {status}: {body}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.files.path().join("log")).unwrap()
    }

    /// Waits until so many stores count as lost: a request may be refused a moment before the count says why.
    async fn until_lost(&self, awaited: &str) {
        let by = Instant::now() + DEADLINE;
        while self.lost_stores().await != awaited {
            assert!(Instant::now() < by, "not {awaited} lost in time");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    async fn lost_stores(&self) -> String {
        let page =
            self.client.get(format!("{}/metrics", self.admin)).bearer_auth(TOKEN).send().await.unwrap();
        let page = page.text().await.unwrap();
        let line = page.lines().find(|line| line.starts_with("moorline_gateway_limit_stores_lost "));
        line.unwrap().rsplit(' ').next().unwrap().to_owned()
    }
}

impl Gateway {
    /// Ends the process as a lost machine does (SIGKILL): it returns nothing and says nothing.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        self.child.kill().unwrap_or_default();
        self.child.wait().map(drop).unwrap_or_default();
    }
}

/// A provider that always answers; its base URL.
pub(crate) async fn provider() -> String {
    let answer = json!({
        "id": "chatcmpl-1", "object": "chat.completion",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": "pong"}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 10, "completion_tokens": 20, "total_tokens": 30},
    });
    let answer = answer.to_string();
    let respond = move || {
        let answer = answer.clone();
        async move { ([("content-type", "application/json")], answer) }
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let app = axum::Router::new().fallback(respond);
    tokio_util::task::TaskTracker::new().spawn(async move { axum::serve(listener, app).await });
    format!("http://{address}/v1")
}

pub(crate) fn document(base_url: &str, limits: &Value, when_lost: &str) -> Value {
    json!({
        "version": 1, "name": "shared",
        "providers": {"p": {"kind": "openai_compatible", "base_url": base_url, "api_key": "env:UPSTREAM_KEY"}},
        "models": {"m": {"targets": [{"provider": "p", "model": "m"}]}},
        "routes": [{"path": "/v1/*", "limits": limits}],
        "keys": [{"name": "caller", "sha256": hex::encode(Sha256::digest(KEY))}],
        "stores": {"limits": {"redis": "env:REDIS_URL", "when_lost": when_lost}},
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_gateways_under_load_admit_exactly_the_thousand_requests_they_share() {
    let redis = Redis::start();
    let document = document(&provider().await, &json!([{"requests": 1000, "window": WINDOW}]), "closed");
    let gateways = [0, 1].map(|_| Arc::new(Gateway::start(&document, &redis.url())));
    let mut asking = JoinSet::new();
    for caller in 0..32 {
        let gateway = Arc::clone(&gateways[caller % 2]);
        asking.spawn(async move {
            let mut admitted = 0;
            loop {
                match gateway.ask().await {
                    (200, _) => admitted += 1,
                    (429, body) => {
                        assert!(body.contains("1000 requests in 40d"), "{body}");
                        return admitted;
                    }
                    // A machine that is too busy to answer in time: closed refuses, and nothing is counted.
                    (503, _) => {}
                    (other, body) => panic!("{other}: {body}"),
                }
            }
        });
    }
    assert_eq!(asking.join_all().await.into_iter().sum::<u64>(), 1_000);
    for gateway in &gateways {
        assert_eq!(gateway.ask().await.0, 429);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_redis_is_told_and_does_what_is_declared_until_it_is_back() {
    let mut redis = Redis::start();
    let (provider, limits) = (provider().await, &json!([{"requests": 100_000, "window": WINDOW}]));
    let open = Gateway::start(&document(&provider, limits, "open"), &redis.url());
    let closed = Gateway::start(&document(&provider, limits, "closed"), &redis.url());
    open.until(200).await;
    closed.until(200).await;
    assert_eq!(closed.lost_stores().await, "0");
    redis.kill();
    let refused = closed.until(503).await;
    assert!(refused.contains("limit_store_unavailable") && refused.contains("Redis"), "{refused}");
    closed.until_lost("1").await;
    for _ in 0..50 {
        assert_eq!(open.ask().await.0, 200);
    }
    redis.restart();
    closed.until(200).await;
    open.until_lost("0").await;
    closed.until_lost("0").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redis_behind_tls_and_a_password_is_used_and_neither_is_told() {
    let (redis, authority) = Redis::start_secure("marker-redis-password");
    let document = document(&provider().await, &json!([{"requests": 3, "window": WINDOW}]), "closed");
    let gateway =
        Gateway::start_trusting(&document, &redis.secure_url("marker-redis-password"), Some(&authority));
    gateway.until(200).await;
    gateway.until(429).await;
    // Without the authority there is no connection, and no word of the password.
    let doubting = Gateway::start(&document, &redis.secure_url("marker-redis-password"));
    assert_eq!(doubting.ask().await.0, 503);
    let by = Instant::now() + DEADLINE;
    let mut log = doubting.log();
    while !log.contains("the limit store (Redis) is lost") {
        assert!(Instant::now() < by, "{log}");
        tokio::time::sleep(Duration::from_millis(5)).await;
        log = doubting.log();
    }
    assert!(!log.contains("marker-redis-password"), "{log}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_shared_cache_answers_for_all_gateways_and_a_lost_one_is_a_miss() {
    let mut redis = Redis::start();
    let mut document = document(&provider().await, &json!([]), "open");
    document["stores"] = json!({"cache": {"redis": "env:REDIS_URL", "when_lost": "open"}});
    document["routes"][0]["cache"] = json!({"ttl": "1h"});
    let gateways = [0, 1].map(|_| Gateway::start(&document, &redis.url()));
    let by = Instant::now() + DEADLINE;
    for gateway in &gateways {
        // The first answers may come before the connection, and are written after they were sent.
        loop {
            let (status, had) = gateway.ask_cache().await;
            assert_eq!(status, 200);
            if had == "hit" {
                break;
            }
            assert!(Instant::now() < by, "no hit in time");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
    let kept = redis.dump();
    assert!(kept.len() == 1 && kept[0].0.starts_with("moorline:shared:cache:") && kept[0].1 > 0, "{kept:?}");
    redis.kill();
    for gateway in &gateways {
        assert_eq!(gateway.ask_cache().await, (200, "miss".to_owned()));
    }
    redis.restart();
    while gateways[1].ask_cache().await != (200, "hit".to_owned()) {
        assert!(Instant::now() < by + DEADLINE, "not found again in time");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
