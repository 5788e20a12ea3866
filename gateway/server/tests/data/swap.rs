//! Two documents side by side, and one after the other.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::{Value, json};

use super::caller::{CHAT, Wire, ask, chat, client, finish, post, request};
use super::gateway::{Gateway, KEY, document};
use super::provider::{Provider, Step, completion, json_answer, spawn};

/// A document whose generation can be told from what reaches the provider: the model's name there.
fn marked(provider: &Provider, number: u64) -> Value {
    let mut document = document(provider);
    document["models"]["m"]["targets"][0]["model"] = json!(format!("generation-{number}"));
    // An attempt that fails first: the second must be of the same generation.
    document["routes"][0]["retry"] = json!({"attempts": 2, "backoff": "1ms"});
    document
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn swaps_under_load_fail_no_request_and_mix_no_two_documents() {
    let provider = Provider::start().await;
    let gateway = Arc::new(Gateway::start(&marked(&provider, 1)));
    let stop = Arc::new(AtomicBool::new(false));
    let mut callers = Vec::new();
    for caller in 0..32 {
        let (gateway, stop, client) = (Arc::clone(&gateway), Arc::clone(&stop), client());
        callers.push(spawn(async move {
            let mut generations = Vec::new();
            for turn in 0.. {
                if stop.load(Ordering::Relaxed) {
                    break;
                }
                let id = format!("{caller}-{turn}");
                let request = client.post(gateway.url(CHAT)).bearer_auth(KEY).header("x-request-id", &id);
                let reply = finish(request.body(chat().to_string())).await;
                assert_eq!(reply.status, 200, "{}", reply.text());
                generations.push((id, reply.header("x-moorline-generation").unwrap().to_owned()));
            }
            generations
        }));
    }
    for number in 2..=500 {
        assert_eq!(gateway.swap(&marked(&provider, number)), number);
        tokio::task::yield_now().await;
    }
    // Until every caller was served under the last document at least once.
    while gateway.stats().total.requests < 64 {
        tokio::time::sleep(std::time::Duration::from_millis(2)).await;
    }
    stop.store(true, Ordering::Relaxed);
    let mut served = std::collections::HashMap::new();
    for caller in callers {
        served.extend(caller.await.unwrap());
    }
    let all: BTreeSet<_> = served.values().cloned().collect();
    assert!(all.len() > 3, "the swaps fell between the requests: {all:?}");
    for _ in 0..served.len() {
        let seen = provider.request().await;
        let said = &served[seen.header("x-request-id").unwrap()];
        assert_eq!(seen.json()["model"], json!(format!("generation-{said}")));
    }
}

#[tokio::test]
async fn a_request_keeps_its_document_to_its_end() {
    let provider = Provider::start().await;
    let go = Arc::new(tokio::sync::Notify::new());
    let mut waits = vec![Step::Wait(Arc::clone(&go))];
    waits.extend(json_answer(500, &json!({})));
    provider.then(waits).then(json_answer(200, &completion()));
    let gateway = Arc::new(Gateway::start(&marked(&provider, 1)));
    let asking = spawn({
        let request = post(&gateway, CHAT).body(chat().to_string());
        async move { finish(request).await }
    });
    assert_eq!(provider.request().await.json()["model"], "generation-1");
    gateway.swap(&marked(&provider, 2));
    go.notify_one();
    let reply = asking.await.unwrap();
    assert_eq!((reply.status, reply.header("x-moorline-generation")), (200, Some("1")));
    assert_eq!(provider.request().await.json()["model"], "generation-1", "the second attempt too");
    assert_eq!(ask(&gateway, &chat()).await.header("x-moorline-generation"), Some("2"));
}

#[tokio::test]
async fn a_document_that_comes_while_a_body_is_read_is_for_the_next_request() {
    let provider = Provider::start().await;
    let gateway = Gateway::start(&marked(&provider, 1));
    let mut wire = Wire::open(gateway.address).await;
    let whole = request(&chat().to_string()).replace("\r\n\r\n", "\r\nexpect: 100-continue\r\n\r\n");
    let (head, body) = whole.split_once("\r\n\r\n").unwrap();
    wire.send(format!("{head}\r\n\r\n").as_bytes()).await;
    // It asks for the body, so it has taken the head in.
    wire.read_until(b"100 Continue\r\n\r\n").await;
    gateway.swap(&marked(&provider, 2));
    wire.send(body.as_bytes()).await;
    let answer = String::from_utf8(wire.read_until(b"chatcmpl-1").await).unwrap();
    assert!(answer.contains("x-moorline-generation: 1\r\n"), "{answer}");
    assert_eq!(provider.request().await.json()["model"], "generation-1");
}

#[tokio::test]
async fn a_candidate_gets_its_share_and_whoever_holds_its_key() {
    let provider = Provider::start().await;
    let gateway = Gateway::start(&marked(&provider, 1));
    let (number, probe) = gateway.stage(&marked(&provider, 2), 0);
    let number = number.to_string();
    let with =
        |key: String| finish(post(&gateway, CHAT).header("x-moorline-probe", key).body(chat().to_string()));
    assert_eq!(with(probe).await.header("x-moorline-generation"), Some(number.as_str()));
    assert_eq!(with("wrong".to_owned()).await.header("x-moorline-generation"), Some("1"));
    assert_eq!(ask(&gateway, &chat()).await.header("x-moorline-generation"), Some("1"));
    assert_eq!(provider.request().await.header("x-moorline-probe"), None, "the probe key stays here");

    gateway.stage(&marked(&provider, 3), 100);
    assert_eq!(ask(&gateway, &chat()).await.header("x-moorline-generation"), Some("3"));
    gateway.stage(&marked(&provider, 4), 50);
    let mut of_candidate = 0;
    for _ in 0..200 {
        of_candidate += u32::from(ask(&gateway, &chat()).await.header("x-moorline-generation") == Some("4"));
    }
    assert!((60..=140).contains(&of_candidate), "{of_candidate} of 200");
}
