//! What need not change does not.

use serde_json::json;

use super::caller::{CHAT, ask, chat, client, finish, post};
use super::gateway::{Gateway, KEY, document};
use super::provider::{
    DONE, EVENT, Provider, Step, USAGE_EVENT, answer, chunk, last_chunk, stream, stream_head,
};

/// Odd, but JSON: a gateway that parses and prints would change every part of it.
const ODD_REQUEST: &str = "{ \"messages\" : [ ],\r\n\t\"model\":\"m\" , \"temperature\":1.0e0,\"b\":1,\"a\":\"\\u00e9\\/\",\"big\":12345678901234567890123 }\n";
const ODD_ANSWER: &str = "{\n \"z\" : 1.50, \"choices\":[ ], \"a\":\"\\u00e9\", \"usage\" : {\"prompt_tokens\":1, \"completion_tokens\":2}}\r\n";

#[tokio::test]
async fn a_json_exchange_keeps_every_byte_both_ways() {
    let provider = Provider::start().await;
    let kind = "application/json; charset=utf-8";
    provider.usually(answer(200, &[("content-type", kind), ("x-request-id", "up-1")], ODD_ANSWER.as_bytes()));
    let gateway = Gateway::start(&document(&provider));
    let reply = finish(post(&gateway, CHAT).body(ODD_REQUEST)).await;
    assert_eq!((reply.status, reply.text().as_str()), (200, ODD_ANSWER));
    assert_eq!(reply.header("content-type"), Some(kind));
    assert_eq!(reply.header("x-upstream-request-id"), Some("up-1"));
    assert_eq!(reply.header("x-moorline-generation"), Some("1"));
    let seen = provider.request().await;
    assert_eq!(String::from_utf8_lossy(&seen.body), ODD_REQUEST);
    assert!(seen.head.starts_with("POST /v1/chat/completions HTTP/1.1\r\n"), "{}", seen.head);
}

#[tokio::test]
async fn only_the_model_s_name_changes_when_it_differs_there() {
    let provider = Provider::start().await;
    let mut document = document(&provider);
    document["models"]["m"]["targets"][0]["model"] = json!("other-name");
    let gateway = Gateway::start(&document);
    finish(post(&gateway, CHAT).body(ODD_REQUEST)).await;
    let seen = provider.request().await;
    assert_eq!(String::from_utf8_lossy(&seen.body), ODD_REQUEST.replace("\"m\"", "\"other-name\""));
}

#[tokio::test]
async fn a_request_without_a_model_gets_the_route_s() {
    let provider = Provider::start().await;
    let mut document = document(&provider);
    document["routes"][0]["default_model"] = json!("m");
    let gateway = Gateway::start(&document);
    let reply = finish(post(&gateway, CHAT).body(r#"{"messages":[]}"#)).await;
    assert_eq!(reply.status, 200);
    assert_eq!(provider.request().await.body, br#"{"model":"m","messages":[]}"#);
}

#[tokio::test]
async fn a_stream_keeps_every_byte_when_the_caller_asked_for_usage_itself() {
    let provider = Provider::start().await;
    let odd: &[&[u8]] = &[
        b": ping\r\n\r\n",
        b"data: {\"choices\":[{\"delta\":{\"content\":\"\xc3",
        b"\xa9\"}}]}\r\r",
        EVENT,
        USAGE_EVENT,
        DONE,
    ];
    provider.usually(stream(odd));
    let gateway = Gateway::start(&document(&provider));
    let body = r#"{"model":"m","stream":true,"stream_options":{"include_usage":true},"messages":[]}"#;
    let reply = finish(post(&gateway, CHAT).body(body)).await;
    assert_eq!(reply.body, odd.concat());
    assert_eq!(reply.header("content-type"), Some("text/event-stream"));
    assert_eq!(reply.header("x-accel-buffering"), Some("no"));
    assert_eq!(provider.request().await.body, body.as_bytes());
}

#[tokio::test]
async fn the_usage_event_that_only_we_asked_for_does_not_reach_the_caller() {
    let provider = Provider::start().await;
    provider.usually(stream(&[EVENT, EVENT, USAGE_EVENT, DONE]));
    let gateway = Gateway::start(&document(&provider));
    let reply = finish(post(&gateway, CHAT).body(r#"{"model":"m","stream":true}"#)).await;
    assert_eq!(reply.body, [EVENT, EVENT, DONE].concat());
    let sent = provider.request().await;
    assert_eq!(sent.body, br#"{"stream_options":{"include_usage":true},"model":"m","stream":true}"#);
    let usage = gateway.counted(1).await.total;
    assert_eq!((usage.input_tokens, usage.output_tokens), (10, 20));
}

#[tokio::test]
async fn each_event_reaches_the_caller_before_the_next_is_sent() {
    let provider = Provider::start().await;
    let go = std::sync::Arc::new(tokio::sync::Notify::new());
    let mut steps = vec![stream_head()];
    for _ in 0..3 {
        steps.extend([chunk(EVENT), Step::Wait(go.clone())]);
    }
    steps.extend([chunk(DONE), last_chunk()]);
    provider.usually(steps);
    let gateway = Gateway::start(&document(&provider));
    let mut response = post(&gateway, CHAT).body(r#"{"model":"m","stream":true}"#).send().await.unwrap();
    for _ in 0..3 {
        let chunk = super::provider::soon(response.chunk()).await.unwrap().unwrap();
        assert_eq!(chunk, EVENT);
        go.notify_one();
    }
    assert_eq!(super::provider::soon(response.chunk()).await.unwrap().unwrap(), DONE);
}

#[tokio::test]
async fn a_large_answer_flows_through_and_is_counted() {
    let provider = Provider::start().await;
    let numbers = "0.1234567890,".repeat(200_000);
    let large = format!("{{\"data\":[{numbers}1],\"usage\":{{\"prompt_tokens\":7,\"total_tokens\":7}}}}");
    provider.usually(answer(200, &[("content-type", "application/json")], large.as_bytes()));
    let gateway = Gateway::start(&document(&provider));
    let reply = finish(post(&gateway, "/v1/embeddings").body(r#"{"model":"m","input":"x"}"#)).await;
    assert!(reply.text() == large && reply.complete);
    assert!(provider.request().await.head.starts_with("POST /v1/embeddings HTTP/1.1\r\n"));
    let usage = gateway.counted(1).await.total;
    assert_eq!((usage.input_tokens, usage.output_tokens), (7, 0));
}

#[tokio::test]
async fn a_large_request_arrives_whole() {
    let provider = Provider::start().await;
    let gateway = Gateway::start(&document(&provider));
    let body =
        json!({"model": "m", "messages": [{"role": "user", "content": "é".repeat(1_000_000)}]}).to_string();
    assert_eq!(finish(post(&gateway, CHAT).body(body.clone())).await.status, 200);
    assert!(provider.request().await.body == body.as_bytes());
}

#[tokio::test]
async fn a_caller_s_fault_comes_back_as_the_upstream_said_it_and_is_not_tried_again() {
    let provider = Provider::start().await;
    let body = br#"{"error":{"message":"context length","code":"context_length_exceeded"}}"#;
    provider.usually(answer(400, &[("content-type", "application/json")], body));
    let mut document = document(&provider);
    document["routes"][0]["retry"]["attempts"] = json!(3);
    document["models"]["m"]["targets"] =
        json!([{"provider": "p", "model": "m"}, {"provider": "p", "model": "second"}]);
    let gateway = Gateway::start(&document);
    let reply = ask(&gateway, &chat()).await;
    assert_eq!((reply.status, reply.body.as_slice()), (400, body.as_slice()));
    provider.request().await;
    assert_eq!(provider.requests_left().await, 0);
    let stats = gateway.counted(1).await;
    assert_eq!(stats.total.errors[&moorline_admin::ErrorKind::UpstreamRefused], 1);
    assert_eq!(stats.total.faults(), 0);
}

#[tokio::test]
async fn upstream_connections_are_reused() {
    let provider = Provider::start().await;
    let gateway = Gateway::start_with(&document(&provider), |config| config.workers = Some(1));
    for _ in 0..5 {
        assert_eq!(ask(&gateway, &chat()).await.status, 200);
        assert_eq!(provider.request().await.connection, 0);
    }
    provider.usually(stream(&[EVENT, DONE]));
    for _ in 0..3 {
        assert_eq!(ask(&gateway, &super::caller::chat_stream()).await.status, 200);
        assert_eq!(
            provider.request().await.connection,
            0,
            "a stream that ended well gives its connection back"
        );
    }
}

#[tokio::test]
async fn models_are_listed_as_the_caller_may_use_them() {
    let provider = Provider::start().await;
    let mut document = document(&provider);
    document["models"]["hidden"] = document["models"]["m"].clone();
    document["keys"][0]["models"] = json!(["m"]);
    let gateway = Gateway::start(&document);
    let reply = finish(client().get(gateway.url("/v1/models")).bearer_auth(KEY)).await;
    let expected = json!({"object": "list", "data": [{"id": "m", "object": "model", "created": 0, "owned_by": "moorline"}]});
    assert_eq!((reply.status, reply.json()), (200, expected));
}
