//! What an environment waits for: what keeps a change from beginning or from being applied, and what keeps it from being
//! in sync.
//!
//! In: what is remembered and declared. Out: each gate's reading; a closed one says why, who or what opens it, and when,
//! and one sentence that answers the question "why?". A gate is a file of the
//! folder and a line of the table.

mod adopt;
mod approval;
mod auto;
mod blocked;
mod deletions;
mod drift;
mod evidence;
#[cfg(test)]
mod example;
mod frozen;
mod hold;
mod input;
mod lanes;
mod owner;
mod policy;
mod protected;
mod replicas;
mod retry;
mod snapshot;
mod source;
mod table;
mod tried;
mod variable;
mod window;

use jiff::Timestamp;
use moorline_model::FailureClass;
use moorline_model::callers::callers;
use moorline_model::environment::EnvironmentState;
use moorline_model::status::{StatusWord, word};
use serde::Serialize;

pub(crate) use self::input::GateInput;
pub use self::input::MissingSecret;
pub use self::snapshot::SituationSnapshot;
use self::table::{Answer, GATES, HELD};
pub use self::table::{Gate, Stage};
pub(crate) use self::{
    approval::GATE as APPROVAL, frozen::GATE as FROZEN, source::GATE as SOURCE, tried::GATE as TRIED,
};
use crate::age::age;
use crate::decide::Situation;

/// Who or what a closed gate waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum WaitsFor {
    /// A person of whoever runs the environment.
    #[serde(rename = "you")]
    You,
    #[serde(rename = "a commit")]
    Commit,
    #[serde(rename = "its time")]
    Time,
    /// Enough of callers' requests, right probes, and the time to see them.
    #[serde(rename = "evidence")]
    Evidence,
    /// The repository's return.
    #[serde(rename = "the repository")]
    Repository,
    /// Nobody: the next look, or the healing that is declared.
    #[serde(rename = "itself")]
    Itself,
}

impl WaitsFor {
    /// The word, as in JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::You => "you",
            Self::Commit => "a commit",
            Self::Time => "its time",
            Self::Evidence => "evidence",
            Self::Repository => "the repository",
            Self::Itself => "itself",
        }
    }
}

/// Why a gate is closed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Closed {
    pub gate: &'static Gate,
    /// Who or what must act.
    pub waits_for: WaitsFor,
    /// Why, from what was read where.
    pub because: String,
    /// Where something could not be checked or done: whether trying again helps.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure: Option<FailureClass>,
    /// What opens it: a command, a commit, time.
    pub opened_by: String,
    /// When it opens by itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub opens_at: Option<Timestamp>,
}

impl Closed {
    fn new(gate: &'static Gate, waits_for: WaitsFor, because: String, opened_by: impl Into<String>) -> Self {
        Self { gate, waits_for, because, failure: None, opened_by: opened_by.into(), opens_at: None }
    }

    /// The same where it is closed because something could not be checked or done.
    fn failed(self, failure: Option<FailureClass>) -> Self {
        Self { failure, ..self }
    }
}

/// One gate as it stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum GateStatus {
    /// It lets the change through.
    Open { gate: &'static Gate },
    /// It does not.
    Closed(Closed),
}

impl GateStatus {
    /// Why it is closed, if it is.
    #[must_use]
    pub const fn closed(&self) -> Option<&Closed> {
        match self {
            Self::Open { .. } => None,
            Self::Closed(closed) => Some(closed),
        }
    }

    fn of(gate: &'static Gate, closed: Option<Closed>) -> Self {
        closed.map_or(Self::Open { gate }, Self::Closed)
    }
}

/// The answer to "why?".
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Explanation {
    /// Who must do what, from what was read where; or that nothing waits.
    pub sentence: String,
    /// Every gate that was checked, the closed ones first.
    pub gates: Vec<GateStatus>,
}

/// The first closed gate of a stage, in the order of the table.
pub(crate) fn first_closed(stage: Stage, input: &GateInput<'_>) -> Option<Closed> {
    GATES.iter().filter(|gate| gate.is_checked_at(stage)).find_map(|gate| (gate.check)(input)?)
}

/// The command that lifts holds and a freeze.
fn release(state: &EnvironmentState) -> String {
    format!("`moorline release {}`", state.name)
}

/// Every gate as it stands, and the sentence: why nothing happens, or that nothing waits.
#[must_use]
pub fn why(
    state: &EnvironmentState,
    situation: &Situation<'_>,
    missing: &[MissingSecret],
    now: Timestamp,
) -> Explanation {
    let input = GateInput::new(state, situation, missing, now);
    let mut gates: Vec<_> = GATES.iter().filter_map(|gate| gate.status(&input)).collect();
    // A stable sort: within closed and open the order of the table stays. What the environment's word says comes first,
    // so that word, exit code and sentence are about the same thing.
    let word = word(state).0;
    gates.sort_by_key(|reading| match reading.closed() {
        Some(closed) if closed.gate.explains(word) => 0,
        Some(_) => 1,
        None => 2,
    });
    let sentence = match gates.first().and_then(GateStatus::closed) {
        // What is in force is verified: a gate that is closed then keeps nothing of it from working, and stands before what
        // comes next. So the word is right, and `why` ends with its exit.
        Some(closed) if word == StatusWord::InSync => {
            format!("{} What comes next {}", nothing_waits(state, word, now), waits_for(state, closed))
        }
        Some(closed) => format!("{} {}", state.name, waits_for(state, closed)),
        None => nothing_waits(state, word, now),
    };
    Explanation { sentence, gates }
}

/// The end of a sentence: for whom or what, and what opens it.
fn waits_for(state: &EnvironmentState, closed: &Closed) -> String {
    let because = closed.because.trim_end_matches('.');
    let at = closed.opens_at.map(|at| format!(", at {}", at.strftime("%Y-%m-%dT%H:%M:%SZ")));
    let (who, opened_by) = (closed.waits_for.as_str(), &closed.opened_by);
    let callers = match closed.gate.is_trouble {
        true => format!(" {}", callers(state).sentence),
        false => String::new(),
    };
    format!("waits for {who}: {because}.{callers} Opened by {opened_by}{}.", at.unwrap_or_default())
}

fn nothing_waits(state: &EnvironmentState, word: StatusWord, now: Timestamp) -> String {
    if let Some(rollout) = state.rollout_under_way() {
        let (short, age) = (rollout.revision.commit.short(), age(rollout.phase_since, now));
        return format!("Nothing waits for you: {short} is {}, for {age}.", rollout.phase);
    }
    let Some(applied) = &state.applied else {
        return "Nothing waits: the next cycle applies the first commit.".to_owned();
    };
    let short = applied.revision.commit.short();
    let verified =
        state.verified.as_ref().filter(|verified| verified.revision.commit == applied.revision.commit);
    match verified {
        Some(verified) => {
            format!("Nothing waits: {short} is in force, verified {} ago.", age(verified.at, now))
        }
        None => format!("Nothing waits: {short} is in force, not verified; the word is `{word}`."),
    }
}

#[cfg(test)]
mod tests;
