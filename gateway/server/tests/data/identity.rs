//! Who a caller is: keys over time, and the shape of the request that proves it.

use moorline_admin::ErrorKind;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::caller::{CHAT, Reply, Wire, ask, chat, client, finish, post};
use super::gateway::{Gateway, KEY, OTHER_KEY, document};
use super::provider::Provider;

const OLD_KEY: &str = "vk-caller-before";
/// 2026-11-21T00:00:00Z.
const NOW: u64 = 1_795_219_200_000;

async fn ask_with(gateway: &Gateway, key: &str) -> Reply {
    finish(client().post(gateway.url(CHAT)).bearer_auth(key).body(chat().to_string())).await
}

fn with_key(provider: &Provider, change: impl FnOnce(&mut Value)) -> Value {
    let mut document = document(provider);
    change(&mut document["keys"][0]);
    document
}

#[tokio::test]
async fn a_key_is_accepted_to_its_last_millisecond_and_then_says_that_it_expired() {
    let provider = Provider::start().await;
    let document = with_key(&provider, |key| key["expires"] = json!("2026-11-21T00:00:00Z"));
    let gateway = Gateway::start(&document);
    gateway.set_now(NOW - 1);
    assert_eq!(ask_with(&gateway, KEY).await.status, 200);
    gateway.set_now(NOW);
    let refused = ask_with(&gateway, KEY).await;
    assert_eq!((refused.status, refused.error_code().as_str()), (401, "expired_key"));
    assert_eq!(refused.header("www-authenticate"), Some("Bearer"));
    assert_eq!(ask_with(&gateway, OTHER_KEY).await.status, 200, "the others have no end");
    let stats = gateway.counted(3).await;
    assert_eq!((stats.authentication["accepted"], stats.authentication["expired"]), (2, 1));
    assert_eq!(stats.total.errors[&ErrorKind::Unauthorized], 1);
}

#[tokio::test]
async fn a_key_and_the_one_it_replaces_are_one_caller_until_the_overlap_ends() {
    let provider = Provider::start().await;
    let document = with_key(&provider, |key| {
        key["previous"] =
            json!({"sha256": hex::encode(Sha256::digest(OLD_KEY)), "expires": "2026-11-21T00:00:00Z"});
        key["limits"] = json!([{"requests": 2, "window": "1d"}]);
    });
    let gateway = Gateway::start(&document);
    gateway.set_now(NOW - 1);
    assert_eq!(ask_with(&gateway, OLD_KEY).await.status, 200);
    let second = ask_with(&gateway, KEY).await;
    assert_eq!((second.status, second.header("x-ratelimit-remaining-requests")), (200, Some("0")));
    assert_eq!(ask_with(&gateway, OLD_KEY).await.status, 429, "both count as one");
    gateway.set_now(NOW);
    let refused = ask_with(&gateway, OLD_KEY).await;
    assert_eq!((refused.status, refused.error_code().as_str()), (401, "expired_key"));
    assert_eq!(ask_with(&gateway, KEY).await.status, 200, "in the next window");
}

#[tokio::test]
async fn a_rotation_leaves_no_moment_in_which_neither_key_works_and_keeps_the_counts() {
    let provider = Provider::start().await;
    let old = with_key(&provider, |key| {
        key["sha256"] = json!(hex::encode(Sha256::digest(OLD_KEY)));
        key["limits"] = json!([{"requests": 2, "window": "1d"}]);
    });
    let gateway = Gateway::start(&old);
    gateway.set_now(NOW);
    assert_eq!(ask_with(&gateway, OLD_KEY).await.status, 200);
    gateway.swap(&with_key(&provider, |key| {
        key["previous"] =
            json!({"sha256": hex::encode(Sha256::digest(OLD_KEY)), "expires": "2026-11-22T00:00:00Z"});
        key["limits"] = json!([{"requests": 2, "window": "1d"}]);
    }));
    assert_eq!(ask_with(&gateway, OLD_KEY).await.status, 200);
    assert_eq!(ask_with(&gateway, KEY).await.status, 429, "the same name, the same count");
}

/// Sends raw lines after a request line, and gives the status and the whole answer.
async fn raw(gateway: &Gateway, line: &str, headers: &str) -> (u16, String) {
    let mut wire = Wire::open(gateway.address).await;
    let body = chat().to_string();
    let request = format!(
        "{line} HTTP/1.1\r\n{headers}content-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    );
    wire.send(request.as_bytes()).await;
    let answer = wire.read_to_end().await;
    (answer.get(9..12).and_then(|status| status.parse().ok()).unwrap_or(0), answer)
}

#[tokio::test]
async fn several_proofs_are_refused_whichever_is_good() {
    let provider = Provider::start().await;
    let gateway = Gateway::start(&document(&provider));
    let good = format!("authorization: Bearer {KEY}\r\n");
    let shapes = [
        format!("{good}authorization: Bearer {OTHER_KEY}\r\n"),
        format!("{good}{good}"),
        format!("authorization: Bearer wrong\r\n{good}"),
        format!("{good}x-api-key: wrong\r\n"),
        format!("{good}x-api-key: {OTHER_KEY}\r\n"),
        format!("x-api-key: {KEY}\r\nx-api-key: {OTHER_KEY}\r\n"),
        format!("authorization: Basic x\r\nx-api-key: {KEY}\r\n"),
        format!("authorization:\r\nx-api-key: {KEY}\r\n"),
    ];
    for shape in &shapes {
        let (status, answer) =
            raw(&gateway, &format!("POST {CHAT}"), &format!("host: gateway\r\n{shape}")).await;
        assert_eq!(status, 400, "{shape}");
        assert!(answer.contains("ambiguous_credentials"), "{answer}");
    }
    // What is no proof of ours is none, and two headers that agree are one. A twin of a header is refused before it counts.
    for (shape, expected) in [
        (format!("authorization: Basic {KEY}\r\n"), 401),
        (format!("authorization: {KEY}\r\n"), 401),
        (format!("Authorization: bearer {KEY}\r\nX-Api-Key: {KEY}\r\n"), 200),
        (format!("x_api_key: {KEY}\r\n"), 400),
        (format!("cookie: authorization=Bearer {KEY}\r\n"), 401),
    ] {
        let (status, answer) =
            raw(&gateway, &format!("POST {CHAT}"), &format!("host: gateway\r\n{shape}")).await;
        assert_eq!(status, expected, "{shape}{answer}");
    }
    let stats = gateway.counted(12).await;
    assert_eq!(stats.authentication["ambiguous"], shapes.len() as u64);
}

#[tokio::test]
async fn the_path_that_is_authorised_is_the_path_that_is_routed() {
    let provider = Provider::start().await;
    let mut document = document(&provider);
    // Embeddings are open to a model that chat is not.
    document["models"]["secret"] = document["models"]["m"].clone();
    document["routes"] =
        json!([{"path": CHAT, "models": ["m"]}, {"path": "/v1/embeddings", "models": ["secret"]}]);
    let gateway = Gateway::start(&document);
    let good = format!("host: gateway\r\nauthorization: Bearer {KEY}\r\n");
    for (line, headers, expected) in [
        // One path, and it is the one in the request line.
        (format!("POST {CHAT}"), good.clone(), 200),
        (format!("POST http://gateway{CHAT}"), good.clone(), 200),
        (format!("POST {CHAT}?path=/v1/embeddings"), good.clone(), 200),
        (format!("POST {CHAT}"), format!("{good}x-forwarded-uri: /v1/embeddings\r\n"), 200),
        (
            format!("POST {CHAT}"),
            format!("{good}x-original-url: /healthz\r\nx-rewrite-url: /healthz\r\n"),
            200,
        ),
        // A path that another server would read as this one is not this one.
        ("POST /v1//chat/completions".to_owned(), good.clone(), 404),
        ("POST //v1/chat/completions".to_owned(), good.clone(), 404),
        (format!("POST {CHAT}/"), good.clone(), 404),
        ("POST /v1/chat/completions%2f".to_owned(), good.clone(), 404),
        ("POST /v1/chat%2fcompletions".to_owned(), good.clone(), 404),
        ("POST /v1/%63hat/completions".to_owned(), good.clone(), 404),
        ("POST /v1/./chat/completions".to_owned(), good.clone(), 404),
        ("POST /v1/%2e/chat/completions".to_owned(), good.clone(), 404),
        ("POST /v1/embeddings/../chat/completions".to_owned(), good.clone(), 404),
        ("POST /healthz/../v1/chat/completions".to_owned(), good.clone(), 404),
        ("POST /V1/chat/completions".to_owned(), good.clone(), 404),
        ("POST /v1/Chat/Completions".to_owned(), good.clone(), 404),
        ("POST /v1/chat/completions;a=b".to_owned(), good.clone(), 404),
        // No path makes a key needless.
        (format!("POST {CHAT}"), "host: gateway/healthz#\r\n".to_owned(), 0),
        (format!("POST {CHAT}"), "host: gateway\r\nx-forwarded-uri: /healthz\r\n".to_owned(), 401),
        (format!("POST {CHAT}?/healthz"), "host: gateway\r\n".to_owned(), 401),
        (format!("POST http://gateway{CHAT}"), "host: gateway\r\n".to_owned(), 401),
        ("POST /v1/models".to_owned(), "host: gateway\r\n".to_owned(), 405),
        ("GET /v1/models".to_owned(), "host: gateway\r\n".to_owned(), 401),
        ("GET /v1/models/".to_owned(), "host: gateway\r\n".to_owned(), 404),
    ] {
        let (status, answer) = raw(&gateway, &line, &headers).await;
        if expected == 0 {
            assert!((400..500).contains(&status), "{line} {headers}{answer}");
        } else {
            assert_eq!(status, expected, "{line} {headers}{answer}");
        }
    }
    for _ in 0..5 {
        let seen = provider.request().await;
        assert!(seen.head.starts_with("POST /v1/chat/completions HTTP/1.1\r\n"), "{}", seen.head);
    }
    assert_eq!(provider.requests_left().await, 0);
    assert_eq!(ask(&gateway, &json!({"model": "secret", "messages": []})).await.status, 404);
    let embedded = finish(post(&gateway, "/v1/embeddings").body(r#"{"model":"m","input":"x"}"#)).await;
    assert_eq!(embedded.status, 404, "a model of the other route");
}
