//! A target that keeps its caller waiting, and the next one asked beside it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use moorline_admin::ErrorKind;
use moorline_gateway::command_line::LogFormat;
use moorline_gateway::gauges::{Gauges, Hedge};
use serde_json::{Value, json};
use tokio::sync::Notify;

use super::two;
use crate::caller::{Wire, ask, chat, chat_stream};
use crate::gateway::Gateway;
use crate::logs::{lines, log_to};
use crate::provider::{
    DONE, EVENT, Provider, Step, chunk, completion, failing, json_answer, ok_json, soon, stream, stream_head,
};

/// Two targets, of which the second is asked beside the first nearly at once. A token at the second costs ten times
/// what it costs at the first.
fn hedged(first: &Provider, second: &Provider) -> Value {
    let mut document = two(first, second, 1);
    document["models"]["m"]["hedge"] = json!({"after": "10ms"});
    document["models"]["m"]["targets"][1]["price"] = json!({"input": 10, "output": 20});
    document
}

fn counting(document: &Value) -> (Gateway, Arc<Gauges>) {
    let gauges = Arc::<Gauges>::default();
    let counted = Arc::clone(&gauges);
    (Gateway::start_with(document, |config| config.gauges = counted), gauges)
}

/// What was asked of each upstream model, by how it ended.
fn ends(gauges: &Gauges) -> Vec<(String, Option<ErrorKind>, u64)> {
    let targets = gauges.meters().read();
    let of = |(labels, readings): &(moorline_gateway::meters::Labels, Vec<_>)| -> Vec<_> {
        let end = |reading: &moorline_gateway::meters::Reading| {
            (labels.model.clone(), reading.error, reading.duration.count)
        };
        readings.iter().map(end).collect()
    };
    targets.iter().flat_map(of).collect()
}

fn answered_by(name: &str) -> Vec<Step> {
    let mut body = completion();
    body["id"] = json!(name);
    json_answer(200, &body)
}

#[tokio::test]
async fn the_first_answer_wins_the_other_request_is_cancelled_and_both_are_counted() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("access.log");
    let (access_log, _end) = log_to(&path, LogFormat::Json);
    let (first, second) = (Provider::start().await, Provider::start().await);
    first.usually(vec![Step::UntilClosed]);
    second.usually(answered_by("second"));
    let gauges = Arc::<Gauges>::default();
    let counted = Arc::clone(&gauges);
    let mut document = hedged(&first, &second);
    document["routes"][0]["limits"] = json!([{"requests": 1, "window": "1m"}]);
    let gateway = Gateway::start_with(&document, |config| {
        config.access_log = access_log;
        config.gauges = counted;
    });
    let reply = ask(&gateway, &chat()).await;
    assert_eq!((reply.status, reply.json()["id"].clone()), (200, json!("second")));
    first.notices_closing().await;

    let total = gateway.counted(1).await.total;
    assert_eq!((total.requests, total.faults()), (1, 0));
    assert_eq!(
        (total.input_tokens, total.output_tokens, total.cost_micros),
        (10, 20, 500),
        "the winner's, by its own price"
    );
    let line = lines(&path, 1).await.remove(0);
    assert_eq!(
        (&line["attempts"], &line["provider"], &line["upstream_model"], &line["status"]),
        (&json!(2), &json!("q"), &json!("second"), &json!(200)),
        "{line}"
    );
    let beaten = ("m".to_owned(), Some(ErrorKind::ClientClosed), 1);
    assert_eq!(ends(&gauges), [beaten, ("second".to_owned(), None, 1)]);
    let hedges = |what, count| ("m".to_owned(), what, count);
    assert_eq!(gauges.hedges().all(), [hedges(Hedge::Sent, 1), hedges(Hedge::Won, 1)]);
    assert_eq!(ask(&gateway, &chat()).await.status, 429, "the caller's limit was charged once, and it was");
}

#[tokio::test]
async fn the_target_that_was_asked_first_may_win_after_all() {
    let (first, second) = (Provider::start().await, Provider::start().await);
    let go = Arc::new(Notify::new());
    first.usually([vec![Step::Wait(Arc::clone(&go))], answered_by("first")].concat());
    second.usually(vec![Step::UntilClosed]);
    let (gateway, gauges) = counting(&hedged(&first, &second));
    let body = chat();
    let others = async {
        second.request().await;
        go.notify_one();
    };
    let (reply, ()) = tokio::join!(ask(&gateway, &body), others);
    assert_eq!((reply.status, reply.json()["id"].clone()), (200, json!("first")));
    second.notices_closing().await;
    assert_eq!(gateway.counted(1).await.total.cost_micros, 50, "by the price of the one that served");
    assert_eq!(gauges.hedges().all(), [("m".to_owned(), Hedge::Sent, 1)]);
    assert_eq!(
        ends(&gauges),
        [("m".to_owned(), None, 1), ("second".to_owned(), Some(ErrorKind::ClientClosed), 1)]
    );
}

#[tokio::test]
async fn a_stream_without_content_is_hedged_though_its_head_has_come() {
    let (first, second) = (Provider::start().await, Provider::start().await);
    let role = b"data: {\"choices\":[{\"delta\":{\"role\":\"assistant\",\"content\":\"\"}}]}\n\n";
    first.usually(vec![
        stream_head(),
        chunk(b": ping\n\n"),
        chunk(role),
        Step::UntilTaken,
        Step::UntilClosed,
    ]);
    second.usually(stream(&[EVENT, EVENT, DONE]));
    let mut document = hedged(&first, &second);
    document["models"]["m"]["hedge"]["after"] = json!("1s");
    let gateway = Gateway::start(&document);
    let reply = ask(&gateway, &chat_stream()).await;
    assert_eq!((reply.status, reply.body), (200, [EVENT, EVENT, DONE].concat()), "one stream, and only one");
    first.is_taken().await;
    first.notices_closing().await;
}

#[tokio::test]
async fn an_answer_whose_head_has_come_is_waited_for() {
    const AFTER: Duration = Duration::from_secs(2);
    // A machine that stood still for so long that the hedge came first has shown nothing.
    for _ in 0..10 {
        let (first, second) = (Provider::start().await, Provider::start().await);
        let go = Arc::new(Notify::new());
        let [Step::Send(whole)] = &ok_json()[..] else { panic!("one step") };
        let (begin, rest) = whole.split_at(whole.len() - 10);
        let (begin, rest) = (Step::Send(begin.to_vec()), Step::Send(rest.to_vec()));
        first.usually(vec![begin, Step::UntilTaken, Step::Wait(Arc::clone(&go)), rest]);
        let mut document = hedged(&first, &second);
        document["models"]["m"]["hedge"]["after"] = json!("2s");
        let gateway = Gateway::start(&document);
        let body = chat();
        let asked = Instant::now();
        let others = async {
            first.is_taken().await;
            let was_in_time = asked.elapsed() < AFTER / 2;
            if was_in_time {
                tokio::time::sleep(AFTER * 2).await;
            }
            go.notify_one();
            was_in_time
        };
        let (reply, was_in_time) = tokio::join!(ask(&gateway, &body), others);
        assert_eq!(reply.status, 200);
        if was_in_time {
            assert_eq!(second.requests_left().await, 0);
            return;
        }
    }
    panic!("the machine is too slow to tell");
}

#[tokio::test]
async fn no_more_targets_are_asked_beside_each_other_than_declared() {
    let (first, second, third) = (Provider::start().await, Provider::start().await, Provider::start().await);
    for provider in [&first, &second, &third] {
        provider.usually(vec![Step::UntilClosed]);
    }
    let mut document = hedged(&first, &second);
    document["providers"]["r"] = json!({"kind": "openai_compatible", "base_url": third.base_url()});
    let targets = document["models"]["m"]["targets"].as_array_mut().unwrap();
    targets.push(json!({"provider": "r", "model": "third"}));
    document["routes"][0]["timeouts"] = json!({"total": "5s"});
    let (gateway, gauges) = counting(&document);
    assert_eq!(ask(&gateway, &chat()).await.status, 504);
    first.notices_closing().await;
    second.notices_closing().await;
    assert_eq!(third.requests_left().await, 0);
    gateway.counted(1).await;
    let slow = |model: &str| (model.to_owned(), Some(ErrorKind::UpstreamTimeout), 1);
    assert_eq!(ends(&gauges), [slow("m"), slow("second")]);

    document["models"]["m"]["hedge"]["max"] = json!(2);
    document["routes"][0]["timeouts"] = json!({});
    gateway.swap(&document);
    let mut wire = Wire::open(gateway.address).await;
    wire.ask(&chat()).await;
    third.request().await;
    // The caller leaves: all three are cancelled, and counted.
    drop(wire);
    for provider in [&first, &second, &third] {
        provider.notices_closing().await;
    }
    assert_eq!(gateway.counted(1).await.total.errors[&ErrorKind::ClientClosed], 1);
    let left = ends(&gauges).into_iter().filter(|(_, error, _)| *error == Some(ErrorKind::ClientClosed));
    let once = |model: &str| (model.to_owned(), Some(ErrorKind::ClientClosed), 1);
    assert_eq!(left.collect::<Vec<_>>(), [once("m"), once("second"), once("third")]);
}

#[tokio::test]
async fn attempts_at_each_target_stay_those_of_the_route() {
    let (first, second) = (Provider::start().await, Provider::start().await);
    first.usually(failing(500));
    second.usually(failing(500));
    let mut document = hedged(&first, &second);
    document["models"]["m"]["breaker"] = json!({"failures": 100});
    document["routes"][0]["retry"] = json!({"attempts": 3, "backoff": "20ms"});
    let gateway = Gateway::start(&document);
    assert_eq!(ask(&gateway, &chat()).await.status, 502);
    for _ in 0..3 {
        first.request().await;
        second.request().await;
    }
    assert_eq!((first.requests_left().await, second.requests_left().await), (0, 0));
}

#[tokio::test]
async fn a_hedge_that_fails_or_refuses_leaves_the_first_its_chance() {
    for bad in [failing(500), failing(400), vec![Step::Reset]] {
        let (first, second) = (Provider::start().await, Provider::start().await);
        let go = Arc::new(Notify::new());
        first.usually([vec![Step::Wait(Arc::clone(&go))], answered_by("first")].concat());
        second.usually(bad);
        let (gateway, gauges) = counting(&hedged(&first, &second));
        let body = chat();
        let others = async {
            second.request().await;
            // Its answer was read: what was asked there has ended, or its connection has.
            soon(async {
                while gauges.upstream_open().saturating_sub(gauges.upstream_idle()) > 1 {
                    tokio::time::sleep(Duration::from_millis(2)).await;
                }
            })
            .await;
            go.notify_one();
        };
        let (reply, ()) = tokio::join!(ask(&gateway, &body), others);
        assert_eq!((reply.status, reply.json()["id"].clone()), (200, json!("first")));
    }
    // And a refusal is the answer when nobody has a better one.
    let (first, second) = (Provider::start().await, Provider::start().await);
    let go = Arc::new(Notify::new());
    first.usually(vec![Step::Wait(Arc::clone(&go)), Step::Reset]);
    second.usually(failing(400));
    let gateway = Gateway::start(&hedged(&first, &second));
    let body = chat();
    let others = async {
        second.request().await;
        go.notify_one();
    };
    let (reply, ()) = tokio::join!(ask(&gateway, &body), others);
    assert_eq!((reply.status, reply.text().contains("upstream words")), (400, true));
    let total = gateway.counted(1).await.total;
    assert_eq!(total.errors[&ErrorKind::UpstreamRefused], 1);
}

#[tokio::test]
async fn when_all_targets_of_a_hedged_model_failed_the_next_model_is_fallen_back_to() {
    let (first, second, third) = (Provider::start().await, Provider::start().await, Provider::start().await);
    first.usually(failing(500));
    second.usually(vec![Step::Reset]);
    let mut document = hedged(&first, &second);
    document["providers"]["r"] = json!({"kind": "openai_compatible", "base_url": third.base_url()});
    document["models"]["m"]["fallback"] = json!(["spare"]);
    document["models"]["spare"] = json!({"targets": [{"provider": "r", "model": "spare"}]});
    let gateway = Gateway::start(&document);
    assert_eq!(ask(&gateway, &chat()).await.status, 200);
    first.request().await;
    second.request().await;
    assert_eq!(third.request().await.json()["model"], "spare");
}
