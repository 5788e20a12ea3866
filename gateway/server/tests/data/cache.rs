//! The response cache: given again as it was, to nobody else, and nothing that was not whole.

use serde_json::{Value, json};

use super::caller::{CHAT, Reply, chat, chat_stream, client, finish};
use super::gateway::{Gateway, KEY, OTHER_KEY, document};
use super::provider::{
    DONE, EVENT, Provider, Step, USAGE_EVENT, chunk, failing, json_answer, ok_json, stream, stream_head,
};

const CACHE: &str = "x-moorline-cache";

fn cached(provider: &Provider, share: &str) -> Value {
    let mut document = document(provider);
    document["routes"][0]["cache"] = json!({"ttl": "1m", "share": share});
    document
}

async fn ask(gateway: &Gateway, key: &str, body: &Value, wish: Option<&str>) -> Reply {
    let mut request = client().post(gateway.url(CHAT)).bearer_auth(key).body(body.to_string());
    if let Some(wish) = wish {
        request = request.header("cache-control", wish);
    }
    finish(request).await
}

/// Asks as the first key.
async fn question(gateway: &Gateway, body: &Value) -> Reply {
    ask(gateway, KEY, body, None).await
}

#[tokio::test]
async fn the_same_question_gets_the_same_answer_without_asking_and_at_no_cost() {
    let provider = Provider::start().await;
    let mut document = cached(&provider, "key");
    document["routes"][0]["limits"] =
        json!([{"requests": 3, "window": "1h"}, {"tokens": 500, "window": "1h"}]);
    let gateway = Gateway::start(&document);
    let first = question(&gateway, &chat()).await;
    assert_eq!((first.status, first.header(CACHE)), (200, Some("miss")));
    gateway.counted(1).await;
    provider.usually(failing(500));
    let again = question(&gateway, &chat()).await;
    assert_eq!((again.status, again.header(CACHE)), (200, Some("hit")));
    assert_eq!(again.text(), first.text());
    assert_eq!(again.header("content-type"), first.header("content-type"));
    assert!(
        again.header("x-request-id").is_some()
            && again.header("x-request-id") != first.header("x-request-id")
    );
    let stats = gateway.counted(2).await;
    assert_eq!((stats.total.cache_hits, stats.total.output_tokens, stats.total.cost_micros), (1, 20, 50));
    assert_eq!(provider.requests_left().await, 1);
    // It used no tokens, but was a request: the third is the last one.
    let third = question(&gateway, &chat()).await;
    assert_eq!(third.header("x-ratelimit-remaining-requests"), Some("0"));
    assert_eq!(question(&gateway, &chat()).await.status, 429);
    gateway.set_now(60_000);
    let mut other = chat();
    other["temperature"] = json!(0.5);
    gateway.swap(&cached(&provider, "key"));
    provider.usually(ok_json());
    assert_eq!(question(&gateway, &other).await.header(CACHE), Some("miss"));
    assert_eq!(question(&gateway, &chat()).await.header(CACHE), Some("miss"), "its time is over");
}

#[tokio::test]
async fn a_stream_is_given_again_as_a_stream() {
    let provider = Provider::start().await;
    let gateway = Gateway::start(&cached(&provider, "key"));
    provider.then(stream(&[EVENT, EVENT, USAGE_EVENT, DONE]));
    let first = question(&gateway, &chat_stream()).await;
    assert_eq!((first.status, first.header(CACHE)), (200, Some("miss")));
    gateway.counted(1).await;
    provider.usually(failing(500));
    let again = question(&gateway, &chat_stream()).await;
    assert_eq!((again.status, again.header(CACHE)), (200, Some("hit")));
    assert_eq!(again.text(), first.text());
    assert!(again.text().ends_with("data: [DONE]\n\n"), "{}", again.text());
    assert_eq!(again.header("content-length"), None);
    assert_eq!(again.header("content-type"), Some("text/event-stream"));
    assert_eq!(gateway.counted(2).await.total.cache_hits, 1);
}

#[tokio::test]
async fn what_failed_or_broke_off_is_not_kept() {
    let provider = Provider::start().await;
    let gateway = Gateway::start(&cached(&provider, "key"));
    let refused = json!({"error": {"message": "no", "type": "invalid_request_error"}});
    for (script, body) in [
        (json_answer(400, &refused), chat()),
        (failing(500), chat()),
        (vec![stream_head(), chunk(EVENT), Step::Close], chat_stream()),
        (stream(&[EVENT]), chat_stream()),
        (stream(&[EVENT, b"data: {\"error\":{\"message\":\"x\"}}\n\n", DONE]), chat_stream()),
    ] {
        provider.then(script);
        assert_eq!(question(&gateway, &body).await.header(CACHE).unwrap_or("miss"), "miss");
        provider.usually(if body == chat() { ok_json() } else { stream(&[EVENT, DONE]) });
        let next = question(&gateway, &body).await;
        assert_eq!((next.status, next.header(CACHE)), (200, Some("miss")), "{body}");
        // The time of what was whole passes, before the next question that may not be kept.
        gateway.set_now(gateway.now() + 60_000);
    }
}

#[tokio::test]
async fn a_caller_s_word_about_caches_is_heeded() {
    let provider = Provider::start().await;
    let gateway = Gateway::start(&cached(&provider, "key"));
    let marked = |mark: &str| json_answer(200, &json!({"choices": [], "mark": mark}));
    provider.usually(marked("one"));
    assert_eq!(ask(&gateway, KEY, &chat(), Some("no-store")).await.header(CACHE), Some("bypass"));
    assert_eq!(question(&gateway, &chat()).await.header(CACHE), Some("miss"), "no-store keeps nothing");
    provider.usually(marked("two"));
    assert!(question(&gateway, &chat()).await.text().contains("one"));
    let fresh = ask(&gateway, KEY, &chat(), Some("no-cache")).await;
    assert_eq!(fresh.header(CACHE), Some("bypass"));
    assert!(fresh.text().contains("two"));
    assert!(question(&gateway, &chat()).await.text().contains("two"), "no-cache renews what is kept");
}

#[tokio::test]
async fn no_key_ever_sees_what_another_was_answered_unless_the_route_says_so() {
    let provider = Provider::start().await;
    let gateway = Gateway::start(&cached(&provider, "key"));
    let answer = |mark: &str| json_answer(200, &json!({"choices": [], "mark": mark}));
    let mut hits = 0;
    // Two tenants ask the same few questions over and over, in an order that a small generator draws.
    let mut drawn = 7_u64;
    for _ in 0..400 {
        drawn = drawn.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let (key, mark) = if (drawn >> 33).is_multiple_of(2) { (KEY, "first") } else { (OTHER_KEY, "other") };
        let mut body = chat();
        body["seed"] = json!((drawn >> 40) % 5);
        let wish = (drawn >> 50).is_multiple_of(8).then_some("no-cache");
        provider.usually(answer(mark));
        let reply = ask(&gateway, key, &body, wish).await;
        assert!(reply.text().contains(mark), "{key} was told {}", reply.text());
        hits += u32::from(reply.header(CACHE) == Some("hit"));
    }
    assert!(hits > 200, "{hits}");
    gateway.swap(&cached(&provider, "route"));
    provider.usually(answer("first"));
    assert_eq!(question(&gateway, &chat()).await.header(CACHE), Some("miss"));
    provider.usually(answer("other"));
    let shared = ask(&gateway, OTHER_KEY, &chat(), None).await;
    assert_eq!(shared.header(CACHE), Some("hit"));
    assert!(shared.text().contains("first"));
}

/// A document whose model `m` falls back to `dear`, which only the first key may use, on a provider of its own.
fn falling_back(provider: &Provider, dear: &Provider) -> Value {
    let mut document = cached(provider, "route");
    document["providers"]["dear"] =
        json!({"kind": "openai_compatible", "base_url": dear.base_url(), "api_key": "env:UPSTREAM_KEY"});
    document["models"]["dear"] = json!({"targets": [{"provider": "dear", "model": "dear"}]});
    document["models"]["m"]["fallback"] = json!(["dear"]);
    document["keys"][1]["models"] = json!(["m"]);
    document
}

#[tokio::test]
async fn an_answer_of_a_fallback_is_given_only_to_keys_that_may_use_it() {
    let (provider, dear) = (Provider::start().await, Provider::start().await);
    let answer = |mark: &str| json_answer(200, &json!({"choices": [], "mark": mark}));
    for body in [chat(), chat_stream()] {
        let gateway = Gateway::start(&falling_back(&provider, &dear));
        provider.usually(failing(500));
        if body == chat() {
            dear.usually(answer("dear"));
        } else {
            dear.usually(stream(&[b"data: {\"choices\":[],\"mark\":\"dear\"}\n\n", DONE]));
        }
        let first = question(&gateway, &body).await;
        assert!((first.status, first.header(CACHE)) == (200, Some("miss")) && first.text().contains("dear"));
        gateway.counted(1).await;
        let again = question(&gateway, &body).await;
        assert!(again.header(CACHE) == Some("hit") && again.text().contains("dear"));
        // The other key may use only `m`. While that is down there is nothing for it.
        let other = ask(&gateway, OTHER_KEY, &body, None).await;
        assert!(other.status >= 500 && !other.text().contains("dear"), "{} {}", other.status, other.text());
        // What it is answered then replaces what it may not have, and everybody may have that.
        if body == chat() {
            provider.usually(answer("plain"));
        } else {
            provider.usually(stream(&[b"data: {\"choices\":[],\"mark\":\"plain\"}\n\n", DONE]));
        }
        let other = ask(&gateway, OTHER_KEY, &body, None).await;
        assert!(other.header(CACHE) == Some("miss") && other.text().contains("plain"), "{}", other.text());
        gateway.counted(4).await;
        let first = question(&gateway, &body).await;
        assert!(first.header(CACHE) == Some("hit") && first.text().contains("plain"), "{}", first.text());
    }
}

#[tokio::test]
async fn an_answer_of_a_target_is_given_only_to_requests_that_it_serves() {
    let provider = Provider::start().await;
    let mut document = cached(&provider, "route");
    document["models"]["m"]["targets"] = json!([
        {"provider": "p", "model": "large", "when": {"header": {"x-tier": "gold"}}},
        {"provider": "p", "model": "small"},
    ]);
    let gateway = Gateway::start(&document);
    let ask = |tier: &'static str| {
        let request = client().post(gateway.url(CHAT)).bearer_auth(KEY).header("x-tier", tier);
        finish(request.body(chat().to_string()))
    };
    provider.usually(json_answer(200, &json!({"choices": [], "mark": "large"})));
    assert_eq!(ask("gold").await.header(CACHE), Some("miss"));
    assert_eq!(ask("gold").await.header(CACHE), Some("hit"));
    provider.usually(json_answer(200, &json!({"choices": [], "mark": "small"})));
    let plain = ask("none").await;
    assert!(plain.header(CACHE) == Some("miss") && plain.text().contains("small"), "{}", plain.text());
    // A document in which the target is no more has no use for what it said.
    assert_eq!(ask("none").await.header(CACHE), Some("hit"));
    document["models"]["m"]["targets"] = json!([{"provider": "p", "model": "new"}]);
    gateway.swap(&document);
    assert_eq!(ask("none").await.header(CACHE), Some("miss"));
}

#[tokio::test]
async fn a_probe_reaches_the_candidate_and_not_the_cache() {
    let provider = Provider::start().await;
    let gateway = Gateway::start(&cached(&provider, "key"));
    question(&gateway, &chat()).await;
    assert_eq!(question(&gateway, &chat()).await.header(CACHE), Some("hit"));
    let (_, probe_key) = gateway.stage(&cached(&provider, "key"), 0);
    let probe = client().post(gateway.url(CHAT)).bearer_auth(KEY).header("x-moorline-probe", probe_key);
    let reply = finish(probe.body(chat().to_string())).await;
    assert_eq!((reply.header(CACHE), reply.header("x-moorline-generation")), (Some("bypass"), Some("2")));
}
