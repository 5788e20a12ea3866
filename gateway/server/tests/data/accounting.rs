//! What is counted, and at what price.

use moorline_admin::ErrorKind;
use moorline_gateway::command_line::LogFormat;
use serde_json::json;

use super::caller::{Wire, ask, chat, chat_stream};
use super::gateway::{Gateway, document};
use super::logs::{lines, log_to};
use super::provider::{EVENT, Provider, Step, chunk, json_answer, stream_head};

#[tokio::test]
async fn cost_is_by_the_target_s_price_then_the_model_s_and_cached_tokens_cost_less() {
    let provider = Provider::start().await;
    provider.usually(json_answer(
        200,
        &json!({"choices": [], "usage": {"prompt_tokens": 1000, "completion_tokens": 100, "prompt_tokens_details": {"cached_tokens": 400}}}),
    ));
    let mut document = document(&provider);
    // Model: 1 in, 2 out, 0.5 cached.
    let gateway = Gateway::start(&document);
    ask(&gateway, &chat()).await;
    let stats = gateway.counted(1).await;
    assert_eq!(stats.models["m"].cost_micros, 600 + 200 + 200);
    assert_eq!((stats.models["m"].input_tokens, stats.models["m"].output_tokens), (1000, 100));
    assert_eq!(stats.routes["/v1/*"].requests, 1);

    document["models"]["m"]["targets"][0]["price"] = json!({"input": 10, "output": 20});
    gateway.swap(&document);
    ask(&gateway, &chat()).await;
    assert_eq!(gateway.counted(1).await.total.cost_micros, 10_000 + 2_000);
}

#[tokio::test]
async fn a_request_without_a_price_costs_nothing() {
    let provider = Provider::start().await;
    let mut document = document(&provider);
    document["models"]["m"].as_object_mut().unwrap().remove("price");
    let gateway = Gateway::start(&document);
    ask(&gateway, &chat()).await;
    let total = gateway.counted(1).await.total;
    assert_eq!((total.cost_micros, total.output_tokens), (0, 20));
}

#[tokio::test]
async fn an_answer_that_says_no_usage_is_estimated() {
    let provider = Provider::start().await;
    let body = json!({"choices": [{"message": {"content": "x".repeat(400)}}]});
    provider.usually(json_answer(200, &body));
    let gateway = Gateway::start(&document(&provider));
    ask(&gateway, &chat()).await;
    let total = gateway.counted(1).await.total;
    assert_eq!(total.input_tokens, (chat().to_string().len() as u64).div_ceil(4));
    assert_eq!(total.output_tokens, body.to_string().len() as u64 / 4);
}

#[tokio::test]
async fn a_caller_that_leaves_pays_for_what_was_produced() {
    let provider = Provider::start().await;
    provider.usually(vec![stream_head(), chunk(&EVENT.repeat(7)), Step::UntilClosed]);
    let mut document = document(&provider);
    document["routes"][0]["limits"] = json!([{"requests": 1, "window": "1m"}]);
    let gateway = Gateway::start(&document);
    let mut wire = Wire::open(gateway.address).await;
    wire.ask(&chat_stream()).await;
    wire.read_until(b"\n\n").await;
    drop(wire);
    let total = gateway.counted(1).await.total;
    assert_eq!((total.errors[&ErrorKind::ClientClosed], total.output_tokens), (1, 7));
    assert_eq!(ask(&gateway, &chat()).await.status, 429, "and for the request");
}

#[tokio::test]
async fn connections_to_providers_are_counted_and_so_is_what_a_request_cost_in_time_here() {
    let provider = Provider::start().await;
    let gauges = std::sync::Arc::<moorline_gateway::gauges::Gauges>::default();
    let counted = std::sync::Arc::clone(&gauges);
    let gateway = Gateway::start_with(&document(&provider), |config| config.gauges = counted);
    ask(&gateway, &chat()).await;
    provider.then(vec![stream_head(), chunk(EVENT), Step::UntilClosed]);
    let mut wire = Wire::open(gateway.address).await;
    wire.ask(&chat_stream()).await;
    wire.read_until(b"\n\n").await;
    let (open, idle) = (gauges.upstream_open(), gauges.upstream_idle());
    assert!((1..=2).contains(&open) && idle == open - 1, "{open} open, {idle} idle");
    drop(wire);
    provider.notices_closing().await;
    gateway.counted(2).await;
    super::provider::soon(async {
        while gauges.upstream_open() != gauges.upstream_idle() {
            tokio::time::sleep(std::time::Duration::from_millis(2)).await;
        }
    })
    .await;
    let overhead = gauges.overhead();
    assert_eq!(overhead.count, 2);
    assert!(overhead.sum < 2_000_000, "{} µs", overhead.sum);
    let read = gauges.meters().read();
    let ends: Vec<_> = read[0].1.iter().map(|reading| (reading.error, reading.duration.count)).collect();
    assert_eq!((read[0].0.model.as_str(), ends), ("m", vec![(None, 1), (Some(ErrorKind::ClientClosed), 1)]));
    assert_eq!(read[0].1[0].output.sum, 20);

    gateway.drain.cancel();
    gateway.ended().await;
    assert_eq!(
        (gauges.upstream_open(), gauges.upstream_idle(), gauges.connections(), gauges.requests()),
        (0, 0, 0, 0)
    );
}

#[tokio::test]
async fn what_a_provider_says_that_it_cost_is_no_price() {
    let provider = Provider::start().await;
    let gateway = Gateway::start(&document(&provider));
    for (asked, cost) in (1..).zip([json!(0), json!(0.0), json!(-5), json!("free"), json!({"total": 0})]) {
        let usage = json!({"prompt_tokens": 10, "completion_tokens": 20, "cost": cost, "total_cost": cost});
        provider.then(json_answer(200, &json!({"choices": [], "usage": usage, "cost": cost})));
        ask(&gateway, &chat()).await;
        // 10 in at 1 USD and 20 out at 2 USD per million, as the document says.
        assert_eq!(gateway.counted(asked).await.total.cost_micros, 50 * asked, "{cost}");
    }
}

#[tokio::test]
async fn estimated_tokens_are_marked_so_in_the_log_and_a_caller_that_left_is_a_499() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("access.log");
    let (access_log, _end) = log_to(&path, LogFormat::Json);
    let provider = Provider::start().await;
    let gateway = Gateway::start_with(&document(&provider), |config| config.access_log = access_log);
    ask(&gateway, &chat()).await;
    provider.then(json_answer(200, &json!({"choices": [{"message": {"content": "no usage"}}]})));
    ask(&gateway, &chat()).await;
    provider.then(vec![stream_head(), chunk(EVENT), Step::UntilClosed]);
    let mut wire = Wire::open(gateway.address).await;
    wire.ask(&chat_stream()).await;
    wire.read_until(b"\n\n").await;
    drop(wire);
    // Lines of different connections keep no order.
    let lines = lines(&path, 3).await;
    let mark = |line: &serde_json::Value| (line["status"].as_u64(), line["tokens_estimated"].as_bool());
    let mut marks: Vec<_> = lines.iter().map(mark).collect();
    marks.sort_unstable();
    assert_eq!(
        marks,
        [(Some(200), Some(false)), (Some(200), Some(true)), (Some(499), Some(true))],
        "{lines:?}"
    );
    assert!(lines.iter().all(|line| line["output_tokens"].as_u64().unwrap() > 0), "{lines:?}");
}
