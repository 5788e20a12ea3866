//! Whether people's requests fare as well under the new document as they should, and as under the old one in the
//! same time.

use std::collections::BTreeMap;
use std::time::Duration;

use moorline_model::declaration::Verify;
use moorline_model::masking;
use moorline_model::rollout::Phase;

use super::{Findings, Observation, Sample};

/// Fewest requests on which an error rate fails a document before the window is over: fewer are an accident.
const FAST_REQUESTS_MIN: u64 = 10;
/// Fewest faults for that. Together they stop a dead provider within seconds, and a single lost connection never does.
const FAST_FAULTS_MIN: f64 = 5.0;
/// Fewest requests on which a percentile or a cost is looked at: under them the slowest request is all there is to see.
const MEASURE_REQUESTS_MIN: u64 = 50;
/// How much slower or dearer than stable a document may be before a limit that stable breaks too counts against it.
const AS_BAD_AS_STABLE: f64 = 1.1;

pub(super) fn judge(
    verify: &Verify,
    step_hold: Option<Duration>,
    observation: &Observation<'_>,
    findings: &mut Findings,
    facts: &mut BTreeMap<String, String>,
) {
    note(facts, "candidate", observation.candidate, observation.elapsed);
    if let Some(stable) = observation.stable {
        note(facts, "stable", stable, observation.elapsed);
    }
    faults(verify, observation, findings);
    model_faults(verify, observation, findings);
    latency(verify, observation, findings);
    cost(verify, observation, findings);
    missing(verify, step_hold, observation, findings);
}

fn note(facts: &mut BTreeMap<String, String>, who: &str, sample: &Sample, elapsed: Duration) {
    let mut put = |name: &str, value: String| facts.insert(format!("{who}.{name}"), value);
    put("requests", sample.requests.to_string());
    put("error_rate", format!("{:.2}%", share(as_number(sample.faults), sample.requests) * 100.0));
    for (name, value) in [("p95_ms", sample.p95_ms), ("p99_ms", sample.p99_ms)] {
        if let Some(value) = value {
            put(name, format!("{value:.0}"));
        }
    }
    put("cost_per_minute_usd", format!("{:.4}", dollars(sample.cost_micros) / minutes(elapsed)));
}

#[expect(clippy::cast_precision_loss, reason = "counts of requests are far below 2^52")]
const fn as_number(count: u64) -> f64 {
    count as f64
}

fn share(part: f64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part / as_number(whole) }
}

fn dollars(micros: u64) -> f64 {
    as_number(micros) / 1e6
}

fn minutes(elapsed: Duration) -> f64 {
    (elapsed.as_secs_f64() / 60.0).max(1.0 / 60.0)
}

/// Faults beyond those that stable's rate in the same time lets expect: an outage that both share is nobody's fault.
fn excess(faults: u64, requests: u64, stable_faults: u64, stable_requests: u64) -> f64 {
    (as_number(faults) - share(as_number(stable_faults), stable_requests) * as_number(requests)).max(0.0)
}

fn faults(verify: &Verify, observation: &Observation<'_>, findings: &mut Findings) {
    let candidate = observation.candidate;
    let (stable_faults, stable_requests) =
        observation.stable.map_or((0, 0), |stable| (stable.faults, stable.requests));
    let excess = excess(candidate.faults, candidate.requests, stable_faults, stable_requests);
    let rate = share(excess, candidate.requests);
    let limit = verify.limits.error_rate;
    let is_enough = candidate.requests > 0 && candidate.requests >= verify.min_requests;
    let is_plain = candidate.requests >= FAST_REQUESTS_MIN && excess >= FAST_FAULTS_MIN;
    if rate > limit.as_fraction() && (is_enough || is_plain) {
        let beyond = if stable_faults > 0 { " beyond stable's own" } else { "" };
        findings.failures.push(format!(
            "{} of {} requests failed, {:.2}%{beyond} (at most {limit})",
            candidate.faults,
            candidate.requests,
            rate * 100.0
        ));
    }
}

fn model_faults(verify: &Verify, observation: &Observation<'_>, findings: &mut Findings) {
    let Some(limit) = verify.limits.model_failures else { return };
    let candidate = observation.candidate;
    for (model, faults) in &candidate.faults_by_model {
        let (stable_faults, stable_requests) = observation.stable.map_or((0, 0), |stable| {
            (stable.faults_by_model.get(model).copied().unwrap_or(0), stable.requests)
        });
        if excess(*faults, candidate.requests, stable_faults, stable_requests) > as_number(limit) {
            let beyond = if stable_faults > 0 { format!(", stable {stable_faults}") } else { String::new() };
            let model = masking::masked(model);
            findings.failures.push(format!("{model} failed {faults} times{beyond} (at most {limit})"));
        }
    }
}

/// Stable's sample, when it is large enough to compare measures with.
fn measured<'a>(observation: &Observation<'a>) -> Option<&'a Sample> {
    observation.stable.filter(|stable| stable.requests >= MEASURE_REQUESTS_MIN)
}

fn latency(verify: &Verify, observation: &Observation<'_>, findings: &mut Findings) {
    let candidate = observation.candidate;
    if candidate.requests < MEASURE_REQUESTS_MIN.max(verify.min_requests) {
        return;
    }
    let limits = &verify.limits;
    let stable = measured(observation);
    let percentiles = [
        ("p95", candidate.p95_ms, limits.p95, stable.and_then(|stable| stable.p95_ms)),
        ("p99", candidate.p99_ms, limits.p99, stable.and_then(|stable| stable.p99_ms)),
    ];
    for (name, value, limit, stable) in percentiles {
        let (Some(value), Some(limit)) = (value, limit) else { continue };
        let is_as_stable = stable.is_some_and(|stable| value <= stable * AS_BAD_AS_STABLE);
        if value > as_number(limit.as_milliseconds()) && !is_as_stable {
            findings.failures.push(format!("{name} is {value:.0}ms (at most {limit})"));
        }
    }
    if let (Some(value), Some(stable), Some(limit)) =
        (candidate.p99_ms, stable.and_then(|stable| stable.p99_ms), limits.p99_increase)
        && value > stable * (1.0 + limit.as_fraction())
    {
        findings.failures.push(format!("p99 is {value:.0}ms, stable's {stable:.0}ms (at most {limit} more)"));
    }
}

/// What all requests would cost under the new document: a candidate with 1 % of them is cheap whatever it does.
fn cost(verify: &Verify, observation: &Observation<'_>, findings: &mut Findings) {
    let candidate = observation.candidate;
    let Some(limit) = verify.limits.cost_per_minute else { return };
    if candidate.requests < MEASURE_REQUESTS_MIN.max(verify.min_requests) {
        return;
    }
    let all = candidate.requests + observation.stable.map_or(0, |stable| stable.requests);
    let each = share(dollars(candidate.cost_micros), candidate.requests);
    let a_minute = each * as_number(all) / minutes(observation.elapsed);
    let is_as_stable = measured(observation)
        .is_some_and(|stable| each <= share(dollars(stable.cost_micros), stable.requests) * AS_BAD_AS_STABLE);
    if a_minute > limit.as_dollars() && !is_as_stable {
        findings.failures.push(format!(
            "all requests would cost {a_minute:.2} USD a minute (at most {:.2})",
            limit.as_dollars()
        ));
    }
}

fn missing(
    verify: &Verify,
    step_hold: Option<Duration>,
    observation: &Observation<'_>,
    findings: &mut Findings,
) {
    let requests = observation.candidate.requests;
    let least = verify.min_requests;
    if requests < least {
        findings.missing.push(format!("{requests} of {least} requests seen"));
    } else if requests == 0 && observation.probes.is_empty() {
        findings.missing.push("no request was seen and no probe is declared".to_owned());
    }
    let hold = match observation.phase {
        Phase::Shifting { .. } => step_hold.unwrap_or_default(),
        _ => verify.window.get(),
    };
    if observation.elapsed < hold {
        let seconds = |span: Duration| span.as_secs();
        findings.missing.push(format!("{}s of {}s watched", seconds(observation.elapsed), seconds(hold)));
    }
}
