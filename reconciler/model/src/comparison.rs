//! What was compared, when, and so what is known of drift.
//!
//! In: what is remembered of each declared lane. Out: one answer for command line, console and JSON. An empty list of
//! findings is good news only when every declared lane was compared: else it was not looked at, and is called so.

use std::collections::BTreeMap;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::drift::{DriftKind, DriftState, Lane};
use crate::environment::EnvironmentState;
use crate::{Exit, FailureClass};

/// What is known of one declared lane.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Comparison {
    /// When all of live was last compared with what is declared. Absent: never.
    #[serde(default)]
    pub compared_at: Option<Timestamp>,
    /// Why the last look could not compare all of it. Absent: it could, or there was no look yet.
    #[serde(default)]
    pub trouble: Option<String>,
    /// Whether looking again helps, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<FailureClass>,
}

/// The declared lanes; a lane that is not declared is absent.
pub type Comparisons = BTreeMap<Lane, Comparison>;

/// What is known of drift.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DriftAnswer {
    /// The answer in a word.
    pub answer: Answer,
    /// The answer for people, in one sentence.
    pub sentence: String,
    /// Exit code of commands that report it.
    pub exit_code: Exit,
    /// Findings that are open and were read.
    pub open: usize,
    /// What was not compared, and why: one sentence each.
    pub not_checked: Vec<String>,
}

/// What is known of drift, in a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// Something differs.
    Open,
    /// Nothing that was compared differs, but not everything was compared.
    NotChecked,
    /// Everything was compared, and nothing differs.
    Nothing,
}

impl Answer {
    const fn exit(self) -> Exit {
        match self {
            Self::Nothing => Exit::Done,
            Self::Open => Exit::Changes,
            Self::NotChecked => Exit::CannotCheck,
        }
    }
}

/// Says what is known of an environment's drift.
#[must_use]
pub fn drift(state: &EnvironmentState) -> DriftAnswer {
    let differs = |finding: &&crate::drift::Drift| {
        finding.state == DriftState::Open && finding.finding.kind != DriftKind::Unverifiable
    };
    let open = state.drift.iter().filter(differs).count();
    let not_checked = not_checked(state);
    let answer = match (open, not_checked.is_empty()) {
        (0, true) => Answer::Nothing,
        (0, false) => Answer::NotChecked,
        _ => Answer::Open,
    };
    let reasons = not_checked.join("; ");
    let sentence = match (answer, open) {
        (Answer::Nothing, _) => nothing_open(state),
        (Answer::NotChecked, _) => format!("Not checked: {reasons}."),
        (Answer::Open, 1) => format!("1 open finding.{}", also(&reasons)),
        (Answer::Open, count) => format!("{count} open findings.{}", also(&reasons)),
    };
    DriftAnswer { answer, sentence, exit_code: answer.exit(), open, not_checked }
}

/// What was seen once is no open drift yet, and not nothing either.
fn nothing_open(state: &EnvironmentState) -> String {
    let is_suspected = |finding: &&crate::drift::Drift| finding.state == DriftState::Suspected;
    match state.drift.iter().filter(is_suspected).count() {
        0 => "No open drift.".to_owned(),
        count => format!("No open drift, and {count} seen once: the next look decides."),
    }
}

fn also(reasons: &str) -> String {
    if reasons.is_empty() { String::new() } else { format!(" Not checked: {reasons}.") }
}

fn not_checked(state: &EnvironmentState) -> Vec<String> {
    if state.applied.is_none() {
        return vec!["nothing is in force yet to compare with".to_owned()];
    }
    if state.lanes.is_empty() {
        return vec!["nothing was compared yet".to_owned()];
    }
    let why = |(lane, known): (&Lane, &Comparison)| match (&known.trouble, known.compared_at) {
        (Some(trouble), _) => Some(format!("{}: {trouble}", lane.as_str())),
        (None, None) => Some(format!("{} was not compared yet", lane.as_str())),
        (None, Some(_)) => None,
    };
    state.lanes.iter().filter_map(why).collect()
}

/// When all of it was last compared: as long ago as for the oldest lane. `None`: some lane never was.
#[must_use]
pub fn as_of(state: &EnvironmentState) -> Option<Timestamp> {
    let each: Option<Vec<_>> = state.lanes.values().map(|known| known.compared_at).collect();
    each?.into_iter().min()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rollout::Deployed;

    fn in_force() -> EnvironmentState {
        let applied: Deployed = serde_json::from_value(serde_json::json!({
            "revision": {"commit": "1".repeat(40), "author": "me", "message": "one", "committed_at": at(0)},
            "digest": format!("sha256:{}", "0".repeat(64)),
            "at": at(0),
        }))
        .unwrap();
        EnvironmentState { applied: Some(applied), ..EnvironmentState::new("prod".parse().unwrap()) }
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(seconds).unwrap()
    }

    fn compared(seconds: i64) -> Comparison {
        Comparison { compared_at: Some(at(seconds)), ..Comparison::default() }
    }

    // Invariant 9.
    #[test]
    fn an_empty_list_is_good_news_only_when_every_declared_lane_was_compared() {
        let mut state = in_force();
        let mut answered = |lanes: &[(Lane, Comparison)]| {
            state.lanes = lanes.iter().cloned().collect();
            let answer = drift(&state);
            (answer.exit_code.code(), answer.sentence)
        };
        assert_eq!(answered(&[]), (6, "Not checked: nothing was compared yet.".to_owned()));
        assert_eq!(answered(&[(Lane::Gateway, compared(1))]), (0, "No open drift.".to_owned()));
        let never = (Lane::Terraform, Comparison::default());
        let half = answered(&[(Lane::Gateway, compared(1)), never]);
        assert_eq!(half, (6, "Not checked: terraform was not compared yet.".to_owned()));
        let dark = Comparison { trouble: Some("2 of 2 replicas cannot be read".to_owned()), ..compared(1) };
        let dark = answered(&[(Lane::Gateway, dark)]);
        assert_eq!(dark, (6, "Not checked: gateway: 2 of 2 replicas cannot be read.".to_owned()));
        state.applied = None;
        assert_eq!(drift(&state).sentence, "Not checked: nothing is in force yet to compare with.");
    }

    // Invariant 18.
    #[test]
    fn it_is_as_old_as_its_oldest_lane() {
        let mut state = in_force();
        state.lanes = [(Lane::Gateway, compared(90)), (Lane::Terraform, compared(10))].into();
        assert_eq!(as_of(&state), Some(at(10)));
        state.lanes.insert(Lane::Aws, Comparison::default());
        assert_eq!(as_of(&state), None);
    }
}
