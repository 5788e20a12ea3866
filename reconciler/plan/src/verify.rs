//! Whether what is being tried is healthy.
//!
//! In: what was declared, and one [`Observation`] of the rollout's present phase. Out: [`Evidence`], with every number
//! it rests on.

mod attest;
mod probes;
mod traffic;

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use moorline_model::CheckFailed;
use moorline_model::config::Digest;
use moorline_model::declaration::Verify;
use moorline_model::rollout::{Evidence, Phase, RequestCounts, VERIFY_ERRORS_MAX, Verdict};

use crate::gateway::ReplicaReading;

/// What one generation counted over a span of time, merged over all replicas.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Sample {
    /// Requests that ended, without those that a response cache answered: they say nothing of the document.
    pub requests: u64,
    /// Those that failed through the document or an upstream; faults of callers are not among them.
    pub faults: u64,
    /// 95th percentile of latency.
    pub p95_ms: Option<f64>,
    /// 99th percentile of latency.
    pub p99_ms: Option<f64>,
    /// Cost in millionths of a US dollar.
    pub cost_micros: u64,
    /// Faults by model.
    pub faults_by_model: BTreeMap<String, u64>,
}

/// What one probe through the candidate came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProbeResult {
    /// The model asked for.
    pub model: String,
    /// The replica asked.
    pub endpoint: String,
    /// How it was answered.
    pub outcome: ProbeOutcome,
}

/// How a probe was answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProbeOutcome {
    /// With the status that is right.
    Right,
    /// With another one: the document fails its verification.
    Wrong {
        /// The status it got.
        status: u16,
        /// The status that is right.
        expected: u16,
        /// What is wrong, in a sentence, as far as the gateway says.
        fault: Option<String>,
    },
    /// Not at all: that says nothing of the document.
    Unanswered(CheckFailed),
}

/// What was seen of a phase.
#[derive(Debug, Clone, Copy)]
pub struct Observation<'a> {
    /// The phase it is about.
    pub phase: &'a Phase,
    /// What the rollout's document counted since the phase began.
    pub candidate: &'a Sample,
    /// What the document it replaces counted in the same time; `None` when there is none to compare with.
    pub stable: Option<&'a Sample>,
    /// Probes through the rollout's document, asked just now.
    pub probes: &'a [ProbeResult],
    /// The replicas as read just now.
    pub attested: &'a [ReplicaReading],
    /// The rollout's document.
    pub expected: Digest,
    /// The span over which was counted: the time since the phase began.
    pub elapsed: Duration,
    /// What ECS and load balancers say against it, one sentence each.
    pub aws: &'a [String],
}

/// Wait after which another error counts. Verification may be asked many times a second; four errors within one
/// restart of a replica are one error.
const ERROR_SPACING: SignedDuration = SignedDuration::from_secs(5);
/// Rounds in a row with a wrong answer to a probe before it counts: an upstream's one bad answer is not a bad document,
/// and in Staging nobody's request waits for the second round.
const WRONG_PROBES_MAX: u32 = 2;

/// What one side of the judging found.
#[derive(Debug, Default)]
struct Findings {
    /// Why the document fails.
    failures: Vec<String>,
    /// What could not be checked.
    errors: Vec<CheckFailed>,
    /// What is still missing for a verdict.
    missing: Vec<String>,
    /// What is no proof against the document by itself, and says more where there is one.
    suspicions: Vec<String>,
}

/// Judges an observation. `step_hold` is the canary step's shortest time; `previous` the evidence before this one.
///
/// Guarantees: no verdict is `Passed` without at least one request or one rightly answered probe, except in Staging,
/// where without declared probes the replicas' attestation is all that can be asked.
#[must_use]
pub fn judge(
    verify: &Verify,
    step_hold: Option<Duration>,
    observation: &Observation<'_>,
    previous: Option<&Evidence>,
    now: Timestamp,
) -> Evidence {
    let previous = previous.filter(|previous| previous.phase == *observation.phase);
    let mut findings = Findings::default();
    let mut facts = BTreeMap::new();
    findings.failures.extend(observation.aws.iter().cloned());
    let wrong_probes_in_a_row = probes::judge(observation, previous, &mut findings, &mut facts);
    attest::judge(observation, &mut findings, &mut facts);
    if *observation.phase != Phase::Staging {
        traffic::judge(verify, step_hold, observation, &mut findings, &mut facts);
    }
    let (errors_in_a_row, at) = errors(&findings, previous, now);
    Evidence {
        phase: observation.phase.clone(),
        verdict: verdict(findings, errors_in_a_row),
        facts,
        at,
        callers: (*observation.phase != Phase::Staging).then_some(RequestCounts {
            requests: observation.candidate.requests,
            failed: observation.candidate.faults,
        }),
        errors_in_a_row,
        wrong_probes_in_a_row,
    }
}

/// A failure outweighs what could not be checked, and that outweighs what is missing.
fn verdict(mut findings: Findings, errors_in_a_row: u32) -> Verdict {
    let suspicions = std::mem::take(&mut findings.suspicions);
    if !findings.failures.is_empty() {
        findings.failures.extend(suspicions);
        return Verdict::Failed { reasons: findings.failures };
    }
    findings.missing.extend(suspicions);
    if !findings.errors.is_empty() {
        let reasons: Vec<_> = findings.errors.iter().map(|failed| failed.because.as_str()).collect();
        let because = reasons.join("; ");
        if errors_in_a_row >= VERIFY_ERRORS_MAX {
            return Verdict::Failed {
                reasons: vec![format!("could not be verified {errors_in_a_row} times in a row: {because}")],
            };
        }
        let failure = findings.errors.into_iter().map(|failed| failed.class).max();
        return Verdict::Error { because, failure };
    }
    if findings.missing.is_empty() {
        Verdict::Passed
    } else {
        Verdict::Inconclusive { because: findings.missing.join("; ") }
    }
}

/// How many errors in a row there are, and when the last that counted was.
fn errors(findings: &Findings, previous: Option<&Evidence>, now: Timestamp) -> (u32, Timestamp) {
    if findings.errors.is_empty() {
        return (0, now);
    }
    match previous.filter(|previous| previous.errors_in_a_row > 0) {
        Some(previous) if now.duration_since(previous.at) < ERROR_SPACING => {
            (previous.errors_in_a_row, previous.at)
        }
        Some(previous) => (previous.errors_in_a_row.saturating_add(1), now),
        None => (1, now),
    }
}

#[cfg(test)]
mod tests;
