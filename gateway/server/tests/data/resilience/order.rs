//! Which target is asked first, as a document says.

use serde_json::{Value, json};

use crate::caller::{CHAT, Reply, ask, chat, chat_stream, finish, post};
use crate::gateway::{Gateway, OTHER_KEY, document};
use crate::provider::{DONE, EVENT, Provider, Step, chunk, failing, last_chunk, stream, stream_head};

/// Model `m` with targets `a` on the first provider and `b` on the second, and more said of it.
async fn with(model: Value) -> (Provider, Provider, Value) {
    let (a, b) = (Provider::start().await, Provider::start().await);
    let mut document = document(&a);
    document["providers"]["q"] = json!({"kind": "openai_compatible", "base_url": b.base_url()});
    document["models"]["m"] = model;
    (a, b, document)
}

fn two() -> Value {
    json!([{"provider": "p", "model": "a"}, {"provider": "q", "model": "b"}])
}

async fn in_session(gateway: &Gateway, session: &str) -> Reply {
    finish(post(gateway, CHAT).header("x-session", session).body(chat().to_string())).await
}

#[tokio::test]
async fn the_cheapest_target_is_asked() {
    let (a, b, document) = with(json!({"strategy": "cheapest", "targets": [
        {"provider": "p", "model": "a", "price": {"input": 1, "output": 9}},
        {"provider": "q", "model": "b", "price": {"input": 1, "output": 2}},
    ]}))
    .await;
    let gateway = Gateway::start(&document);
    for _ in 0..3 {
        assert_eq!(ask(&gateway, &chat()).await.status, 200);
    }
    assert_eq!((a.requests_left().await, b.requests_left().await), (0, 3));
}

#[tokio::test]
async fn the_fastest_target_is_found_by_trying_each() {
    let (a, b, document) = with(json!({"strategy": "fastest", "targets": two()})).await;
    let go = std::sync::Arc::new(tokio::sync::Notify::new());
    a.usually(vec![
        stream_head(),
        Step::Wait(std::sync::Arc::clone(&go)),
        chunk(EVENT),
        chunk(DONE),
        last_chunk(),
    ]);
    b.usually(stream(&[EVENT, DONE]));
    let gateway = Gateway::start(&document);
    let stream = chat_stream();
    let slow = ask(&gateway, &stream);
    let others = async {
        a.request().await;
        // `a` is being explored, so that `b` is explored too.
        assert_eq!(ask(&gateway, &chat_stream()).await.status, 200);
        b.request().await;
        tokio::time::sleep(std::time::Duration::from_millis(300)).await;
        go.notify_one();
    };
    assert_eq!(tokio::join!(slow, others).0.status, 200);
    for _ in 0..5 {
        assert_eq!(ask(&gateway, &stream).await.status, 200);
        b.request().await;
    }
    assert_eq!(a.requests_left().await, 0);
}

#[tokio::test]
async fn the_least_busy_target_is_asked_while_a_stream_is_still_running_at_the_other() {
    let (a, b, document) = with(json!({"strategy": "least_busy", "targets": [
        {"provider": "p", "model": "a", "weight": 1000}, {"provider": "q", "model": "b", "weight": 999},
    ]}))
    .await;
    let go = std::sync::Arc::new(tokio::sync::Notify::new());
    let waiting =
        vec![stream_head(), chunk(EVENT), Step::Wait(std::sync::Arc::clone(&go)), chunk(DONE), last_chunk()];
    a.then(waiting);
    let gateway = Gateway::start(&document);
    let stream = chat_stream();
    let first = ask(&gateway, &stream);
    let others = async {
        a.request().await;
        for _ in 0..3 {
            assert_eq!(ask(&gateway, &chat()).await.status, 200);
            b.request().await;
        }
        go.notify_one();
    };
    assert_eq!(tokio::join!(first, others).0.status, 200);
    gateway.counted(4).await;
    assert_eq!(ask(&gateway, &chat()).await.status, 200);
    a.request().await;
}

#[tokio::test]
async fn a_session_stays_at_its_target_and_leaves_it_only_while_it_is_broken() {
    let (a, b, document) = with(json!({"sticky": {"by": {"header": "x-session"}}, "targets": two()})).await;
    let gateway = Gateway::start(&document);
    let mut of_a = Vec::new();
    for session in 0..24 {
        let session = format!("s{session}");
        assert_eq!(in_session(&gateway, &session).await.status, 200);
        if a.requests_left().await > 0 {
            a.request().await;
            of_a.push(session);
        } else {
            b.request().await;
        }
    }
    assert!((1..24).contains(&of_a.len()), "{of_a:?}");
    for session in &of_a {
        in_session(&gateway, session).await;
        a.request().await;
    }
    a.then(failing(500));
    assert_eq!(in_session(&gateway, &of_a[0]).await.status, 200);
    a.request().await;
    b.request().await;
    in_session(&gateway, &of_a[0]).await;
    a.request().await;
    assert_eq!((a.requests_left().await, b.requests_left().await), (0, 0));
}

#[tokio::test]
async fn conditions_on_headers_and_keys_choose_and_never_reach_an_address() {
    let (a, b, document) = with(json!({"targets": [
        {"provider": "p", "model": "a", "when": {"header": {"x-tier": "gold"}}},
        {"provider": "q", "model": "b", "when": {"key": ["other"]}},
    ]}))
    .await;
    let gateway = Gateway::start(&document);
    let tier =
        |tier: &'static str| finish(post(&gateway, CHAT).header("x-tier", tier).body(chat().to_string()));
    assert_eq!(tier("gold").await.status, 200);
    assert_eq!(a.request().await.json()["model"], "a");
    for refused in [tier("silver").await, tier("http://127.0.0.1:1/v1").await, ask(&gateway, &chat()).await] {
        assert_eq!((refused.status, refused.error_code().as_str()), (404, "no_target"));
    }
    let other = crate::caller::client().post(gateway.url(CHAT)).bearer_auth(OTHER_KEY);
    assert_eq!(finish(other.body(chat().to_string())).await.status, 200);
    assert_eq!(b.request().await.json()["model"], "b");
    assert_eq!((a.requests_left().await, b.requests_left().await), (0, 0));
}
