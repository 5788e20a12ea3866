//! Copies of requests that another model is sent.

use std::sync::Arc;
use std::time::Duration;

use moorline_admin::{ErrorKind, Usage};
use moorline_gateway::gauges::{Gauges, Unsent};
use moorline_gateway::health::Health;
use serde_json::{Value, json};

use crate::caller::{CHAT, Wire, ask, chat, chat_stream, finish, post};
use crate::gateway::{Gateway, document};
use crate::provider::{
    DONE, EVENT, Provider, Step, USAGE_EVENT, answer, chunk, completion, failing, json_answer, soon, stream,
    stream_head,
};

/// Model `m` at the first provider, all of whose requests are copied to model `next` at the second.
fn shadowed(first: &Provider, second: &Provider) -> Value {
    let mut document = document(first);
    document["providers"]["q"] = json!({"kind": "openai_compatible", "base_url": second.base_url()});
    document["models"]["m"]["shadow"] = json!({"model": "next", "share": "100%"});
    document["models"]["next"] = json!({
        "targets": [{"provider": "q", "model": "next-there"}], "price": {"input": 10, "output": 20},
        "breaker": {"failures": 1},
    });
    document
}

fn counting(document: &Value) -> (Gateway, Arc<Gauges>) {
    let gauges = Arc::<Gauges>::default();
    let counted = Arc::clone(&gauges);
    (Gateway::start_with(document, |config| config.gauges = counted), gauges)
}

/// What copies came to, once there are so many.
async fn copies(gateway: &Gateway, count: u64) -> Usage {
    soon(async {
        loop {
            let usage = gateway.stats().shadows.remove("next").unwrap_or_default();
            if usage.requests >= count {
                return usage;
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    })
    .await
}

#[tokio::test]
async fn a_copy_goes_to_the_other_model_and_is_counted_apart_from_all_that_is_its_callers() {
    let (first, second) = (Provider::start().await, Provider::start().await);
    let mut said = completion();
    said["id"] = json!("shadow");
    second.usually(json_answer(200, &said));
    let mut document = shadowed(&first, &second);
    document["routes"][0]["limits"] =
        json!([{"requests": 2, "window": "1m"}, {"budget": 0.01, "window": "1m"}]);
    // Who may not ask for a model may still have its requests copied there: the document says so.
    document["keys"][0]["models"] = json!(["m"]);
    let (gateway, gauges) = counting(&document);
    for _ in 0..2 {
        let request = post(&gateway, CHAT).header("idempotency-key", "once").header("x-request-id", "id-1");
        let reply = finish(request.body(chat().to_string())).await;
        assert_eq!((reply.status, reply.json()["id"].clone()), (200, json!("chatcmpl-1")));
        let copy = second.request().await;
        let mut body = chat();
        body["model"] = json!("next-there");
        assert_eq!(copy.json(), body);
        assert_eq!(copy.header("x-request-id"), Some("id-1-shadow"));
        assert_eq!(copy.header("idempotency-key"), None, "or the copy might get the request's own answer");
        assert_eq!(
            copy.header("authorization"),
            None,
            "no credential of the caller's or of the other provider's"
        );
        assert_eq!(first.request().await.header("idempotency-key"), Some("once"));
    }
    assert_eq!(ask(&gateway, &chat()).await.status, 429, "limits count requests, not copies");

    let usage = copies(&gateway, 2).await;
    assert_eq!((usage.input_tokens, usage.output_tokens, usage.cost_micros), (20, 40, 1_000));
    assert_eq!((usage.latency.count, usage.faults()), (2, 0));
    let stats = gateway.counted(3).await;
    assert_eq!((stats.total.requests, stats.total.cost_micros), (3, 100));
    assert_eq!(stats.models.keys().collect::<Vec<_>>(), ["m"]);
    let asked: Vec<String> = gauges.meters().read().into_iter().map(|(labels, _)| labels.model).collect();
    assert_eq!(asked, ["m"], "nor are they among what was asked upstream for callers");
    assert_eq!(second.requests_left().await, 0, "what is refused is not copied");
}

#[tokio::test]
async fn nobody_waits_for_a_copy_and_the_end_of_the_gateway_is_its_end() {
    for steps in [vec![Step::UntilClosed], vec![stream_head(), chunk(EVENT), Step::UntilClosed]] {
        let (first, second) = (Provider::start().await, Provider::start().await);
        second.usually(steps);
        let (gateway, gauges) = counting(&shadowed(&first, &second));
        assert_eq!(ask(&gateway, &chat_stream()).await.status, 200);
        gateway.counted(1).await;
        second.request().await;
        gateway.drain.cancel();
        second.notices_closing().await;
        gateway.ended().await;
        assert_eq!(gauges.unsent_shadows().all(), [("next".to_owned(), Unsent::Ended, 1)]);
    }
}

#[tokio::test]
async fn what_goes_wrong_with_a_copy_goes_wrong_for_nobody_else() {
    let in_band = b"data: {\"error\":{\"message\":\"overloaded\"}}\n\n";
    for (bad, kind) in [
        (failing(500), ErrorKind::UpstreamFailed),
        (failing(400), ErrorKind::UpstreamRefused),
        (failing(401), ErrorKind::UpstreamFailed),
        (answer(429, &[("retry-after", "50")], b"{}"), ErrorKind::UpstreamFailed),
        (vec![Step::Reset], ErrorKind::UpstreamFailed),
        (vec![stream_head(), chunk(EVENT), Step::Reset], ErrorKind::UpstreamFailed),
        (stream(&[EVENT]), ErrorKind::UpstreamFailed),
        (stream(&[EVENT, in_band]), ErrorKind::UpstreamFailed),
    ] {
        let (first, second) = (Provider::start().await, Provider::start().await);
        first.usually(stream(&[EVENT, DONE]));
        for _ in 0..3 {
            second.then(bad.clone());
        }
        let gateway = Gateway::start(&shadowed(&first, &second));
        for asked in 1..=3 {
            let reply = ask(&gateway, &chat_stream()).await;
            assert_eq!((reply.status, reply.body), (200, [EVENT, DONE].concat()));
            let usage = copies(&gateway, asked).await;
            assert_eq!(usage.errors[&kind], asked, "once, without another attempt");
        }
        let total = gateway.counted(3).await.total;
        assert_eq!(total.errors.values().sum::<u64>(), 0);
        // One failure would have opened its breaker, and its provider's credential would be out.
        let next = json!({"model": "next", "messages": []});
        assert_eq!(ask(&gateway, &next).await.status, 200);
    }
}

#[tokio::test]
async fn a_target_that_is_left_alone_is_sent_no_copies() {
    let (first, second) = (Provider::start().await, Provider::start().await);
    second.then(failing(500));
    let gauges = Arc::<Gauges>::default();
    let counted = Arc::clone(&gauges);
    // Its clock stands still: a breaker that is open stays open.
    let health = Arc::new(Health::new(|| 0, drop));
    let gateway = Gateway::start_with(&shadowed(&first, &second), |config| {
        (config.gauges, config.health) = (counted, health);
    });
    assert_eq!(ask(&gateway, &json!({"model": "next", "messages": []})).await.status, 502);
    second.request().await;
    assert_eq!(ask(&gateway, &chat()).await.status, 200);
    soon(async {
        while gauges.unsent_shadows().all() != [("next".to_owned(), Unsent::NoTarget, 1)] {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    })
    .await;
    assert_eq!(second.requests_left().await, 0);
}

#[tokio::test]
async fn copies_under_way_are_bounded_and_those_beyond_are_counted() {
    let (first, second) = (Provider::start().await, Provider::start().await);
    second.usually(vec![Step::UntilClosed]);
    let mut document = shadowed(&first, &second);
    document["models"]["m"]["shadow"]["max_in_flight"] = json!(2);
    document["routes"][0]["timeouts"] = json!({"headers": "4m"});
    let (gateway, gauges) = counting(&document);
    for _ in 0..5 {
        assert_eq!(ask(&gateway, &chat()).await.status, 200);
    }
    assert_eq!(gauges.unsent_shadows().all(), [("next".to_owned(), Unsent::Full, 3)]);
    second.request().await;
    second.request().await;
    assert_eq!(second.requests_left().await, 0);
}

#[tokio::test]
async fn a_stream_s_copy_is_a_stream_that_is_read_to_its_end_though_its_caller_left() {
    let (first, second) = (Provider::start().await, Provider::start().await);
    first.usually(vec![stream_head(), chunk(EVENT), Step::UntilClosed]);
    let go = Arc::new(tokio::sync::Notify::new());
    let rest = [chunk(USAGE_EVENT), chunk(DONE), crate::provider::last_chunk()];
    second.usually([vec![stream_head(), chunk(EVENT), Step::Wait(Arc::clone(&go))], rest.to_vec()].concat());
    let gateway = Gateway::start(&shadowed(&first, &second));
    let mut wire = Wire::open(gateway.address).await;
    wire.ask(&chat_stream()).await;
    wire.read_until(b"\n\n").await;
    drop(wire);
    first.notices_closing().await;
    assert_eq!(second.request().await.json()["stream"], true);
    go.notify_one();
    let usage = copies(&gateway, 1).await;
    assert_eq!((usage.output_tokens, usage.first_token.count, usage.faults()), (20, 1, 0));
    assert_eq!(gateway.counted(1).await.total.errors[&ErrorKind::ClientClosed], 1);
}

#[tokio::test]
async fn as_many_are_copied_as_declared() {
    let (first, second) = (Provider::start().await, Provider::start().await);
    let mut document = shadowed(&first, &second);
    document["models"]["m"]["shadow"] = json!({"model": "next", "share": "50%", "max_in_flight": 1000});
    let (gateway, gauges) = counting(&document);
    for _ in 0..200 {
        assert_eq!(ask(&gateway, &chat()).await.status, 200);
    }
    // Everything that was begun has ended when the gateway has.
    let serving = gateway.serving();
    gateway.drain.cancel();
    gateway.ended().await;
    let stable = serving.snapshot().stable.clone().unwrap();
    let until = "2026-11-21T01:00:00Z".parse().unwrap();
    let counted = stable.recorder.stats(stable.number, None, until).shadows["next"].requests;
    let ended: u64 = gauges.unsent_shadows().all().iter().map(|(.., count)| count).sum();
    // Seven standard deviations to each side.
    assert!((50..=150).contains(&(counted + ended)), "{counted} and {ended}");
}
