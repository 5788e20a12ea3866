//! Where requests and keys may go.

use serde_json::json;

use super::caller::{CHAT, Wire, ask, chat, finish, post};
use super::gateway::{Gateway, KEY, UPSTREAM_KEY, document};
use super::provider::{Provider, answer};

#[tokio::test]
async fn nothing_a_caller_sends_chooses_where_its_request_goes() {
    let (provider, elsewhere) = (Provider::start().await, Provider::start().await);
    let gateway = Gateway::start(&document(&provider));
    let other = elsewhere.address.to_string();
    let url = elsewhere.base_url();
    for (name, value) in [
        ("host", other.as_str()),
        ("x-forwarded-host", &other),
        ("x-forwarded-uri", &url),
        ("x-original-url", &url),
        ("x-base-url", &url),
        ("x-moorline-upstream", &url),
        ("x-portkey-custom-host", &url),
        ("helicone-target-url", &url),
        ("forwarded", &format!("host={other}")),
        ("openai-organization", &url),
        ("location", &url),
    ] {
        let reply = finish(post(&gateway, CHAT).header(name, value).body(chat().to_string())).await;
        assert_eq!(reply.status, 200, "{name}");
        let seen = provider.request().await;
        assert_eq!(seen.header("host"), Some(provider.address.to_string().as_str()), "{name}");
        assert_eq!(seen.header("authorization"), Some(format!("Bearer {UPSTREAM_KEY}").as_str()));
    }
    for (name, value) in
        [("base_url", url.as_str()), ("api_base", &url), ("url", &url), ("host", &other), ("provider", &url)]
    {
        let mut body = chat();
        body[name] = json!(value);
        assert_eq!(ask(&gateway, &body).await.status, 200);
        provider.request().await;
        let reply = finish(post(&gateway, &format!("{CHAT}?{name}={value}")).body(chat().to_string())).await;
        assert_eq!(reply.status, 200);
        assert!(
            provider.request().await.head.starts_with("POST /v1/chat/completions HTTP/1.1\r\n"),
            "no query travels on"
        );
    }
    // A request line with a whole address in it.
    let mut wire = Wire::open(gateway.address).await;
    let body = chat().to_string();
    wire.send(
        format!(
            "POST http://{other}{CHAT} HTTP/1.1\r\nhost: {other}\r\nauthorization: Bearer {KEY}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
            body.len()
        )
        .as_bytes(),
    )
    .await;
    assert!(wire.read_to_end().await.starts_with("HTTP/1.1 200 "));
    provider.request().await;
    assert_eq!(elsewhere.requests_left().await, 0);
}

#[tokio::test]
async fn a_redirect_is_never_followed() {
    let (provider, elsewhere) = (Provider::start().await, Provider::start().await);
    let gateway = Gateway::start(&document(&provider));
    for status in [301, 302, 303, 307, 308] {
        provider.then(answer(
            status,
            &[("location", &format!("{}/chat/completions", elsewhere.base_url()))],
            b"",
        ));
        let reply = ask(&gateway, &chat()).await;
        assert_eq!((reply.status, reply.header("location")), (502, None));
        assert!(!reply.text().contains(&elsewhere.address.to_string()), "{}", reply.text());
    }
    assert_eq!(elsewhere.requests_left().await, 0);
}

#[tokio::test]
async fn each_key_travels_to_its_own_provider_only_and_callers_keys_to_none() {
    let (first, second) = (Provider::start().await, Provider::start().await);
    first.usually(super::provider::failing(500));
    let mut document = document(&first);
    document["providers"]["q"] = json!({"kind": "openai_compatible", "base_url": second.base_url()});
    document["models"]["m"]["targets"] =
        json!([{"provider": "p", "model": "m"}, {"provider": "q", "model": "m"}]);
    let gateway = Gateway::start(&document);
    let secret_headers = [
        ("cookie", "session=caller"),
        ("x-api-key", KEY),
        ("x-moorline-probe", "guess"),
        ("proxy-authorization", "Basic caller"),
        ("x-custom", "caller"),
        ("te", "trailers"),
    ];
    let mut request = post(&gateway, CHAT);
    for (name, value) in secret_headers {
        request = request.header(name, value);
    }
    assert_eq!(finish(request.body(chat().to_string())).await.status, 200);
    for (seen, authorization) in
        [(first.request().await, Some(format!("Bearer {UPSTREAM_KEY}"))), (second.request().await, None)]
    {
        assert_eq!(seen.header("authorization"), authorization.as_deref());
        assert!(!seen.head.contains(KEY), "{}", seen.head);
        for (name, _) in secret_headers {
            assert_eq!(seen.header(name), None, "{name}");
        }
    }
}

#[tokio::test]
async fn an_upstream_s_own_headers_stay_here_but_for_a_few() {
    let provider = Provider::start().await;
    provider.usually(answer(
        200,
        &[
            ("content-type", "application/json"),
            ("set-cookie", "a=b"),
            ("server", "secret-proxy"),
            ("x-moorline-generation", "99"),
            ("keep-alive", "timeout=5"),
            ("x-ratelimit-limit-requests", "1"),
            ("openai-version", "2020-10-01"),
        ],
        b"{}",
    ));
    let gateway = Gateway::start(&document(&provider));
    let reply = ask(&gateway, &chat()).await;
    for name in ["set-cookie", "server", "keep-alive", "x-ratelimit-limit-requests"] {
        assert_eq!(reply.header(name), None, "{name}");
    }
    assert_eq!(reply.header("x-moorline-generation"), Some("1"));
    assert_eq!(reply.header("openai-version"), Some("2020-10-01"));
}
