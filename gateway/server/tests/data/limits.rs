//! Limits: exact, named in the refusal, and older than the document.

use serde_json::{Value, json};

use super::caller::{CHAT, Wire, ask, chat, finish, post};
use super::gateway::{Gateway, KEY, OTHER_KEY, document};
use super::provider::{
    DONE, EVENT, Provider, Step, chunk, failing, json_answer, last_chunk, spawn, stream_head,
};

fn limited(provider: &Provider, limits: Value) -> Value {
    let mut document = document(provider);
    document["routes"][0]["limits"] = limits;
    document
}

#[tokio::test]
async fn a_request_limit_admits_exactly_its_number_under_concurrency() {
    let provider = Provider::start().await;
    let gateway = Gateway::start(&limited(&provider, json!([{"requests": 50, "window": "1h"}])));
    let asking: Vec<_> = (0..120)
        .map(|_| {
            let request = post(&gateway, CHAT).body(chat().to_string());
            spawn(async move { finish(request).await.status })
        })
        .collect();
    let mut statuses = Vec::new();
    for one in asking {
        statuses.push(one.await.unwrap());
    }
    assert_eq!(statuses.iter().filter(|status| **status == 200).count(), 50);
    assert_eq!(statuses.iter().filter(|status| **status == 429).count(), 70);
}

#[tokio::test]
async fn a_refusal_names_its_limit_and_says_when_to_return() {
    let provider = Provider::start().await;
    let gateway = Gateway::start(&limited(&provider, json!([{"requests": 2, "window": "1m"}])));
    gateway.set_now(15_000);
    let first = ask(&gateway, &chat()).await;
    assert_eq!(first.header("x-ratelimit-limit-requests"), Some("2"));
    assert_eq!(first.header("x-ratelimit-remaining-requests"), Some("1"));
    assert_eq!(first.header("x-ratelimit-reset-requests"), Some("45s"));
    ask(&gateway, &chat()).await;
    let refused = ask(&gateway, &chat()).await;
    assert_eq!((refused.status, refused.error_code().as_str()), (429, "rate_limit_exceeded"));
    assert_eq!(refused.header("retry-after"), Some("45"));
    assert_eq!(refused.header("x-ratelimit-limit-requests"), Some("2"));
    assert_eq!(refused.header("x-ratelimit-remaining-requests"), Some("0"));
    let message = refused.json()["error"]["message"].to_string();
    assert!(
        message.contains("requests limit of key caller on route /v1/*")
            && message.contains("2 requests in 1m"),
        "{message}"
    );
    gateway.set_now(60_000);
    assert_eq!(ask(&gateway, &chat()).await.status, 200);
    let stats = gateway.counted(4).await;
    assert_eq!(stats.total.errors[&moorline_admin::ErrorKind::Limited], 1);
}

#[tokio::test]
async fn each_key_has_its_own_count_and_a_route_one_for_all() {
    let provider = Provider::start().await;
    let limits = json!([{"requests": 2, "window": "1m"}, {"per": "route", "requests": 3, "window": "1m"}]);
    let gateway = Gateway::start(&limited(&provider, limits));
    let as_other = || {
        finish(
            super::caller::client().post(gateway.url(CHAT)).bearer_auth(OTHER_KEY).body(chat().to_string()),
        )
    };
    assert_eq!(ask(&gateway, &chat()).await.status, 200);
    assert_eq!(ask(&gateway, &chat()).await.status, 200);
    assert_eq!(ask(&gateway, &chat()).await.status, 429);
    assert_eq!(as_other().await.status, 200);
    let refused = as_other().await;
    assert_eq!(refused.status, 429);
    assert!(refused.text().contains("of route /v1/*"), "{}", refused.text());
}

#[tokio::test]
async fn tokens_are_reserved_at_admission_and_settled_at_the_end() {
    let provider = Provider::start().await;
    // The estimate is the prompt's bytes by four and the answer's most; the answer says 30.
    let gateway = Gateway::start(&limited(&provider, json!([{"tokens": 160, "window": "1m"}])));
    let ask_for = |most: u64| {
        let mut body = chat();
        body["max_tokens"] = json!(most);
        body
    };
    let first = ask(&gateway, &ask_for(100)).await;
    assert_eq!(first.status, 200);
    assert_eq!(first.header("x-ratelimit-limit-tokens"), Some("160"));
    gateway.counted(1).await;
    // 130 are left, were the estimate not given back it would be a tenth of that.
    assert_eq!(ask(&gateway, &ask_for(100)).await.status, 200);
    gateway.counted(2).await;
    let refused = ask(&gateway, &ask_for(100)).await;
    assert_eq!(refused.status, 429);
    assert!(refused.text().contains("160 tokens in 1m, 100 left"), "{}", refused.text());
    assert_eq!(ask(&gateway, &ask_for(50)).await.status, 200);
}

#[tokio::test]
async fn a_budget_is_spent_by_declared_prices_and_then_refuses() {
    let provider = Provider::start().await;
    let mut document = document(&provider);
    // 10 in at 1 USD and 20 out at 2 USD per million: 50 millionths a request.
    document["keys"][0]["limits"] = json!([{"budget": 0.0001, "window": "1d"}]);
    let gateway = Gateway::start(&document);
    for request in 1..=2 {
        assert_eq!(ask(&gateway, &chat()).await.status, 200);
        assert_eq!(gateway.counted(request).await.total.cost_micros, 50 * request);
    }
    let refused = ask(&gateway, &chat()).await;
    assert_eq!((refused.status, refused.error_code().as_str()), (429, "budget_exceeded"));
    assert!(refused.text().contains("budget limit of key caller"), "{}", refused.text());
}

#[tokio::test]
async fn a_failed_request_is_given_back() {
    let provider = Provider::start().await;
    let limits = json!([{"requests": 1, "window": "1m"}, {"tokens": 100, "window": "1m"}]);
    let gateway = Gateway::start(&limited(&provider, limits));
    for _ in 0..3 {
        provider.then(failing(500));
        assert_eq!(ask(&gateway, &chat()).await.status, 502);
    }
    gateway.counted(3).await;
    assert_eq!(ask(&gateway, &chat()).await.status, 200);
    gateway.counted(4).await;
    assert_eq!(ask(&gateway, &chat()).await.status, 429);
}

#[tokio::test]
async fn a_changed_document_forgives_nothing() {
    let provider = Provider::start().await;
    let with = |requests: u64| limited(&provider, json!([{"requests": requests, "window": "1m"}]));
    let gateway = Gateway::start(&with(2));
    ask(&gateway, &chat()).await;
    ask(&gateway, &chat()).await;
    gateway.swap(&with(2));
    assert_eq!(ask(&gateway, &chat()).await.status, 429);
    gateway.swap(&with(3));
    assert_eq!(ask(&gateway, &chat()).await.status, 200);
    assert_eq!(ask(&gateway, &chat()).await.status, 429);
}

#[tokio::test]
async fn what_was_used_beyond_the_estimate_is_charged_to_the_next() {
    let provider = Provider::start().await;
    let usage = json!({"choices": [], "usage": {"prompt_tokens": 500, "completion_tokens": 500}});
    provider.usually(json_answer(200, &usage));
    let gateway = Gateway::start(&limited(&provider, json!([{"tokens": 100, "window": "1m"}])));
    assert_eq!(ask(&gateway, &chat()).await.status, 200);
    gateway.counted(1).await;
    assert_eq!(ask(&gateway, &chat()).await.status, 429);
}

/// Asks with a key and further headers.
async fn ask_as(gateway: &Gateway, key: &str, headers: &[(&str, &str)]) -> u16 {
    let mut request =
        super::caller::client().post(gateway.url(CHAT)).bearer_auth(key).body(chat().to_string());
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    finish(request).await.status
}

#[tokio::test]
async fn requests_at_the_same_time_are_counted_until_their_last_byte() {
    let provider = Provider::start().await;
    let gateway = Gateway::start(&limited(&provider, json!([{"per": "route", "concurrency": 1}])));
    let go = std::sync::Arc::new(tokio::sync::Notify::new());
    provider.then(vec![stream_head(), chunk(EVENT), Step::Wait(go.clone()), chunk(DONE), last_chunk()]);
    let mut streaming = chat();
    streaming["stream"] = json!(true);
    let mut wire = Wire::open(gateway.address).await;
    wire.ask(&streaming).await;
    wire.read_until(EVENT).await;
    let refused = ask(&gateway, &chat()).await;
    assert_eq!((refused.status, refused.header("retry-after")), (429, Some("1")));
    assert!(
        refused.text().contains("concurrency limit of route /v1/* is reached: 1 requests at the same time"),
        "{}",
        refused.text()
    );
    go.notify_one();
    wire.read_until(DONE).await;
    gateway.counted(2).await;
    assert_eq!(ask(&gateway, &chat()).await.status, 200);
    // A caller that goes away gives its place back too.
    provider.then(vec![Step::UntilClosed]);
    let mut wire = Wire::open(gateway.address).await;
    wire.ask(&chat()).await;
    for _ in 0..3 {
        provider.request().await;
    }
    assert_eq!(ask(&gateway, &chat()).await.status, 429);
    drop(wire);
    gateway.counted(5).await;
    assert_eq!(ask(&gateway, &chat()).await.status, 200);
}

#[tokio::test]
async fn a_team_s_keys_count_together_and_keys_without_a_team_too() {
    let provider = Provider::start().await;
    let mut document = limited(&provider, json!([{"per": "team", "requests": 2, "window": "1h"}]));
    let gateway = Gateway::start(&document);
    assert_eq!(ask_as(&gateway, KEY, &[]).await, 200);
    assert_eq!(ask_as(&gateway, OTHER_KEY, &[]).await, 200);
    assert_eq!(ask_as(&gateway, KEY, &[]).await, 429);
    document["keys"][0]["team"] = json!("search");
    gateway.swap(&document);
    assert_eq!(ask_as(&gateway, KEY, &[]).await, 200);
    assert_eq!(ask_as(&gateway, OTHER_KEY, &[]).await, 429);
    document["keys"][1]["team"] = json!("search");
    gateway.swap(&document);
    assert_eq!(ask_as(&gateway, OTHER_KEY, &[]).await, 200);
    assert_eq!(ask_as(&gateway, KEY, &[]).await, 429);
}

#[tokio::test]
async fn each_model_and_each_value_of_a_header_has_its_own_count() {
    let provider = Provider::start().await;
    let limits = json!([
        {"per": "model", "requests": 3, "window": "1h"},
        {"per": {"header": "X-Tenant"}, "requests": 1, "window": "1h"},
    ]);
    let mut document = limited(&provider, limits);
    document["models"]["n"] = document["models"]["m"].clone();
    let gateway = Gateway::start(&document);
    assert_eq!(ask_as(&gateway, KEY, &[("x-tenant", "a")]).await, 200);
    assert_eq!(ask_as(&gateway, KEY, &[("x-tenant", "a")]).await, 429);
    assert_eq!(ask_as(&gateway, KEY, &[("x-tenant", "a"), ("x-tenant", "b")]).await, 200);
    assert_eq!(ask_as(&gateway, KEY, &[]).await, 200, "without the header is a value of its own");
    assert_eq!(ask_as(&gateway, KEY, &[]).await, 429);
    assert_eq!(ask_as(&gateway, KEY, &[("x-tenant", "c")]).await, 429, "the model's three are used up");
    let mut other = chat();
    other["model"] = json!("n");
    let request = post(&gateway, CHAT).header("x-tenant", "d").body(other.to_string());
    assert_eq!(finish(request).await.status, 200);
}

#[tokio::test]
async fn an_address_is_the_connection_s_and_no_header_changes_it() {
    let provider = Provider::start().await;
    let gateway = Gateway::start(&limited(&provider, json!([{"per": "ip", "requests": 1, "window": "1h"}])));
    assert_eq!(ask_as(&gateway, KEY, &[]).await, 200);
    for header in ["x-forwarded-for", "forwarded", "x-real-ip", "cf-connecting-ip"] {
        assert_eq!(ask_as(&gateway, KEY, &[(header, "203.0.113.7")]).await, 429, "{header}");
    }
    let local = "127.0.0.2:0".parse::<std::net::SocketAddr>().unwrap();
    let client = reqwest::Client::builder().local_address(local.ip()).build().unwrap();
    let other = client.post(gateway.url(CHAT)).bearer_auth(KEY).body(chat().to_string());
    assert_eq!(finish(other).await.status, 200);
}

#[tokio::test]
async fn a_sliding_window_frees_what_is_a_window_old_and_says_when() {
    let provider = Provider::start().await;
    let limits = json!([{"requests": 2, "window": "16s", "algorithm": "sliding"}]);
    let gateway = Gateway::start(&limited(&provider, limits));
    assert_eq!(ask(&gateway, &chat()).await.status, 200);
    gateway.set_now(15_500);
    assert_eq!(ask(&gateway, &chat()).await.status, 200);
    // A fixed window would begin anew here, and admit twice the limit within a second.
    gateway.set_now(16_000);
    let refused = ask(&gateway, &chat()).await;
    assert_eq!((refused.status, refused.header("retry-after")), (429, Some("1")));
    gateway.set_now(17_000);
    assert_eq!(ask(&gateway, &chat()).await.status, 200);
    assert_eq!(ask(&gateway, &chat()).await.status, 429);
}
