//! Every endpoint goes through the same stack.

use serde_json::{Value, json};

use super::caller::{client, finish, post};
use super::gateway::{Gateway, document};
use super::provider::{Provider, answer};

const ENDPOINTS: [&str; 7] = [
    "/v1/chat/completions",
    "/v1/completions",
    "/v1/embeddings",
    "/v1/rerank",
    "/v1/images/generations",
    "/v1/audio/speech",
    "/v1/moderations",
];

#[tokio::test]
async fn every_endpoint_has_keys_limits_generations_and_accounts() {
    let provider = Provider::start().await;
    let mut document = document(&provider);
    document["routes"][0]["limits"] = json!([{"requests": 1000, "window": "1h"}]);
    let gateway = Gateway::start(&document);
    let body = json!({"model": "m", "input": "x", "prompt": "x"}).to_string();
    for (count, path) in (1..).zip(ENDPOINTS) {
        let reply = finish(post(&gateway, path).body(body.clone())).await;
        assert_eq!(reply.status, 200, "{path}: {}", reply.text());
        assert_eq!(reply.header("x-moorline-generation"), Some("1"), "{path}");
        assert!(reply.header("x-ratelimit-remaining-requests").is_some(), "{path}");
        let seen = provider.request().await;
        assert!(seen.head.starts_with(&format!("POST {path} ")), "{path}: {}", seen.head);
        gateway.counted(2 * count - 1).await;
        let refused =
            finish(client().post(gateway.url(path)).bearer_auth("vk-nobody").body(body.clone())).await;
        assert_eq!(refused.status, 401, "{path}");
    }
}

#[tokio::test]
async fn sound_passes_as_it_comes_and_keeps_its_type() {
    let provider = Provider::start().await;
    let sound: Vec<u8> = (0..200_000_u32).map(|byte| (byte % 251) as u8).collect();
    provider.usually(answer(200, &[("content-type", "audio/mpeg")], &sound));
    let gateway = Gateway::start(&document(&provider));
    let body = json!({"model": "m", "input": "hello", "voice": "alloy"}).to_string();
    let reply = finish(post(&gateway, "/v1/audio/speech").body(body)).await;
    assert_eq!(reply.header("content-type"), Some("audio/mpeg"));
    assert!(reply.complete && reply.body == sound);
}

#[tokio::test]
async fn what_a_provider_cannot_do_is_refused_and_nothing_is_sent() {
    let provider = Provider::start().await;
    let mut document = document(&provider);
    document["providers"]["p"]["kind"] = json!("openai");
    let gateway = Gateway::start(&document);
    let reply = finish(post(&gateway, "/v1/rerank").body(json!({"model": "m"}).to_string())).await;
    assert_eq!((reply.status, reply.error_code().as_str()), (400, "unsupported_endpoint"));
    assert!(reply.text().contains("/v1/rerank"), "{}", reply.text());
    let reply = finish(post(&gateway, "/v1/embeddings").body(json!({"model": "m"}).to_string())).await;
    assert_eq!(reply.status, 200);
    assert!(provider.request().await.head.starts_with("POST /v1/embeddings "));
}

#[tokio::test]
async fn a_target_that_can_is_asked_after_one_that_cannot() {
    let provider = Provider::start().await;
    let mut document = document(&provider);
    document["providers"]["cannot"] = document["providers"]["p"].clone();
    document["providers"]["cannot"]["kind"] = json!("openai");
    let targets = document["models"]["m"]["targets"].as_array_mut().unwrap();
    targets.insert(0, json!({"provider": "cannot", "model": "m"}));
    let gateway = Gateway::start(&document);
    let reply = finish(post(&gateway, "/v1/rerank").body(json!({"model": "m"}).to_string())).await;
    assert_eq!(reply.status, 200);
}

/// What an Azure provider of this document is asked.
async fn azure_request(version: Option<&str>, path: &str) -> (String, Option<String>, Value) {
    let provider = Provider::start().await;
    let mut document = document(&provider);
    let base = provider.base_url();
    document["providers"]["p"] =
        json!({"kind": "azure_openai", "base_url": base.trim_end_matches("/v1"), "api_key": "env:K"});
    if let Some(version) = version {
        document["providers"]["p"]["api_version"] = json!(version);
    }
    document["models"]["m"]["targets"][0]["model"] = json!("my deployment".replace(' ', "-"));
    let gateway = Gateway::start(&document);
    let reply = finish(post(&gateway, path).body(json!({"model": "m", "input": "x"}).to_string())).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    let seen = provider.request().await;
    assert_eq!(seen.header("authorization"), None);
    let line = seen.head.lines().next().unwrap().to_owned();
    (line, seen.header("api-key").map(str::to_owned), seen.json())
}

#[tokio::test]
async fn azure_is_asked_by_deployment_or_by_version_one() {
    let (line, key, _) = azure_request(Some("2024-10-21"), "/v1/chat/completions").await;
    assert_eq!(
        line,
        "POST /openai/deployments/my-deployment/chat/completions?api-version=2024-10-21 HTTP/1.1"
    );
    assert_eq!(key.as_deref(), Some(super::gateway::UPSTREAM_KEY));
    let (line, key, body) = azure_request(None, "/v1/embeddings").await;
    assert_eq!(line, "POST /openai/v1/embeddings HTTP/1.1");
    assert_eq!(key.as_deref(), Some(super::gateway::UPSTREAM_KEY));
    assert_eq!(body["model"], "my-deployment");
}

/// A transcription's form.
fn form(model: &str) -> String {
    format!(
        "--B\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\n{model}\r\n--B\r\nContent-Disposition: form-data; \
         name=\"file\"; filename=\"a.wav\"\r\nContent-Type: audio/wav\r\n\r\nRIFF\0\u{1}sound\r\n--B--\r\n"
    )
}

async fn transcribe(gateway: &Gateway, content_type: &str, body: String) -> super::caller::Reply {
    let request = client().post(gateway.url("/v1/audio/transcriptions")).bearer_auth(super::gateway::KEY);
    finish(request.header("content-type", content_type).body(body)).await
}

#[tokio::test]
async fn a_form_passes_with_the_model_s_other_name_and_every_other_byte_as_it_was() {
    let provider = Provider::start().await;
    let text = br#"{"text":"hello","usage":{"type":"tokens","input_tokens":7,"output_tokens":2}}"#;
    provider.usually(answer(200, &[("content-type", "application/json")], text));
    let mut document = document(&provider);
    document["models"]["m"]["targets"][0]["model"] = json!("whisper-there");
    let gateway = Gateway::start(&document);
    let kind = "multipart/form-data; boundary=B";
    let reply = transcribe(&gateway, kind, form("m")).await;
    assert_eq!((reply.status, reply.body.as_slice()), (200, text.as_slice()));
    let seen = provider.request().await;
    assert_eq!(String::from_utf8_lossy(&seen.body), form("whisper-there"));
    assert_eq!(seen.header("content-type"), Some(kind));
}

#[tokio::test]
async fn a_form_that_could_be_read_in_two_ways_is_refused() {
    let provider = Provider::start().await;
    let gateway = Gateway::start(&document(&provider));
    let twice =
        form("m").replace("--B--", "--B\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\nx\r\n--B--");
    for (kind, body) in [
        ("multipart/form-data; boundary=B", twice),
        ("multipart/form-data; boundary=C", form("m")),
        ("application/json", form("m")),
        ("multipart/form-data; boundary=B", form("m").replace("--B--\r\n", "")),
    ] {
        let reply = transcribe(&gateway, kind, body).await;
        assert_eq!((reply.status, reply.error_code().as_str()), (400, "invalid_form"), "{kind}");
    }
    assert_eq!(provider.requests_left().await, 0);
}

#[tokio::test]
async fn a_transcription_s_stream_whose_lines_end_in_both_ways_is_counted() {
    let provider = Provider::start().await;
    let delta = b"event: transcript.text.delta\r\ndata: {\"type\":\"transcript.text.delta\",\"delta\":\"hello\"}\r\n\r\n";
    let done = b"event: transcript.text.done\r\ndata: {\"type\":\"transcript.text.done\",\"text\":\"hello\",\"usage\":{\"type\":\"tokens\",\"input_tokens\":14,\"output_tokens\":45,\"total_tokens\":59}}\r\n\r\n";
    provider.usually(super::provider::stream(&[&delta[..40], &delta[40..], done]));
    let gateway = Gateway::start(&document(&provider));
    let kind = "multipart/form-data; boundary=B";
    let streamed = form("m")
        .replace("--B--", "--B\r\nContent-Disposition: form-data; name=\"stream\"\r\n\r\ntrue\r\n--B--");
    let reply = transcribe(&gateway, kind, streamed).await;
    assert_eq!((reply.status, reply.body), (200, [&delta[..], done].concat()));
    let total = gateway.counted(1).await.total;
    assert_eq!((total.input_tokens, total.output_tokens), (14, 45));
}
