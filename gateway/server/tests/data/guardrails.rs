//! What may not be asked and what may not be answered, over sockets.

use moorline_admin::ErrorKind;
use serde_json::{Value, json};

use super::caller::{CHAT, Wire, ask, chat, chat_stream, finish, post};
use super::gateway::{Gateway, document};
use super::provider::{DONE, Provider, Step, USAGE_EVENT, chunk, json_answer, stream, stream_head};

fn guarded(provider: &Provider, rule: &Value) -> Gateway {
    let mut document = document(provider);
    document["guardrails"] = json!({"g": rule});
    document["routes"][0]["guardrails"] = json!(["g"]);
    Gateway::start(&document)
}

fn event(text: &str) -> Vec<u8> {
    format!("data: {}\n\n", json!({"choices": [{"index": 0, "delta": {"content": text}}]})).into_bytes()
}

#[tokio::test]
async fn a_request_that_a_guardrail_stops_never_leaves_and_says_which() {
    let provider = Provider::start().await;
    let gateway = guarded(&provider, &json!({"on": "request", "words": ["forbidden"]}));
    for content in ["so forbidden", "so \u{ff46}orbidden"] {
        let mut body = chat();
        body["messages"][0]["content"] = json!(content);
        let reply = ask(&gateway, &body).await;
        assert_eq!((reply.status, reply.error_code().as_str()), (400, "guardrail_blocked"));
        assert!(
            reply.text().contains("guardrail g") && !reply.text().contains("orbidden"),
            "{}",
            reply.text()
        );
    }
    for raw in [
        r#"{"model":"m","messages":[{"role":"user","content":"\u0066orbidden"}]}"#,
        r#"{"model":"m","messages":[{"role":"user","content":"forbidden","content":"fine"}]}"#,
        r#"{"model":"m","messages":[],"tools":[{"function":{"arguments":"{\"a\":\"\\u0066orbidden\"}"}}]}"#,
    ] {
        assert_eq!(finish(post(&gateway, CHAT).body(raw)).await.error_code(), "guardrail_blocked", "{raw}");
    }
    let zipped = post(&gateway, CHAT).header("content-encoding", "gzip").body(chat().to_string());
    assert_eq!(finish(zipped).await.status, 415, "what cannot be read is refused");
    assert_eq!(provider.requests_left().await, 0);
    assert_eq!(ask(&gateway, &chat()).await.status, 200);
    let stats = gateway.counted(7).await;
    assert_eq!(stats.total.errors[&ErrorKind::BadRequest], 6);
}

#[tokio::test]
async fn every_size_of_body_gets_a_verdict_whole_and_in_chunks() {
    let provider = Provider::start().await;
    let mut document = document(&provider);
    document["guardrails"] = json!({"g": {"on": "request", "words": ["forbidden"]}});
    document["routes"][0]["guardrails"] = json!(["g"]);
    let gateway = Gateway::start_with(&document, |config| config.body_bytes_max = 400_000);
    for size in [0, 1, 1_000, 65_536, 399_900, 500_000] {
        for (word, status) in [("forbidden", 400), ("allowed", 200)] {
            let status = if size > 400_000 { 413 } else { status };
            let body =
                json!({"model": "m", "messages": [{"content": format!("{} {word}", "x".repeat(size))}]});
            assert_eq!(ask(&gateway, &body).await.status, status, "{size} {word}");
            // One that is refused while it is sent may never read why.
            if status == 413 {
                continue;
            }
            let mut wire = Wire::open(gateway.address).await;
            let body = body.to_string();
            let head = format!(
                "POST {CHAT} HTTP/1.1\r\nhost: g\r\nauthorization: Bearer {}\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n",
                super::gateway::KEY
            );
            wire.send(head.as_bytes()).await;
            for piece in body.as_bytes().chunks(100_000) {
                wire.send(&[format!("{:x}\r\n", piece.len()).as_bytes(), piece, b"\r\n"].concat()).await;
            }
            wire.send(b"0\r\n\r\n").await;
            let answer = wire.read_to_end().await;
            assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{size} {word} in chunks");
        }
    }
    for body in ["", "x"] {
        assert_eq!(finish(post(&gateway, CHAT).body(body)).await.status, 400);
    }
}

#[tokio::test]
async fn a_whole_answer_that_is_stopped_is_paid_for_and_not_seen() {
    let provider = Provider::start().await;
    let gateway = guarded(&provider, &json!({"on": "response", "pii": ["email"]}));
    let answer = |text: &str| {
        json_answer(
            200,
            &json!({
                "choices": [{"index": 0, "message": {"role": "assistant", "content": text}}],
                "usage": {"prompt_tokens": 10, "completion_tokens": 20, "total_tokens": 30},
            }),
        )
    };
    // Also one that would otherwise be passed on as it comes.
    for text in [
        "write to anna@mail.example.com".to_owned(),
        format!("{} anna@mail.example.com", "x ".repeat(300_000)),
    ] {
        provider.then(answer(&text));
        let reply = ask(&gateway, &chat()).await;
        assert_eq!((reply.status, reply.error_code().as_str()), (400, "guardrail_blocked"));
        assert!(!reply.text().contains("anna"), "{}", reply.text());
    }
    provider.then(answer("write to nobody"));
    assert_eq!(ask(&gateway, &chat()).await.status, 200);
    assert_eq!(gateway.counted(3).await.total.output_tokens, 60);
}

#[tokio::test]
async fn a_stream_ends_before_what_is_stopped_wherever_it_is_cut() {
    let provider = Provider::start().await;
    let gateway = guarded(&provider, &json!({"on": "response", "words": ["ignore previous instructions"]}));
    let (filler, hidden) = ("word ".repeat(100), "ignore previous instructions");
    for cut in 1..hidden.len() {
        let (left, right) = hidden.split_at(cut);
        let events = [event(&filler), event(left), event(right), event(" and more"), event(&filler)];
        let mut steps = vec![stream_head()];
        steps.extend(events.iter().map(|event| chunk(event)));
        // It goes on for ever: only we end it.
        steps.push(Step::UntilClosed);
        provider.then(steps);
        let reply = ask(&gateway, &chat_stream()).await;
        let text = reply.text();
        assert!(reply.complete && reply.status == 200, "{cut}");
        assert!(text.contains("guardrail_blocked") && !text.contains("[DONE]"), "{cut}: {text}");
        assert!(!text.contains("ignore") && !text.contains("instructions"), "{cut}: {text}");
        provider.notices_closing().await;
    }
}

#[tokio::test]
async fn a_good_stream_passes_byte_for_byte_and_a_watched_one_whatever_it_says() {
    let provider = Provider::start().await;
    for (rule, text) in [
        (json!({"words": ["forbidden"]}), "all is well"),
        (json!({"mode": "monitor", "words": ["forbidden"]}), "forbidden"),
    ] {
        let gateway = guarded(&provider, &rule);
        let events = [event(text), event(" to the end")];
        provider.then(stream(&[&events[0], &events[1], USAGE_EVENT, DONE]));
        let mut body = chat_stream();
        body["stream_options"] = json!({"include_usage": true});
        let reply = ask(&gateway, &body).await;
        assert_eq!(reply.body, [&events[0][..], &events[1], USAGE_EVENT, DONE].concat(), "{}", reply.text());
        assert_eq!(gateway.counted(1).await.total.output_tokens, 20);
    }
}
