//! Streams that come, but too slowly.

use std::sync::Arc;
use std::time::Duration;

use moorline_admin::ErrorKind;
use moorline_gateway::gauges::Gauges;
use serde_json::{Value, json};
use tokio::io::AsyncReadExt as _;
use tokio::sync::Notify;

use crate::caller::{Wire, ask, chat_stream, client, finish};
use crate::gateway::{Gateway, KEY, document};
use crate::provider::{
    DONE, EVENT, Provider, Step, chunk, last_chunk, ok_json, soon, spawn, stream, stream_head,
};

/// A document whose streams must bring so many events in so long.
fn paced(provider: &Provider, rate: Value) -> Value {
    let mut document = document(provider);
    document["routes"][0]["min_stream_rate"] = rate;
    document["models"]["m"]["breaker"] = json!({"failures": 1});
    document
}

/// A stream that begins well and then sends `piece` thirty times a second, for as long as anybody listens.
fn dripping(provider: &Provider, first: &[u8], piece: &[u8]) -> tokio::task::JoinHandle<()> {
    let go = Arc::new(Notify::new());
    let drip = [Step::Wait(Arc::clone(&go)), chunk(piece)];
    let drips = std::iter::repeat_n(drip, 2_000).flatten();
    let steps = [stream_head(), chunk(first)].into_iter().chain(drips);
    provider.then(steps.chain([Step::UntilClosed]).collect());
    spawn(async move {
        loop {
            tokio::time::sleep(Duration::from_millis(33)).await;
            go.notify_one();
        }
    })
}

#[tokio::test]
async fn a_stream_slower_than_declared_ends_as_a_broken_one() {
    // Bytes come, and even events, but fewer than declared.
    for piece in [&b": ping\n\n"[..], EVENT] {
        let provider = Provider::start().await;
        let dripping = dripping(&provider, EVENT, piece);
        let gauges = Arc::<Gauges>::default();
        let counted = Arc::clone(&gauges);
        // A hundred a second; no stall of this machine makes thirty of them a hundred.
        let document = paced(&provider, json!({"events": 200, "window": "2s"}));
        let gateway = Gateway::start_with(&document, |config| config.gauges = counted);
        let reply = ask(&gateway, &chat_stream()).await;
        dripping.abort();
        assert_eq!((reply.status, reply.complete), (200, true));
        let text = reply.text();
        let last = text.trim_end().rsplit("\n\n").next().unwrap().strip_prefix("data: ").unwrap().to_owned();
        let error: Value = serde_json::from_str(&last).unwrap();
        assert_eq!(error["error"]["code"], "upstream_timeout", "{text}");
        assert!(error["error"]["message"].as_str().unwrap().contains("more slowly"), "{text}");
        assert!(text.starts_with("data: {\"choices\"") && !text.contains("[DONE]"), "{text}");

        let total = gateway.counted(1).await.total;
        assert_eq!(total.errors[&ErrorKind::UpstreamTimeout], 1);
        assert!(total.output_tokens > 0, "what was produced is paid for");
        assert_eq!(gauges.slow_streams().load(std::sync::atomic::Ordering::Relaxed), 1);
        let read = gauges.meters().read();
        assert_eq!(read[0].1[0].error, Some(ErrorKind::UpstreamTimeout));
    }
}

#[tokio::test]
async fn it_counts_against_the_target_s_breaker() {
    let provider = Provider::start().await;
    let dripping = dripping(&provider, EVENT, b": ping\n\n");
    provider.usually(ok_json());
    let (gateway, _) = Gateway::start_with_clock(&paced(&provider, json!({"events": 5, "window": "300ms"})));
    assert_eq!(ask(&gateway, &chat_stream()).await.status, 200);
    dripping.abort();
    gateway.counted(1).await;
    assert_eq!(ask(&gateway, &chat_stream()).await.status, 503);
}

#[tokio::test]
async fn each_caller_is_told_in_its_own_words() {
    let provider = Provider::start().await;
    let mut document = paced(&provider, json!({"events": 5, "window": "300ms"}));
    document["providers"]["p"] =
        json!({"kind": "anthropic", "base_url": provider.base_url(), "api_key": "env:UPSTREAM_KEY"});
    let start = json!({"type": "message_start", "message": {"id": "msg_1", "type": "message", "role": "assistant",
        "model": "x", "content": [], "usage": {"input_tokens": 3, "output_tokens": 1}}});
    let block =
        json!({"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}});
    let delta =
        json!({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "one"}});
    let event =
        |data: &Value| format!("event: {}\ndata: {data}\n\n", data["type"].as_str().unwrap()).into_bytes();
    let begin = [event(&start), event(&block), event(&delta)].concat();
    let dripping = dripping(&provider, &begin, b": ping\n\n");
    let gateway = Gateway::start(&document);
    let body = json!({"model": "m", "stream": true, "max_tokens": 9, "messages": [{"role": "user", "content": "x"}]});
    let reply =
        finish(client().post(gateway.url("/v1/messages")).bearer_auth(KEY).body(body.to_string())).await;
    dripping.abort();
    assert_eq!(reply.status, 200, "{}", reply.text());
    assert!(reply.text().contains("\nevent: error\n"), "{}", reply.text());
    assert!(!reply.text().contains("message_stop"), "{}", reply.text());
}

#[tokio::test]
async fn a_stream_that_comes_fast_enough_is_left_alone() {
    let provider = Provider::start().await;
    provider.usually(stream(&[EVENT, EVENT, EVENT, DONE]));
    let gateway = Gateway::start(&paced(&provider, json!({"events": 1, "window": "60s"})));
    let reply = ask(&gateway, &chat_stream()).await;
    assert_eq!(reply.body, [EVENT, EVENT, EVENT, DONE].concat());
}

#[tokio::test]
async fn a_caller_that_reads_slowly_does_not_make_its_stream_a_slow_one() {
    const WINDOW: Duration = Duration::from_secs(8);
    let provider = Provider::start().await;
    let event =
        format!("data: {{\"choices\":[{{\"delta\":{{\"content\":\"{}\"}}}}]}}\n\n", "x".repeat(16_000));
    let events = |count| std::iter::repeat_n(chunk(event.as_bytes()), count);
    // More than what the sockets hold between them, and then a moment in which the gateway waits for more. By then a
    // window is not full, whose length the caller has slept twice.
    let steps = [stream_head()].into_iter().chain(events(900)).chain([Step::UntilTaken]).chain(events(150));
    provider.then(steps.chain([chunk(DONE), last_chunk()]).collect());
    let gateway = Gateway::start(&paced(&provider, json!({"events": 1_000, "window": "8s"})));
    let mut wire = Wire::open(gateway.address).await;
    socket2::SockRef::from(&wire.0).set_recv_buffer_size(64 * 1024).unwrap();
    wire.ask(&chat_stream()).await;
    wire.read_until(b"\n\n").await;
    tokio::time::sleep(WINDOW * 2).await;
    let (mut end, mut buffer) = (Vec::new(), vec![0; 256 * 1024]);
    soon(async {
        while !end.windows(6).any(|window| window == b"[DONE]") {
            let read = wire.0.read(&mut buffer).await.unwrap();
            assert_ne!(read, 0, "{}", String::from_utf8_lossy(&end));
            end.extend_from_slice(&buffer[read.saturating_sub(64)..read]);
            end.drain(..end.len().saturating_sub(64));
        }
    })
    .await;
    assert_eq!(gateway.counted(1).await.total.faults(), 0);
}
