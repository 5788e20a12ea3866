//! The metrics page of a gateway that strangers talk to.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::harness::{Gateway, Home, document, git, in_time};

const KEY: &str = "vk-metrics";

fn with_key(name: &str) -> Value {
    let mut document = document(name);
    document["keys"] = json!([{"name": "team", "sha256": hex::encode(Sha256::digest(KEY))}]);
    document["routes"] = json!([{"path": "/v1/*", "retry": {"attempts": 1}}]);
    // Every request is to reach for the provider, which fails each time.
    document["models"]["m"]["breaker"] = json!({"failures": 1000});
    document
}

async fn page(gateway: &Gateway) -> String {
    in_time(gateway.raw("GET", "/metrics").send()).await.unwrap().text().await.unwrap()
}

/// Names of samples with their labels.
fn samples(page: &str) -> BTreeSet<String> {
    let lines = page.lines().filter(|line| !line.starts_with('#'));
    lines.map(|line| line.rsplit_once(' ').unwrap().0.to_owned()).collect()
}

/// One of each kind of request, with everything made up that a caller can make up.
async fn strangers(gateway: &Gateway, client: &reqwest::Client, number: u32) {
    let made_up = |path: &str| {
        client
            .post(format!("{}{path}", gateway.data))
            .header("x-request-id", format!("id-{number}"))
            .header("user-agent", format!("agent-{number}"))
            .header("traceparent", format!("00-{number:032x}-{number:016x}-01"))
            .header(format!("x-name-{number}"), "x")
    };
    let chat = "/v1/chat/completions";
    let declared = json!({"model": "m", "user": format!("u{number}")}).to_string();
    let unknown = json!({"model": format!("model-{number}")}).to_string();
    for request in [
        made_up(chat).bearer_auth(KEY).body(declared),
        made_up(chat).bearer_auth(KEY).body(unknown),
        made_up(chat).bearer_auth(format!("key-{number}")),
        made_up(&format!("/v1/path-{number}?query={number}")).bearer_auth(KEY),
        made_up(&format!("/elsewhere-{number}")),
        client
            .request(format!("M{number}").parse().unwrap(), format!("{}{chat}", gateway.data))
            .bearer_auth(KEY),
    ] {
        assert!(in_time(request.send()).await.unwrap().status().as_u16() >= 400);
    }
}

#[tokio::test]
async fn no_caller_can_make_the_page_grow() {
    let home = Home::new();
    let gateway = home.start(&["--access-log", "off"]).await;
    gateway.client.put_config(&with_key("a"), &git("c1")).await.unwrap();
    let client = reqwest::Client::new();
    // The first of each kind may bring a sample, such as a kind of error.
    strangers(&gateway, &client, 1).await;
    let before = samples(&page(&gateway).await);
    for number in 2..60 {
        strangers(&gateway, &client, number).await;
    }
    let text = page(&gateway).await;
    assert_eq!(samples(&text), before);
    for (sample, value) in [
        ("moorline_gateway_requests_total{model=\"m\"}", "59"),
        ("moorline_gateway_upstream_requests_total{provider=\"up\",model=\"m\"}", "59"),
        (
            "moorline_gateway_upstream_errors_total{provider=\"up\",model=\"m\",kind=\"upstream_failed\"}",
            "59",
        ),
        ("moorline_gateway_upstream_duration_seconds_count{provider=\"up\",model=\"m\"}", "59"),
        ("moorline_gateway_overhead_seconds_count", "59"),
        ("moorline_gateway_upstream_connections{state=\"idle\"}", "0"),
        ("moorline_gateway_telemetry_dropped_total", "0"),
    ] {
        let line = format!("{sample} {value}");
        assert!(text.lines().any(|found| found == line), "{line} is missing in\n{text}");
    }

    // Counts of a provider outlive the document it stood in.
    gateway.client.put_config(&with_key("b"), &git("c2")).await.unwrap();
    strangers(&gateway, &client, 60).await;
    assert!(page(&gateway).await.contains("upstream_requests_total{provider=\"up\",model=\"m\"} 60\n"));
}

#[tokio::test]
async fn what_is_declared_is_counted_from_the_start() {
    let home = Home::new();
    let gateway = home.start(&["--access-log", "off"]).await;
    let line =
        |text: &str, sample: &str| text.lines().any(|line| line == format!("moorline_gateway_{sample} 0"));
    let text = page(&gateway).await;
    assert!(line(&text, "requests_total{model=\"none\"}"), "without a document too: {text}");

    let mut declared = with_key("a");
    declared["models"]["n"] = json!({
        "targets": [{"provider": "up", "model": "n1"}, {"provider": "up", "model": "n2"}],
        "hedge": {"after": "1s"},
        "shadow": {"model": "m", "share": "1%"},
    });
    declared["guardrails"] = json!({"long": {"max_bytes": "1KiB"}});
    gateway.client.put_config(&declared, &git("c1")).await.unwrap();
    let text = page(&gateway).await;
    for sample in [
        "requests_total{model=\"n\"}",
        "request_errors_total{model=\"n\",kind=\"upstream_failed\"}",
        "request_duration_seconds_count{model=\"n\"}",
        "cost_usd_total{model=\"n\"}",
        "route_requests_total{route=\"/v1/*\"}",
        "limit_hits_total{route=\"/v1/*\"}",
        "upstream_requests_total{provider=\"up\",model=\"n2\"}",
        "upstream_errors_total{provider=\"up\",model=\"n2\",kind=\"upstream_timeout\"}",
        "upstream_duration_seconds_bucket{provider=\"up\",model=\"n2\",le=\"+Inf\"}",
        "hedges_total{model=\"n\"}",
        "hedges_won_total{model=\"n\"}",
        "shadow_requests_total{model=\"m\"}",
        "shadow_dropped_total{model=\"m\",reason=\"full\"}",
        "guardrail_verdicts_total{guardrail=\"long\",stage=\"request\",action=\"blocked\"}",
        "authentications_total{result=\"accepted\"}",
    ] {
        assert!(line(&text, sample), "{sample} is missing in\n{text}");
    }
    assert!(!text.contains("hedges_total{model=\"m\"}"), "it declares none: {text}");

    // A candidate's names are known too, and those of a document that is gone are not any more.
    let mut candidate = with_key("b");
    candidate["models"]["m"]["targets"][0]["model"] = json!("m2");
    gateway.client.stage(&candidate, moorline_admin::Weight::ZERO, &git("c2")).await.unwrap();
    let target = "upstream_requests_total{provider=\"up\",model=\"m2\"}";
    assert!(line(&page(&gateway).await, target));
    gateway.client.discard().await.unwrap();
    assert!(!line(&page(&gateway).await, target));
}
