//! Targets that fail are left alone, and each fault is laid where it belongs.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use moorline_admin::ErrorKind;
use serde_json::{Value, json};
use tokio::sync::Notify;

use super::two;
use crate::caller::{Wire, ask, chat, chat_stream};
use crate::gateway::{Gateway, document};
use crate::provider::{
    DONE, EVENT, Provider, Step, answer, chunk, failing, json_answer, last_chunk, ok_json, soon, stream,
    stream_head,
};

/// One model at one provider, whose breaker opens after two failures.
fn brittle(provider: &Provider) -> Value {
    let mut document = document(provider);
    document["models"]["m"]["breaker"] = json!({"failures": 2, "cooldown": "5s"});
    document
}

#[tokio::test]
async fn after_so_many_failures_nobody_asks_and_then_one_probe_decides() {
    let provider = Provider::start().await;
    provider.usually(failing(500));
    let (gateway, now) = Gateway::start_with_clock(&brittle(&provider));
    for _ in 0..2 {
        assert_eq!(ask(&gateway, &chat()).await.status, 502);
        provider.request().await;
    }
    let refused = ask(&gateway, &chat()).await;
    assert_eq!((refused.status, refused.header("retry-after")), (503, Some("5")));
    assert!(refused.text().contains("No target is available now"), "{}", refused.text());
    assert_eq!(gateway.counted(3).await.total.errors[&ErrorKind::UpstreamFailed], 3);

    // A probe that fails opens it again for as long.
    now.store(5_000, Ordering::SeqCst);
    assert_eq!(ask(&gateway, &chat()).await.status, 502);
    provider.request().await;
    assert_eq!(ask(&gateway, &chat()).await.status, 503);

    // While one is under way the others do not ask.
    let go = Arc::new(Notify::new());
    provider.then([vec![Step::Wait(Arc::clone(&go))], ok_json()].concat()).usually(ok_json());
    now.store(10_000, Ordering::SeqCst);
    let body = chat();
    let probe = ask(&gateway, &body);
    let others = async {
        provider.request().await;
        for _ in 0..5 {
            assert_eq!(ask(&gateway, &chat()).await.status, 503);
        }
        go.notify_one();
    };
    assert_eq!(tokio::join!(probe, others).0.status, 200);
    assert_eq!(ask(&gateway, &chat()).await.status, 200);
    provider.request().await;
    assert_eq!(provider.requests_left().await, 0);
}

#[tokio::test]
async fn a_caller_that_leaves_a_probe_leaves_its_place_too() {
    let provider = Provider::start().await;
    provider.then(failing(500)).then(failing(500)).then(vec![Step::UntilClosed]);
    let (gateway, now) = Gateway::start_with_clock(&brittle(&provider));
    for _ in 0..2 {
        ask(&gateway, &chat()).await;
    }
    now.store(5_000, Ordering::SeqCst);
    let mut wire = Wire::open(gateway.address).await;
    wire.ask(&chat()).await;
    for _ in 0..3 {
        provider.request().await;
    }
    drop(wire);
    provider.notices_closing().await;
    gateway.counted(3).await;
    assert_eq!(ask(&gateway, &chat()).await.status, 200);
}

#[tokio::test]
async fn everything_that_is_the_target_s_fault_opens_its_breaker() {
    let in_band = b"data: {\"error\":{\"message\":\"overloaded\"}}\n\n";
    for fault in [
        failing(503),
        vec![Step::Reset],
        vec![Step::Close],
        stream(&[in_band]),
        json_answer(200, &json!({"error": {"message": "overloaded"}})),
        vec![stream_head(), last_chunk()],
        // Once it began it cannot be made good, but it is remembered.
        vec![stream_head(), chunk(EVENT), last_chunk()],
        vec![stream_head(), chunk(EVENT), Step::Reset],
        stream(&[EVENT, in_band]),
    ] {
        let provider = Provider::start().await;
        provider.then(fault.clone()).then(fault);
        let (gateway, _) = Gateway::start_with_clock(&brittle(&provider));
        for asked in 1..=2 {
            ask(&gateway, &chat_stream()).await;
            gateway.counted(asked).await;
        }
        assert_eq!(ask(&gateway, &chat_stream()).await.status, 503);
    }
}

#[tokio::test]
async fn a_clock_that_runs_out_opens_it_too() {
    let provider = Provider::start().await;
    provider.usually(vec![Step::UntilClosed]);
    let mut document = brittle(&provider);
    document["routes"][0]["timeouts"] = json!({"headers": "50ms"});
    let (gateway, _) = Gateway::start_with_clock(&document);
    for _ in 0..2 {
        assert_eq!(ask(&gateway, &chat()).await.status, 504);
    }
    assert_eq!(ask(&gateway, &chat()).await.status, 503);
}

#[tokio::test]
async fn what_is_not_the_target_s_fault_never_opens_it() {
    let own_faults = [400, 404, 405, 409, 413, 415, 422, 451].map(failing);
    for harmless in own_faults.into_iter().chain([stream(&[EVENT, DONE])]) {
        let provider = Provider::start().await;
        provider.usually(harmless);
        let (gateway, _) = Gateway::start_with_clock(&brittle(&provider));
        for _ in 0..6 {
            assert_ne!(ask(&gateway, &chat_stream()).await.status, 503);
        }
    }
    // Callers that leave, in the middle of a stream and before it.
    for steps in [vec![Step::UntilClosed], vec![stream_head(), chunk(EVENT), Step::UntilClosed]] {
        let provider = Provider::start().await;
        for _ in 0..6 {
            provider.then(steps.clone());
        }
        let (gateway, _) = Gateway::start_with_clock(&brittle(&provider));
        for left in 1..=6 {
            let mut wire = Wire::open(gateway.address).await;
            wire.ask(&chat_stream()).await;
            provider.request().await;
            if steps.len() > 1 {
                wire.read_until(b"\n\n").await;
            }
            drop(wire);
            provider.notices_closing().await;
            gateway.counted(left).await;
        }
        assert_eq!(ask(&gateway, &chat()).await.status, 200);
    }
}

#[tokio::test]
async fn a_breaker_outlives_the_document_and_belongs_to_one_target() {
    let (first, second) = (Provider::start().await, Provider::start().await);
    first.usually(failing(500));
    let mut document = two(&first, &second, 1);
    document["models"]["m"]["breaker"] = json!({"failures": 2, "cooldown": "5s"});
    document["models"]["sibling"] = json!({"targets": [{"provider": "p", "model": "sibling"}]});
    let (gateway, _) = Gateway::start_with_clock(&document);
    for _ in 0..3 {
        assert_eq!(ask(&gateway, &chat()).await.status, 200);
    }
    for _ in 0..2 {
        assert_eq!(first.request().await.json()["model"], "m");
    }
    document["tags"] = json!({"release": "2"});
    gateway.swap(&document);
    assert_eq!(ask(&gateway, &chat()).await.status, 200);
    assert_eq!(first.requests_left().await, 0, "the new document does not heal it");
    first.usually(ok_json());
    assert_eq!(ask(&gateway, &json!({"model": "sibling", "messages": []})).await.status, 200);
}

#[tokio::test]
async fn a_refused_credential_is_out_for_all_targets_of_its_provider() {
    for status in [401, 402, 403] {
        let (first, second) = (Provider::start().await, Provider::start().await);
        first.usually(failing(status));
        let mut document = two(&first, &second, 2);
        document["models"]["sibling"] = json!({"targets": [{"provider": "p", "model": "sibling"}]});
        let (gateway, now) = Gateway::start_with_clock(&document);
        for _ in 0..4 {
            assert_eq!(ask(&gateway, &chat()).await.status, 200, "{status}");
        }
        let sibling = json!({"model": "sibling", "messages": []});
        let refused = ask(&gateway, &sibling).await;
        assert_eq!((refused.status, refused.header("retry-after")), (503, Some("30")), "{status}");
        first.request().await;
        assert_eq!(first.requests_left().await, 0, "{status}: once was enough");
        first.usually(ok_json());
        now.store(30_000, Ordering::SeqCst);
        assert_eq!(ask(&gateway, &sibling).await.status, 200, "{status}");
    }
}

#[tokio::test]
async fn another_credential_is_not_out() {
    let provider = Provider::start().await;
    provider.then(failing(401));
    let mut document = document(&provider);
    let (gateway, _) = Gateway::start_with_clock(&document);
    ask(&gateway, &chat()).await;
    assert_eq!(ask(&gateway, &chat()).await.status, 503);
    document["providers"]["p"]["api_key"] = json!("env:ROTATED");
    gateway.swap(&document);
    assert_eq!(ask(&gateway, &chat()).await.status, 200);
}

#[tokio::test]
async fn what_a_working_credential_may_not_do_takes_out_that_target_alone() {
    let provider = Provider::start().await;
    let mut document = document(&provider);
    document["models"]["dear"] = json!({"targets": [{"provider": "p", "model": "dear"}]});
    let (gateway, _) = Gateway::start_with_clock(&document);
    let dear = json!({"model": "dear", "messages": []});
    assert_eq!(ask(&gateway, &chat()).await.status, 200);
    provider.then(failing(403));
    assert_eq!(ask(&gateway, &dear).await.status, 502);
    assert_eq!(ask(&gateway, &dear).await.status, 503);
    assert_eq!(ask(&gateway, &chat()).await.status, 200);
}

#[tokio::test]
async fn one_that_is_asked_too_much_is_left_alone_for_as_long_as_it_says_while_others_go_on() {
    let (first, second) = (Provider::start().await, Provider::start().await);
    first.then(answer(429, &[("retry-after", "7")], b"{}"));
    let mut document = two(&first, &second, 3);
    document["models"]["alone"] = json!({"targets": [{"provider": "p", "model": "m"}]});
    let (gateway, now) = Gateway::start_with_clock(&document);
    for _ in 0..3 {
        assert_eq!(ask(&gateway, &chat()).await.status, 200);
        second.request().await;
    }
    first.request().await;
    assert_eq!(first.requests_left().await, 0, "it is not waited for while there is another");
    let limited = ask(&gateway, &json!({"model": "alone", "messages": []})).await;
    assert_eq!((limited.status, limited.header("retry-after")), (429, Some("7")));
    now.store(7_000, Ordering::SeqCst);
    assert_eq!(ask(&gateway, &chat()).await.status, 200);
    first.request().await;
}

#[tokio::test]
async fn a_breaker_that_opens_ends_the_attempts_of_the_request_that_opened_it() {
    let provider = Provider::start().await;
    provider.usually(failing(500));
    let mut document = brittle(&provider);
    document["routes"][0]["retry"] = json!({"attempts": 9, "backoff": "1ms"});
    let (gateway, _) = Gateway::start_with_clock(&document);
    assert_eq!(soon(ask(&gateway, &chat())).await.status, 502, "told by what it saw");
    provider.request().await;
    provider.request().await;
    assert_eq!(provider.requests_left().await, 0);
}
