//! Retry, failover and fallback, before the first byte reaches the caller.

mod breaker;
mod context;
mod hedge;
mod lag;
mod order;
mod shadow;
mod waits;
mod words;

use moorline_admin::ErrorKind;
use serde_json::{Value, json};

use super::caller::{ask, chat, chat_stream};
use super::gateway::{Gateway, document};
use super::provider::{
    DONE, EVENT, Provider, Step, answer, chunk, failing, json_answer, last_chunk, stream, stream_head,
};

/// Model `m` with two targets on two providers, `second` after the first, `attempts` at each.
pub(super) fn two(first: &Provider, second: &Provider, attempts: u32) -> Value {
    let mut document = document(first);
    document["providers"]["q"] = json!({"kind": "openai_compatible", "base_url": second.base_url()});
    document["models"]["m"]["targets"] =
        json!([{"provider": "p", "model": "m"}, {"provider": "q", "model": "second"}]);
    document["routes"][0]["retry"] = json!({"attempts": attempts, "backoff": "1ms"});
    document
}

#[tokio::test]
async fn an_overloaded_target_is_asked_again() {
    for status in [429, 500, 502, 503, 529] {
        let provider = Provider::start().await;
        provider.then(failing(status));
        let mut document = document(&provider);
        document["routes"][0]["retry"]["attempts"] = json!(2);
        let gateway = Gateway::start(&document);
        assert_eq!(ask(&gateway, &chat()).await.status, 200, "{status}");
        let stats = gateway.counted(1).await;
        assert!(stats.total.errors.values().all(|count| *count == 0), "{:?}", stats.total.errors);
    }
}

#[tokio::test]
async fn attempts_at_a_target_are_counted_and_then_the_next_is_asked() {
    let (first, second) = (Provider::start().await, Provider::start().await);
    first.usually(failing(500));
    let gateway = Gateway::start(&two(&first, &second, 3));
    assert_eq!(ask(&gateway, &chat()).await.status, 200);
    for _ in 0..3 {
        first.request().await;
    }
    assert_eq!(first.requests_left().await, 0);
    let seen = second.request().await;
    assert_eq!(seen.json()["model"], "second");
    assert_eq!(seen.header("authorization"), None, "the first provider's key does not travel to the second");
}

#[tokio::test]
async fn a_refused_credential_is_not_tried_again_there() {
    for status in [401, 402, 403] {
        let (first, second) = (Provider::start().await, Provider::start().await);
        first.usually(failing(status));
        let gateway = Gateway::start(&two(&first, &second, 3));
        assert_eq!(ask(&gateway, &chat()).await.status, 200, "{status}");
        first.request().await;
        assert_eq!(first.requests_left().await, 0);
    }
}

#[tokio::test]
async fn a_refused_credential_is_no_fault_of_the_caller_s_and_its_words_stay_here() {
    let provider = Provider::start().await;
    provider.usually(json_answer(
        401,
        &json!({"error": {"message": "Incorrect API key provided: sk-up****cret"}}),
    ));
    let gateway = Gateway::start(&document(&provider));
    let reply = ask(&gateway, &chat()).await;
    assert_eq!(reply.status, 502);
    assert!(!reply.text().contains("sk-up"), "{}", reply.text());
    assert_eq!(gateway.counted(1).await.total.errors[&ErrorKind::UpstreamFailed], 1);
}

#[tokio::test]
async fn an_unreachable_target_fails_over() {
    let second = Provider::start().await;
    let first = Provider::start().await;
    let document = two(&first, &second, 2);
    drop(first);
    let gateway = Gateway::start(&document);
    assert_eq!(ask(&gateway, &chat()).await.status, 200);
}

#[tokio::test]
async fn a_connection_that_breaks_off_before_or_in_the_answer_fails_over() {
    let half =
        b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{\"choices\":"
            .to_vec();
    for broken in [vec![Step::Close], vec![Step::Reset], vec![Step::Send(half), Step::Close]] {
        let (first, second) = (Provider::start().await, Provider::start().await);
        first.usually(broken);
        let gateway = Gateway::start(&two(&first, &second, 1));
        let reply = ask(&gateway, &chat()).await;
        assert_eq!((reply.status, reply.json()["id"].clone()), (200, json!("chatcmpl-1")));
    }
}

#[tokio::test]
async fn an_error_in_place_of_a_stream_s_first_event_fails_over() {
    let error = b"data: {\"error\":{\"message\":\"overloaded\"}}\n\n";
    let error_stream = stream(&[b": heartbeat\n\n", error]);
    let empty = vec![stream_head(), last_chunk()];
    let cut = vec![stream_head(), chunk(b": heartbeat\n\n"), Step::Reset];
    let in_json = json_answer(200, &json!({"error": {"message": "overloaded"}}));
    for bad in [error_stream, empty, cut, in_json] {
        let (first, second) = (Provider::start().await, Provider::start().await);
        first.usually(bad);
        second.usually(stream(&[EVENT, DONE]));
        let gateway = Gateway::start(&two(&first, &second, 1));
        let reply = ask(&gateway, &chat_stream()).await;
        assert_eq!((reply.status, reply.body), (200, [EVENT, DONE].concat()));
    }
}

#[tokio::test]
async fn other_models_are_fallen_back_to_in_order() {
    let (first, second) = (Provider::start().await, Provider::start().await);
    first.usually(failing(500));
    let mut document = two(&first, &second, 1);
    document["models"] = json!({
        "m": {"targets": [{"provider": "p", "model": "m"}], "fallback": ["also-bad", "good"]},
        "also-bad": {"targets": [{"provider": "p", "model": "bad"}]},
        "good": {"targets": [{"provider": "q", "model": "good-there"}], "price": {"input": 1, "output": 1}},
    });
    let gateway = Gateway::start(&document);
    assert_eq!(ask(&gateway, &chat()).await.status, 200);
    assert_eq!(first.request().await.json()["model"], "m");
    assert_eq!(first.request().await.json()["model"], "bad");
    assert_eq!(second.request().await.json()["model"], "good-there");
    let stats = gateway.counted(1).await;
    assert_eq!(stats.models["m"].cost_micros, 30, "by the price of the target that served");
}

#[tokio::test]
async fn nobody_falls_back_to_a_model_that_the_key_may_not_use() {
    let (first, second) = (Provider::start().await, Provider::start().await);
    first.usually(failing(500));
    let mut document = two(&first, &second, 1);
    document["models"] = json!({
        "m": {"targets": [{"provider": "p", "model": "m"}], "fallback": ["dear"]},
        "dear": {"targets": [{"provider": "q", "model": "dear"}]},
    });
    document["keys"][0]["models"] = json!(["m"]);
    let gateway = Gateway::start(&document);
    assert_eq!(ask(&gateway, &chat()).await.status, 502);
    assert_eq!(second.requests_left().await, 0);
}

#[tokio::test]
async fn the_last_failure_is_told_with_the_wait_that_the_upstream_asked_for() {
    let provider = Provider::start().await;
    let limited = answer(429, &[("retry-after", "30"), ("x-ratelimit-remaining-requests", "0")], b"{}");
    provider.usually(limited);
    let mut document = document(&provider);
    document["routes"][0]["retry"]["attempts"] = json!(3);
    let gateway = Gateway::start(&document);
    let reply = ask(&gateway, &chat()).await;
    assert_eq!((reply.status, reply.header("retry-after")), (429, Some("30")));
    assert_eq!(
        reply.header("x-ratelimit-remaining-requests"),
        None,
        "an upstream's limits are about our account there"
    );
    provider.request().await;
    assert_eq!(provider.requests_left().await, 0, "one that asks for more than we wait is left alone");
}

#[tokio::test]
async fn a_kept_connection_that_went_stale_costs_nobody_a_request() {
    let provider = Provider::start().await;
    let gateway = Gateway::start_with(&document(&provider), |config| config.workers = Some(1));
    assert_eq!(ask(&gateway, &chat()).await.status, 200);
    assert_eq!(provider.request().await.connection, 0);
    // It takes the request and closes without a word, as one does whose idle time ran out in between.
    provider.then(vec![Step::Close]);
    assert_eq!(ask(&gateway, &chat()).await.status, 200);
    assert_eq!(provider.request().await.connection, 0);
    assert_eq!(provider.request().await.connection, 1);
    // A fresh one that does so is a failure: what it did with the request is not known.
    provider.then(vec![Step::Close]).then(vec![Step::Close]);
    assert_eq!(ask(&gateway, &chat()).await.status, 502);
}

#[tokio::test]
async fn an_answer_that_is_compressed_cannot_be_counted_and_is_refused() {
    let provider = Provider::start().await;
    provider.usually(answer(200, &[("content-encoding", "gzip")], b"\x1f\x8b"));
    let gateway = Gateway::start(&document(&provider));
    assert_eq!(ask(&gateway, &chat()).await.status, 502);
    assert_eq!(provider.request().await.header("accept-encoding"), Some("identity"));
    // Whichever line says so.
    provider.usually(answer(
        200,
        &[("content-encoding", "identity"), ("content-encoding", "gzip")],
        b"\x1f\x8b",
    ));
    assert_eq!(ask(&gateway, &chat()).await.status, 502);
}
