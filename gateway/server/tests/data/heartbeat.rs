//! Signs of life for callers of silent streams.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::sync::Notify;

use super::caller::{CHAT, Wire, chat_stream, client, finish, post};
use super::gateway::{Gateway, KEY, document};
use super::provider::{DONE, EVENT, Provider, Step, chunk, last_chunk, soon, stream_head};

/// What a reader of events takes for no event.
const COMMENT: &str = ":\n\n";
/// What Anthropic's clients know.
const PING: &str = "event: ping\ndata: {\"type\": \"ping\"}\n\n";

fn started(document: &Value) -> Gateway {
    Gateway::start_with(document, |config| config.deadlines.heartbeat = Duration::from_millis(100))
}

/// A stream that says something, is silent until it is told, and ends well.
fn silent(go: &Arc<Notify>) -> Vec<Step> {
    vec![stream_head(), chunk(EVENT), Step::Wait(Arc::clone(go)), chunk(EVENT), chunk(DONE), last_chunk()]
}

#[tokio::test]
async fn a_silent_stream_is_kept_alive_in_its_caller_s_protocol_and_else_unchanged() {
    for (path, beat) in [(CHAT, COMMENT), ("/v1/responses", COMMENT), ("/v1/messages", PING)] {
        let (provider, go) = (Provider::start().await, Arc::new(Notify::new()));
        provider.usually(silent(&go));
        let gateway = started(&document(&provider));
        let body = json!({"model": "m", "stream": true, "max_tokens": 9, "input": "x", "messages": [{"role": "user", "content": "x"}]});
        let mut body = body;
        // Each protocol knows one of the two, and refuses the other.
        let other = if path == "/v1/responses" { ["messages", "max_tokens"] } else { ["input", "input"] };
        other.iter().for_each(|field| drop(body.as_object_mut().unwrap().remove(*field)));
        let text = body.to_string();
        let mut wire = Wire::open(gateway.address).await;
        let head = format!(
            "POST {path} HTTP/1.1\r\nhost: g\r\nauthorization: Bearer {KEY}\r\nconnection: close\r\n"
        );
        wire.send(format!("{head}content-length: {}\r\n\r\n{text}", text.len()).as_bytes()).await;
        let before = wire.read_until(format!("{beat}\r\n").as_bytes()).await;
        wire.read_until(format!("{beat}\r\n").as_bytes()).await;
        assert!(String::from_utf8_lossy(&before).starts_with("HTTP/1.1 200 "));
        go.notify_one();
        let rest = wire.read_to_end().await;
        let end = if path == CHAT {
            "[DONE]"
        } else if path == "/v1/messages" {
            "message_stop"
        } else {
            "response.completed"
        };
        assert!(rest.contains(end) && !rest.contains("upstream_"), "{path}: {rest}");
        let after_end = rest.split(end).last().unwrap();
        assert!(!after_end.contains(beat), "nothing beats after the end: {rest}");
    }
}

#[tokio::test]
async fn a_stream_that_has_not_begun_gets_none() {
    let (provider, go) = (Provider::start().await, Arc::new(Notify::new()));
    // Silent before its first event: nothing may be sent yet, as another target may still be asked.
    let begins_late =
        vec![stream_head(), Step::Wait(Arc::clone(&go)), chunk(EVENT), chunk(DONE), last_chunk()];
    provider.then(begins_late);
    let gateway = started(&document(&provider));
    let waiting = super::provider::spawn(finish(post(&gateway, CHAT).body(chat_stream().to_string())));
    provider.request().await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    go.notify_one();
    let reply = waiting.await.unwrap();
    assert!(reply.body.starts_with(EVENT) && reply.body.ends_with(DONE), "{}", reply.text());
}

#[tokio::test]
async fn a_heartbeat_is_no_part_of_what_is_kept_counted_or_of_sound() {
    let (provider, go) = (Provider::start().await, Arc::new(Notify::new()));
    let mut document = document(&provider);
    document["routes"][0]["cache"] = json!({"ttl": "1h"});
    let gateway = started(&document);
    provider.then(silent(&go));
    let asked = || post(&gateway, CHAT).body(chat_stream().to_string());
    let mut first = soon(asked().send()).await.unwrap();
    while !soon(first.chunk()).await.unwrap().unwrap().ends_with(COMMENT.as_bytes()) {}
    go.notify_one();
    while soon(first.chunk()).await.unwrap().is_some() {}
    assert_eq!(gateway.counted(1).await.total.output_tokens, 2);
    let again = finish(asked()).await;
    assert_eq!(again.header("x-moorline-cache"), Some("hit"));
    assert_eq!(again.body, [EVENT, EVENT, DONE].concat(), "{}", again.text());

    // Sound that falls silent for a while has its own bytes and no others.
    let sound = [
        b"HTTP/1.1 200 OK\r\ncontent-type: audio/mpeg\r\ncontent-length: 6\r\n\r\nabc".to_vec(),
        b"def".to_vec(),
    ];
    provider.then(vec![
        Step::Send(sound[0].clone()),
        Step::Wait(Arc::clone(&go)),
        Step::Send(sound[1].clone()),
    ]);
    let spoken = json!({"model": "m", "input": "x", "voice": "v"}).to_string();
    let request = client().post(gateway.url("/v1/audio/speech")).bearer_auth(KEY).body(spoken);
    let playing = super::provider::spawn(finish(request));
    provider.request().await;
    provider.request().await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    go.notify_one();
    assert_eq!(playing.await.unwrap().body, b"abcdef");
}
