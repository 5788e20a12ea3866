//! What can be seen from outside: events, counts, and no secrets.

use moorline_admin::{Event, Generation, Recent, Weight};

use rustix::process::Signal;
use serde_json::json;
use sha2::{Digest as _, Sha256};

use crate::harness::{DEADLINE, Gateway, Home, TOKEN, UPSTREAM_KEY, command, document, git, in_time};

#[tokio::test]
async fn events_tell_of_what_was_taken_and_what_was_refused() {
    let home = Home::new();
    let gateway = home.start(&[]).await;
    let mut stream = in_time(gateway.raw("GET", "/admin/v1/events").send()).await.unwrap();
    assert_eq!(stream.headers()["content-type"], "text/event-stream");
    gateway.client.put_config(&document("a"), &git("c1")).await.unwrap();
    let mut bad = document("b");
    bad["surprise"] = serde_json::json!(1);
    gateway.client.put_config(&bad, &git("c2")).await.unwrap_err();
    gateway.client.stage(&document("b"), Weight::ZERO, &git("c3")).await.unwrap();
    let mut text = String::new();
    let mut events = Vec::new();
    while events.len() < 3 {
        text += std::str::from_utf8(&in_time(stream.chunk()).await.unwrap().expect("more events")).unwrap();
        events = text
            .lines()
            .filter_map(|line| line.strip_prefix("data: "))
            .map(|data| serde_json::from_str::<Event>(data).unwrap())
            .collect();
    }
    let changed = |stable, candidate: Option<u64>| Event::ConfigChanged {
        stable: Some(Generation(stable)),
        candidate: candidate.map(Generation),
    };
    assert_eq!(events[0], changed(1, None));
    assert!(matches!(events[1], Event::ConfigRejected { mistakes: 1, .. }), "{events:?}");
    assert_eq!(events[2], changed(1, Some(2)));
    // A listener does not keep the gateway from ending.
    gateway.client.drain().await.unwrap();
    assert!(gateway.ended().await.success());
}

#[tokio::test]
async fn requests_are_counted_by_generation_and_since_a_moment() {
    let home = Home::new();
    let gateway = home.start(&[]).await;
    gateway.client.put_config(&document("a"), &git("c1")).await.unwrap();
    let http = reqwest::Client::new();
    let ask = || http.post(format!("{}/v1/chat/completions", gateway.data)).timeout(DEADLINE).body("{}");
    let answer = ask().send().await.unwrap();
    assert_eq!(answer.status(), 401);
    assert_eq!(answer.headers()["x-moorline-generation"], "1");
    let all = gateway.client.stats(Generation(1), None).await.unwrap();
    assert_eq!((all.total.requests, all.authentication["missing"]), (1, 1), "{all:?}");
    let later = gateway.client.stats(Generation(1), Some(all.until)).await.unwrap();
    assert!(later.since <= all.until && later.total.requests <= 1);
    gateway.client.put_config(&document("b"), &git("c2")).await.unwrap();
    ask().bearer_auth("no-such-key").send().await.unwrap();
    let one = gateway.client.stats(Generation(1), None).await.unwrap();
    let two = gateway.client.stats(Generation(2), None).await.unwrap();
    assert_eq!((one.total.requests, two.total.requests, two.authentication["unknown"]), (1, 1, 1));
    let status = gateway.client.status_with_recent(60).await.unwrap();
    assert_eq!(status.recent, Some(Recent { asked: 1, faults: 0 }), "the stable document's");
    assert_eq!(gateway.client.status().await.unwrap().recent, None, "nobody asked for them");
    let metrics = gateway.raw("GET", "/metrics").send().await.unwrap().text().await.unwrap();
    for line in [
        "moorline_gateway_authentications_total{result=\"missing\"} 1",
        "moorline_gateway_requests_total{model=\"none\"} 2",
        // The client keeps its connection.
        "moorline_gateway_connections 1",
        "moorline_gateway_requests_in_flight 0",
    ] {
        assert!(metrics.lines().any(|found| found == line), "{line} is missing in\n{metrics}");
    }
}

#[tokio::test]
async fn no_secret_is_in_any_answer_file_or_log_line() {
    let home = Home::new();
    let gateway = home.start(&["--metrics-token", "env:UPSTREAM_KEY"]).await;
    gateway.client.put_config(&document("a"), &git("c1")).await.unwrap();
    let staged = gateway.client.stage(&document("b"), Weight::whole(1), &git("c2")).await.unwrap();
    let mut told = String::new();
    for (method, path, body) in [
        ("GET", "/admin/v1/status", String::new()),
        ("GET", "/admin/v1/config", String::new()),
        ("POST", "/admin/v1/config/validate", document("c").to_string()),
        ("POST", "/admin/v1/config/plan", document("c").to_string()),
        ("GET", "/admin/v1/stats", String::new()),
        ("GET", "/metrics", String::new()),
        ("DELETE", "/admin/v1/candidate", String::new()),
        ("POST", "/admin/v1/drain", String::new()),
    ] {
        let answer = gateway.raw(method, path).body(body).send().await.unwrap();
        assert_eq!(answer.status(), 200, "{method} {path}");
        told += &format!("{:?}", answer.headers());
        told += &answer.text().await.unwrap();
    }
    told += &gateway.log();
    assert!(gateway.ended().await.success());
    told += &std::fs::read_to_string(home.path("state").join("gateway.json")).unwrap();
    assert!(told.contains("env:UPSTREAM_KEY"), "the references are told");
    for secret in [TOKEN, UPSTREAM_KEY, &staged.probe_key] {
        assert!(!told.contains(secret), "{secret} is told in\n{told}");
    }
}

/// Asks for a path that nothing serves.
async fn not_found(gateway: &Gateway, query: &str) -> u16 {
    let url = format!("{}/v1/nothing{query}", gateway.data);
    in_time(reqwest::Client::new().get(url).send()).await.unwrap().status().as_u16()
}

#[tokio::test]
async fn the_access_log_goes_where_the_command_line_says_and_is_whole_at_the_end() {
    let home = Home::new();
    let path = home.path("access.log");
    let gateway = home.start(&["--access-log", path.to_str().unwrap(), "--log-format", "json"]).await;
    gateway.client.put_config(&document("a"), &git("c1")).await.unwrap();
    for _ in 0..50 {
        assert_eq!(not_found(&gateway, "?key=marker-query").await, 404);
    }
    let metrics = gateway.raw("GET", "/metrics").send().await.unwrap().text().await.unwrap();
    assert!(metrics.contains("moorline_gateway_access_log_dropped_total 0\n"), "{metrics}");
    gateway.signal(Signal::TERM);
    assert!(gateway.ended().await.success());
    let text = std::fs::read_to_string(&path).unwrap();
    assert_eq!(text.lines().count(), 50);
    for line in text.lines() {
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        assert_eq!((&line["path"], &line["status"]), (&json!("/v1/nothing"), &json!(404)));
    }
    assert!(!text.contains("marker"), "{text}");

    let gateway = home.start(&["--access-log", "off"]).await;
    not_found(&gateway, "").await;
    gateway.signal(Signal::TERM);
    assert!(gateway.ended().await.success());
    assert!(!std::fs::read_to_string(home.path("log")).unwrap().contains("/v1/nothing"));
}

#[tokio::test]
async fn variables_of_opentelemetry_that_cannot_be_followed_keep_it_from_starting_and_no_header_is_shown() {
    let output = command(&["--admin-token", "env:TOKEN"])
        .env("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9")
        .env("OTEL_EXPORTER_OTLP_HEADERS", "marker-without-a-name")
        .env("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")
        .env("OTEL_TRACES_SAMPLER", "now_and_then")
        .output();
    let output = in_time(output).await.unwrap();
    assert!(!output.status.success());
    let text = String::from_utf8(output.stderr).unwrap();
    for name in
        ["OTEL_EXPORTER_OTLP_HEADERS", "OTEL_EXPORTER_OTLP_PROTOCOL=grpc", "OTEL_TRACES_SAMPLER=now_and_then"]
    {
        assert!(text.contains(name), "{name}: {text}");
    }
    assert!(!text.contains("marker-without"), "{text}");
}

#[tokio::test]
async fn a_breaker_that_opens_is_told_to_listeners_and_on_the_metrics_page() {
    let home = Home::new();
    let gateway = home.start(&[]).await;
    let mut declared = document("a");
    declared["models"]["m"]["breaker"] = json!({"failures": 1, "cooldown": "1h"});
    declared["keys"] = json!([{"name": "k", "sha256": hex::encode(Sha256::digest("caller"))}]);
    gateway.client.put_config(&declared, &git("c1")).await.unwrap();
    let gauge = async || {
        let page = gateway.raw("GET", "/metrics").send().await.unwrap().text().await.unwrap();
        let line = page.lines().find(|line| line.starts_with("moorline_gateway_breaker_open{"));
        line.map(str::to_owned)
    };
    let sample = "moorline_gateway_breaker_open{provider=\"up\",model=\"m\"}";
    assert_eq!(gauge().await, Some(format!("{sample} 0")));
    let mut events = in_time(gateway.raw("GET", "/admin/v1/events").send()).await.unwrap();
    let ask = || {
        let body = json!({"model": "m", "messages": []}).to_string();
        let url = format!("{}/v1/chat/completions", gateway.data);
        reqwest::Client::new().post(url).bearer_auth("caller").timeout(DEADLINE).body(body).send()
    };
    // Nobody listens there.
    assert_eq!(ask().await.unwrap().status(), 502);
    let answer = ask().await.unwrap();
    assert_eq!((answer.status().as_u16(), answer.headers()["retry-after"].to_str().unwrap()), (503, "3600"));
    assert_eq!(gauge().await, Some(format!("{sample} 1")));
    let opened = json!({"event": "breaker_opened", "provider": "up", "model": "m"});
    let mut text = String::new();
    while !text.contains("breaker_opened") {
        text += std::str::from_utf8(&in_time(events.chunk()).await.unwrap().expect("more events")).unwrap();
    }
    let told = text.lines().find_map(|line| line.strip_prefix("data: ")).unwrap();
    assert_eq!(serde_json::from_str::<serde_json::Value>(told).unwrap(), opened);
}
