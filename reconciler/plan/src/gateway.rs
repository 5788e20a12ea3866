//! What gateway replicas attest, compared with what they should serve.
//!
//! In: one reading per replica, and the document in force. Out: findings of the gateway lane. The digest is compared
//! first, so that agreement costs the same however large the document; fields only when it differs.

pub(crate) mod fields;

use jiff::Timestamp;
use moorline_model::config::{Config, Digest, Percent};
use moorline_model::drift::{DriftKind, Finding, Lane, Severity};
use moorline_model::environment::{EnvironmentState, Replica};
use moorline_model::rollout::{Phase, RequestCounts, Rollout};
use moorline_model::{CheckFailed, EnvironmentName};
use serde_json::Value;

/// One replica as read just now.
#[derive(Debug, Clone, PartialEq)]
pub struct ReplicaReading {
    /// Its admin URL.
    pub endpoint: String,
    /// What it attests, or why it could not be read: the rest of a sentence that begins with the endpoint.
    pub result: Result<ReplicaStatus, CheckFailed>,
}

/// What a replica attests.
#[derive(Debug, Clone, PartialEq)]
pub struct ReplicaStatus {
    /// Its process' id.
    pub instance: String,
    /// What it serves. Absent: nothing yet.
    pub stable: Option<Serving>,
    /// What it tries beside it.
    pub candidate: Option<CandidateServing>,
    /// The document it serves; fetched only when its digest is not the expected one.
    pub document: Option<Value>,
    /// What callers asked of it in the last minute.
    pub recent: Option<RequestCounts>,
}

/// A document being served.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Serving {
    pub digest: Digest,
    /// The commit it came from, when the writer said so.
    pub commit: Option<String>,
    /// Its number on the replica.
    pub generation: u64,
    /// Who owns it: `git`, `terraform`, `file`, `manual`, or `git, for ENVIRONMENT` where that is another one.
    pub origin: String,
    /// For a manual write: who.
    pub actor: Option<String>,
    /// For a manual write: why.
    pub reason: Option<String>,
    pub since: Timestamp,
}

/// A candidate beside it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CandidateServing {
    pub digest: Digest,
    /// Its number on the replica.
    pub generation: u64,
    /// Its share of requests.
    pub weight: Percent,
}

/// How the owner of a document begins that was brought there for another environment.
const ANOTHERS: &str = "git, for ";

impl Serving {
    /// The document was brought there by a commit that declares the gateway for another environment: then that one owns it, and
    /// not whoever names the same address now.
    pub fn belongs_to(&mut self, environment: &EnvironmentName) {
        self.origin = format!("{ANOTHERS}{environment}");
    }

    /// Whether it was brought there for another environment.
    #[must_use]
    pub fn is_anothers(&self) -> bool {
        self.origin.starts_with(ANOTHERS)
    }

    /// Who wrote it, when and why: `written by hand (jane) at 2026-11-21T07:03:25Z: quick fix`.
    #[must_use]
    pub fn written_by(&self) -> String {
        let actor = self.actor.as_deref().map(|actor| format!(" ({actor})")).unwrap_or_default();
        let reason = self.reason.as_deref().map(|reason| format!(": {reason}")).unwrap_or_default();
        let how = if self.origin == "manual" { "hand" } else { &self.origin };
        let since = self.since.strftime("%Y-%m-%dT%H:%M:%SZ");
        format!("written by {how}{actor} at {since}{reason}")
    }
}

impl ReplicaReading {
    /// What it serves, when it could be read and serves something.
    #[must_use]
    pub fn stable(&self) -> Option<&Serving> {
        self.result.as_ref().ok()?.stable.as_ref()
    }

    /// Its candidate, when it could be read and has one.
    #[must_use]
    pub fn candidate(&self) -> Option<&CandidateServing> {
        self.result.as_ref().ok()?.candidate.as_ref()
    }

    /// Whether it is known to serve this document as stable.
    #[must_use]
    pub fn serves(&self, digest: Digest) -> bool {
        self.stable().is_some_and(|serving| serving.digest == digest)
    }

    /// Whether it is known to hold this document, as stable or as candidate.
    #[must_use]
    pub fn holds(&self, digest: Digest) -> bool {
        self.serves(digest) || self.candidate().is_some_and(|candidate| candidate.digest == digest)
    }

    /// Whether it cannot be read and is not known to have had the rollout's candidate: a mistyped address would else keep
    /// the commit that mends it out for ever. A candidate that is there after all has no share of requests, and is found as
    /// drift.
    #[must_use]
    pub fn was_never_reached(&self, rollout: &Rollout) -> bool {
        self.result.is_err() && !rollout.generations.contains_key(&self.endpoint)
    }
}

/// A replica as it is remembered until it is read again.
#[must_use]
pub fn remembered(reading: &ReplicaReading, now: Timestamp) -> Replica {
    let status = reading.result.as_ref().ok();
    let (stable, failed) = (reading.stable(), reading.result.as_ref().err());
    Replica {
        endpoint: reading.endpoint.clone(),
        instance: status.map(|status| status.instance.clone()),
        digest: stable.map(|stable| stable.digest),
        commit: stable.and_then(|stable| stable.commit.clone()),
        generation: stable.map(|stable| stable.generation),
        candidate: reading.candidate().map(|candidate| candidate.digest),
        error: failed.map(|failed| failed.because.clone()),
        failure: failed.map(|failed| failed.class.clone()),
        recent: status.and_then(|status| status.recent),
        checked_at: now,
    }
}

/// Most fields reported one by one; more of them are one finding, for then it is another document altogether.
const FIELDS_MAX: usize = 30;

/// What replicas should serve just now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Expectation {
    /// The document in force.
    pub stable: Digest,
    /// The candidate that a rollout put there.
    pub candidate: Option<Digest>,
}

/// What replicas should serve, or `None` while that cannot be said: before the first document, and while a document
/// is put in or back replica by replica.
#[must_use]
pub fn expectation(state: &EnvironmentState) -> Option<Expectation> {
    let stable = state.applied.as_ref()?.digest;
    let Some(rollout) = state.rollout_under_way() else {
        return Some(Expectation { stable, candidate: None });
    };
    match rollout.phase {
        Phase::Promoting | Phase::RollingBack { .. } => None,
        Phase::Staging | Phase::Shifting { .. } => Some(Expectation { stable, candidate: rollout.digest }),
        _ => Some(Expectation { stable, candidate: None }),
    }
}

/// Lists in what the replicas differ from the document in force.
///
/// `expected_candidate` is the candidate of the rollout under way; any other is unmanaged.
#[must_use]
pub fn gateway_findings(
    declared: &Config,
    expected_candidate: Option<Digest>,
    readings: &[ReplicaReading],
) -> Vec<Finding> {
    let mut findings = Vec::new();
    for reading in readings {
        match &reading.result {
            Err(failed) => findings.push(Finding {
                note: Some(failed.because.clone()),
                ..finding(reading, DriftKind::Unverifiable, Severity::Warning)
            }),
            Ok(status) => {
                findings.extend(stable_findings(declared, reading, status));
                findings.extend(candidate_finding(expected_candidate, reading, status));
            }
        }
    }
    findings
}

fn finding(reading: &ReplicaReading, kind: DriftKind, severity: Severity) -> Finding {
    Finding {
        lane: Lane::Gateway,
        address: reading.endpoint.clone(),
        path: String::new(),
        kind,
        severity,
        declared: None,
        live: None,
        note: None,
    }
}

fn stable_findings(declared: &Config, reading: &ReplicaReading, status: &ReplicaStatus) -> Vec<Finding> {
    let Some(serving) = &status.stable else {
        return vec![Finding {
            declared: Some(declared.digest().short()),
            note: Some("it serves no document".to_owned()),
            ..finding(reading, DriftKind::Missing, Severity::Critical)
        }];
    };
    if serving.digest == declared.digest() {
        return Vec::new();
    }
    let note = Some(serving.written_by());
    let fields =
        status.document.as_ref().map(|live| fields::fields(declared.value(), live)).unwrap_or_default();
    if fields.is_empty() || fields.len() > FIELDS_MAX {
        let count = fields.len();
        let note = note.map(|note| if count > 0 { format!("{count} fields differ; {note}") } else { note });
        return vec![Finding {
            declared: Some(declared.digest().short()),
            live: Some(serving.digest.short()),
            note,
            ..finding(reading, DriftKind::Changed, Severity::Critical)
        }];
    }
    let as_finding = |field: fields::Field| Finding {
        kind: match (&field.declared, &field.live) {
            (Some(_), None) => DriftKind::Missing,
            (None, Some(_)) => DriftKind::Unmanaged,
            _ => DriftKind::Changed,
        },
        severity: severity(&field.path),
        path: field.path,
        declared: field.declared,
        live: field.live,
        note: note.clone(),
        ..finding(reading, DriftKind::Changed, Severity::Critical)
    };
    fields.into_iter().map(as_finding).collect()
}

/// Labels change nothing that is served.
fn severity(path: &str) -> Severity {
    let is_label = path.starts_with("tags") || path.starts_with("location");
    if is_label { Severity::Warning } else { Severity::Critical }
}

fn candidate_finding(
    expected: Option<Digest>,
    reading: &ReplicaReading,
    status: &ReplicaStatus,
) -> Option<Finding> {
    let candidate = status.candidate.filter(|candidate| Some(candidate.digest) != expected)?;
    let severity = if candidate.weight == Percent::ZERO { Severity::Warning } else { Severity::Critical };
    Some(Finding {
        path: "candidate".to_owned(),
        live: Some(format!("{} at {}", candidate.digest.short(), candidate.weight)),
        note: Some("a candidate that no rollout put there".to_owned()),
        ..finding(reading, DriftKind::Unmanaged, severity)
    })
}

#[cfg(test)]
mod tests;
