//! The table of gates. The order of rows is the order of asking, and of telling.

use moorline_model::status::StatusWord;
use serde::Serialize;

use super::{Closed, GateInput, GateStatus, change, delivery, terraform, watch};

/// A gate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Gate {
    /// Nothing waits for a person after a failed undoing.
    Frozen,
    /// Every secret that the declaration names has a value.
    Variable,
    /// Terraform's state is not in doubt.
    Blocked,
    /// The commit is not held.
    Hold,
    /// Changes are applied without a person starting them, or a person did.
    Auto,
    /// A window is open.
    Window,
    /// No policy refuses.
    Policy,
    /// No protected resource would be destroyed or replaced.
    Protected,
    /// Not too many resources would be destroyed.
    Deletions,
    /// A person approved the change.
    Approval,
    /// A failed try is not waited out.
    Retry,
    /// Every replica can be read.
    Replicas,
    /// No replica serves what was there before Moorline, or somebody adopted it.
    Adopt,
    /// No replica serves what somebody else put there, or that may be written over.
    Owner,
    /// The verdict on what is being tried is in.
    Evidence,
    /// The head can be read, and what it declares is valid.
    Source,
    /// The head was not tried before in vain.
    Tried,
    /// Nothing differs from what is declared.
    Drift,
    /// Every declared lane was compared.
    Lanes,
}

/// A gate's question. `None`: there is nothing to ask just now.
type Question = fn(&GateInput<'_>) -> Option<Option<Closed>>;

/// A row of the table.
#[derive(Clone, Copy)]
pub(super) struct Row {
    gate: Gate,
    name: &'static str,
    /// The words that it is the reason of when it is closed.
    explains: &'static [StatusWord],
    /// Whether something went wrong: then people want to know first whether callers are affected.
    is_trouble: bool,
    ask: Question,
}

impl Row {
    #[cfg(test)]
    pub(super) const fn gate(&self) -> Gate {
        self.gate
    }

    pub(super) fn snapshot(&self, input: &GateInput<'_>) -> Option<GateStatus> {
        (self.ask)(input).map(|closed| GateStatus::of(self.gate, closed))
    }
}

const fn row(gate: Gate, name: &'static str, explains: &'static [StatusWord], ask: Question) -> Row {
    Row { gate, name, explains, is_trouble: false, ask }
}

const fn trouble(row: Row) -> Row {
    Row { is_trouble: true, ..row }
}

const HELD: &[StatusWord] = &[StatusWord::Held, StatusWord::Applying];

/// Every gate.
pub(super) const ROWS: [Row; 19] = [
    trouble(row(Gate::Frozen, "frozen", &[StatusWord::Failed], change::frozen)),
    row(Gate::Variable, "variable", &[StatusWord::CannotCheck, StatusWord::Verifying], watch::variable),
    trouble(row(
        Gate::Blocked,
        "blocked",
        &[StatusWord::Held, StatusWord::Applying, StatusWord::CannotCheck],
        terraform::blocked,
    )),
    row(Gate::Hold, "hold", HELD, change::hold),
    row(Gate::Auto, "auto", HELD, change::auto),
    row(Gate::Window, "window", HELD, change::window),
    row(Gate::Policy, "policy", HELD, delivery::policy),
    row(Gate::Protected, "protected", HELD, terraform::protected),
    row(Gate::Deletions, "deletions", HELD, terraform::deletions),
    row(Gate::Approval, "approval", HELD, delivery::approval),
    row(Gate::Retry, "retry", &[StatusWord::Applying, StatusWord::Verifying], delivery::retry),
    trouble(row(
        Gate::Replicas,
        "replicas",
        &[StatusWord::CannotCheck, StatusWord::Verifying],
        watch::replicas,
    )),
    row(Gate::Adopt, "adopt", HELD, delivery::adopt),
    row(Gate::Owner, "owner", HELD, delivery::owner),
    row(Gate::Evidence, "evidence", &[StatusWord::Verifying], delivery::evidence),
    row(Gate::Source, "source", &[StatusWord::CannotCheck, StatusWord::Failed], watch::source),
    trouble(row(Gate::Tried, "tried", &[StatusWord::Failed], change::tried)),
    trouble(row(Gate::Drift, "drift", &[StatusWord::Drifted], watch::drift)),
    row(Gate::Lanes, "lanes", &[StatusWord::CannotCheck], watch::lanes),
];

impl Gate {
    fn row(self) -> Option<&'static Row> {
        ROWS.iter().find(|row| row.gate == self)
    }

    /// The gate's name: the same in text and in JSON.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        self.row().map_or("gate", |row| row.name)
    }

    /// Whether a closed one means that something went wrong.
    pub(super) fn is_trouble(self) -> bool {
        self.row().is_some_and(|row| row.is_trouble)
    }

    /// Whether a closed one explains this status word.
    pub(super) fn explains(self, word: StatusWord) -> bool {
        self.row().is_some_and(|row| row.explains.contains(&word))
    }
}
