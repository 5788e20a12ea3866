//! Spans and metrics, as a collector gets them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri};
use moorline_gateway::gauges::Gauges;
use moorline_gateway::telemetry::{Settings, Telemetry};
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{KeyValue, any_value::Value as Any};
use opentelemetry_proto::tonic::metrics::v1::{Metric, metric::Data};
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message;
use serde_json::json;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::caller::{CHAT, ask, chat, chat_stream, finish, post};
use super::gateway::{Gateway, KEY, UPSTREAM_KEY, document};
use super::provider::{
    DONE, EVENT, Provider, Step, USAGE_EVENT, failing, json_answer, ok_json, soon, spawn, stream,
};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const SPAN: &str = "00f067aa0ba902b7";

/// A post that came in.
struct Posted {
    path: String,
    headers: HeaderMap,
    body: Bytes,
}

#[derive(Default)]
struct Inbox {
    posts: Mutex<Vec<Posted>>,
    /// Statuses for the next posts; 200 after them.
    answers: Mutex<Vec<StatusCode>>,
}

/// A collector, and a gateway's telemetry that posts to it.
struct Collector {
    inbox: Arc<Inbox>,
    gauges: Arc<Gauges>,
    telemetry: Option<Arc<Telemetry>>,
    tracker: TaskTracker,
    stop: CancellationToken,
    server: tokio::task::JoinHandle<()>,
}

impl Drop for Collector {
    fn drop(&mut self) {
        self.stop.cancel();
        self.server.abort();
    }
}

async fn receive(
    State(inbox): State<Arc<Inbox>>,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> (StatusCode, [(&'static str, &'static str); 1]) {
    let status = inbox.answers.lock().unwrap().pop().unwrap_or(StatusCode::OK);
    inbox.posts.lock().unwrap().push(Posted { path: uri.path().to_owned(), headers, body });
    (status, [("location", "http://127.0.0.1:9/elsewhere")])
}

impl Collector {
    async fn start(variables: &[(&str, &str)]) -> Self {
        let inbox = Arc::<Inbox>::default();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let router = axum::Router::new().fallback(receive).with_state(Arc::clone(&inbox));
        let server = spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self::to(&format!("http://{address}"), variables, inbox, server)
    }

    fn to(
        endpoint: &str,
        variables: &[(&str, &str)],
        inbox: Arc<Inbox>,
        server: tokio::task::JoinHandle<()>,
    ) -> Self {
        let usual = [
            ("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint),
            ("OTEL_EXPORTER_OTLP_HEADERS", "x-token=marker-token"),
            ("OTEL_BSP_SCHEDULE_DELAY", "20"),
            ("OTEL_METRIC_EXPORT_INTERVAL", "50"),
        ];
        let find = |name: &str| {
            let all = variables.iter().chain(&usual);
            all.clone().find(|(there, _)| *there == name).map(|(_, value)| (*value).to_owned())
        };
        let settings = Settings::read(&find, "1.0", "i-1").unwrap().unwrap();
        let (gauges, tracker, stop) =
            (Arc::<Gauges>::default(), TaskTracker::new(), CancellationToken::new());
        let telemetry = Telemetry::start(settings, &gauges, &tracker, &stop).unwrap();
        Self { inbox, gauges, telemetry, tracker, stop, server }
    }

    fn gateway(&self, document: &serde_json::Value) -> Gateway {
        Gateway::start_with(document, |config| {
            config.gauges = Arc::clone(&self.gauges);
            config.telemetry = self.telemetry.clone();
        })
    }

    fn spans(&self) -> Vec<Span> {
        let posts = self.inbox.posts.lock().unwrap();
        let traces = posts.iter().filter(|post| post.path == "/v1/traces");
        traces
            .flat_map(|post| ExportTraceServiceRequest::decode(post.body.clone()).unwrap().resource_spans)
            .flat_map(|resource| {
                let attributes = &resource.resource.as_ref().unwrap().attributes;
                assert_eq!(texts(attributes)["service.name"], "moorline-gateway");
                resource.scope_spans
            })
            .flat_map(|scope| scope.spans)
            .collect()
    }

    /// Waits until so many spans have arrived.
    async fn arrived(&self, count: usize) -> Vec<Span> {
        soon(async {
            loop {
                let spans = self.spans();
                if spans.len() >= count {
                    return spans;
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        })
        .await
    }

    /// The metrics of the last post.
    fn metrics(&self) -> Vec<Metric> {
        let posts = self.inbox.posts.lock().unwrap();
        let last = posts.iter().rfind(|post| post.path == "/v1/metrics");
        let all =
            last.map(|post| ExportMetricsServiceRequest::decode(post.body.clone()).unwrap().resource_metrics);
        all.into_iter().flatten().flat_map(|all| all.scope_metrics).flat_map(|scope| scope.metrics).collect()
    }
}

fn texts(attributes: &[KeyValue]) -> BTreeMap<String, String> {
    let text = |value: &KeyValue| match value.value.clone().unwrap().value.unwrap() {
        Any::StringValue(text) => text,
        Any::IntValue(number) => number.to_string(),
        Any::DoubleValue(_) => "a fraction".to_owned(),
        other => panic!("{other:?}"),
    };
    attributes.iter().map(|value| (value.key.clone(), text(value))).collect()
}

#[tokio::test]
async fn a_sampled_request_is_a_span_with_one_for_each_attempt_and_its_upstream_knows_them() {
    let collector = Collector::start(&[]).await;
    let provider = Provider::start().await;
    provider
        .then(failing(500))
        .then(json_answer(200, &json!({"choices": [{"message": {"content": "canary-answer"}}], "usage": {"prompt_tokens": 7, "completion_tokens": 9}})));
    let mut document = document(&provider);
    document["routes"][0]["retry"] = json!({"attempts": 2, "backoff": "1ms"});
    document["models"]["m"]["targets"][0]["model"] = json!("m-upstream");
    let gateway = collector.gateway(&document);
    let body = json!({"model": "m", "messages": [{"role": "user", "content": "canary-prompt"}]}).to_string();
    let request = post(&gateway, &format!("{CHAT}?q=canary-query"))
        .header("traceparent", format!("00-{TRACE}-{SPAN}-01"))
        .header("x-request-id", "otel-1")
        .header("cookie", "canary-cookie");
    assert_eq!(finish(request.body(body)).await.status, 200);

    let spans = collector.arrived(3).await;
    assert_eq!(spans.len(), 3, "{spans:#?}");
    assert!(spans.iter().all(|span| hex::encode(&span.trace_id) == TRACE));
    let (server, attempts) = (&spans[0], &spans[1..]);
    assert_eq!((server.name.as_str(), server.kind), ("POST /v1/chat/completions", 2));
    assert_eq!(hex::encode(&server.parent_span_id), SPAN);
    let said = texts(&server.attributes);
    for (key, value) in [
        ("http.response.status_code", "200"),
        ("http.route", CHAT),
        ("url.path", CHAT),
        ("gen_ai.operation.name", "chat"),
        ("gen_ai.request.model", "m"),
        ("gen_ai.usage.input_tokens", "7"),
        ("gen_ai.usage.output_tokens", "9"),
        ("moorline.request_id", "otel-1"),
        ("moorline.key", "caller"),
        ("moorline.attempts", "2"),
    ] {
        assert_eq!(said.get(key).map(String::as_str), Some(value), "{key}: {said:?}");
    }
    for attempt in attempts {
        assert_eq!((attempt.name.as_str(), attempt.kind), ("chat m-upstream", 3));
        assert_eq!(attempt.parent_span_id, server.span_id);
        assert!(server.start_time_unix_nano <= attempt.start_time_unix_nano);
        assert!(attempt.start_time_unix_nano < attempt.end_time_unix_nano);
        assert!(attempt.end_time_unix_nano <= server.end_time_unix_nano);
        let said = texts(&attempt.attributes);
        assert_eq!(
            (said["gen_ai.provider.name"].as_str(), said["server.address"].as_str()),
            ("p", "127.0.0.1")
        );
        let upstream = provider.request().await;
        let ours = format!("00-{TRACE}-{}-01", hex::encode(&attempt.span_id));
        assert_eq!(upstream.header("traceparent"), Some(ours.as_str()));
    }
    let (first, second) = (texts(&attempts[0].attributes), texts(&attempts[1].attributes));
    assert_eq!(
        (first["error.type"].as_str(), first["http.response.status_code"].as_str()),
        ("upstream_failed", "500")
    );
    assert_eq!(
        (
            second.get("error.type"),
            second["gen_ai.usage.output_tokens"].as_str(),
            second["http.response.status_code"].as_str()
        ),
        (None, "9", "200")
    );
    assert_eq!((attempts[0].status.as_ref().unwrap().code, attempts[1].status.is_none()), (2, true));

    let posts = collector.inbox.posts.lock().unwrap();
    for post in &*posts {
        let text = String::from_utf8_lossy(&post.body).into_owned();
        for secret in ["canary", KEY, UPSTREAM_KEY] {
            assert!(!text.contains(secret), "{secret}");
        }
        assert_eq!(post.headers["content-type"], "application/x-protobuf");
        assert_eq!(post.headers["x-token"], "marker-token");
    }
}

#[tokio::test]
async fn what_a_request_used_stands_at_the_attempt_that_won_and_not_at_the_one_that_was_cancelled() {
    let collector = Collector::start(&[]).await;
    let (provider, second) = (Provider::start().await, Provider::start().await);
    let go = Arc::new(tokio::sync::Notify::new());
    provider.usually([vec![Step::Wait(Arc::clone(&go))], ok_json()].concat());
    second.usually(vec![Step::UntilClosed]);
    let mut document = super::resilience::two(&provider, &second, 1);
    document["models"]["m"]["hedge"] = json!({"after": "10ms"});
    let gateway = collector.gateway(&document);
    let body = chat();
    let others = async {
        second.request().await;
        go.notify_one();
    };
    assert_eq!(tokio::join!(ask(&gateway, &body), others).0.status, 200);
    let spans = collector.arrived(3).await;
    let said = |model: &str| {
        let span = spans.iter().find(|span| span.name == format!("chat {model}")).unwrap();
        let said = texts(&span.attributes);
        (said.get("gen_ai.usage.output_tokens").cloned(), said.get("error.type").cloned())
    };
    assert_eq!(said("m"), (Some("20".to_owned()), None));
    assert_eq!(said("second"), (None, Some("client_closed".to_owned())));
}

#[tokio::test]
async fn a_caller_s_decision_is_kept_and_its_own_word_travels_on() {
    let collector = Collector::start(&[("OTEL_TRACES_SAMPLER", "parentbased_always_off")]).await;
    let provider = Provider::start().await;
    let gateway = collector.gateway(&document(&provider));
    let unsampled = format!("00-{TRACE}-{SPAN}-00");
    let request =
        |traceparent: &str| post(&gateway, CHAT).header("traceparent", traceparent).body(chat().to_string());
    assert_eq!(finish(request(&unsampled)).await.status, 200);
    assert_eq!(provider.request().await.header("traceparent"), Some(unsampled.as_str()));
    // Without a word of the caller's none is made up.
    assert_eq!(ask(&gateway, &chat()).await.status, 200);
    assert_eq!(provider.request().await.header("traceparent"), None);
    // A sampled one comes last: when it has arrived, the others would have.
    assert_eq!(finish(request(&format!("00-{TRACE}-{SPAN}-01"))).await.status, 200);
    let spans = collector.arrived(2).await;
    assert_eq!(spans.len(), 2, "{spans:#?}");
}

#[tokio::test]
async fn metrics_have_the_names_of_the_conventions_and_count_each_end() {
    let collector = Collector::start(&[]).await;
    let provider = Provider::start().await;
    let gateway = collector.gateway(&document(&provider));
    assert_eq!(ask(&gateway, &chat()).await.status, 200);
    provider.then(stream(&[EVENT, USAGE_EVENT, DONE])).then(failing(500));
    assert_eq!(ask(&gateway, &chat_stream()).await.status, 200);
    assert_eq!(ask(&gateway, &chat()).await.status, 502);
    let read = || {
        let mut read = BTreeMap::new();
        for metric in collector.metrics() {
            match metric.data.unwrap() {
                Data::Histogram(histogram) => {
                    for point in histogram.data_points {
                        let said = texts(&point.attributes);
                        assert_eq!(said["gen_ai.operation.name"], "chat");
                        assert_eq!(
                            (said["gen_ai.provider.name"].as_str(), said["gen_ai.request.model"].as_str()),
                            ("p", "m")
                        );
                        assert_eq!(point.bucket_counts.len(), point.explicit_bounds.len() + 1);
                        assert_eq!(point.bucket_counts.iter().sum::<u64>(), point.count);
                        let of = [said.get("gen_ai.token.type"), said.get("error.type")];
                        let of = of.into_iter().flatten().cloned().collect::<String>();
                        read.insert(format!("{} {of}", metric.name), (point.count, point.sum.unwrap()));
                    }
                }
                Data::Sum(sum) => {
                    assert_eq!((metric.name.as_str(), sum.is_monotonic), ("moorline.cost", true));
                }
                other => panic!("{other:?}"),
            }
        }
        read
    };
    let read = soon(async {
        loop {
            let read = read();
            if read.contains_key("gen_ai.client.operation.duration upstream_failed") {
                return read;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
    for (name, count) in [
        ("gen_ai.client.operation.duration ", 2),
        ("gen_ai.client.operation.duration upstream_failed", 1),
        ("gen_ai.client.operation.time_to_first_chunk ", 1),
        ("gen_ai.server.time_to_first_token ", 1),
        ("gen_ai.server.request.duration ", 2),
        ("gen_ai.client.token.usage input", 2),
        ("gen_ai.client.token.usage output", 2),
    ] {
        assert_eq!(read.get(name).map(|(count, _)| *count), Some(count), "{name}: {read:#?}");
    }
    assert!((read["gen_ai.client.token.usage output"].1 - 40.0).abs() < 1e-9, "{read:#?}");
    let seconds = read["gen_ai.client.operation.duration "].1;
    assert!(seconds > 0.0 && seconds < 10.0, "{seconds} s");
}

#[tokio::test]
async fn a_post_that_fails_for_a_while_is_made_again_and_one_that_is_refused_is_counted() {
    let collector = Collector::start(&[("OTEL_METRICS_EXPORTER", "none")]).await;
    collector.inbox.answers.lock().unwrap().push(StatusCode::SERVICE_UNAVAILABLE);
    let provider = Provider::start().await;
    let gateway = collector.gateway(&document(&provider));
    ask(&gateway, &chat()).await;
    let spans = collector.arrived(4).await;
    assert_eq!(spans[0].span_id, spans[2].span_id, "the same spans again");
    assert_eq!(collector.gauges.dropped_spans(), 0);

    // A redirect is no place for our headers.
    for status in [StatusCode::BAD_REQUEST, StatusCode::TEMPORARY_REDIRECT] {
        let before = collector.gauges.dropped_spans();
        collector.inbox.answers.lock().unwrap().push(status);
        ask(&gateway, &chat()).await;
        soon(async {
            while collector.gauges.dropped_spans() == before {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        })
        .await;
        assert_eq!(collector.gauges.dropped_spans(), before + 1);
    }
}

#[tokio::test]
async fn a_collector_that_never_answers_holds_nobody_up_and_what_does_not_fit_is_counted() {
    // Takes connections, and says nothing.
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = silent.local_addr().unwrap();
    let server = spawn(async move {
        let mut held = Vec::new();
        while let Ok((stream, _)) = silent.accept().await {
            held.push(stream);
        }
    });
    let variables = [("OTEL_BSP_MAX_QUEUE_SIZE", "4"), ("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "2")];
    let collector = Collector::to(&format!("http://{address}"), &variables, Arc::default(), server);
    let provider = Provider::start().await;
    let gateway = collector.gateway(&document(&provider));
    let started = Instant::now();
    for _ in 0..30 {
        assert_eq!(ask(&gateway, &chat()).await.status, 200);
    }
    assert!(started.elapsed() < Duration::from_secs(8), "{:?}", started.elapsed());
    gateway.counted(30).await;
    soon(async {
        // The queue's, and what is being posted.
        while collector.gauges.dropped_spans() < 30 - 4 - 2 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
}

#[tokio::test]
async fn the_end_posts_what_is_left() {
    let variables = [("OTEL_BSP_SCHEDULE_DELAY", "60000"), ("OTEL_METRIC_EXPORT_INTERVAL", "60000")];
    let collector = Collector::start(&variables).await;
    let provider = Provider::start().await;
    let gateway = collector.gateway(&document(&provider));
    for _ in 0..3 {
        ask(&gateway, &chat()).await;
    }
    gateway.counted(3).await;
    gateway.drain.cancel();
    gateway.ended().await;
    assert!(collector.spans().is_empty());
    collector.stop.cancel();
    collector.tracker.close();
    soon(collector.tracker.wait()).await;
    assert_eq!(collector.spans().len(), 6);
    assert!(collector.metrics().iter().any(|metric| metric.name == "gen_ai.client.operation.duration"));
}

#[tokio::test]
async fn without_an_endpoint_nothing_is_traced_and_a_callers_word_travels_on() {
    assert!(Settings::read(&|_| None, "1.0", "i-1").unwrap().is_none());
    let provider = Provider::start().await;
    let gateway = Gateway::start(&document(&provider));
    let given = format!("00-{TRACE}-{SPAN}-01");
    finish(post(&gateway, CHAT).header("traceparent", &given).body(chat().to_string())).await;
    assert_eq!(provider.request().await.header("traceparent"), Some(given.as_str()));
}
