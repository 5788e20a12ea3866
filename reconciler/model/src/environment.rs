//! All that is remembered of one environment between two cycles.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use moorline_config::Digest;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::adoption::Found;
use crate::comparison::Comparisons;
use crate::condition::{ConditionStatus, ConditionType, Conditions};
use crate::declaration::ApprovalRule;
use crate::drift::{Drift, Lane};
use crate::plan::PlanSummary;
use crate::rollout::{Deployed, RequestCounts, Rollout};
use crate::{CommitId, EnvironmentName, FailureClass, Revision};

/// A commit, or everything, that is not applied until a person releases it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Hold {
    /// The commit; absent: nothing at all is applied.
    #[serde(default)]
    pub commit: Option<CommitId>,
    /// Why.
    pub reason: String,
    /// Who: a person, or `moorline` after an automatic rollback.
    pub by: String,
    /// Since when.
    pub since: Timestamp,
}

/// A gateway replica as last read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Replica {
    /// Its admin URL.
    pub endpoint: String,
    /// Its process' id, when it could be read.
    #[serde(default)]
    pub instance: Option<String>,
    /// Digest of what it serves.
    #[serde(default)]
    pub digest: Option<Digest>,
    /// Commit of what it serves.
    #[serde(default)]
    pub commit: Option<String>,
    /// Number of what it serves.
    #[serde(default)]
    pub generation: Option<u64>,
    /// Digest of its candidate.
    #[serde(default)]
    pub candidate: Option<Digest>,
    /// Why it could not be read.
    #[serde(default)]
    pub error: Option<String>,
    /// Whether reading it again helps.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<FailureClass>,
    /// Requests of callers in the minute before, and how many failed. Absent: it was not read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recent: Option<RequestCounts>,
    /// When it was read.
    pub checked_at: Timestamp,
}

/// A person who requested an operation, and when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RequestedBy {
    /// Who.
    pub actor: String,
    /// When.
    pub at: Timestamp,
}

/// How often drift was healed without its going away.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Healing {
    /// When it was last tried.
    pub at: Timestamp,
    /// Tries in a row.
    pub tries: u32,
}

/// Most verified states that [`EnvironmentState::verified_before`] remembers.
pub const VERIFIED_BEFORE_MAX: usize = 10;

/// One environment's memory.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EnvironmentState {
    pub name: EnvironmentName,
    /// The head of the branch, as last read.
    #[serde(default, rename = "wanted")]
    pub head: Option<Revision>,
    /// The last applied revision, verified or not.
    #[serde(default)]
    pub applied: Option<Deployed>,
    /// What last verified healthy: where a rollback goes.
    #[serde(default)]
    pub verified: Option<Deployed>,
    /// Whether a person must approve changes: the rule of the commit that verified last, and the stricter one while another
    /// serves that has not verified yet.
    #[serde(default)]
    pub approval_rule: ApprovalRule,
    /// What verified healthy before that, the newest first, at most [`VERIFIED_BEFORE_MAX`].
    #[serde(default)]
    pub verified_before: Vec<Deployed>,
    /// Requested to act now, and to try again what failed. Gone after the next cycle that finds nothing to do.
    #[serde(default)]
    pub sync: Option<RequestedBy>,
    /// Set while open drift is being healed, so that a fight with another writer grows slower and not faster.
    #[serde(default)]
    pub healing: Option<Healing>,
    /// What is held.
    #[serde(default)]
    pub holds: Vec<Hold>,
    /// Why nothing is done by itself any more, until a person releases it.
    #[serde(default)]
    pub frozen: Option<String>,
    /// The rollout under way, or the last one.
    #[serde(default)]
    pub rollout: Option<Rollout>,
    /// Commits that were rolled back automatically once; not twice.
    #[serde(default)]
    pub rolled_back: BTreeSet<CommitId>,
    /// The six conditions.
    #[serde(default, rename = "axes")]
    pub conditions: Conditions,
    /// Findings that are suspected, open or ignored.
    #[serde(default)]
    pub drift: Vec<Drift>,
    /// The last plan of the scheduled lane.
    #[serde(default)]
    pub plan: Option<PlanSummary>,
    /// When each lane was last checked.
    #[serde(default, rename = "looked")]
    pub last_checked: BTreeMap<Lane, Timestamp>,
    /// The declared lanes, and when each was last compared.
    #[serde(default)]
    pub lanes: Comparisons,
    /// The replicas as last read.
    #[serde(default)]
    pub replicas: Vec<Replica>,
    /// Open incidents: trouble that people were notified of, each with when they first were.
    #[serde(default)]
    pub incidents: BTreeMap<String, Timestamp>,
    /// Since when no commit declares it; absent while one does.
    #[serde(default)]
    pub undeclared_since: Option<Timestamp>,
    /// What replicas served when they were first met, where it was not Git's.
    #[serde(default)]
    pub found: Vec<Found>,
}

impl EnvironmentState {
    /// An environment of which nothing is known yet.
    #[must_use]
    pub fn new(name: EnvironmentName) -> Self {
        Self {
            name,
            head: None,
            applied: None,
            verified: None,
            approval_rule: ApprovalRule::None,
            verified_before: Vec::new(),
            sync: None,
            healing: None,
            holds: Vec::new(),
            frozen: None,
            rollout: None,
            rolled_back: BTreeSet::new(),
            conditions: Conditions::default(),
            drift: Vec::new(),
            plan: None,
            last_checked: BTreeMap::new(),
            lanes: Comparisons::new(),
            replicas: Vec::new(),
            incidents: BTreeMap::new(),
            undeclared_since: None,
            found: Vec::new(),
        }
    }

    /// The hold that keeps a commit from being applied, if there is one. One on everything comes first: no newer commit
    /// opens it.
    #[must_use]
    pub fn hold_on(&self, commit: &CommitId) -> Option<&Hold> {
        let on_commit = || self.holds.iter().find(|hold| hold.commit.as_ref() == Some(commit));
        self.holds.iter().find(|hold| hold.commit.is_none()).or_else(on_commit)
    }

    /// Whether replicas were looked for and not one could be read: then nothing is known of what is served.
    #[must_use]
    pub fn no_replica_can_be_read(&self) -> bool {
        self.conditions.status(ConditionType::Health) == ConditionStatus::CannotCheck
            && self.replicas.iter().all(|replica| replica.error.is_some())
    }

    /// What replicas served when they were first met and may not be replaced yet: nothing has verified here, and nobody has
    /// adopted it.
    pub fn unadopted(&self) -> impl Iterator<Item = &Found> {
        self.found.iter().filter(|found| self.verified.is_none() && found.adopted.is_none())
    }

    /// Whether a look found what the one before it had found. What every look changes, and nothing is decided on but when to look
    /// again, does not count: when each thing was last looked at, the requests of callers in the minute before, and the sentence
    /// of a condition, which names the head.
    #[must_use]
    pub fn is_as_found_before(&self, before: &Self) -> bool {
        let mut aged = before.clone();
        for (kind, condition) in &mut aged.conditions.0 {
            if let Some(newer) = self.conditions.0.get(kind) {
                condition.checked_at = newer.checked_at;
                condition.because.clone_from(&newer.because);
            }
        }
        for (lane, comparison) in &mut aged.lanes {
            // Whether a lane was ever compared is no age.
            let newer = self.lanes.get(lane).and_then(|newer| newer.compared_at);
            if comparison.compared_at.is_some() && newer.is_some() {
                comparison.compared_at = newer;
            }
        }
        for (lane, checked_at) in &mut aged.last_checked {
            *checked_at = self.last_checked.get(lane).copied().unwrap_or(*checked_at);
        }
        for (replica, newer) in aged.replicas.iter_mut().zip(&self.replicas) {
            (replica.checked_at, replica.recent) = (newer.checked_at, newer.recent);
        }
        for (drift, newer) in aged.drift.iter_mut().zip(&self.drift) {
            drift.last_seen = newer.last_seen;
        }
        aged == *self
    }

    /// The rollout under way.
    #[must_use]
    pub fn rollout_under_way(&self) -> Option<&Rollout> {
        self.rollout.as_ref().filter(|rollout| !rollout.phase.is_over())
    }
}

/// A document that `terraform apply` handed over, or that a rollout delivered: kept by digest, so that a rollback
/// finds it again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredDocument {
    pub digest: Digest,
    /// The document, references unresolved.
    pub document: Value,
    /// When it was kept.
    pub at: Timestamp,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_look_that_differs_in_ages_only_found_the_same() {
        type Change = fn(&mut EnvironmentState);
        let at = |second: i64| Timestamp::from_second(second).unwrap();
        let looked = |second: i64| {
            let moment = at(second).to_string();
            let mut state: EnvironmentState = serde_json::from_value(json!({
                "name": "prod", "looked": {"terraform": moment},
                "lanes": {"aws": {"compared_at": moment}},
                "replicas": [{"endpoint": "http://a", "checked_at": moment, "recent": {"requests": second, "failed": 0}}],
            }))
            .unwrap();
            let because = format!("the head is {second}");
            state.conditions.note(ConditionType::Health, ConditionStatus::Good, &because, at(0));
            state.conditions.0.get_mut(&ConditionType::Health).unwrap().checked_at = at(second);
            state
        };
        let (before, after) = (looked(1), looked(2));
        assert_ne!(before, after);
        assert!(after.is_as_found_before(&before));
        let differ: [(&str, Change); 5] = [
            ("a replica's error", |state| state.replicas[0].error = Some("gone".to_owned())),
            ("a replica more", |state| state.replicas.push(state.replicas[0].clone())),
            ("a lane that was never compared", |state| {
                state.lanes.values_mut().for_each(|lane| lane.compared_at = None);
            }),
            ("a lane that was first looked at", |state| {
                state.last_checked.insert(Lane::Aws, Timestamp::UNIX_EPOCH);
            }),
            ("a condition", |state| {
                let since = Timestamp::UNIX_EPOCH;
                state.conditions.note(ConditionType::Health, ConditionStatus::Attention, "it fails", since);
            }),
        ];
        for (what, change) in differ {
            let mut changed = looked(2);
            change(&mut changed);
            assert!(!changed.is_as_found_before(&before), "{what}");
            assert!(!before.is_as_found_before(&changed), "{what}, the other way");
        }
    }

    #[test]
    fn the_record_keeps_the_names_that_earlier_releases_wrote() {
        let at = "2026-11-21T12:00:00Z";
        let revision = json!({"commit": "1".repeat(40), "author": "me", "message": "m", "committed_at": at});
        let condition = json!({"standing": "good", "because": "", "since": at, "checked_at": at});
        let rollout = json!({
            "id": "00000000-0000-7000-8000-000000000001", "kind": {"kind": "deploy"}, "revision": revision,
            "phase": {"phase": "pending"}, "started_at": at, "phase_since": at, "plan": {}, "verify": {},
            "asked": {"actor": "me", "at": at}, "told": true, "asks": true,
        });
        let written = json!({
            "name": "prod", "wanted": revision, "axes": {"source": condition}, "looked": {"terraform": at},
            "rollout": rollout,
        });
        let state: EnvironmentState = serde_json::from_value(written.clone()).unwrap();
        assert!(state.rollout.as_ref().is_some_and(|rollout| rollout.is_announced && rollout.awaits_person));
        let again = serde_json::to_value(&state).unwrap();
        for pointer in ["/wanted", "/axes", "/looked", "/rollout/asked", "/rollout/told", "/rollout/asks"] {
            assert_eq!(again.pointer(pointer), written.pointer(pointer), "{pointer}");
        }
    }
}
