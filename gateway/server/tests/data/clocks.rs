//! The five clocks, one by one.

use std::time::{Duration, Instant};

use moorline_admin::ErrorKind;
use serde_json::{Value, json};

use super::caller::{Reply, ask, chat, chat_stream};
use super::gateway::{Gateway, document};
use super::provider::{DONE, EVENT, Provider, Step, chunk, last_chunk, stream_head};

/// All clocks far away but one.
async fn with_clock(provider: &Provider, clock: &str, body: &Value) -> (Reply, moorline_admin::Stats) {
    let mut document = document(provider);
    let mut clocks =
        json!({"connect": "60s", "headers": "60s", "first_token": "60s", "idle": "60s", "total": "5m"});
    clocks[clock] = json!("150ms");
    document["routes"][0]["timeouts"] = clocks;
    let gateway = Gateway::start(&document);
    let started = Instant::now();
    let reply = ask(&gateway, body).await;
    assert!(started.elapsed() >= Duration::from_millis(140), "too early: {:?}", started.elapsed());
    (reply, gateway.counted(1).await)
}

fn json_head() -> Step {
    Step::Send(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 10\r\n\r\n".to_vec())
}

#[tokio::test]
async fn an_upstream_that_says_nothing_runs_into_the_headers_clock() {
    let provider = Provider::start().await;
    provider.usually(vec![Step::UntilClosed]);
    let (reply, stats) = with_clock(&provider, "headers", &chat()).await;
    assert_eq!((reply.status, reply.error_code().as_str()), (504, "upstream_timeout"));
    assert_eq!(stats.total.errors[&ErrorKind::UpstreamTimeout], 1);
    provider.notices_closing().await;
}

#[tokio::test]
async fn an_upstream_without_a_first_byte_runs_into_the_first_token_clock() {
    for head in [json_head(), stream_head()] {
        let provider = Provider::start().await;
        provider.usually(vec![head, Step::UntilClosed]);
        let (reply, _) = with_clock(&provider, "first_token", &chat_stream()).await;
        assert_eq!(reply.status, 504);
        provider.notices_closing().await;
    }
}

#[tokio::test]
async fn heartbeats_do_not_hold_the_first_token_clock() {
    let provider = Provider::start().await;
    provider.usually(vec![stream_head(), chunk(b": heartbeat\n\n"), Step::UntilClosed]);
    let (reply, _) = with_clock(&provider, "first_token", &chat_stream()).await;
    assert_eq!(reply.status, 504);
    provider.notices_closing().await;
}

#[tokio::test]
async fn a_stream_that_falls_silent_runs_into_the_idle_clock() {
    let provider = Provider::start().await;
    provider.usually(vec![stream_head(), chunk(EVENT), Step::UntilClosed]);
    let (reply, stats) = with_clock(&provider, "idle", &chat_stream()).await;
    assert!(reply.body.starts_with(EVENT) && reply.text().contains("upstream_timeout"), "{}", reply.text());
    assert!(!reply.text().contains("[DONE]"));
    assert_eq!(stats.total.errors[&ErrorKind::UpstreamTimeout], 1);
    provider.notices_closing().await;
}

#[tokio::test]
async fn a_json_answer_that_falls_silent_runs_into_the_idle_clock() {
    let provider = Provider::start().await;
    provider.usually(vec![json_head(), Step::Send(b"{\"a".to_vec()), Step::UntilClosed]);
    let (reply, _) = with_clock(&provider, "idle", &chat()).await;
    assert_eq!(reply.status, 504);
    provider.notices_closing().await;
}

#[tokio::test]
async fn the_total_clock_ends_a_request_in_every_phase() {
    for steps in [
        vec![Step::UntilClosed],
        vec![json_head(), Step::UntilClosed],
        vec![stream_head(), Step::UntilClosed],
    ] {
        let provider = Provider::start().await;
        provider.usually(steps);
        let (reply, _) = with_clock(&provider, "total", &chat_stream()).await;
        assert_eq!(reply.status, 504);
        provider.notices_closing().await;
    }
    let provider = Provider::start().await;
    provider.usually(vec![stream_head(), chunk(EVENT), Step::UntilClosed]);
    let (reply, _) = with_clock(&provider, "total", &chat_stream()).await;
    assert!(reply.text().contains("upstream_timeout") && !reply.text().contains("[DONE]"));
    provider.notices_closing().await;
}

#[tokio::test]
async fn a_peer_that_takes_no_connection_runs_into_the_connect_clock() {
    // A listener whose queue is full lets further connections wait.
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    socket.bind(&"127.0.0.1:0".parse::<std::net::SocketAddr>().unwrap().into()).unwrap();
    socket.listen(0).unwrap();
    let address = socket.local_addr().unwrap().as_socket().unwrap();
    let mut filling = Vec::new();
    while let Ok(Ok(stream)) =
        tokio::time::timeout(Duration::from_millis(200), tokio::net::TcpStream::connect(address)).await
    {
        filling.push(stream);
    }
    let provider = Provider::start().await;
    let mut document = document(&provider);
    document["providers"]["p"]["base_url"] = json!(format!("http://{address}/v1"));
    document["routes"][0]["timeouts"] = json!({"connect": "150ms"});
    let gateway = Gateway::start(&document);
    let reply = ask(&gateway, &chat()).await;
    assert_eq!((reply.status, reply.error_code().as_str()), (504, "upstream_timeout"));
}

#[tokio::test]
async fn a_stream_that_goes_on_outlives_every_clock_but_the_total_one() {
    let provider = Provider::start().await;
    let go = std::sync::Arc::new(tokio::sync::Notify::new());
    let mut steps = vec![stream_head()];
    for _ in 0..3 {
        steps.extend([chunk(EVENT), Step::Wait(std::sync::Arc::clone(&go))]);
    }
    steps.extend([chunk(DONE), last_chunk()]);
    provider.usually(steps);
    let mut document = document(&provider);
    document["routes"][0]["timeouts"] =
        json!({"connect": "1s", "headers": "1s", "first_token": "1s", "idle": "1m", "total": "5m"});
    let gateway = Gateway::start(&document);
    let body = chat_stream();
    let asking = ask(&gateway, &body);
    let sending = async {
        provider.request().await;
        // Each piece comes after the time of each of the first three clocks is over.
        for _ in 0..3 {
            tokio::time::sleep(Duration::from_millis(1_100)).await;
            go.notify_one();
        }
    };
    let (reply, ()) = tokio::join!(asking, sending);
    assert_eq!(reply.body, [EVENT, EVENT, EVENT, DONE].concat(), "{}", reply.text());
}
