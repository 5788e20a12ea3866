//! The task that posts metrics, under the names of the `gen_ai.*` conventions.
//!
//! They are read from the counts that the metrics page shows, so that they cost a request nothing. The bounds of times
//! are powers of two of a microsecond, not the ones that the conventions advise: those of the counts themselves, so
//! that they are exact.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::metrics::v1::{
    AggregationTemporality, Histogram, HistogramDataPoint, Metric, NumberDataPoint, ResourceMetrics,
    ScopeMetrics, Sum, metric::Data, number_data_point,
};
use opentelemetry_proto::tonic::resource::v1::Resource;
use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::sync::CancellationToken;

use super::encode::{Attributes, nanos, scope};
use super::export::{END_WITHIN, Post};
use super::names;
use crate::clock;
use crate::gauges::Gauges;
use crate::meters::{Counts, Labels, Meters, Reading};

/// The task that posts metrics.
pub(super) struct Measure {
    post: Post,
    resource: Resource,
    gauges: Arc<Gauges>,
    started: Timestamp,
    interval: Duration,
}

/// A histogram of the conventions: its name, unit and words, and where its counts are.
struct Family {
    name: &'static str,
    unit: &'static str,
    description: &'static str,
    token_type: Option<&'static str>,
    of: fn(&Reading) -> &Counts,
}

const FAMILIES: [Family; 6] = [
    Family {
        name: "gen_ai.client.operation.duration",
        unit: "s",
        description: "Requests to providers, by how long they took.",
        token_type: None,
        of: |reading| &reading.duration,
    },
    Family {
        name: "gen_ai.client.operation.time_to_first_chunk",
        unit: "s",
        description: "Streams, by the time from the request to the provider to the first byte of its answer.",
        token_type: None,
        of: |reading| &reading.first_chunk,
    },
    Family {
        name: "gen_ai.client.token.usage",
        unit: "{token}",
        description: "Requests served, by their tokens.",
        token_type: Some("input"),
        of: |reading| &reading.input,
    },
    Family {
        name: "gen_ai.client.token.usage",
        unit: "{token}",
        description: "Requests served, by their tokens.",
        token_type: Some("output"),
        of: |reading| &reading.output,
    },
    Family {
        name: "gen_ai.server.request.duration",
        unit: "s",
        description: "Requests of callers, by the time from their arrival to the last byte of the answer.",
        token_type: None,
        of: |reading| &reading.served,
    },
    Family {
        name: "gen_ai.server.time_to_first_token",
        unit: "s",
        description: "Streams, by the time from the caller's request to the first byte of the answer.",
        token_type: None,
        of: |reading| &reading.served_first,
    },
];

impl Measure {
    pub(super) fn new(post: Post, resource: Resource, gauges: Arc<Gauges>, interval: Duration) -> Self {
        Self { post, resource, gauges, started: clock::now(), interval }
    }

    /// Posts every interval, and a last time at the end.
    pub(super) async fn run(mut self, stop: CancellationToken) {
        let mut ticks = tokio::time::interval_at(Instant::now() + self.interval, self.interval);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while stop.run_until_cancelled(ticks.tick()).await.is_some() {
            // The next one says it all again: nothing is lost by one that does not arrive.
            let by = Instant::now() + self.interval;
            stop.run_until_cancelled(self.send(by)).await;
        }
        let by = Instant::now() + END_WITHIN;
        tokio::time::timeout_at(by, self.send(by)).await.unwrap_or_default();
    }

    async fn send(&mut self, by: Instant) {
        let message = export(&self.resource, self.gauges.meters(), self.started, clock::now());
        self.post.send(&message, Some(by)).await;
    }
}

/// Everything counted up to now.
fn export(
    resource: &Resource,
    meters: &Meters,
    started: Timestamp,
    now: Timestamp,
) -> ExportMetricsServiceRequest {
    let read = meters.read();
    let mut metrics: Vec<Metric> = Vec::new();
    for family in &FAMILIES {
        let mut points = points(family, &read, started, now);
        // Both kinds of tokens are one metric.
        match metrics
            .last_mut()
            .filter(|metric| metric.name == family.name)
            .and_then(|metric| metric.data.as_mut())
        {
            Some(Data::Histogram(histogram)) => histogram.data_points.append(&mut points),
            _ if points.is_empty() => {}
            _ => metrics.push(Metric {
                name: family.name.to_owned(),
                description: family.description.to_owned(),
                unit: family.unit.to_owned(),
                data: Some(Data::Histogram(Histogram {
                    data_points: points,
                    aggregation_temporality: AggregationTemporality::Cumulative.into(),
                })),
                ..Metric::default()
            }),
        }
    }
    metrics.extend(cost(&read, started, now));
    let scope_metrics = vec![ScopeMetrics { scope: Some(scope()), metrics, ..ScopeMetrics::default() }];
    let metrics =
        ResourceMetrics { resource: Some(resource.clone()), scope_metrics, ..ResourceMetrics::default() };
    ExportMetricsServiceRequest { resource_metrics: vec![metrics] }
}

fn points(
    family: &Family,
    read: &[(Labels, Vec<Reading>)],
    started: Timestamp,
    now: Timestamp,
) -> Vec<HistogramDataPoint> {
    let is_time = family.unit == "s";
    let scaled = |value: u64| if is_time { as_float(value) / 1e6 } else { as_float(value) };
    let all =
        read.iter().flat_map(|(labels, readings)| readings.iter().map(move |reading| (labels, reading)));
    all.filter_map(|(labels, reading)| {
        let counts = (family.of)(reading);
        let mut attributes = attributes(labels, reading);
        if let Some(kind) = family.token_type {
            attributes.text("gen_ai.token.type", kind);
        }
        (counts.count > 0).then(|| HistogramDataPoint {
            attributes: attributes.0,
            start_time_unix_nano: nanos(started),
            time_unix_nano: nanos(now),
            count: counts.count,
            sum: Some(scaled(counts.sum)),
            bucket_counts: counts.counts.clone(),
            explicit_bounds: counts.bounds.iter().map(|bound| scaled(*bound)).collect(),
            ..HistogramDataPoint::default()
        })
    })
    .collect()
}

/// The conventions have no word for cost.
fn cost(read: &[(Labels, Vec<Reading>)], started: Timestamp, now: Timestamp) -> Option<Metric> {
    let all =
        read.iter().flat_map(|(labels, readings)| readings.iter().map(move |reading| (labels, reading)));
    let data_points: Vec<_> = all
        .filter(|(_, reading)| reading.cost_micros > 0)
        .map(|(labels, reading)| NumberDataPoint {
            attributes: attributes(labels, reading).0,
            start_time_unix_nano: nanos(started),
            time_unix_nano: nanos(now),
            value: Some(number_data_point::Value::AsDouble(as_float(reading.cost_micros) / 1e6)),
            ..NumberDataPoint::default()
        })
        .collect();
    let sum = Sum {
        data_points,
        aggregation_temporality: AggregationTemporality::Cumulative.into(),
        is_monotonic: true,
    };
    (!sum.data_points.is_empty()).then(|| Metric {
        name: "moorline.cost".to_owned(),
        description: "Cost by the declared prices.".to_owned(),
        unit: "{USD}".to_owned(),
        data: Some(Data::Sum(sum)),
        ..Metric::default()
    })
}

fn attributes(labels: &Labels, reading: &Reading) -> Attributes {
    let mut attributes = Attributes::default();
    attributes
        .text("gen_ai.operation.name", names::operation(reading.operation))
        .text("gen_ai.provider.name", names::provider(labels))
        .text("gen_ai.request.model", labels.model.as_str())
        .text("moorline.provider", labels.provider.as_str());
    if let Some((host, port)) = &labels.server {
        attributes.text("server.address", host.as_str()).number("server.port", u64::from(*port));
    }
    if let Some(error) = reading.error {
        attributes.text("error.type", error.as_str());
    }
    attributes
}

#[expect(clippy::cast_precision_loss, reason = "for graphs: exact up to 2^53")]
const fn as_float(value: u64) -> f64 {
    value as f64
}
