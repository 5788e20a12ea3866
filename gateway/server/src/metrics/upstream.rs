//! What providers were asked, by the names they and their models have in the document.

use std::collections::BTreeSet;
use std::sync::atomic::Ordering;

use moorline_admin::ErrorKind;

use super::known::Known;
use super::page::{Kind, Page};
use super::{dollars, seconds};
use crate::gauges::{Gauges, Hedge};
use crate::meters::{Counts, Labels, Reading, TARGETS_MAX};

/// A target, and what it did whatever was asked of it.
struct Target {
    labels: Labels,
    readings: Vec<Reading>,
}

impl Target {
    fn sample(&self, page: &mut Page, value: impl std::fmt::Display) {
        page.sample(&[("provider", &self.labels.provider), ("model", &self.labels.model)], value);
    }

    fn sum(&self, of: impl Fn(&Reading) -> u64) -> u64 {
        self.readings.iter().map(of).sum()
    }

    fn counts(&self, of: fn(&Reading) -> &Counts) -> Counts {
        let mut counts = Counts::times();
        self.readings.iter().for_each(|reading| counts.merge(of(reading)));
        counts
    }
}

pub(super) fn write(page: &mut Page, gauges: &Gauges, known: &Known) {
    let targets = targets(gauges, known);
    attempts(page, &targets);
    used(page, &targets);
    let hedges = known.hedges(gauges.hedges().all());
    for (name, help, wanted) in [
        ("hedges_total", "Targets asked beside one that kept its caller waiting, by the model.", Hedge::Sent),
        ("hedges_won_total", "Those among them that answered first, by the model.", Hedge::Won),
    ] {
        page.family(name, Kind::Counter, help);
        for ((model, _), count) in hedges.iter().filter(|((_, what), _)| *what == wanted) {
            page.sample(&[("model", model)], count);
        }
    }
    page.family(
        "shadow_dropped_total",
        Kind::Counter,
        "Copies of requests that were not sent, or not to their end, by the model they were for and the reason.",
    );
    for ((model, reason), count) in known.unsent(gauges.unsent_shadows().all()) {
        page.sample(&[("model", &model), ("reason", reason.as_str())], count);
    }
    page.family(
        "slow_streams_total",
        Kind::Counter,
        "Streams that were ended because they came more slowly than `min_stream_rate`.",
    );
    page.sample(&[], gauges.slow_streams().load(Ordering::Relaxed));
    page.family(
        "overhead_seconds",
        Kind::Histogram,
        "The part of a request's latency that was not spent upstream, of requests that went there.",
    );
    histogram(page, &[], &gauges.overhead());
    page.family("upstream_connections", Kind::Gauge, "Open connections to providers, by what they do.");
    let (open, idle) = (gauges.upstream_open(), gauges.upstream_idle());
    page.sample(&[("state", "busy")], open.saturating_sub(idle));
    page.sample(&[("state", "idle")], idle);
}

/// Those that were ever asked, and those that may be.
fn targets(gauges: &Gauges, known: &Known) -> Vec<Target> {
    let asked = gauges.meters().read().into_iter().map(|(labels, readings)| Target { labels, readings });
    let mut targets: Vec<Target> = asked.collect();
    let name = |target: &Target| (target.labels.provider.clone(), target.labels.model.clone());
    let asked: BTreeSet<(String, String)> = targets.iter().map(name).collect();
    let room = TARGETS_MAX.saturating_sub(targets.len());
    for (provider, model) in known.targets.difference(&asked).take(room) {
        let labels = Labels { provider: provider.clone(), kind: None, model: model.clone(), server: None };
        targets.push(Target { labels, readings: Vec::new() });
    }
    targets.sort_by_key(name);
    targets
}

fn attempts(page: &mut Page, targets: &[Target]) {
    page.family(
        "upstream_requests_total",
        Kind::Counter,
        "Requests sent to providers, each attempt counted, by provider and its model.",
    );
    for target in targets {
        target.sample(page, target.sum(|reading| reading.duration.count));
    }
    page.family(
        "upstream_errors_total",
        Kind::Counter,
        "Requests to providers that did not end well, by provider, its model and kind.",
    );
    for Target { labels, readings } in targets {
        for kind in ErrorKind::ALL {
            let ended = readings.iter().filter(|reading| reading.error == Some(kind));
            let count: u64 = ended.map(|reading| reading.duration.count).sum();
            let (provider, model) = (labels.provider.as_str(), labels.model.as_str());
            page.sample(&[("provider", provider), ("model", model), ("kind", kind.as_str())], count);
        }
    }
    page.family(
        "upstream_duration_seconds",
        Kind::Histogram,
        "From a request to a provider to its last byte, by provider and its model.",
    );
    times(page, targets, |reading| &reading.duration);
    page.family(
        "upstream_first_token_seconds",
        Kind::Histogram,
        "From a request to a provider to the first byte of its stream, by provider and its model.",
    );
    times(page, targets, |reading| &reading.first_chunk);
}

fn used(page: &mut Page, targets: &[Target]) {
    page.family("upstream_input_tokens_total", Kind::Counter, "Tokens in, by provider and its model.");
    for target in targets {
        target.sample(page, target.sum(|reading| reading.input.sum));
    }
    page.family("upstream_output_tokens_total", Kind::Counter, "Tokens out, by provider and its model.");
    for target in targets {
        target.sample(page, target.sum(|reading| reading.output.sum));
    }
    page.family(
        "upstream_cost_usd_total",
        Kind::Counter,
        "Cost by the declared prices, by provider and its model.",
    );
    for target in targets {
        target.sample(page, dollars(target.sum(|reading| reading.cost_micros)));
    }
}

fn times(page: &mut Page, targets: &[Target], of: fn(&Reading) -> &Counts) {
    for target in targets {
        let Labels { provider, model, .. } = &target.labels;
        histogram(page, &[("provider", provider), ("model", model)], &target.counts(of));
    }
}

fn histogram(page: &mut Page, labels: &[(&str, &str)], counts: &Counts) {
    let mut below = 0;
    for (bound, count) in counts.bounds.iter().zip(&counts.counts) {
        below += count;
        page.suffixed("_bucket", &[labels, &[("le", &seconds(*bound).to_string())]].concat(), below);
    }
    page.suffixed("_bucket", &[labels, &[("le", "+Inf")]].concat(), counts.count);
    page.suffixed("_sum", labels, seconds(counts.sum));
    page.suffixed("_count", labels, counts.count);
}
