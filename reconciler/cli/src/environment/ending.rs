//! How an act ends: what became of what it began, and the exit that tells it.
//!
//! In: the wish as the API shows it, and the environment. Out: an ending, its sentence, and its exit by one table: who
//! asked is told whether that was done, and not how the environment happens to stand. A rollback that succeeded is done,
//! though the commit it left is held; a sync whose commit was rolled back is not, though everything is quiet again.

use moorline_model::rollout::{Phase, Rollout, RolloutKind};
use serde_json::Value;

use super::super::Exit;
use super::wording::{short, text_at};

/// What became of a wish that `--wait` follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ending {
    /// It was heeded, and no rollout goes on from it.
    Heeded,
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

/// What a wish has to do with the rollout that it is followed by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Meant {
    /// `sync`, `release`, `adopt`: the newest commit shall come in, whichever it is by then.
    Newest,
    /// `approve`, `heal`, a rollback that begins: this rollout shall succeed.
    This,
    /// A rollback that stops what is under way: it shall be undone.
    Undone,
}

impl Meant {
    /// What a wish means, by the rollout that it began or is about.
    pub(super) fn of(wish: &str, rollout: &Value) -> Self {
        let kind = rollout.get("kind").cloned().map(serde_json::from_value::<RolloutKind>);
        match (wish, kind) {
            ("sync" | "release" | "adopt", _) => Self::Newest,
            ("rollback", Some(Ok(kind))) if !matches!(kind, RolloutKind::Rollback { .. }) => Self::Undone,
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

    /// The exit of a command that asked for this and waited for its end. `heeded` is the exit of what came of the wish
    /// itself.
    pub(super) const fn exit(self, meant: Meant, heeded: Exit) -> Exit {
        match (self, meant) {
            (Self::Heeded, _) => heeded,
            (Self::Succeeded, Meant::Newest | Meant::This) => Exit::Done,
            // What was to go went through.
            (Self::Succeeded, Meant::Undone) => Exit::Error,
            (Self::RolledBack | Self::Failed, Meant::Undone) => Exit::Done,
            (Self::RolledBack | Self::Failed | Self::Frozen, _) => Exit::RolledBack,
            // Who means the newest follows it; who meant this one did not get it.
            (Self::Superseded, Meant::Newest) => Exit::Pending,
            (Self::Superseded, _) => Exit::Error,
            (Self::Waits, _) => Exit::Blocked,
            (Self::Late, _) => Exit::Pending,
        }
    }
}

/// The end of the rollout that a wish is followed by: the ending, and the sentence with the rollout's reason.
pub(super) fn ended(view: &Value, environment: &Value, meant: Meant) -> Option<(Ending, String)> {
    let Some(rollout) = view.get("rollout").filter(|rollout| rollout.is_object()) else {
        let message = text_at(view, "/outcome/message").unwrap_or("it is done");
        return Some((Ending::Heeded, message.to_owned()));
    };
    let said = |field: &str| text_at(rollout, field).unwrap_or_default().to_owned();
    let phase = serde_json::from_value(rollout.get("phase")?.clone()).ok()?;
    let reason = text_at(rollout, "/reason");
    let (ending, said) = end_of(&phase, &said("/commit"), &said("/ended"), reason)?;
    if ending != Ending::Superseded || meant != Meant::Newest {
        return Some((ending, said));
    }
    let newest: Rollout = serde_json::from_value(environment.get("rollout")?.clone()).ok()?;
    let (phase, commit) = (&newest.phase, newest.revision.commit.as_str());
    let end = end_of(phase, commit, newest.ended(), newest.reason.as_deref());
    end.filter(|(ending, _)| *ending != Ending::Superseded)
}

fn end_of(phase: &Phase, commit: &str, ended: &str, reason: Option<&str>) -> Option<(Ending, String)> {
    let reason = reason.map(|reason| format!(": {reason}")).unwrap_or_default();
    Ending::of(phase).map(|ending| (ending, format!("{} {ended}{reason}", short(commit))))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const OLD: &str = "1111111111111111111111111111111111111111";
    const NEW: &str = "2222222222222222222222222222222222222222";
    /// The exit of what came of the wish itself.
    const HEEDED: Exit = Exit::Changes;

    /// An act's rollout of this kind, in this phase.
    fn view(wish: &str, kind: &str, phase: &str) -> Value {
        let kind = match kind {
            "rollback" => json!({"kind": kind, "from": NEW, "actor": "ann", "reason": "dear"}),
            "heal" => json!({"kind": kind, "actor": "ann", "reason": "", "head": null}),
            _ => json!({"kind": kind}),
        };
        let rollout = json!({
            "commit": NEW, "kind": kind, "phase": {"phase": phase}, "ended": "is over", "reason": "it is sick",
        });
        json!({"wish": wish, "outcome": {"message": "looked"}, "rollout": rollout})
    }

    #[test]
    fn every_act_has_an_exit_for_every_ending() {
        // The wish and the kind of its rollout; then: no rollout, succeeded, rolled back, failed, frozen, superseded, kept
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
            Ending::Heeded,
            Ending::Succeeded,
            Ending::RolledBack,
            Ending::Failed,
            Ending::Frozen,
            Ending::Superseded,
            Ending::Waits,
            Ending::Late,
        ];
        for (wish, kind, codes) in table {
            let meant = Meant::of(wish, &view(wish, kind, "pending")["rollout"]);
            let told = endings.map(|ending| ending.exit(meant, HEEDED).code());
            assert_eq!(told, codes, "{wish} {kind}");
        }
    }

    #[test]
    fn an_ending_is_told_with_the_rollouts_reason() {
        let told = |wish: &str, phase: &str| {
            let view = view(wish, "deploy", phase);
            ended(&view, &Value::Null, Meant::of(wish, &view["rollout"]))
        };
        let back = (Ending::RolledBack, "2222222222 is over: it is sick".to_owned());
        assert_eq!(told("sync", "rolled_back"), Some(back));
        assert_eq!(told("sync", "staging"), None);
        assert_eq!(told("approve", "superseded").unwrap().0, Ending::Superseded);
        let plain = json!({"outcome": {"message": "lifted the hold"}});
        assert_eq!(
            ended(&plain, &Value::Null, Meant::Newest),
            Some((Ending::Heeded, "lifted the hold".to_owned()))
        );
    }

    #[test]
    fn who_wants_the_newest_follows_what_took_its_place() {
        let view = view("sync", "deploy", "superseded");
        let newest = |phase: &str| {
            let at = "2026-11-21T12:00:00Z";
            let revision = json!({"commit": OLD, "author": "me", "message": "m", "committed_at": at});
            let environment = json!({"rollout": {
                "id": "00000000-0000-7000-8000-000000000001", "kind": {"kind": "deploy"}, "revision": revision,
                "phase": {"phase": phase}, "started_at": at, "phase_since": at, "plan": {}, "verify": {},
            }});
            ended(&view, &environment, Meant::Newest)
        };
        // The newer one has not begun yet, or is under way.
        assert_eq!((newest("superseded"), newest("baking")), (None, None));
        assert_eq!(newest("succeeded"), Some((Ending::Succeeded, "1111111111 is in force".to_owned())));
    }
}
