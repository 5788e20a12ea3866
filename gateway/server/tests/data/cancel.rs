//! A caller that goes away ends its request upstream, whatever the request was waiting for.
//!
//! Five phases, a test each: waiting for headers, waiting for the first token, in the middle of a stream, backing off,
//! in the middle of an answer that is no stream. Each time the provider sees its connection close, the request is
//! logged with 499, and what was produced is charged.

use moorline_admin::{ErrorKind, Stats};
use moorline_gateway::command_line::LogFormat;
use serde_json::{Value, json};

use super::caller::{Wire, chat, chat_stream, request};
use super::gateway::{Gateway, document};
use super::logs::{lines, log_to};
use super::provider::{EVENT, Provider, Step, answer, chunk, soon, stream_head};

/// What a request came to whose caller went away.
struct Left {
    stats: Stats,
    line: Value,
}

/// Starts a gateway with this document, asks `body` of it, waits for what `until` waits for, and goes away.
async fn goes_away(document: &Value, body: &Value, until: impl AsyncFnOnce(&mut Wire)) -> Left {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("access.log");
    let (access_log, _end) = log_to(&path, LogFormat::Json);
    let gateway = Gateway::start_with(document, |config| {
        config.access_log = access_log;
        // A heartbeat would notice too, and late.
        config.deadlines.heartbeat = std::time::Duration::from_secs(3_600);
    });
    let mut wire = Wire::open(gateway.address).await;
    wire.ask(body).await;
    until(&mut wire).await;
    drop(wire);
    let stats = gateway.counted(1).await;
    let line = lines(&path, 1).await.remove(0);
    assert_eq!((&line["status"], &line["error"]), (&json!(499), &json!("client_closed")), "{line}");
    assert_eq!((stats.total.errors[&ErrorKind::ClientClosed], stats.total.faults()), (1, 0));
    Left { stats, line }
}

/// The same with a provider that takes these steps, and sees its connection close.
async fn leaves_a_provider(
    steps: Vec<Step>,
    body: &Value,
    until: impl AsyncFnOnce(&Provider, &mut Wire),
) -> Left {
    let provider = Provider::start().await;
    provider.usually([steps, vec![Step::UntilClosed]].concat());
    let left = goes_away(&document(&provider), body, async |wire: &mut Wire| {
        provider.request().await;
        until(&provider, wire).await;
    })
    .await;
    provider.notices_closing().await;
    assert_eq!(provider.requests_left().await, 0);
    left
}

#[tokio::test]
async fn a_caller_that_leaves_while_waiting_for_headers_cancels_its_request_upstream() {
    leaves_a_provider(vec![], &chat_stream(), async |_: &Provider, _: &mut Wire| {}).await;
}

#[tokio::test]
async fn a_caller_that_leaves_while_waiting_for_the_first_token_cancels_its_request_upstream() {
    // Headers, and a word that is no token: both were read when the caller goes away.
    let steps = vec![stream_head(), chunk(b": ping\n\n"), Step::UntilTaken];
    leaves_a_provider(steps, &chat_stream(), async |provider: &Provider, _: &mut Wire| {
        provider.is_taken().await;
    })
    .await;
}

#[tokio::test]
async fn a_caller_that_leaves_in_the_middle_of_a_stream_cancels_its_request_upstream_and_pays_for_the_tokens_so_far()
 {
    let steps = vec![stream_head(), chunk(&EVENT.repeat(7))];
    let left = leaves_a_provider(steps, &chat_stream(), async |_: &Provider, wire: &mut Wire| {
        wire.read_until(b"\n\n").await;
    })
    .await;
    let input = (chat_stream().to_string().len() as u64).div_ceil(4);
    assert_eq!((left.stats.total.input_tokens, left.stats.total.output_tokens), (input, 7));
    // A token in costs a millionth of a dollar, a token out two.
    assert_eq!(left.stats.total.cost_micros, input + 14);
    assert_eq!((&left.line["output_tokens"], &left.line["tokens_estimated"]), (&json!(7), &json!(true)));
}

#[tokio::test]
async fn a_caller_that_leaves_while_its_request_is_backing_off_has_it_asked_no_more() {
    let provider = Provider::start().await;
    // The wait before the second attempt is the ten seconds that the provider asks for.
    provider.usually(answer(503, &[("retry-after", "10"), ("connection", "close")], b"{}"));
    let mut document = document(&provider);
    document["routes"][0]["retry"] = json!({"attempts": 5, "backoff": "1ms"});
    let left = goes_away(&document, &chat(), async |_: &mut Wire| {
        provider.request().await;
    })
    .await;
    assert_eq!(left.line["attempts"], 1, "{}", left.line);
    assert_eq!(provider.requests_left().await, 0);
}

#[tokio::test]
async fn a_caller_that_leaves_in_the_middle_of_an_answer_that_is_no_stream_cancels_its_request_upstream() {
    let head =
        b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{\"choices\":";
    let steps = vec![Step::Send(head.to_vec()), Step::UntilTaken];
    leaves_a_provider(steps, &chat(), async |provider: &Provider, _: &mut Wire| provider.is_taken().await)
        .await;
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
