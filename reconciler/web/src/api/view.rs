//! An environment as the API shows it: the state, with ages and the one word.

use std::collections::BTreeMap;

use jiff::Timestamp;
use moorline_model::EnvironmentName;
use moorline_model::Revision;
use moorline_model::adoption::Found;
use moorline_model::callers::{Callers, callers};
use moorline_model::comparison::{self, Answer, Comparison};
use moorline_model::condition::{Condition, ConditionStatus, ConditionType};
use moorline_model::drift::{DriftState, Lane};
use moorline_model::environment::{EnvironmentState, Hold, Replica};
use moorline_model::plan::PlanSummary;
use moorline_model::rollout::{ApprovalSubject, Deployed, Rollout};
use moorline_model::status;
use serde::Serialize;

/// An environment.
#[derive(Serialize)]
pub(crate) struct EnvironmentView<'a> {
    name: &'a EnvironmentName,
    status: StatusView,
    callers: Callers,
    axes: BTreeMap<ConditionType, AxisView<'a>>,
    wanted: Option<&'a Revision>,
    applied: Option<&'a Deployed>,
    verified: Option<&'a Deployed>,
    rollout: Option<&'a Rollout>,
    waits_for_approval: Option<ApprovalSubject>,
    replicas: &'a [Replica],
    drift: DriftCounts,
    holds: &'a [Hold],
    frozen: Option<&'a str>,
    plan: Option<PlanView<'a>>,
    looked: &'a BTreeMap<Lane, Timestamp>,
    lanes: Vec<LaneView<'a>>,
    found: &'a [Found],
    now: Timestamp,
}

/// The one word.
#[derive(Serialize)]
struct StatusView {
    word: &'static str,
    since: Option<Timestamp>,
    age_seconds: Option<i64>,
    exit_code: u8,
}

/// An axis with its ages; one never asked has neither reason nor age.
#[derive(Serialize)]
struct AxisView<'a> {
    standing: ConditionStatus,
    because: Option<&'a str>,
    since: Option<Timestamp>,
    checked_at: Option<Timestamp>,
    age_seconds: Option<i64>,
}

/// A declared lane, and when it was last compared.
#[derive(Serialize)]
pub(super) struct LaneView<'a> {
    lane: Lane,
    compared_at: Option<Timestamp>,
    age_seconds: Option<i64>,
    trouble: Option<&'a str>,
}

impl<'a> LaneView<'a> {
    pub(super) fn all(state: &'a EnvironmentState, now: Timestamp) -> Vec<Self> {
        let view = |(lane, known): (&Lane, &'a Comparison)| Self {
            lane: *lane,
            compared_at: known.compared_at,
            age_seconds: known.compared_at.map(|at| age(at, now)),
            trouble: known.trouble.as_deref(),
        };
        state.lanes.iter().map(view).collect()
    }
}

/// How many findings there are, and what may be said of them.
#[derive(Serialize)]
struct DriftCounts {
    answer: Answer,
    open: usize,
    suspected: usize,
    ignored: usize,
}

/// The last plan in short.
#[derive(Serialize)]
struct PlanView<'a> {
    headline: String,
    #[serde(flatten)]
    plan: &'a PlanSummary,
}

impl<'a> EnvironmentView<'a> {
    pub(crate) fn of(state: &'a EnvironmentState, now: Timestamp) -> Self {
        let (word, since) = status::word(state);
        Self {
            name: &state.name,
            status: StatusView {
                word: word.as_str(),
                since,
                age_seconds: since.map(|since| age(since, now)),
                exit_code: word.exit_code(),
            },
            callers: callers(state),
            axes: ConditionType::ALL
                .into_iter()
                .map(|axis| (axis, AxisView::of(state.conditions.0.get(&axis), now)))
                .collect(),
            wanted: state.head.as_ref(),
            applied: state.applied.as_ref(),
            verified: state.verified.as_ref(),
            rollout: state.rollout.as_ref(),
            waits_for_approval: state.rollout_under_way().and_then(Rollout::waits_for_approval),
            replicas: &state.replicas,
            drift: DriftCounts::of(state),
            holds: &state.holds,
            frozen: state.frozen.as_deref(),
            plan: state.plan.as_ref().map(|plan| PlanView { headline: plan.headline(), plan }),
            looked: &state.last_checked,
            lanes: LaneView::all(state, now),
            found: &state.found,
            now,
        }
    }
}

impl<'a> AxisView<'a> {
    fn of(reading: Option<&'a Condition>, now: Timestamp) -> Self {
        Self {
            standing: reading.map_or(ConditionStatus::Unknown, |reading| reading.status),
            because: reading.map(|reading| reading.because.as_str()),
            since: reading.map(|reading| reading.since),
            checked_at: reading.map(|reading| reading.checked_at),
            age_seconds: reading.map(|reading| age(reading.checked_at, now)),
        }
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
