//! What holds when nobody says anything: every limit of a document that is empty, and of a process without flags.

use std::time::Duration;

use moorline_config::Config;
use moorline_config::document::{Retry, Timeouts};
use moorline_gateway::data::{DataConfig, Deadlines};
use moorline_gateway::routing::Operation;
use serde_json::json;

use super::caller::{CHAT, Wire, chat, client, finish};
use super::gateway::{Gateway, KEY};

#[tokio::test]
async fn an_empty_document_serves_nobody() {
    let gateway = Gateway::start(&json!({"version": 1, "name": "empty"}));
    let paths = Operation::ALL.into_iter().map(Operation::path).chain(["/v1/models"]);
    for path in paths {
        for key in [None, Some(""), Some(KEY), Some("moorline"), Some("*")] {
            let method = if path == "/v1/models" { reqwest::Method::GET } else { reqwest::Method::POST };
            let mut request = client().request(method, gateway.url(path)).body(chat().to_string());
            if let Some(key) = key {
                request = request.bearer_auth(key).header("x-moorline-probe", key);
            }
            let status = finish(request).await.status;
            assert_eq!(status, 401, "{path} with {key:?}");
        }
    }
    let nothing = Gateway::start_empty();
    assert_eq!(finish(client().post(nothing.url(CHAT)).bearer_auth(KEY)).await.status, 503);
}

#[test]
fn every_limit_has_a_default_and_it_is_a_finite_one() {
    let config = DataConfig::new("127.0.0.1:0".parse().unwrap());
    assert_eq!(config.body_bytes_max, 10 * 1024 * 1024);
    assert_eq!(config.connections_max, 8_192);
    assert_eq!(config.drain_deadline, Duration::from_secs(30));
    let Deadlines { handshake, head, body, body_idle, idle, write, heartbeat } = config.deadlines;
    let seconds = [handshake, head, body, body_idle, idle, write, heartbeat].map(|time| time.as_secs());
    assert_eq!(seconds, [5, 10, 60, 10, 75, 60, 10]);
    assert!(config.telemetry.is_none());

    let text = json!({"version": 1, "name": "g", "routes": [{"path": "/v1/*"}]});
    let document = Config::from_value("test", &text).unwrap();
    let route = &document.routes[0];
    assert!(route.log_bodies.is_none() && route.cache.is_none(), "nothing is kept of what is said");
    let Timeouts { connect, headers, first_token, idle, total } = route.timeouts.unwrap_or_default();
    let seconds = [connect, headers, first_token, idle, total].map(|time| time.get().as_secs());
    assert_eq!(seconds, [2, 20, 30, 30, 300]);
    let Retry { attempts, backoff } = route.retry.unwrap_or_default();
    assert_eq!((attempts, backoff.get()), (2, Duration::from_millis(250)));
    assert!(document.keys.is_empty() && document.auth.is_none() && document.providers.is_empty());
}

#[tokio::test]
async fn heads_have_a_hundred_lines_and_64_kib_at_most_and_json_127_levels() {
    let gateway = Gateway::start(&json!({"version": 1, "name": "empty"}));
    let get = |lines: &str| format!("GET /healthz HTTP/1.1\r\nhost: g\r\nconnection: close\r\n{lines}\r\n");
    let numbered = |count: usize| (0..count).map(|number| format!("x-{number}: y\r\n")).collect::<String>();
    for (lines, is_served) in [
        (numbered(98), true),
        (numbered(99), false),
        (format!("x: {}\r\n", "y".repeat(60_000)), true),
        // What was read in one go with the end of the head is let through.
        (format!("x: {}\r\n", "y".repeat(200_000)), false),
    ] {
        let mut wire = Wire::open(gateway.address).await;
        wire.send(get(&lines).as_bytes()).await;
        let answer = wire.read_to_end().await;
        assert_eq!(
            answer.starts_with("HTTP/1.1 200 "),
            is_served,
            "{} lines: {answer}",
            lines.lines().count()
        );
    }
    assert_eq!(moorline_translate::scan::DEPTH_MAX, 127);
}
