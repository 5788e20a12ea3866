//! A caller that goes away ends its request upstream, whatever it was waiting for.

use moorline_admin::ErrorKind;
use serde_json::{Value, json};

use super::caller::{Wire, chat, chat_stream, request};
use super::gateway::{Gateway, document};
use super::provider::{EVENT, Provider, Step, chunk, failing, soon, stream_head};

/// Asks, waits for what `seen` waits for, goes away, and sees the provider notice.
async fn goes_away(steps: Vec<Step>, body: &Value, first_bytes: Option<&[u8]>) {
    let provider = Provider::start().await;
    provider.usually(steps);
    let gateway = Gateway::start(&document(&provider));
    let mut wire = Wire::open(gateway.address).await;
    wire.ask(body).await;
    provider.request().await;
    if let Some(bytes) = first_bytes {
        wire.read_until(bytes).await;
    }
    drop(wire);
    provider.notices_closing().await;
    let stats = gateway.counted(1).await;
    assert_eq!(stats.total.errors[&ErrorKind::ClientClosed], 1);
    assert_eq!(stats.total.faults(), 0);
}

#[tokio::test]
async fn while_it_waits_for_headers() {
    goes_away(vec![Step::UntilClosed], &chat_stream(), None).await;
}

#[tokio::test]
async fn while_it_waits_for_the_first_token() {
    goes_away(vec![stream_head(), Step::UntilClosed], &chat_stream(), None).await;
}

#[tokio::test]
async fn in_the_middle_of_a_stream() {
    goes_away(vec![stream_head(), chunk(EVENT), Step::UntilClosed], &chat_stream(), Some(b"\n\n")).await;
}

#[tokio::test]
async fn while_it_waits_for_a_json_answer() {
    let head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 10\r\n\r\n{".to_vec();
    goes_away(vec![Step::Send(head), Step::UntilClosed], &chat(), None).await;
}

#[tokio::test]
async fn between_two_attempts() {
    let provider = Provider::start().await;
    provider.usually(failing(500));
    let mut document = document(&provider);
    document["routes"][0]["retry"] = json!({"attempts": 5, "backoff": "8s"});
    let gateway = Gateway::start(&document);
    let mut wire = Wire::open(gateway.address).await;
    wire.ask(&chat()).await;
    provider.request().await;
    drop(wire);
    // Counted at once, and not when the wait is over.
    let stats = gateway.counted(1).await;
    assert_eq!(stats.total.errors[&ErrorKind::ClientClosed], 1);
    assert_eq!(provider.requests_left().await, 0);
}

#[tokio::test]
async fn though_it_sent_its_next_request_ahead() {
    let provider = Provider::start().await;
    provider.usually(vec![Step::UntilClosed]);
    let gateway = Gateway::start(&document(&provider));
    let mut wire = Wire::open(gateway.address).await;
    let two = request(&chat().to_string()).repeat(2);
    wire.send(two.as_bytes()).await;
    provider.request().await;
    drop(wire);
    provider.notices_closing().await;
    assert_eq!(provider.requests_left().await, 0);
}

#[tokio::test]
async fn and_requests_sent_ahead_are_answered_in_turn_when_it_stays() {
    let provider = Provider::start().await;
    let gateway = Gateway::start(&document(&provider));
    let mut wire = Wire::open(gateway.address).await;
    let three = request(&chat().to_string()).repeat(3);
    wire.send(three.as_bytes()).await;
    let mut all = Vec::new();
    soon(async {
        while String::from_utf8_lossy(&all).matches("chatcmpl-1").count() < 3 {
            all.extend(wire.read_until(b"chatcmpl-1").await);
        }
    })
    .await;
    assert_eq!(String::from_utf8_lossy(&all).matches("HTTP/1.1 200 OK").count(), 3);
}
