//! Callers and providers that speak different protocols, and each caller's own errors.

use serde_json::{Value, json};

use super::caller::{Reply, chat, client, finish};
use super::gateway::{Gateway, KEY, document};
use super::provider::{Provider, answer, chunk, last_chunk, stream_head};

/// A document whose provider is of this kind.
fn speaking(kind: &str, provider: &Provider) -> Value {
    let mut document = document(provider);
    document["providers"]["p"]["kind"] = json!(kind);
    document["models"]["m"]["targets"][0]["model"] = json!("there");
    document
}

async fn ask(gateway: &Gateway, path: &str, body: &Value) -> Reply {
    let request =
        client().post(gateway.url(path)).header("x-api-key", KEY).header("content-type", "application/json");
    finish(request.body(body.to_string())).await
}

fn messages() -> Value {
    json!({"model": "m", "max_tokens": 50, "messages": [{"role": "user", "content": "ping"}]})
}

const MESSAGE: &str = r#"{"id":"msg_1","type":"message","role":"assistant","model":"there","content":[{"type":"text","text":"pong"}],"stop_reason":"end_turn","stop_sequence":null,"usage":{"input_tokens":5,"cache_read_input_tokens":3,"output_tokens":2}}"#;

#[tokio::test]
async fn an_openai_caller_is_answered_by_anthropic() {
    let provider = Provider::start().await;
    provider.usually(answer(
        200,
        &[("content-type", "application/json"), ("request-id", "req_up")],
        MESSAGE.as_bytes(),
    ));
    let gateway = Gateway::start(&speaking("anthropic", &provider));
    let mut asked = chat();
    asked["seed"] = json!(7);
    let reply = ask(&gateway, "/v1/chat/completions", &asked).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    let said = reply.json();
    assert_eq!(said["choices"][0]["message"]["content"], "pong");
    assert_eq!(said["choices"][0]["finish_reason"], "stop");
    assert_eq!((said["model"].as_str(), said["usage"]["prompt_tokens"].as_u64()), (Some("m"), Some(8)));
    assert_eq!(reply.header("x-upstream-request-id"), Some("req_up"));
    assert_eq!(reply.header("x-moorline-dropped"), Some("seed"));
    let seen = provider.request().await;
    assert!(seen.head.starts_with("POST /v1/messages HTTP/1.1"), "{}", seen.head);
    assert_eq!(seen.header("anthropic-version"), Some("2023-06-01"));
    assert_eq!(seen.header("x-api-key"), Some(super::gateway::UPSTREAM_KEY));
    assert_eq!(seen.header("authorization"), None);
    assert_eq!(
        (seen.json()["model"].as_str(), seen.json()["max_tokens"].as_u64()),
        (Some("there"), Some(4096))
    );
    let stats = gateway.counted(1).await;
    assert_eq!((stats.total.input_tokens, stats.total.output_tokens), (8, 2));
}

#[tokio::test]
async fn an_anthropic_caller_passes_through_to_anthropic_byte_for_byte() {
    let provider = Provider::start().await;
    provider.usually(answer(200, &[("content-type", "application/json")], MESSAGE.as_bytes()));
    let gateway = Gateway::start(&speaking("anthropic", &provider));
    let body = messages().to_string();
    let request = client().post(gateway.url("/v1/messages")).header("x-api-key", KEY);
    let request = request.header("anthropic-version", "2023-01-01").header("anthropic-beta", "x-2026");
    let reply = finish(request.body(body.clone())).await;
    assert_eq!((reply.status, reply.text().as_str()), (200, MESSAGE));
    assert!(reply.header("request-id").is_some());
    let seen = provider.request().await;
    assert_eq!(String::from_utf8_lossy(&seen.body), body.replace("\"m\"", "\"there\""));
    assert_eq!(seen.header("anthropic-version"), Some("2023-01-01"));
    assert_eq!(seen.header("anthropic-beta"), Some("x-2026"));
    let stats = gateway.counted(1).await;
    assert_eq!((stats.total.input_tokens, stats.total.output_tokens), (8, 2));
}

const MESSAGE_EVENTS: [&str; 6] = [
    "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"msg_1\",\"type\":\"message\",\"role\":\"assistant\",\"model\":\"there\",\"content\":[],\"stop_reason\":null,\"stop_sequence\":null,\"usage\":{\"input_tokens\":5,\"output_tokens\":1}}}\n\n",
    "event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"text\",\"text\":\"\"}}\n\n",
    "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"pong\"}}\n\n",
    "event: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":0}\n\n",
    "event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\",\"stop_sequence\":null},\"usage\":{\"output_tokens\":2}}\n\n",
    "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n",
];

fn events(events: &[&str]) -> Vec<super::provider::Step> {
    let mut steps = vec![stream_head()];
    steps.extend(events.iter().map(|event| chunk(event.as_bytes())));
    steps.push(last_chunk());
    steps
}

fn streaming(mut body: Value) -> Value {
    body["stream"] = json!(true);
    body
}

#[tokio::test]
async fn streams_end_in_the_caller_s_protocol_and_only_when_the_provider_s_did() {
    let provider = Provider::start().await;
    let gateway = Gateway::start(&speaking("anthropic", &provider));
    for (path, body, end, error) in [
        ("/v1/messages", messages(), "event: message_stop", "event: error"),
        ("/v1/chat/completions", chat(), "data: [DONE]", "data: {\"error\""),
    ] {
        provider.usually(events(&MESSAGE_EVENTS));
        let whole = ask(&gateway, path, &streaming(body.clone())).await;
        assert_eq!(whole.header("content-type"), Some("text/event-stream"), "{path}");
        let headers = (whole.header("x-accel-buffering"), whole.header("content-encoding"));
        assert_eq!(headers, (Some("no"), None), "{path}: nothing in between gathers it");
        assert!(whole.text().contains("pong") && whole.text().contains(end), "{path}: {}", whole.text());
        assert!(!whole.text().contains(error), "{path}: {}", whole.text());
        provider.usually(events(&MESSAGE_EVENTS[..4]));
        let broken = ask(&gateway, path, &streaming(body)).await;
        assert!(broken.text().contains("pong") && broken.text().contains(error), "{path}: {}", broken.text());
        assert!(!broken.text().contains(end), "{path}: {}", broken.text());
    }
    let stats = gateway.counted(4).await;
    assert_eq!(
        stats.total.output_tokens,
        2 + 1 + 2 + 1,
        "what was said, and what was estimated of the broken ones"
    );
}

#[tokio::test]
async fn a_fault_in_place_of_an_answer_lets_another_target_try() {
    let (overloaded, good) = (Provider::start().await, Provider::start().await);
    let fault = "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"Overloaded\"}}\n\n";
    overloaded.usually(events(&[MESSAGE_EVENTS[0], "event: ping\ndata: {\"type\":\"ping\"}\n\n", fault]));
    good.usually(events(&MESSAGE_EVENTS));
    let mut document = speaking("anthropic", &overloaded);
    document["providers"]["good"] = json!({"kind": "anthropic", "base_url": good.base_url()});
    let targets = document["models"]["m"]["targets"].as_array_mut().unwrap();
    targets.push(json!({"provider": "good", "model": "there"}));
    let gateway = Gateway::start(&document);
    for (path, body) in [("/v1/messages", messages()), ("/v1/chat/completions", chat())] {
        let reply = ask(&gateway, path, &streaming(body)).await;
        assert!(reply.text().contains("pong") && !reply.text().contains("verloaded"), "{}", reply.text());
    }
}

#[tokio::test]
async fn refusals_are_in_the_words_the_caller_knows() {
    let provider = Provider::start().await;
    let gateway = Gateway::start(&speaking("openai", &provider));
    let refused = |path: &'static str, key: &'static str, body: Value| {
        let request = client().post(gateway.url(path)).header("x-api-key", key);
        finish(request.body(body.to_string()))
    };
    let mut other = messages();
    other["model"] = json!("no-such");
    for (key, body, status, kind) in [
        ("nobody", messages(), 401, "authentication_error"),
        (KEY, other, 404, "not_found_error"),
        (KEY, json!([]), 400, "invalid_request_error"),
    ] {
        let reply = refused("/v1/messages", key, body).await;
        let said = reply.json();
        assert_eq!((reply.status, said["type"].as_str()), (status, Some("error")), "{said}");
        assert_eq!(said["error"]["type"], kind, "{said}");
        assert_eq!(said["request_id"].as_str(), reply.header("request-id"), "{said}");
    }
    let reply = refused("/v1/messages/count_tokens", KEY, messages()).await;
    assert_eq!((reply.status, reply.json()["error"]["type"].as_str()), (400, Some("invalid_request_error")));
    assert!(reply.text().contains("count_tokens"), "{}", reply.text());
    // A provider's own refusal is said again too.
    provider.usually(answer(400, &[("content-type", "application/json")], br#"{"error":{"message":"too hot","type":"invalid_request_error","param":"temperature","code":null}}"#));
    let reply = refused("/v1/messages", KEY, messages()).await;
    assert_eq!((reply.status, reply.json()["error"]["message"].as_str()), (400, Some("too hot")));
}

#[tokio::test]
async fn responses_pass_through_where_they_are_known() {
    let provider = Provider::start().await;
    let gateway = Gateway::start(&speaking("openai", &provider));
    let body = json!({"model": "m", "input": "ping", "stream": true});
    let good = [
        "event: response.created\ndata: {\"type\":\"response.created\",\"response\":{\"id\":\"r\"}}\n\n",
        "event: response.output_text.delta\ndata: {\"type\":\"response.output_text.delta\",\"delta\":\"pong\"}\n\n",
        "event: response.completed\ndata: {\"type\":\"response.completed\",\"response\":{\"id\":\"r\",\"usage\":{\"input_tokens\":4,\"output_tokens\":6}}}\n\n",
    ];
    provider.usually(events(&good));
    let reply = ask(&gateway, "/v1/responses", &body).await;
    assert_eq!(reply.text(), good.concat());
    let seen = provider.request().await;
    assert!(seen.head.starts_with("POST /v1/responses "), "{}", seen.head);
    assert_eq!(seen.json().get("stream_options"), None, "Responses knows no such field");
    let stats = gateway.counted(1).await;
    assert_eq!((stats.total.input_tokens, stats.total.output_tokens), (4, 6));
    provider.usually(events(&good[..2]));
    let broken = ask(&gateway, "/v1/responses", &body).await;
    assert!(broken.text().starts_with(&good[..2].concat()) && broken.text().len() > good[..2].concat().len());
    assert_eq!(gateway.counted(2).await.total.errors.len(), 1);
}

#[tokio::test]
async fn models_are_listed_in_either_shape() {
    let provider = Provider::start().await;
    let gateway = Gateway::start(&document(&provider));
    let get = |path: &'static str, version: bool| {
        let request = client().get(gateway.url(path)).bearer_auth(KEY);
        finish(if version { request.header("anthropic-version", "2023-06-01") } else { request })
    };
    assert_eq!(get("/v1/models", false).await.json()["data"][0]["object"], "model");
    let list = get("/v1/models", true).await.json();
    assert_eq!((list["data"][0]["type"].as_str(), list["last_id"].as_str()), (Some("model"), Some("m")));
    assert_eq!(get("/v1/models/m", false).await.json()["id"], "m");
    let none = get("/v1/models/x", true).await;
    assert_eq!((none.status, none.json()["error"]["type"].as_str()), (404, Some("not_found_error")));
}
