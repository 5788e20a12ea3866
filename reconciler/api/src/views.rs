//! The types of requests and responses.

mod environment;
mod intents;
mod lists;
mod why;

pub use environment::{
    ConditionView, DriftCounts, EnvironmentView, Environments, EnvironmentsQuery, LaneView, PlanView,
    StatusView,
};
pub use intents::{Accepted, IntentRequest, IntentRollout, IntentView, OutcomeView};
pub use lists::{
    Audit, AuditQuery, AuditRow, DriftView, History, HistoryEvent, HistoryQuery, Rollouts, RowsQuery,
};
pub use why::{ClosedGate, GateStatus, Why, WhyStatus};
