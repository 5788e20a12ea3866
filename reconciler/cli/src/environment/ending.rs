//! How an operation ends: what became of what it began, and the exit code for it.
//!
//! In: the intent as the API shows it, and the environment. Out: an ending, its sentence, and its exit by one table: the exit
//! says whether the operation was done, and not what the environment's status happens to be. A rollback that succeeded is done,
//! though the commit it left is held; a sync whose commit was rolled back is not, though everything is quiet again.

use moorline_api::views::{EnvironmentView, IntentRollout, IntentView};
use moorline_model::CommitId;
use moorline_model::rollout::{Phase, RolloutKind};

use super::super::Exit;

/// What became of an intent that `--wait` follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ending {
    /// It was applied, and no rollout goes on from it.
    Applied,
    /// The rollout is in force and verified.
    Succeeded,
    /// It failed and was undone.
    RolledBack,
    /// It failed before it changed anything.
    Failed,
    /// It failed and waits for people.
    Frozen,
    /// A newer commit took its place.
    Superseded,
    /// The time is over, and a gate keeps it.
    Waits,
    /// The time is over, and it goes on.
    Late,
}

/// What the rollout that an intent began or is about shall come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Goal {
    /// `sync`, `release`, `adopt`: the newest commit shall come in, whichever it is by then.
    Newest,
    /// `approve`, `heal`, a rollback that begins: this rollout shall succeed.
    This,
    /// A rollback that stops what is under way: it shall be undone.
    Undone,
}

impl Goal {
    /// The goal of an intent, by the rollout that it began or is about.
    pub(super) fn of(view: &IntentView) -> Self {
        match (view.operation.as_str(), view.rollout.as_ref().map(|rollout| &rollout.kind)) {
            ("sync" | "release" | "adopt", _) => Self::Newest,
            ("rollback", Some(RolloutKind::Deploy | RolloutKind::Heal { .. })) => Self::Undone,
            _ => Self::This,
        }
    }
}

impl Ending {
    /// The ending in this phase; `None`: it goes on.
    const fn of(phase: &Phase) -> Option<Self> {
        match phase {
            Phase::Succeeded => Some(Self::Succeeded),
            Phase::RolledBack => Some(Self::RolledBack),
            Phase::Failed => Some(Self::Failed),
            Phase::Frozen => Some(Self::Frozen),
            Phase::Superseded => Some(Self::Superseded),
            _ => None,
        }
    }

    /// The exit of a command that waited for this end. `applied` is the exit of the intent's own outcome.
    pub(super) const fn exit(self, goal: Goal, applied: Exit) -> Exit {
        match (self, goal) {
            (Self::Applied, _) => applied,
            (Self::Succeeded, Goal::Newest | Goal::This) => Exit::Done,
            // What was to be undone succeeded.
            (Self::Succeeded, Goal::Undone) => Exit::Error,
            (Self::RolledBack | Self::Failed, Goal::Undone) => Exit::Done,
            (Self::RolledBack | Self::Failed | Self::Frozen, _) => Exit::RolledBack,
            // Another commit is as good where the goal is the newest, and not where it is this one.
            (Self::Superseded, Goal::Newest) => Exit::Pending,
            (Self::Superseded, _) => Exit::Error,
            (Self::Waits, _) => Exit::Blocked,
            (Self::Late, _) => Exit::Pending,
        }
    }
}

/// The end of the rollout that an intent began or is about: the ending, and the sentence with the rollout's reason.
pub(super) fn ended(
    view: &IntentView,
    environment: &EnvironmentView,
    goal: Goal,
) -> Option<(Ending, String)> {
    let Some(rollout) = &view.rollout else {
        let outcome = view.outcome.as_ref().map(|outcome| outcome.outcome.message());
        return Some((Ending::Applied, outcome.unwrap_or("it is done").to_owned()));
    };
    let IntentRollout { phase, commit, ended, reason, .. } = rollout;
    let (ending, sentence) = end_of(phase, commit, ended, reason.as_deref())?;
    if ending != Ending::Superseded || goal != Goal::Newest {
        return Some((ending, sentence));
    }
    let newest = environment.rollout.as_ref()?;
    let end = end_of(&newest.phase, &newest.revision.commit, newest.ended(), newest.reason.as_deref());
    end.filter(|(ending, _)| *ending != Ending::Superseded)
}

fn end_of(phase: &Phase, commit: &CommitId, ended: &str, reason: Option<&str>) -> Option<(Ending, String)> {
    let reason = reason.map(|reason| format!(": {reason}")).unwrap_or_default();
    Ending::of(phase).map(|ending| (ending, format!("{} {ended}{reason}", commit.short())))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::sample::{AT, environment, rollout};
    use super::*;

    const NEW: &str = "2222222222222222222222222222222222222222";
    /// The exit of the intent's own outcome.
    const APPLIED: Exit = Exit::Changes;

    /// An intent whose rollout is of this kind, in this phase.
    fn view(operation: &str, kind: &str, phase: &str) -> IntentView {
        let kind = match kind {
            "rollback" => json!({"kind": kind, "from": NEW, "actor": "ann", "reason": "dear"}),
            "heal" => json!({"kind": kind, "actor": "ann", "reason": "", "head": null}),
            _ => json!({"kind": kind}),
        };
        let rollout = json!({
            "id": "00000000-0000-7000-8000-000000000001", "commit": NEW, "kind": kind, "phase": {"phase": phase},
            "is_over": true, "ended": "is over", "reason": "it is sick",
        });
        let outcome = json!({"outcome": "done", "message": "looked", "exit_code": 0});
        intent(operation, &outcome, Some(&rollout))
    }

    fn intent(operation: &str, outcome: &Value, rollout: Option<&Value>) -> IntentView {
        serde_json::from_value(json!({
            "intent": 1, "environment": "prod", "wish": operation, "actor": "ann", "reason": "", "at": AT,
            "outcome": outcome, "rollout": rollout,
        }))
        .unwrap()
    }

    #[test]
    fn every_operation_has_an_exit_for_every_ending() {
        // The operation and the kind of its rollout; then: no rollout, succeeded, rolled back, failed, frozen, superseded, held
        // by a gate, time over.
        let table = [
            ("sync", "deploy", [2, 0, 7, 7, 7, 3, 5, 3]),
            ("release", "deploy", [2, 0, 7, 7, 7, 3, 5, 3]),
            ("adopt", "deploy", [2, 0, 7, 7, 7, 3, 5, 3]),
            ("approve", "deploy", [2, 0, 7, 7, 7, 1, 5, 3]),
            ("heal", "heal", [2, 0, 7, 7, 7, 1, 5, 3]),
            ("rollback", "rollback", [2, 0, 7, 7, 7, 1, 5, 3]),
            // It stops what is under way.
            ("rollback", "deploy", [2, 1, 0, 0, 7, 1, 5, 3]),
            ("hold", "deploy", [2, 0, 7, 7, 7, 1, 5, 3]),
        ];
        let endings = [
            Ending::Applied,
            Ending::Succeeded,
            Ending::RolledBack,
            Ending::Failed,
            Ending::Frozen,
            Ending::Superseded,
            Ending::Waits,
            Ending::Late,
        ];
        for (operation, kind, codes) in table {
            let goal = Goal::of(&view(operation, kind, "pending"));
            let exits = endings.map(|ending| ending.exit(goal, APPLIED).code());
            assert_eq!(exits, codes, "{operation} {kind}");
        }
    }

    #[test]
    fn an_ending_has_the_rollouts_reason() {
        let nothing = environment("prod", &json!({}));
        let ending = |operation: &str, phase: &str| {
            let view = view(operation, "deploy", phase);
            ended(&view, &nothing, Goal::of(&view))
        };
        let back = (Ending::RolledBack, "2222222222 is over: it is sick".to_owned());
        assert_eq!(ending("sync", "rolled_back"), Some(back));
        assert_eq!(ending("sync", "staging"), None);
        assert_eq!(ending("approve", "superseded").unwrap().0, Ending::Superseded);
        let plain = json!({"outcome": "done", "message": "lifted the hold", "exit_code": 0});
        assert_eq!(
            ended(&intent("release", &plain, None), &nothing, Goal::Newest),
            Some((Ending::Applied, "lifted the hold".to_owned()))
        );
    }

    #[test]
    fn who_wants_the_newest_follows_what_took_its_place() {
        let view = view("sync", "deploy", "superseded");
        let newest = |phase: &str| {
            let environment =
                environment("prod", &json!({"rollout": rollout("1", &json!({"phase": phase}))}));
            ended(&view, &environment, Goal::Newest)
        };
        // The newer one has not begun yet, or is under way.
        assert_eq!((newest("superseded"), newest("baking")), (None, None));
        assert_eq!(newest("succeeded"), Some((Ending::Succeeded, "1111111111 is in force".to_owned())));
    }
}
