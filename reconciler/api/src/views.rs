//! What the API is asked and what it answers.

mod ask;
mod environment;
mod lists;
mod why;

pub use ask::{Accepted, Asked, IntentRollout, IntentView, OutcomeView};
pub use environment::{
    ConditionView, DriftCounts, EnvironmentView, Environments, EnvironmentsQuery, LaneView, PlanView,
    StatusView,
};
pub use lists::{
    Audit, AuditQuery, AuditRow, DriftView, History, HistoryEvent, HistoryQuery, Rollouts, RowsQuery,
};
pub use why::{ClosedGate, GateStatus, Why, WhyStatus};
