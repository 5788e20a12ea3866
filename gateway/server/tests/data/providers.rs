//! Providers with protocols of their own: where they are asked, with which proof, and how callers are answered.

use aws_smithy_eventstream::frame::write_message_to;
use aws_smithy_types::event_stream::{Header, HeaderValue, Message};
use hmac::{Hmac, Mac as _};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::caller::{Reply, chat, chat_stream, client, finish};
use super::gateway::{Gateway, KEY, UPSTREAM_KEY, document};
use super::provider::{Provider, Seen, Step, answer};

/// A document whose provider is this, and whose model is so named there.
fn at(provider: &Provider, declared: Value, model: &str) -> Value {
    let mut document = document(provider);
    document["providers"]["p"] = declared;
    document["providers"]["p"]["base_url"] = json!(format!("http://{}", provider.address));
    document["models"]["m"]["targets"][0]["model"] = json!(model);
    document
}

async fn ask(gateway: &Gateway, path: &str, body: &Value) -> Reply {
    let request =
        client().post(gateway.url(path)).bearer_auth(KEY).header("content-type", "application/json");
    finish(request.body(body.to_string())).await
}

fn bedrock() -> Value {
    json!({
        "kind": "bedrock", "region": "eu-central-1",
        "aws": {"access_key_id": "env:ID", "secret_access_key": "env:KEY", "session_token": "env:TOKEN"},
    })
}

const CLAUDE: &str = "eu.anthropic.claude-sonnet-4-5-20250929-v1:0";

fn keyed(key: &[u8], text: &str) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).unwrap();
    mac.update(text.as_bytes());
    mac.finalize().into_bytes().to_vec()
}

/// The signature that AWS expects of a request, worked out by hand from its documentation
/// (docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html).
fn expected_signature(seen: &Seen, signed: &[&str], secret: &str) -> String {
    let line = seen.head.lines().next().unwrap();
    let path = line.split(' ').nth(1).unwrap();
    // Every service but S3 encodes the path, encoded as it is, once more.
    let canonical_path = path.replace('%', "%25");
    let headers: String =
        signed.iter().map(|name| format!("{name}:{}\n", seen.header(name).unwrap())).collect();
    let body = hex::encode(Sha256::digest(&seen.body));
    let canonical = format!("POST\n{canonical_path}\n\n{headers}\n{}\n{body}", signed.join(";"));
    let at = seen.header("x-amz-date").unwrap();
    let day = &at[..8];
    let scope = format!("{day}/eu-central-1/bedrock/aws4_request");
    let text = format!("AWS4-HMAC-SHA256\n{at}\n{scope}\n{}", hex::encode(Sha256::digest(&canonical)));
    let key = [day, "eu-central-1", "bedrock", "aws4_request"]
        .iter()
        .fold(format!("AWS4{secret}").into_bytes(), |key, part| keyed(&key, part));
    hex::encode(keyed(&key, &text))
}

#[tokio::test]
async fn bedrock_is_asked_by_converse_with_a_signature_over_the_final_bytes() {
    let provider = Provider::start().await;
    let said = json!({
        "output": {"message": {"role": "assistant", "content": [{"text": "pong"}]}}, "stopReason": "end_turn",
        "usage": {"inputTokens": 3, "outputTokens": 2, "cacheReadInputTokens": 4, "totalTokens": 9},
    });
    provider.usually(answer(200, &[("content-type", "application/json")], said.to_string().as_bytes()));
    let gateway = Gateway::start(&at(&provider, bedrock(), CLAUDE));
    let reply = ask(&gateway, "/v1/chat/completions", &chat()).await;
    assert_eq!(reply.json()["choices"][0]["message"]["content"], "pong", "{}", reply.text());
    let seen = provider.request().await;
    let path = "/model/eu.anthropic.claude-sonnet-4-5-20250929-v1%3A0/converse";
    assert!(seen.head.starts_with(&format!("POST {path} ")), "{}", seen.head);
    assert_eq!(seen.header("x-amz-security-token"), Some(UPSTREAM_KEY), "the session's token");
    let proof = seen.header("authorization").unwrap();
    let (_, signed) = proof.split_once("SignedHeaders=").unwrap();
    let (signed, signature) = signed.split_once(", Signature=").unwrap();
    let signed: Vec<&str> = signed.split(';').collect();
    assert!(signed.contains(&"host") && signed.contains(&"x-amz-date"), "{signed:?}");
    assert_eq!(signature, expected_signature(&seen, &signed, UPSTREAM_KEY), "{}", seen.head);
    let stats = gateway.counted(1).await;
    assert_eq!((stats.total.input_tokens, stats.total.output_tokens), (7, 2));
}

/// One frame of a stream of Bedrock's.
fn frame(kind: &str, name: &str, payload: &Value) -> Vec<u8> {
    let text = |text: &str| HeaderValue::String(text.to_owned().into());
    let name_of = if kind == "exception" { ":exception-type" } else { ":event-type" };
    let message = Message::new(payload.to_string())
        .add_header(Header::new(":message-type", text(kind)))
        .add_header(Header::new(name_of, text(name)))
        .add_header(Header::new(":content-type", text("application/json")));
    let mut bytes = Vec::new();
    write_message_to(&message, &mut bytes).unwrap();
    bytes
}

fn frames(frames: &[Vec<u8>]) -> Vec<Step> {
    answer(200, &[("content-type", "application/vnd.amazon.eventstream")], &frames.concat())
}

#[tokio::test]
async fn bedrock_s_frames_become_the_caller_s_events() {
    let provider = Provider::start().await;
    let gateway = Gateway::start(&at(&provider, bedrock(), CLAUDE));
    let start = frame("event", "messageStart", &json!({"role": "assistant"}));
    let delta =
        frame("event", "contentBlockDelta", &json!({"contentBlockIndex": 0, "delta": {"text": "pong"}}));
    let stop = frame("event", "contentBlockStop", &json!({"contentBlockIndex": 0}));
    let end = frame("event", "messageStop", &json!({"stopReason": "end_turn"}));
    let usage = frame(
        "event",
        "metadata",
        &json!({"usage": {"inputTokens": 3, "outputTokens": 2, "totalTokens": 5}}),
    );
    provider.usually(frames(&[start.clone(), delta.clone(), stop.clone(), end, usage]));
    let reply = ask(&gateway, "/v1/chat/completions", &chat_stream()).await;
    assert_eq!(reply.header("content-type"), Some("text/event-stream"));
    assert!(reply.text().contains("pong") && reply.text().ends_with("data: [DONE]\n\n"), "{}", reply.text());
    assert!(provider.request().await.head.contains("/converse-stream "));

    let fault = frame("exception", "throttlingException", &json!({"message": "too fast"}));
    provider.usually(frames(&[start.clone(), delta.clone(), fault.clone()]));
    let reply = ask(&gateway, "/v1/chat/completions", &chat_stream()).await;
    assert!(reply.text().contains("\"error\"") && !reply.text().contains("[DONE]"), "{}", reply.text());

    provider.usually(frames(&[start.clone(), fault]));
    assert_ne!(
        ask(&gateway, "/v1/chat/completions", &chat_stream()).await.status,
        200,
        "nothing was said yet"
    );

    let mut broken = delta;
    let last = broken.len() - 1;
    broken[last] ^= 1;
    provider.usually(frames(&[start, broken, stop]));
    let reply = ask(&gateway, "/v1/chat/completions", &chat_stream()).await;
    assert!(!reply.text().contains("pong"), "a frame whose sum is wrong says nothing: {}", reply.text());
}

#[tokio::test]
async fn gemini_is_asked_by_its_own_paths_with_its_own_key() {
    let provider = Provider::start().await;
    let said = json!({
        "candidates": [{"content": {"role": "model", "parts": [{"text": "pong"}]}, "finishReason": "STOP"}],
        "usageMetadata": {"promptTokenCount": 3, "candidatesTokenCount": 2, "thoughtsTokenCount": 4},
    });
    let declared = json!({"kind": "gemini", "api_key": "env:K"});
    let gateway = Gateway::start(&at(&provider, declared, "gemini-2.5-flash"));
    provider.usually(answer(200, &[("content-type", "application/json")], said.to_string().as_bytes()));
    let reply = ask(&gateway, "/v1/chat/completions", &chat()).await;
    assert_eq!(reply.json()["choices"][0]["message"]["content"], "pong", "{}", reply.text());
    let seen = provider.request().await;
    assert!(seen.head.starts_with("POST /models/gemini-2.5-flash:generateContent "), "{}", seen.head);
    assert_eq!((seen.header("x-goog-api-key"), seen.header("authorization")), (Some(UPSTREAM_KEY), None));
    assert_eq!(gateway.counted(1).await.total.output_tokens, 6, "thoughts are paid for");
    let event = format!("data: {said}\r\n\r\n");
    provider.usually(answer(200, &[("content-type", "text/event-stream")], event.as_bytes()));
    let reply = ask(&gateway, "/v1/chat/completions", &chat_stream()).await;
    assert!(reply.text().ends_with("data: [DONE]\n\n"), "{}", reply.text());
    assert!(provider.request().await.head.contains(":streamGenerateContent?alt=sse "));
    provider.usually(answer(200, &[("content-type", "application/json")], br#"{"totalTokens":31}"#));
    let asked = json!({"model": "m", "messages": [{"role": "user", "content": "ping"}]});
    let reply = ask(&gateway, "/v1/messages/count_tokens", &asked).await;
    assert_eq!(reply.json(), json!({"input_tokens": 31}));
    let embedded = json!({"embeddings": [{"values": [0.5, 1.0]}]});
    provider.usually(answer(200, &[("content-type", "application/json")], embedded.to_string().as_bytes()));
    let reply = ask(&gateway, "/v1/embeddings", &json!({"model": "m", "input": "x"})).await;
    assert_eq!(reply.json()["data"][0]["embedding"], json!([0.5, 1.0]), "{}", reply.text());
}

#[tokio::test]
async fn cohere_chats_and_ranks() {
    let provider = Provider::start().await;
    let said = json!({
        "id": "c", "finish_reason": "COMPLETE", "message": {"role": "assistant", "content": [{"type": "text", "text": "pong"}]},
        "usage": {"tokens": {"input_tokens": 3, "output_tokens": 2}},
    });
    provider.usually(answer(200, &[("content-type", "application/json")], said.to_string().as_bytes()));
    let gateway =
        Gateway::start(&at(&provider, json!({"kind": "cohere", "api_key": "env:K"}), "command-a-03-2025"));
    let asked = json!({"model": "m", "max_tokens": 5, "messages": [{"role": "user", "content": "ping"}]});
    let reply = ask(&gateway, "/v1/messages", &asked).await;
    assert_eq!(reply.json()["content"][0]["text"], "pong", "{}", reply.text());
    assert!(provider.request().await.head.starts_with("POST /v2/chat "));
    let ranked = json!({"id": "r", "results": [{"index": 1, "relevance_score": 0.9}], "meta": {}});
    provider.usually(answer(200, &[("content-type", "application/json")], ranked.to_string().as_bytes()));
    let reply =
        ask(&gateway, "/v1/rerank", &json!({"model": "m", "query": "q", "documents": ["a", "b"]})).await;
    assert_eq!(reply.json()["results"][0]["index"], 1, "{}", reply.text());
    assert!(provider.request().await.head.starts_with("POST /v2/rerank "));
}
