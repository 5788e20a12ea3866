//! Ways around guardrails: encodings that hide a body, and JSON that says two things.

use std::io::Write as _;

use moorline_admin::ErrorKind;
use serde_json::json;

use super::caller::{CHAT, Wire, chat, finish, post};
use super::gateway::{Gateway, KEY, document};
use super::provider::Provider;

/// A gateway that stops what says `forbidden`.
fn guarded(provider: &Provider) -> Gateway {
    let mut document = document(provider);
    document["guardrails"] = json!({"g": {"on": "request", "words": ["forbidden"]}});
    document["routes"][0]["guardrails"] = json!(["g"]);
    Gateway::start(&document)
}

/// A body that a guardrail stops, as gzip (RFC 1952) and as deflate write it down without compressing it.
fn hidden(body: &[u8]) -> [Vec<u8>; 2] {
    let length = u16::try_from(body.len()).unwrap();
    let stored = [&[1][..], &length.to_le_bytes(), &(!length).to_le_bytes(), body].concat();
    let checksum = body.iter().fold(!0_u32, |sum, byte| {
        (0..8).fold(sum ^ u32::from(*byte), |sum, _| (sum >> 1) ^ (0xedb8_8320 & (sum & 1).wrapping_neg()))
    });
    let mut gzip = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff];
    gzip.write_all(&stored).unwrap();
    gzip.write_all(&(!checksum).to_le_bytes()).unwrap();
    gzip.write_all(&u32::from(length).to_le_bytes()).unwrap();
    [gzip, stored]
}

#[tokio::test]
async fn a_body_in_any_encoding_but_none_is_refused_and_never_passes_a_guardrail() {
    let provider = Provider::start().await;
    let gateway = guarded(&provider);
    let mut said = chat();
    said["messages"][0]["content"] = json!("so forbidden");
    let plain = said.to_string().into_bytes();
    let [gzip, deflate] = hidden(&plain);
    let mut count = 0;
    for body in [&plain, &gzip, &deflate] {
        for lines in [
            "content-encoding: gzip",
            "Content-Encoding: GZIP",
            "content-encoding: x-gzip",
            "content-encoding: deflate",
            "content-encoding: br",
            "content-encoding: zstd",
            "content-encoding: compress",
            "content-encoding: aws-chunked",
            "content-encoding: unheard-of",
            "content-encoding:",
            "content-encoding: identity, gzip",
            "content-encoding: gzip, identity",
            "content-encoding: gzip, gzip, gzip",
            "content-encoding: identity\r\ncontent-encoding: gzip",
            "content-encoding: gzip\r\ncontent-encoding: identity",
        ] {
            let head =
                format!("POST {CHAT} HTTP/1.1\r\nhost: g\r\nauthorization: Bearer {KEY}\r\n{lines}\r\n");
            let length = format!("content-length: {}\r\nconnection: close\r\n\r\n", body.len());
            let mut wire = Wire::open(gateway.address).await;
            wire.send(&[head.as_bytes(), length.as_bytes(), body].concat()).await;
            let answer = wire.read_to_end().await;
            assert!(
                answer.starts_with("HTTP/1.1 415 ") && answer.contains("unsupported_encoding"),
                "{lines}: {answer}"
            );
            count += 1;
        }
        // Without a word of it: what it is decides, not what it says.
        let reply = finish(post(&gateway, CHAT).body(body.clone())).await;
        let code = if *body == plain { "guardrail_blocked" } else { "invalid_json" };
        assert_eq!((reply.status, reply.error_code().as_str()), (400, code));
        count += 1;
    }
    let none = post(&gateway, CHAT).header("content-encoding", "identity").body(plain);
    assert_eq!(finish(none).await.error_code(), "guardrail_blocked");
    let stats = gateway.counted(count + 1).await;
    assert_eq!(stats.total.errors[&ErrorKind::BadRequest], count + 1);
    assert_eq!(provider.requests_left().await, 0);
}

#[tokio::test]
async fn a_field_that_is_said_twice_is_judged_twice() {
    let provider = Provider::start().await;
    let gateway = guarded(&provider);
    for (one, other) in [("so forbidden", "fine"), ("fine", "so forbidden")] {
        for body in [
            // Whichever of the two a provider takes, it was read.
            format!(
                r#"{{"model":"m","messages":[{{"role":"user","content":"{one}","content":"{other}"}}]}}"#
            ),
            format!(
                r#"{{"model":"m","messages":[{{"content":"{one}"}}],"messages":[{{"content":"{other}"}}]}}"#
            ),
            format!(
                r#"{{"model":"m","messages":[{{"content":"{one}"}}],"\u006dessages":[{{"content":"{other}"}}]}}"#
            ),
            format!(
                r#"{{"messages":[{{"content":"{one}"}}],"model":"m","Messages":[{{"content":"{other}"}}]}}"#
            ),
            format!(r#"{{"model":"m","messages":[{{"content":[{{"text":"{one}","text":"{other}"}}]}}]}}"#),
            format!(
                r#"{{"model":"m","messages":[],"tools":[{{"function":{{"description":"{one}","description":"{other}"}}}}]}}"#
            ),
        ] {
            let reply = finish(post(&gateway, CHAT).body(body.clone())).await;
            assert_eq!((reply.status, reply.error_code().as_str()), (400, "guardrail_blocked"), "{body}");
        }
        // What we decide by ourselves is not said twice at all.
        for field in ["model", "stream", "max_tokens", "max_completion_tokens", "n", "stream_options"] {
            let value = match field {
                "model" => "\"m\"",
                "stream" => "false",
                "stream_options" => "{}",
                _ => "1",
            };
            let body = format!(
                r#"{{"model":"m","{field}":{value},"{field}":{value},"messages":[{{"content":"{one}"}}]}}"#
            );
            let reply = finish(post(&gateway, CHAT).body(body.clone())).await;
            assert_eq!((reply.status, reply.error_code().as_str()), (400, "invalid_json"), "{body}");
        }
    }
    assert_eq!(provider.requests_left().await, 0);
}
