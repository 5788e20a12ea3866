//! Bad input at every dialect's door: the right status, in the caller's own words, counted, and nothing held.

use moorline_gateway::gauges::Gauges;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::caller::{Reply, Wire, client, finish};
use super::gateway::{Gateway, KEY, document};
use super::issuer::{Issuer, encoded};
use super::provider::{Provider, soon};
use super::tokens::{AUDIENCE, Jwks, Mood, NOW};

const EXPIRED_KEY: &str = "vk-expired";
const POOR_KEY: &str = "vk-poor";

/// An endpoint of each dialect, with a body that is good there.
fn doors() -> [(&'static str, Value); 3] {
    let messages = json!([{"role": "user", "content": "ping"}]);
    [
        ("/v1/chat/completions", json!({"model": "m", "messages": messages})),
        ("/v1/responses", json!({"model": "m", "input": "ping"})),
        ("/v1/messages", json!({"model": "m", "max_tokens": 9, "messages": messages})),
    ]
}

/// One bad request: what is wrong with it, and what it is told.
struct Bad {
    name: &'static str,
    method: &'static str,
    proof: Option<String>,
    encoding: Option<&'static str>,
    body: Vec<u8>,
    status: u16,
    /// OpenAI's code, and Anthropic's type.
    said: (Value, &'static str),
}

impl Bad {
    fn body(name: &'static str, body: impl Into<Vec<u8>>) -> Self {
        let said = (json!("invalid_json"), "invalid_request_error");
        let proof = Some(KEY.to_owned());
        Self { name, method: "POST", proof, encoding: None, body: body.into(), status: 400, said }
    }

    fn proof(name: &'static str, proof: Option<String>, good: &Value, code: Value) -> Self {
        let said = (code, "authentication_error");
        Self { proof, status: 401, said, ..Self::body(name, good.to_string()) }
    }

    fn told(self, status: u16, code: &str, kind: &'static str) -> Self {
        let code = if code.is_empty() { Value::Null } else { json!(code) };
        Self { status, said: (code, kind), ..self }
    }
}

fn with(good: &Value, field: &str, value: Value) -> Vec<u8> {
    let mut body = good.clone();
    body[field] = value;
    body.to_string().into_bytes()
}

/// Bodies that are not what they should be.
fn bodies(good: &Value) -> Vec<Bad> {
    let text = good.to_string();
    let open = text.strip_suffix('}').unwrap();
    let mut without_model = good.clone();
    without_model.as_object_mut().unwrap().remove("model");
    vec![
        Bad::body("nothing", ""),
        Bad::body("no JSON", "hello"),
        Bad::body("a list", "[]"),
        Bad::body("null", "null"),
        Bad::body("half of it", open),
        Bad::body("two of them", format!("{text}{text}")),
        Bad::body("a comma too many", format!("{open},}}")),
        Bad::body("invalid UTF-8", [open.as_bytes(), b",\"x\":\"\xff\xfe\"}"].concat()),
        Bad::body("half a character", [open.as_bytes(), b",\"x\":\"\xc3\"}"].concat()),
        Bad::body("a lone surrogate's bytes", [open.as_bytes(), b",\"x\":\"\xed\xa0\x80\"}"].concat()),
        Bad::body("100,000 levels", format!("{open},\"x\":{}", "[".repeat(100_000))),
        Bad::body("1,000 levels", format!("{open},\"x\":{}{}}}", "[".repeat(1_000), "]".repeat(1_000))),
        Bad::body("a model that is a number", with(good, "model", json!(5))),
        Bad::body("a model that is nothing", with(good, "model", json!(null))),
        Bad::body("a stream that is a word", with(good, "stream", json!("yes"))),
        Bad::body("a limit that is a word", with(good, "max_tokens", json!("many"))),
        Bad::body("a limit below zero", with(good, "max_tokens", json!(-1))),
        Bad::body("two models", format!("{open},\"model\":\"n\"}}")),
        Bad::body("no model", without_model.to_string()).told(400, "", "invalid_request_error"),
        Bad::body("an unknown model", with(good, "model", json!("gpt-none"))).told(
            404,
            "model_not_found",
            "not_found_error",
        ),
        Bad { encoding: Some("gzip"), ..Bad::body("compressed", &b"\x1f\x8b\x08"[..]) }.told(
            415,
            "unsupported_encoding",
            "invalid_request_error",
        ),
        Bad { method: "GET", ..Bad::body("another method", "") }.told(
            405,
            "method_not_allowed",
            "invalid_request_error",
        ),
        Bad { method: "DELETE", ..Bad::body("yet another method", "") }.told(
            405,
            "method_not_allowed",
            "invalid_request_error",
        ),
    ]
}

/// Proofs that prove nothing.
fn proofs(good: &Value, issuer: &Issuer) -> Vec<Bad> {
    let claims = |change: Value| {
        let mut claims =
            json!({"iss": "https://login.acme.example", "aud": AUDIENCE, "sub": "alice", "exp": NOW + 300});
        claims.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        claims.to_string()
    };
    let ours = r#"{"alg":"ES256","kid":"ec"}"#;
    let unsigned = format!("{}.{}.", encoded(r#"{"alg":"none"}"#), encoded(claims(json!({}))));
    let strangers = Issuer::new().es256(ours, &claims(json!({})));
    let refused = [
        ("an algorithm that is none", unsigned),
        ("an unknown kid", issuer.es256(r#"{"alg":"ES256","kid":"nobody"}"#, &claims(json!({})))),
        ("another audience", issuer.es256(ours, &claims(json!({"aud": "other"})))),
        ("another issuer", issuer.es256(ours, &claims(json!({"iss": "https://evil.example"})))),
        ("another's signature", strangers),
        ("a token of 9,000 bytes", format!("a.{}.c", "x".repeat(9_000))),
    ];
    let mut all: Vec<Bad> = refused
        .into_iter()
        .map(|(name, token)| Bad::proof(name, Some(token), good, json!("invalid_token")))
        .collect();
    let late = issuer.es256(ours, &claims(json!({"exp": NOW - 61})));
    all.push(Bad::proof("a token whose time is over", Some(late), good, json!("expired_key")));
    all.push(Bad::proof("no proof", None, good, Value::Null));
    all.push(Bad::proof("an unknown key", Some("vk-nobody".to_owned()), good, json!("invalid_api_key")));
    all.push(Bad::proof("an expired key", Some(EXPIRED_KEY.to_owned()), good, json!("expired_key")));
    let poor =
        Bad { proof: Some(POOR_KEY.to_owned()), ..Bad::body("a limit that is reached", good.to_string()) };
    all.push(poor.told(429, "rate_limit_exceeded", "rate_limit_error"));
    all
}

/// Whether a refusal has the shape that clients of this path read.
fn check(bad: &Bad, path: &str, reply: &Reply) {
    let name = format!("{} at {path}: {}", bad.name, reply.text());
    assert_eq!(reply.status, bad.status, "{name}");
    assert_eq!(reply.header("content-type"), Some("application/json"), "{name}");
    let said = reply.json();
    let error = &said["error"];
    assert!(error["message"].as_str().is_some_and(|message| !message.is_empty()), "{name}");
    if path == "/v1/messages" {
        assert_eq!((&said["type"], error["type"].as_str()), (&json!("error"), Some(bad.said.1)), "{name}");
        assert_eq!(said["request_id"].as_str(), reply.header("request-id"), "{name}");
    } else {
        assert_eq!(error["code"], bad.said.0, "{name}");
        assert!(
            error["type"].is_string() && error.get("param").is_some() && said.get("type").is_none(),
            "{name}"
        );
    }
    assert!(reply.header("x-request-id").is_some(), "{name}");
}

/// A body of 100 MiB, of which nothing is sent: what reads the refusal has nothing left to send.
async fn check_too_large(gateway: &Gateway, path: &str) {
    let mut wire = Wire::open(gateway.address).await;
    let head = format!("POST {path} HTTP/1.1\r\nhost: g\r\nauthorization: Bearer {KEY}\r\n");
    wire.send(format!("{head}content-length: 104857600\r\n\r\n").as_bytes()).await;
    let answer = wire.read_to_end().await;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 413 "), "{path}: {answer}");
    let said: Value = serde_json::from_str(body).unwrap();
    if path == "/v1/messages" {
        assert_eq!((&said["type"], &said["error"]["type"]), (&json!("error"), &json!("request_too_large")));
    } else {
        assert_eq!(said["error"]["code"], "request_too_large", "{said}");
    }
}

#[tokio::test]
async fn every_bad_input_gets_its_status_in_each_dialect_is_counted_and_leaves_nothing_behind() {
    let (provider, issuer) = (Provider::start().await, Issuer::new());
    let jwks = Jwks::start(Mood::Keys(issuer.jwks())).await;
    let mut document = document(&provider);
    document["auth"] = json!({"jwt": {"issuer": "https://login.acme.example", "audience": AUDIENCE, "jwks_url": jwks.url()}});
    let hash = |key: &str| hex::encode(Sha256::digest(key));
    let keys = document["keys"].as_array_mut().unwrap();
    keys.push(json!({"name": "expired", "sha256": hash(EXPIRED_KEY), "expires": "2026-11-20T23:59:59Z"}));
    keys.push(json!({"name": "poor", "sha256": hash(POOR_KEY), "limits": [{"tokens": 1, "window": "1d"}]}));
    let gauges = std::sync::Arc::<Gauges>::default();
    let counted = std::sync::Arc::clone(&gauges);
    let gateway = Gateway::start_with(&document, |config| config.gauges = counted);
    super::tokens::follow(&gateway);
    let client = client();
    let mut count = 0;
    for (path, good) in doors() {
        for bad in bodies(&good).into_iter().chain(proofs(&good, &issuer)) {
            let method = reqwest::Method::from_bytes(bad.method.as_bytes()).unwrap();
            let mut request =
                client.request(method, gateway.url(path)).header("content-type", "application/json");
            if let Some(proof) = &bad.proof {
                request = request.bearer_auth(proof);
            }
            if let Some(encoding) = bad.encoding {
                request = request.header("content-encoding", encoding);
            }
            check(&bad, path, &finish(request.body(bad.body.clone())).await);
            count += 1;
        }
        check_too_large(&gateway, path).await;
        count += 1;
    }
    let stats = gateway.counted(count).await;
    assert_eq!((stats.total.requests, stats.total.errors.values().sum::<u64>()), (count, count));
    assert_eq!(provider.requests_left().await, 0);
    drop(client);
    soon(async {
        while gauges.connections() + gauges.requests() > 0 {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    })
    .await;
}
