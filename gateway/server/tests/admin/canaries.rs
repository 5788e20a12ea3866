//! Marks in prompts, answers, keys and headers, and a search for them wherever the gateway says something.
//!
//! What is said to the caller itself may hold its own words; nothing else may: logs, metrics, counts, events, traces,
//! the state on disk, and what other callers are told.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use moorline_admin::{Event, Generation};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::harness::{DEADLINE, Gateway, Home, TOKEN, UPSTREAM_KEY, document, git, in_time};
use crate::serving::Serving;

const KEY: &str = "canary-key-of-the-caller";
const OTHER_KEY: &str = "vk-of-another-caller";
/// Every mark begins so.
const MARK: &str = "canary-";

/// What a provider does, by what stands in the prompt.
async fn answer(body: Bytes) -> Response {
    let asked: Value = serde_json::from_slice(&body).unwrap();
    let text = asked.to_string();
    let does = |wish: &str| text.contains(&format!("please {wish}"));
    let head = [
        ("content-type", "application/json"),
        ("x-request-id", "canary-upstream-id"),
        ("set-cookie", "canary-set=1"),
    ];
    let refused = json!({"error": {"message": "canary-upstream-words", "code": "canary-upstream-code"}});
    let said = json!({
        "id": "canary-answer-id", "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "canary-answer"}}],
        "usage": {"prompt_tokens": 3, "completion_tokens": 2},
    });
    if does("fail") {
        return (StatusCode::INTERNAL_SERVER_ERROR, head, refused.to_string()).into_response();
    }
    if does("refuse") {
        return (StatusCode::BAD_REQUEST, head, refused.to_string()).into_response();
    }
    if does("redirect") {
        return (StatusCode::FOUND, [("location", "http://127.0.0.1:9/canary-location")]).into_response();
    }
    if does("rave") {
        return (head, "canary-no-json".to_owned()).into_response();
    }
    if asked["stream"] != true {
        return (head, said.to_string()).into_response();
    }
    let event = "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"canary-answer\"}}]}\n\n";
    let end = if does("break") { "data: canary-half" } else { "data: [DONE]\n\n" };
    ([("content-type", "text/event-stream")], format!("{event}{event}{end}")).into_response()
}

type Posts = Arc<Mutex<Vec<u8>>>;

/// A collector of traces and metrics, which keeps every byte.
async fn collect(State(posts): State<Posts>, body: Bytes) -> StatusCode {
    posts.lock().unwrap().extend_from_slice(&body);
    StatusCode::OK
}

fn declared(provider: &Serving) -> Value {
    let mut declared = document("canaries");
    let base_url = format!("{}/v1", provider.url);
    declared["providers"] = json!({
        "up": {"kind": "openai_compatible", "base_url": base_url, "api_key": "env:UPSTREAM_KEY"},
        "claude": {"kind": "anthropic", "base_url": base_url, "api_key": "env:UPSTREAM_KEY"},
    });
    declared["models"] = json!({
        "m": {"targets": [{"provider": "up", "model": "m"}], "breaker": {"failures": 1000}},
        "translated": {"targets": [{"provider": "claude", "model": "claude-sonnet-4-5"}], "breaker": {"failures": 1000}},
    });
    declared["guardrails"] = json!({
        "asked": {"on": "request", "words": ["canary forbidden"]},
        "answered": {"on": "response", "pii": ["email"]},
    });
    declared["routes"] = json!([
        {"path": "/v1/responses", "guardrails": ["asked", "answered"]},
        {"path": "/v1/embeddings", "cache": {"ttl": "1h"}},
        {"path": "/v1/*", "retry": {"attempts": 1}},
    ]);
    let key = |name: &str, key: &str| json!({"name": name, "sha256": hex::encode(Sha256::digest(key))});
    declared["keys"] = json!([key("caller", KEY), key("other", OTHER_KEY)]);
    declared
}

/// Every way in which a request ends, each full of marks.
async fn ask_in_every_way(gateway: &Gateway) {
    let prompt = |wish: &str| format!("canary-prompt please {wish} \u{202e}\ncanary-second-line");
    let chat = |wish: &str, model: &str, stream: bool| {
        let said = json!([{"role": "user", "content": prompt(wish)}]);
        json!({"model": model, "stream": stream, "messages": said, "user": "canary-user", "metadata": {"canary-meta": "canary-value"}})
            .to_string()
    };
    let mut bodies = Vec::new();
    for model in ["m", "translated"] {
        for wish in ["answer", "fail", "refuse", "redirect", "rave", "break"] {
            bodies.extend([false, true].map(|stream| ("/v1/chat/completions", chat(wish, model, stream))));
        }
    }
    let input = |text: &str| json!({"model": "m", "input": text}).to_string();
    bodies.extend([
        ("/v1/chat/completions", "{\"model\":\"m\",\"messages\":[{\"content\":\"canary-half".to_owned()),
        ("/v1/chat/completions", "canary-no-json".to_owned()),
        ("/v1/chat/completions", json!({"model": "canary-model", "messages": []}).to_string()),
        ("/v1/chat/completions", json!({"model": ["canary-model"]}).to_string()),
        (
            "/v1/messages",
            json!({"model": "m", "max_tokens": 5, "canary-field": 1, "messages": "canary-wrong"}).to_string(),
        ),
        ("/v1/messages", chat("answer", "m", false)),
        ("/v1/responses", input("canary forbidden canary-blocked")),
        ("/v1/responses", input(&prompt("answer"))),
        ("/v1/embeddings", input("canary-embedded")),
        ("/v1/embeddings", input("canary-embedded")),
        ("/v1/audio/speech", input("canary-speech")),
        (
            "/v1/rerank",
            json!({"model": "m", "query": "canary-query", "documents": ["canary-document"]}).to_string(),
        ),
    ]);
    let http = reqwest::Client::builder().no_proxy().tls_certs_only([]).build().unwrap();
    for (path, body) in bodies {
        for key in [KEY, "canary-unknown-key", "canary-a.canary-b.canary-c"] {
            let request = http
                .post(format!("{}{path}?canary-query=canary-value", gateway.data))
                .bearer_auth(key)
                .header("content-type", "application/json")
                .header("cookie", "canary-cookie=1")
                .header("x-secret", "canary-header")
                .header("proxy-authorization", "Basic canary-proxy")
                .header("user-agent", "canary-agent")
                .header("x-forwarded-for", "canary-address")
                .header("openai-organization", "canary-organization")
                .header("x-moorline-probe", "canary-probe")
                .header("x-request-id", "canary id that is none")
                .timeout(DEADLINE)
                .body(body.clone());
            let answer = request.send().await.unwrap();
            drop(answer.bytes().await);
        }
    }
}

/// Everything that is told to anybody but the caller.
async fn told(home: &Home, gateway: &Gateway, posts: &Posts) -> Vec<(&'static str, String)> {
    let text = async |path: &str| gateway.raw("GET", path).send().await.unwrap().text().await.unwrap();
    let mut told = vec![
        ("metrics", text("/metrics").await),
        ("status", text("/admin/v1/status").await),
        ("document", text("/admin/v1/config").await),
        ("statistics", text("/admin/v1/stats").await),
        ("state on disk", std::fs::read_to_string(home.path("state").join("gateway.json")).unwrap()),
        ("telemetry", String::from_utf8_lossy(&posts.lock().unwrap()).into_owned()),
        ("log", gateway.log()),
    ];
    // Another caller, well and badly served.
    for (path, body) in [
        ("/v1/chat/completions", json!({"model": "m", "messages": []})),
        ("/v1/chat/completions", json!({"model": 1})),
        ("/v1/embeddings", json!({"model": "m", "input": "mine"})),
        ("/v1/nothing", json!({})),
    ] {
        let request = reqwest::Client::new().post(format!("{}{path}", gateway.data)).bearer_auth(OTHER_KEY);
        let answer = request.timeout(DEADLINE).body(body.to_string()).send().await.unwrap();
        let (status, headers) = (answer.status(), format!("{:?}", answer.headers()));
        let text = answer.text().await.unwrap();
        // What the provider said to it is its own.
        let own = if status.is_success() { String::new() } else { text };
        let is_own = |line: &str| line.contains("canary-upstream-id");
        let headers = headers.split(", ").filter(|line| !is_own(line)).collect::<Vec<_>>().join(", ");
        told.push(("another's answer", format!("{headers}\n{own}")));
    }
    told
}

/// Waits until the access log has so many lines, and traces have come.
async fn settled(path: &std::path::Path, posts: &Posts, lines: usize) -> String {
    let by = Instant::now() + DEADLINE;
    loop {
        let text = std::fs::read_to_string(path).unwrap_or_default();
        if text.lines().count() >= lines && text.ends_with('\n') && !posts.lock().unwrap().is_empty() {
            return text;
        }
        assert!(Instant::now() < by, "{} of {lines} lines", text.lines().count());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn no_word_of_a_prompt_an_answer_a_key_or_a_header_is_told_to_anybody_else() {
    let provider = Serving::start(Router::new().fallback(answer)).await;
    let posts = Posts::default();
    let collector = Serving::start(Router::new().fallback(collect).with_state(Arc::clone(&posts))).await;
    let home = Home::new();
    let access_log = home.path("access.log");
    let environment = [
        ("RUST_LOG", "trace".to_owned()),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url.clone()),
        ("OTEL_BSP_SCHEDULE_DELAY", "20".to_owned()),
        ("OTEL_METRIC_EXPORT_INTERVAL", "50".to_owned()),
    ];
    let gateway = home
        .start_in(&environment, &["--access-log", access_log.to_str().unwrap(), "--log-format", "json"])
        .await;
    let mut document = declared(&provider);
    gateway.client.put_config(&document, &git("c1")).await.unwrap();
    let mut events = in_time(gateway.raw("GET", "/admin/v1/events").send()).await.unwrap();

    ask_in_every_way(&gateway).await;
    let stats = gateway.client.stats(Generation(1), None).await.unwrap();
    let count = usize::try_from(stats.total.requests).unwrap();
    assert!(count >= 100 && stats.total.errors.len() >= 4, "{stats:?}");
    let log = settled(&access_log, &posts, count).await;
    let mut all = told(&home, &gateway, &posts).await;
    all.push(("access log", log));
    for (place, text) in &all {
        let found =
            text.find(MARK).map(|at| text.get(at.saturating_sub(200)..at + 60).unwrap_or(&text[at..]));
        assert_eq!(found, None, "in {place}");
        for secret in [KEY, OTHER_KEY, TOKEN, UPSTREAM_KEY] {
            assert!(!text.contains(secret), "{secret} in {place}");
        }
    }
    assert!(all.iter().all(|(_, text)| !text.is_empty()), "there was something to search");

    // Declared, they are in the access log, and still nowhere else.
    document["routes"][2]["log_bodies"] = json!({"owner": "ann", "expires": "2999-01-01T00:00:00Z"});
    gateway.client.put_config(&document, &git("c2")).await.unwrap();
    let before = std::fs::read_to_string(&access_log).unwrap().lines().count();
    ask_in_every_way(&gateway).await;
    let stats = gateway.client.stats(Generation(2), None).await.unwrap();
    let log = settled(&access_log, &posts, before + usize::try_from(stats.total.requests).unwrap()).await;
    for word in ["canary-prompt", "canary-answer"] {
        assert!(log.contains(word), "{word} is logged");
    }
    for secret in [
        KEY,
        "canary-unknown",
        "canary-cookie",
        "canary-header",
        "canary-proxy",
        "canary-query=",
        UPSTREAM_KEY,
    ] {
        assert!(!log.contains(secret), "{secret} in the access log");
    }
    for line in log.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()) {
        let mut line = line;
        let fields = line.as_object_mut().unwrap();
        let is_declared = fields.get("log_bodies_owner").is_some();
        let bodies = [fields.remove("request_body"), fields.remove("response_body")];
        assert!(is_declared || bodies == [None, None], "{line}");
        assert!(!line.to_string().contains(MARK), "{line}");
    }
    for (place, text) in told(&home, &gateway, &posts).await {
        assert!(!text.contains(MARK), "in {place} although only the access log was declared");
    }
    let mut heard = String::new();
    while !heard.contains("config_changed") {
        heard += std::str::from_utf8(&in_time(events.chunk()).await.unwrap().unwrap()).unwrap();
    }
    let last = heard.lines().filter_map(|line| line.strip_prefix("data: ")).next_back().unwrap();
    assert!(serde_json::from_str::<Event>(last).is_ok() && !heard.contains(MARK), "{heard}");
}
