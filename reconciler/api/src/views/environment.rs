//! An environment: the state, with ages and the one word.

use std::collections::BTreeMap;

use jiff::Timestamp;
use moorline_model::adoption::Found;
use moorline_model::callers::{Callers, callers};
use moorline_model::comparison::{self, Answer};
use moorline_model::condition::{Condition, ConditionStatus, ConditionType};
use moorline_model::drift::{DriftState, Lane};
use moorline_model::environment::{EnvironmentState, Hold, Replica};
use moorline_model::plan::PlanSummary;
use moorline_model::rollout::{ApprovalSubject, Deployed, Rollout};
use moorline_model::status::{self, StatusWord};
use moorline_model::{EnvironmentName, Exit, FailureClass, Revision};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Which environments are requested.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
pub struct EnvironmentsQuery {
    /// At most so many.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("minimum" = 1, "maximum" = 1000, "default" = 100))]
    pub limit: Option<usize>,
    /// Those whose name comes after this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<EnvironmentName>,
}

/// A page of environments.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Environments {
    /// By name.
    pub environments: Vec<EnvironmentView>,
    /// The `after` of the next page; absent on the last one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<EnvironmentName>,
    /// While there is no environment: what the daemon waits for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waits_for: Option<String>,
}

/// An environment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "Environment")]
pub struct EnvironmentView {
    /// As declared.
    pub name: EnvironmentName,
    /// The worst that is known, in one word.
    pub status: StatusView,
    /// Whether callers are affected.
    pub callers: Callers,
    /// The six conditions.
    #[serde(rename = "axes")]
    pub conditions: BTreeMap<ConditionType, ConditionView>,
    /// The head of the branch, as last read.
    pub wanted: Option<Revision>,
    /// The last applied revision, verified or not.
    pub applied: Option<Deployed>,
    /// The last healthy revision: where a rollback goes.
    pub verified: Option<Deployed>,
    /// The rollout under way, or the last one.
    pub rollout: Option<Rollout>,
    /// What waits for a person's approval.
    pub waits_for_approval: Option<ApprovalSubject>,
    /// The replicas as last read.
    pub replicas: Vec<Replica>,
    /// How many findings there are.
    pub drift: DriftCounts,
    /// What is not applied until a person releases it.
    pub holds: Vec<Hold>,
    /// Why nothing is done by itself any more, until a person releases it.
    pub frozen: Option<String>,
    /// The last plan of the scheduled lane.
    pub plan: Option<PlanView>,
    /// When each lane last looked.
    pub looked: BTreeMap<Lane, Timestamp>,
    /// The declared lanes.
    pub lanes: Vec<LaneView>,
    /// What replicas served when they were first met, where it was not Git's.
    pub found: Vec<Found>,
    /// The daemon's time when it answered.
    pub now: Timestamp,
}

/// The one word for an environment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "Status")]
pub struct StatusView {
    /// The word.
    pub word: StatusWord,
    /// Since when it holds.
    pub since: Option<Timestamp>,
    /// For how long it has held.
    pub age_seconds: Option<i64>,
    /// How a command ends that reports it.
    pub exit_code: Exit,
}

/// A condition with its ages; one never checked has neither reason nor age.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "Condition")]
pub struct ConditionView {
    /// Its status.
    #[serde(rename = "standing")]
    pub status: ConditionStatus,
    /// Why, in one sentence.
    pub because: Option<String>,
    /// Where it could not be checked, or has mistakes: whether trying again helps.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<FailureClass>,
    /// Since when the status is the same.
    pub since: Option<Timestamp>,
    /// When it was last checked.
    pub checked_at: Option<Timestamp>,
    /// How long ago that was.
    pub age_seconds: Option<i64>,
}

/// A declared lane, and when it was last compared.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "ComparedLane")]
pub struct LaneView {
    /// Where was looked.
    pub lane: Lane,
    /// When all of it was last compared; null: never.
    pub compared_at: Option<Timestamp>,
    /// How long ago that was.
    pub age_seconds: Option<i64>,
    /// Why the last look could not compare all of it.
    pub trouble: Option<String>,
    /// Whether looking again helps, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<FailureClass>,
}

/// How many findings there are, and the answer on drift.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DriftCounts {
    /// The answer on drift.
    pub answer: Answer,
    /// Findings that were read twice.
    pub open: usize,
    /// Findings that were read once.
    pub suspected: usize,
    /// Findings that a rule leaves alone.
    pub ignored: usize,
}

/// A plan, and its first line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "Plan")]
pub struct PlanView {
    /// `1 to add, 0 to change, 0 to destroy`.
    pub headline: String,
    #[serde(flatten)]
    pub plan: PlanSummary,
}

impl EnvironmentView {
    /// The view of a state at a moment.
    #[must_use]
    pub fn of(state: EnvironmentState, now: Timestamp) -> Self {
        let conditions = ConditionType::ALL
            .into_iter()
            .map(|of| (of, ConditionView::of(state.conditions.0.get(&of), now)));
        Self {
            status: StatusView::of(&state, now),
            callers: callers(&state),
            conditions: conditions.collect(),
            waits_for_approval: state.rollout_under_way().and_then(Rollout::waits_for_approval),
            drift: DriftCounts::of(&state),
            lanes: LaneView::all(&state, now),
            plan: state.plan.map(|plan| PlanView { headline: plan.headline(), plan }),
            name: state.name,
            wanted: state.head,
            applied: state.applied,
            verified: state.verified,
            rollout: state.rollout,
            replicas: state.replicas,
            holds: state.holds,
            frozen: state.frozen,
            looked: state.last_checked,
            found: state.found,
            now,
        }
    }

    /// A condition; one that the answer does not have was never checked.
    #[must_use]
    pub fn condition(&self, of: ConditionType) -> ConditionView {
        self.conditions.get(&of).cloned().unwrap_or_else(|| ConditionView::of(None, self.now))
    }

    /// The rollout under way.
    #[must_use]
    pub fn rollout_under_way(&self) -> Option<&Rollout> {
        self.rollout.as_ref().filter(|rollout| !rollout.phase.is_over())
    }
}

impl StatusView {
    fn of(state: &EnvironmentState, now: Timestamp) -> Self {
        let (word, since) = status::word(state);
        Self { word, since, age_seconds: since.map(|since| age(since, now)), exit_code: word.exit() }
    }
}

impl ConditionView {
    fn of(condition: Option<&Condition>, now: Timestamp) -> Self {
        Self {
            status: condition.map_or(ConditionStatus::Unknown, |condition| condition.status),
            because: condition.map(|condition| condition.because.clone()),
            failure: condition.and_then(|condition| condition.failure.clone()),
            since: condition.map(|condition| condition.since),
            checked_at: condition.map(|condition| condition.checked_at),
            age_seconds: condition.map(|condition| age(condition.checked_at, now)),
        }
    }
}

impl LaneView {
    /// Every declared lane.
    #[must_use]
    pub fn all(state: &EnvironmentState, now: Timestamp) -> Vec<Self> {
        let lanes = state.lanes.iter().map(|(lane, known)| Self {
            lane: *lane,
            compared_at: known.compared_at,
            age_seconds: known.compared_at.map(|at| age(at, now)),
            trouble: known.trouble.clone(),
            failure: known.failure.clone(),
        });
        lanes.collect()
    }
}

impl DriftCounts {
    fn of(state: &EnvironmentState) -> Self {
        let count = |wanted: DriftState| state.drift.iter().filter(|drift| drift.state == wanted).count();
        Self {
            answer: comparison::drift(state).answer,
            open: count(DriftState::Open),
            suspected: count(DriftState::Suspected),
            ignored: count(DriftState::Ignored),
        }
    }
}

fn age(then: Timestamp, now: Timestamp) -> i64 {
    (now.as_second() - then.as_second()).max(0)
}
