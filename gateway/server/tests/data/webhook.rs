//! Guardrails that ask a service outside, which is a real one here, over sockets.

use std::sync::Arc;

use moorline_admin::ErrorKind;
use moorline_gateway::guardrails::Tallies;
use serde_json::{Value, json};

use super::caller::{CHAT, Reply, Wire, ask, chat, chat_stream, client, finish, post};
use super::gateway::{Gateway, KEY, UPSTREAM_KEY, document};
use super::provider::{
    DONE, EVENT, Provider, Step, USAGE_EVENT, answer, chunk, failing, json_answer, soon, stream, stream_head,
};

/// A gateway with a service that judges, and what it counts.
struct Scene {
    gateway: Gateway,
    provider: Provider,
    judge: Provider,
    counts: Arc<Tallies>,
}

impl Scene {
    /// With this guardrail, whose webhook is completed with the service's address and a long time to answer.
    async fn with(mut rule: Value) -> Self {
        let (provider, judge) = (Provider::start().await, Provider::start().await);
        judge.usually(verdict("allow"));
        let webhook = &mut rule["webhook"];
        webhook["url"] = json!(format!("http://{}/judge", judge.address));
        if webhook["timeout"].is_null() {
            webhook["timeout"] = json!("30s");
        }
        let mut document = document(&provider);
        document["guardrails"] = json!({"g": rule});
        document["routes"][0]["guardrails"] = json!(["g"]);
        let mut counts = Arc::default();
        let gateway =
            Gateway::start_with(&document, |config| counts = Arc::clone(config.gauges.guardrails()));
        Self { gateway, provider, judge, counts }
    }

    async fn ask(&self, body: &Value) -> Reply {
        ask(&self.gateway, body).await
    }

    /// What was counted, once it is this.
    async fn counts(&self, expected: &[&str]) {
        let mut all = Vec::new();
        let is_there = async {
            loop {
                all = self.counts.all().into_iter().map(|(_, s, a, n)| format!("{s} {a} {n}")).collect();
                if all == expected {
                    return;
                }
                tokio::time::sleep(std::time::Duration::from_millis(5)).await;
            }
        };
        let waited = tokio::time::timeout(super::provider::SOON, is_there).await;
        assert!(waited.is_ok(), "{all:?} instead of {expected:?}");
    }
}

fn verdict(word: &str) -> Vec<Step> {
    json_answer(200, &json!({"verdict": word, "why": "not read"}))
}

fn event(text: &str) -> Vec<u8> {
    format!("data: {}\n\n", json!({"choices": [{"index": 0, "delta": {"content": text}}]})).into_bytes()
}

#[tokio::test]
async fn a_service_is_told_the_text_and_whose_it_is_and_what_it_allows_passes() {
    let scene = Scene::with(json!({"on": "request", "webhook": {"token": "env:GUARD_TOKEN"}})).await;
    let request = post(&scene.gateway, CHAT).header("x-request-id", "r-1").body(chat().to_string());
    assert_eq!(finish(request).await.status, 200);
    let told = scene.judge.request().await;
    assert!(told.head.starts_with("POST /judge HTTP/1.1\r\n"), "{}", told.head);
    assert_eq!(told.header("authorization"), Some(format!("Bearer {UPSTREAM_KEY}").as_str()));
    assert_eq!(told.header("content-type"), Some("application/json"));
    assert!(!told.head.contains(KEY), "{}", told.head);
    assert_eq!(
        told.json(),
        json!({
            "version": 1, "guardrail": "g", "stage": "request", "request_id": "r-1", "key": "caller", "model": "m",
            "endpoint": CHAT, "text": "ping\nuser\nm\n",
        })
    );
    // Its connection is kept for the next.
    scene.ask(&chat()).await;
    scene.counts(&["request passed 2"]).await;
}

#[tokio::test]
async fn a_request_that_a_service_blocks_is_refused_in_the_caller_s_words_and_never_leaves() {
    let scene = Scene::with(json!({"on": "request", "webhook": {}})).await;
    scene.judge.usually(verdict("block"));
    let reply = scene.ask(&chat()).await;
    assert_eq!((reply.status, reply.error_code().as_str()), (400, "guardrail_blocked"), "{}", reply.text());
    let message = json!({"model": "m", "max_tokens": 5, "messages": [{"role": "user", "content": "ping"}]});
    let reply = finish(post(&scene.gateway, "/v1/messages").body(message.to_string())).await;
    assert_eq!((reply.status, &reply.json()["type"]), (400, &json!("error")), "{}", reply.text());
    assert_eq!(reply.json()["error"]["type"], json!("invalid_request_error"));
    assert_eq!(scene.provider.requests_left().await, 0);
    scene.counts(&["request blocked 2"]).await;
    assert_eq!(scene.gateway.counted(2).await.total.errors[&ErrorKind::BadRequest], 2);
}

#[tokio::test]
async fn in_the_mode_monitor_a_service_only_counts_and_holds_nothing_up() {
    let scene = Scene::with(json!({"mode": "monitor", "webhook": {}})).await;
    // It says nothing before all answers are back at their callers.
    let go = Arc::new(tokio::sync::Notify::new());
    for _ in 0..4 {
        scene.judge.then([vec![Step::Wait(Arc::clone(&go))], verdict("block")].concat());
    }
    assert_eq!(scene.ask(&chat()).await.status, 200);
    let events = [event("all "), event("of it")];
    scene.provider.usually(stream(&[&events[0], &events[1], DONE]));
    let reply = scene.ask(&chat_stream()).await;
    assert_eq!(reply.body, [&events[0][..], &events[1], DONE].concat(), "{}", reply.text());
    let mut told = Vec::new();
    for _ in 0..4 {
        let seen = scene.judge.request().await.json();
        told.push(format!("{} {}", seen["stage"].as_str().unwrap(), seen["text"].as_str().unwrap().trim()));
        go.notify_one();
    }
    assert!(told.contains(&"response all of it".to_owned()), "{told:?}");
    scene.counts(&["request monitored 2", "response monitored 2"]).await;
}

#[tokio::test]
async fn a_service_that_says_nothing_that_counts_blocks_or_allows_as_declared() {
    let long = format!("{{\"verdict\": \"allow\", \"x\": \"{}\"}}", "x".repeat(70_000));
    let endless = [vec![stream_head()], vec![chunk(&[b' '; 1000]); 100], vec![Step::UntilClosed]].concat();
    let elsewhere = Provider::start().await;
    elsewhere.usually(verdict("allow"));
    let target = format!("http://{}/judge", elsewhere.address);
    let scripts = [
        ("silence", vec![Step::UntilClosed]),
        ("half an answer", vec![stream_head(), chunk(b"{\"verdict\":"), Step::UntilClosed]),
        ("garbage", answer(200, &[], b"<html>")),
        ("nothing", answer(200, &[], b"")),
        ("another word", verdict("maybe")),
        ("a long answer", answer(200, &[], long.as_bytes())),
        ("an endless answer", endless),
        ("an error", failing(500)),
        ("another success", json_answer(201, &json!({"verdict": "allow"}))),
        ("a redirect", answer(307, &[("location", &target)], b"")),
        ("a reset", vec![Step::Reset]),
    ];
    for (declared, status, action) in
        [(None, 503, "unavailable_blocked"), (Some("allow"), 200, "unavailable_allowed")]
    {
        for on in ["request", "response"] {
            let mut webhook = json!({"timeout": "300ms"});
            if let Some(declared) = declared {
                webhook["when_unavailable"] = json!(declared);
            }
            let scene = Scene::with(json!({"on": on, "webhook": webhook})).await;
            for (what, script) in &scripts {
                scene.judge.usually(script.clone());
                let reply = scene.ask(&chat()).await;
                assert_eq!(reply.status, status, "{what}: {}", reply.text());
                if status == 503 {
                    assert_eq!(reply.error_code(), "guardrail_unavailable");
                    assert_eq!(reply.header("retry-after"), Some("1"));
                }
            }
            scene.counts(&[&format!("{on} {action} {}", scripts.len())]).await;
            // Before anything went upstream, where it was the request.
            let reached = if (on, status) == ("request", 503) { 0 } else { scripts.len() };
            assert_eq!(scene.provider.requests_left().await, reached);
            let faults = scene.gateway.counted(scripts.len() as u64).await.total.faults();
            assert_eq!(faults, if status == 503 { scripts.len() as u64 } else { 0 });
        }
    }
    assert_eq!(elsewhere.requests_left().await, 0, "redirects are not followed");
}

#[tokio::test]
async fn a_service_that_is_not_there_blocks() {
    let scene = Scene::with(json!({"webhook": {}})).await;
    let Scene { gateway, provider, judge, counts: _ } = scene;
    drop(judge);
    // The listener is closed once its task was aborted.
    soon(async {
        while ask(&gateway, &chat()).await.status != 503 {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    })
    .await;
    drop(provider);
}

#[tokio::test]
async fn a_whole_answer_that_a_service_blocks_is_paid_for_and_not_seen() {
    let scene = Scene::with(json!({"on": "response", "webhook": {}})).await;
    assert_eq!(scene.ask(&chat()).await.status, 200);
    let told = scene.judge.request().await.json();
    assert_eq!((&told["stage"], &told["text"]), (&json!("response"), &json!("pong\n")));
    scene.judge.usually(verdict("block"));
    let reply = scene.ask(&chat()).await;
    assert_eq!((reply.status, reply.error_code().as_str()), (400, "guardrail_blocked"));
    assert!(!reply.text().contains("pong"), "{}", reply.text());
    assert_eq!(scene.gateway.counted(2).await.total.output_tokens, 40);
    scene.counts(&["response passed 1", "response blocked 1"]).await;
}

#[tokio::test]
async fn a_stream_is_held_until_the_service_has_judged_all_of_it() {
    let scene = Scene::with(json!({"on": "response", "webhook": {}})).await;
    let events = [event("for"), event("bid"), event("den")];
    let chunks: [&[u8]; 5] = [&events[0], &events[1], &events[2], USAGE_EVENT, DONE];
    let mut body = chat_stream();
    body["stream_options"] = json!({"include_usage": true});
    for word in ["allow", "block"] {
        scene.provider.usually(stream(&chunks));
        let go = Arc::new(tokio::sync::Notify::new());
        scene.judge.then([vec![Step::Wait(Arc::clone(&go))], verdict(word)].concat());
        let mut wire = Wire::open(scene.gateway.address).await;
        wire.ask(&body).await;
        let told = scene.judge.request().await.json();
        assert_eq!(told["text"], json!("forbidden\n"), "put together as a reader of it would");
        let nothing = wire.0.try_read(&mut [0; 64]);
        assert!(nothing.is_err_and(|error| error.kind() == std::io::ErrorKind::WouldBlock));
        go.notify_one();
        if word == "allow" {
            let answer = wire.read_until(b"data: [DONE]\n\n").await;
            let answer = String::from_utf8(answer).unwrap();
            assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
            for event in &events {
                assert!(answer.contains(std::str::from_utf8(event).unwrap()), "{answer}");
            }
        } else {
            let answer = String::from_utf8(wire.read_until(b"guardrail_blocked").await).unwrap();
            assert!(answer.starts_with("HTTP/1.1 400 ") && !answer.contains("bid\""), "{answer}");
        }
    }
    assert_eq!(scene.gateway.counted(2).await.total.output_tokens, 40);
    scene.counts(&["response passed 1", "response blocked 1"]).await;
}

#[tokio::test]
async fn a_stream_that_breaks_off_while_it_is_held_ends_with_an_error_and_without_done() {
    let scene = Scene::with(json!({"on": "response", "webhook": {}})).await;
    scene.provider.usually(vec![stream_head(), chunk(EVENT), chunk(EVENT), Step::Reset]);
    let reply = scene.ask(&chat_stream()).await;
    let text = reply.text();
    assert!(reply.status == 200 && text.contains("upstream_failed") && !text.contains("[DONE]"), "{text}");
    assert_eq!(scene.gateway.counted(1).await.total.errors[&ErrorKind::UpstreamFailed], 1);
}

#[tokio::test]
async fn a_caller_that_leaves_while_a_service_thinks_cancels_the_question() {
    for (on, body) in [("request", chat()), ("response", chat()), ("response", chat_stream())] {
        let scene = Scene::with(json!({"on": on, "webhook": {}})).await;
        scene.provider.usually(if body == chat() {
            super::provider::ok_json()
        } else {
            stream(&[EVENT, DONE])
        });
        scene.judge.usually(vec![Step::UntilClosed]);
        let mut wire = Wire::open(scene.gateway.address).await;
        wire.ask(&body).await;
        scene.judge.request().await;
        drop(wire);
        scene.judge.notices_closing().await;
        assert_eq!(scene.gateway.counted(1).await.total.errors[&ErrorKind::ClientClosed], 1);
    }
}

#[tokio::test]
async fn what_cannot_be_read_is_refused_unless_it_is_only_watched_and_shown_to_nobody() {
    let form = "--B\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\nm\r\n--B\r\nContent-Disposition: \
                form-data; name=\"file\"; filename=\"a.wav\"\r\n\r\nRIFF\r\n--B--\r\n";
    let transcribe = async |gateway: &Gateway| {
        let request = client()
            .post(gateway.url("/v1/audio/transcriptions"))
            .bearer_auth(KEY)
            .header("content-type", "multipart/form-data; boundary=B")
            .body(form);
        finish(request).await
    };
    for rule in [json!({"webhook": {}}), json!({"on": "request", "mode": "monitor", "webhook": {}})] {
        let scene = Scene::with(rule.clone()).await;
        let reply = transcribe(&scene.gateway).await;
        let blocks = rule["mode"].is_null();
        assert_eq!(reply.status, if blocks { 400 } else { 200 }, "{}", reply.text());
        assert_eq!(scene.provider.requests_left().await, usize::from(!blocks));
        assert_eq!(scene.judge.requests_left().await, 0);
    }
    // The rules that look here refuse it as well: none of them can look into sound.
    let provider = Provider::start().await;
    for rule in [json!({"words": ["x"]}), json!({"regex": ["x"]}), json!({"pii": ["email"]})] {
        let mut document = document(&provider);
        document["guardrails"] = json!({"g": rule});
        document["keys"][0]["guardrails"] = json!(["g"]);
        let reply = transcribe(&Gateway::start(&document)).await;
        assert_eq!((reply.status, reply.error_code().as_str()), (400, "guardrail_blocked"));
    }
    assert_eq!(provider.requests_left().await, 0);
}
