//! The metrics page, in the Prometheus text format.
//!
//! Names are `moorline_gateway_…`, units last, `_total` for counters. Labels come from declared names only, so that
//! callers cannot grow the page; what is declared is there from the start, at 0 ([`known`]). Counters belong to the process, not to a generation: they never go down.

mod known;
mod page;
mod upstream;

use jiff::Timestamp;
use moorline_admin::histogram::upper_micros;
use moorline_admin::{Attestation, ErrorKind, Histogram, Usage};

use crate::gauges::Gauges;
use crate::health::Health;
use crate::recorder::Authentication;
use crate::recorder::ledger::Totals;
use crate::state::State;
use known::Known;
use page::{Kind, Page};

/// Media type of the page.
pub const MEDIA_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Upper bounds of the histograms' buckets, as powers of two of a microsecond (1 ms to 268 s). These are also
/// bounds of the recorder's own buckets, so that the counts are exact.
const BOUNDS: std::ops::RangeInclusive<u32> = 10..=28;

/// Usage by label value.
type ByName = std::collections::BTreeMap<String, Usage>;

/// Writes the page.
#[must_use]
pub fn page(state: &State, gauges: &Gauges, health: &Health, now: Timestamp) -> String {
    let mut page = Page::default();
    let known = Known::of(&state.snapshot());
    process(&mut page, state, gauges, &known);
    documents(&mut page, state);
    outside(&mut page, state, now);
    targets(&mut page, state, health);
    traffic(&mut page, &known.totals(state.totals(now)));
    upstream::write(&mut page, gauges, &known);
    page.finish()
}

fn process(page: &mut Page, state: &State, gauges: &Gauges, known: &Known) {
    let status = state.status();
    page.family("build_info", Kind::Gauge, "The release that runs; always 1.");
    page.sample(&[("version", &status.version)], 1);
    page.family("start_time_seconds", Kind::Gauge, "When the process started, in seconds since the epoch.");
    page.sample(&[], status.started.as_second());
    page.family(
        "draining",
        Kind::Gauge,
        "1 while the gateway takes no new connections and finishes what runs.",
    );
    page.sample(&[], u8::from(status.draining));
    page.family("connections", Kind::Gauge, "Open connections of callers.");
    page.sample(&[], gauges.connections());
    page.family("requests_in_flight", Kind::Gauge, "Requests under way.");
    page.sample(&[], gauges.requests());
    page.family(
        "limit_stores_lost",
        Kind::Gauge,
        "Stores of limits (Redis) that cannot be reached now; above 0, limits do what `when_lost` says.",
    );
    page.sample(&[], gauges.lost_stores());
    page.family(
        "access_log_dropped_total",
        Kind::Counter,
        "Lines of the access log that were not written, because nobody took them in time.",
    );
    page.sample(&[], gauges.dropped_lines());
    page.family(
        "telemetry_dropped_total",
        Kind::Counter,
        "Sampled requests whose spans did not arrive at the OpenTelemetry collector.",
    );
    page.sample(&[], gauges.dropped_spans());
    page.family(
        "guardrail_verdicts_total",
        Kind::Counter,
        "What guardrails came to, by guardrail, stage (request, response) and action (passed, monitored, blocked, unavailable_allowed, unavailable_blocked).",
    );
    for ((guardrail, stage, action), count) in known.verdicts(gauges.guardrails().all()) {
        page.sample(&[("guardrail", &guardrail), ("stage", stage), ("action", action)], count);
    }
}

fn documents(page: &mut Page, state: &State) {
    let status = state.status();
    let stable = status.stable.as_ref().map(|stable| ("stable", stable));
    let candidate = status.candidate.as_ref().map(|candidate| ("candidate", &candidate.attestation));
    let served: Vec<(&str, &Attestation)> = stable.into_iter().chain(candidate).collect();
    page.family("config_info", Kind::Gauge, "The documents served; always 1.");
    for (role, said) in &served {
        let commit = said.commit.as_deref().unwrap_or_default();
        page.sample(
            &[
                ("role", role),
                ("digest", &said.digest.to_string()),
                ("commit", commit),
                ("origin", said.origin.as_str()),
            ],
            1,
        );
    }
    page.family("config_generation", Kind::Gauge, "Number of the documents served.");
    for (role, said) in &served {
        page.sample(&[("role", role)], said.generation.0);
    }
    page.family(
        "config_since_seconds",
        Kind::Gauge,
        "When the documents served began to serve, in seconds since the epoch.",
    );
    for (role, said) in &served {
        page.sample(&[("role", role)], said.since.as_second());
    }
    page.family(
        "config_rejected",
        Kind::Gauge,
        "Documents refused since the last one taken; above 0, something is declared that does not serve.",
    );
    page.sample(&[], status.rejected.len());
    page.family("config_rejections_total", Kind::Counter, "Documents refused.");
    page.sample(&[], state.rejections());
    page.family("config_changes_total", Kind::Counter, "Documents taken, as stable or candidate.");
    page.sample(&[], state.changes());
    page.family("candidate_weight_ratio", Kind::Gauge, "The candidate's share of requests, from 0 to 1.");
    page.sample(&[], status.candidate.map_or(0.0, |candidate| candidate.weight.as_fraction()));
}

/// What comes from outside: secrets and places of the document.
fn outside(page: &mut Page, state: &State, now: Timestamp) {
    let held = state.held();
    page.family(
        "secret_refresh_failures_total",
        Kind::Counter,
        "Secrets of served documents that could not be looked up again.",
    );
    page.sample(&[], held.failures());
    page.family(
        "secrets_stale",
        Kind::Gauge,
        "Secrets whose last look-up failed; the values had before serve on.",
    );
    page.sample(&[], held.stale().len());
    page.family("secret_age_seconds", Kind::Gauge, "Time since the oldest secret in use was looked up.");
    let age = held.oldest().map_or(0, |oldest| now.duration_since(oldest).as_secs());
    page.sample(&[], age);
    page.family("source_failures_total", Kind::Counter, "Times that a place of --config could not be read.");
    page.sample(&[], state.source_failures());
    let failing = state.status().sources.iter().filter(|source| source.problem.is_some()).count();
    page.family(
        "sources_failing",
        Kind::Gauge,
        "Places of --config that could not be read the last time; what was read before serves on.",
    );
    page.sample(&[], failing);
}

/// Targets of the documents served, each once, though several models name it.
fn targets(page: &mut Page, state: &State, health: &Health) {
    let snapshot = state.snapshot();
    let candidate = snapshot.candidate.as_ref().map(|staged| &staged.generation);
    let mut left_alone: std::collections::BTreeMap<(&str, &str), bool> = std::collections::BTreeMap::new();
    for generation in snapshot.stable.iter().chain(candidate) {
        for (_, model) in generation.routing.models() {
            for target in model.targets() {
                let name = (target.upstream.provider.as_str(), target.model.as_str());
                *left_alone.entry(name).or_default() |= target.is_left_alone(health);
            }
        }
    }
    page.family(
        "breaker_open",
        Kind::Gauge,
        "1 while a target is not asked, because it keeps failing or its provider refused our credential.",
    );
    for ((provider, model), is_left_alone) in left_alone {
        page.sample(&[("provider", provider), ("model", model)], u8::from(is_left_alone));
    }
}

fn traffic(page: &mut Page, totals: &Totals) {
    let models = &totals.models;
    counter(
        page,
        "requests_total",
        "Requests that ended, by the model asked for.",
        "model",
        models,
        |usage| usage.requests,
    );
    errors(
        page,
        "request_errors_total",
        "Requests that did not end well, by model and kind.",
        "model",
        models,
    );
    histogram(
        page,
        "request_duration_seconds",
        "From a request's arrival to its last byte, by model, without answers from the cache.",
        models,
        |usage| &usage.latency,
    );
    histogram(
        page,
        "first_token_seconds",
        "From a request's arrival to the first byte of a stream, by model.",
        models,
        |usage| &usage.first_token,
    );
    counter(page, "input_tokens_total", "Tokens in, by model.", "model", models, |usage| usage.input_tokens);
    counter(page, "output_tokens_total", "Tokens out, by model.", "model", models, |usage| {
        usage.output_tokens
    });
    page.family("cost_usd_total", Kind::Counter, "Cost by the declared prices, by model.");
    for (name, usage) in models {
        page.sample(&[("model", name)], dollars(usage.cost_micros));
    }
    counter(page, "cache_hits_total", "Answers from the cache, by model.", "model", models, |usage| {
        usage.cache_hits
    });
    let routes = &totals.routes;
    counter(page, "route_requests_total", "Requests that ended, by route.", "route", routes, |usage| {
        usage.requests
    });
    errors(page, "route_errors_total", "Requests that did not end well, by route and kind.", "route", routes);
    counter(
        page,
        "limit_hits_total",
        "Requests refused because a limit was reached, by route.",
        "route",
        routes,
        |usage| usage.errors.get(&ErrorKind::Limited).copied().unwrap_or(0),
    );
    shadows(page, &totals.shadows);
    page.family("authentications_total", Kind::Counter, "Callers' proofs, by how they were judged.");
    for (result, count) in Authentication::ALL.into_iter().zip(totals.authentications) {
        page.sample(&[("result", result.as_str())], count);
    }
}

/// Copies of requests, which are counted nowhere else.
fn shadows(page: &mut Page, shadows: &ByName) {
    let help = "Copies of requests that were answered or failed, by the model they were sent to.";
    counter(page, "shadow_requests_total", help, "model", shadows, |usage| usage.requests);
    let help = "Copies of requests that did not end well, by model and kind.";
    errors(page, "shadow_errors_total", help, "model", shadows);
    let help = "From sending a copy to the last byte of its answer, by model.";
    histogram(page, "shadow_duration_seconds", help, shadows, |usage| &usage.latency);
    let help = "From sending a copy to the first content of its stream, by model.";
    histogram(page, "shadow_first_token_seconds", help, shadows, |usage| &usage.first_token);
    let help = "Tokens in of copies, by model.";
    counter(page, "shadow_input_tokens_total", help, "model", shadows, |usage| usage.input_tokens);
    let help = "Tokens out of copies, by model.";
    counter(page, "shadow_output_tokens_total", help, "model", shadows, |usage| usage.output_tokens);
    page.family("shadow_cost_usd_total", Kind::Counter, "Cost of copies by the declared prices, by model.");
    for (name, usage) in shadows {
        page.sample(&[("model", name)], dollars(usage.cost_micros));
    }
}

fn counter(page: &mut Page, name: &str, help: &str, label: &str, by_name: &ByName, of: fn(&Usage) -> u64) {
    page.family(name, Kind::Counter, help);
    for (value, usage) in by_name {
        page.sample(&[(label, value)], of(usage));
    }
}

fn errors(page: &mut Page, name: &str, help: &str, label: &str, by_name: &ByName) {
    page.family(name, Kind::Counter, help);
    for (value, usage) in by_name {
        for kind in ErrorKind::ALL {
            let count = usage.errors.get(&kind).copied().unwrap_or(0);
            page.sample(&[(label, value), ("kind", kind.as_str())], count);
        }
    }
}

fn histogram(page: &mut Page, name: &str, help: &str, by_name: &ByName, of: fn(&Usage) -> &Histogram) {
    page.family(name, Kind::Histogram, help);
    for (model, usage) in by_name {
        let histogram = of(usage);
        let mut counted = histogram.buckets.iter().peekable();
        let mut below = 0;
        for bound in BOUNDS.map(|exponent| 1_u64 << exponent) {
            while let Some((_, count)) =
                counted.next_if(|(bucket, _)| upper_micros(usize::from(**bucket)) < bound)
            {
                below += count;
            }
            page.suffixed("_bucket", &[("model", model), ("le", &seconds(bound).to_string())], below);
        }
        page.suffixed("_bucket", &[("model", model), ("le", "+Inf")], histogram.count);
        page.suffixed("_sum", &[("model", model)], seconds(histogram.sum_micros));
        page.suffixed("_count", &[("model", model)], histogram.count);
    }
}

#[expect(clippy::cast_precision_loss, reason = "a page for people and graphs: 2^53 µs are 285 years")]
fn seconds(micros: u64) -> f64 {
    micros as f64 / 1e6
}

fn dollars(micros: u64) -> f64 {
    seconds(micros)
}

#[cfg(test)]
mod tests;
