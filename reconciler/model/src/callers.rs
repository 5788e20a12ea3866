//! Whether callers are affected by what goes on.
//!
//! In: what is remembered of an environment. Out: one sentence that begins with "Callers:". Who reads "failed" at three in
//! the morning wants to know this first: a candidate that failed with no share of requests hurt nobody.

use moorline_config::{Digest, Percent};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::environment::{EnvironmentState, Replica};
use crate::rollout::{Phase, RequestCounts, Rollout};

/// What callers get.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Callers {
    /// In one sentence.
    pub sentence: String,
    /// Whether some get what they should not: faults, or another document. Absent: it is not known.
    pub affected: Option<bool>,
}

/// Says what callers get.
#[must_use]
pub fn callers(state: &EnvironmentState) -> Callers {
    if state.undeclared_since.is_some() {
        let sentence =
            "Callers: it is not known what they get, for no commit declares the environment.".to_owned();
        return Callers { sentence, affected: None };
    }
    let tried =
        state.rollout.as_ref().filter(|rollout| rollout.phase == Phase::Frozen || !rollout.phase.is_over());
    let (sentence, affected) = match tried.filter(|rollout| is_about_document(rollout)) {
        // What was counted before the replicas went dark says nothing of what callers get now.
        Some(rollout) if state.no_replica_can_be_read() => {
            let is_unseen = rollout.share == Some(Percent::ZERO) && !rollout.promoted;
            let new = rollout.revision.commit.short();
            let seen = if is_unseen { format!("0 saw {new}; ") } else { String::new() };
            let (sentence, affected) = of_replicas(state);
            (format!("{seen}{sentence}"), affected)
        }
        Some(rollout) => of_rollout(state, rollout),
        None => of_replicas(state),
    };
    Callers { sentence: format!("Callers: {sentence}."), affected }
}

/// Before its document is known and after, a rollout that waits or applies Terraform changes nothing that callers get.
const fn is_about_document(rollout: &Rollout) -> bool {
    !matches!(rollout.phase, Phase::Pending | Phase::Planning | Phase::AwaitingApproval | Phase::Applying)
}

fn of_rollout(state: &EnvironmentState, rollout: &Rollout) -> (String, Option<bool>) {
    let new = rollout.revision.commit.short();
    let counted = rollout.reached();
    let has_faults = Some(counted.failed > 0);
    if rollout.promoted {
        let going = match (&rollout.phase, &rollout.from) {
            (Phase::RollingBack { .. }, Some(from)) => {
                format!("; going back to {}", from.revision.commit.short())
            }
            (Phase::Promoting, _) => " on some replicas or all".to_owned(),
            (Phase::Frozen, _) => ", and it is not healthy".to_owned(),
            _ => ", which is being verified".to_owned(),
        };
        return (format!("{new} serves{going}; {}", answered(counted)), has_faults);
    }
    let stable = serves(state);
    match rollout.share {
        Some(Percent::ZERO) => (format!("0 saw {new}; {stable}"), Some(false)),
        Some(share) if matches!(rollout.phase, Phase::Shifting { .. } | Phase::Staging) => {
            (format!("{share} of requests go to {new}, {}; else {stable}", answered(counted)), has_faults)
        }
        Some(_) => (
            format!("{} requests saw {new}, {} failed; {stable}", counted.requests, counted.failed),
            has_faults,
        ),
        None => (format!("some may have seen {new}; {stable}"), None),
    }
}

fn answered(counted: RequestCounts) -> String {
    format!("{} answered so far, {} of them with a fault", counted.requests, counted.failed)
}

fn of_replicas(state: &EnvironmentState) -> (String, Option<bool>) {
    let all = state.replicas.len();
    let unread = state.replicas.iter().filter(|replica| replica.error.is_some()).count();
    let others = state.replicas.iter().filter(|replica| serves_another(state, replica)).count();
    let stable = serves(state);
    match (others, unread) {
        _ if all > 0 && unread == all => {
            (format!("what they get is not known, for no replica can be read; {stable} as last read"), None)
        }
        (0, 0) => of_last_minute(state, stable),
        (0, _) => (format!("{stable}, as far as it can be read: {unread} of {all} replicas cannot"), None),
        _ if others == all => {
            (format!("every replica answers them from another document than {}", declared(state)), Some(true))
        }
        _ => (
            format!("{others} of {all} replicas answer them from another document; on the others {stable}"),
            Some(true),
        ),
    }
}

/// What callers got of the document that is in force: a provider may fail them, whatever is declared.
fn of_last_minute(state: &EnvironmentState, stable: String) -> (String, Option<bool>) {
    let recent = || state.replicas.iter().filter_map(|replica| replica.recent);
    let (requests, failed) =
        recent().fold((0, 0), |(requests, failed), one| (requests + one.requests, failed + one.failed));
    if failed == 0 {
        return (stable, Some(false));
    }
    (format!("{stable}, and {failed} of {requests} requests failed in the minute before"), Some(true))
}

fn serves_another(state: &EnvironmentState, replica: &Replica) -> bool {
    let is_another = match &state.applied {
        Some(applied) => replica.digest != Some(applied.digest),
        // A person went back to what was there before; or it waits to be adopted.
        None => {
            replica.digest.is_some_and(|digest| !state.found.is_empty() && !was_found(state, replica, digest))
        }
    };
    replica.error.is_none() && is_another
}

fn was_found(state: &EnvironmentState, replica: &Replica, digest: Digest) -> bool {
    state.found.iter().any(|found| found.endpoint == replica.endpoint && found.digest == digest)
}

fn declared(state: &EnvironmentState) -> &str {
    state.applied.as_ref().map_or("what is declared", |applied| applied.revision.commit.short())
}

fn serves(state: &EnvironmentState) -> String {
    match &state.applied {
        Some(applied) => format!("{} serves", applied.revision.commit.short()),
        None if state.found.is_empty() => "nothing that was declared serves yet".to_owned(),
        None => "what was there before Moorline serves".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const SHARED: &str = "2026-11-21T12:00:00Z";

    fn revision(digit: &str) -> Value {
        json!({"commit": digit.repeat(40), "author": "me", "message": "m", "committed_at": SHARED})
    }

    fn digest(digit: &str) -> String {
        format!("sha256:{}", digit.repeat(64))
    }

    #[test]
    fn a_provider_that_fails_callers_is_told_though_the_document_is_the_right_one() {
        let mut state = in_force();
        let replica = |requests: u64, failed: u64| {
            serde_json::from_value(json!({
                "endpoint": "http://a", "digest": digest("1"), "checked_at": SHARED,
                "recent": {"requests": requests, "failed": failed},
            }))
            .unwrap()
        };
        state.replicas = vec![replica(40, 0), replica(10, 0)];
        assert_eq!(callers(&state).affected, Some(false));
        state.replicas = vec![replica(40, 39), replica(10, 0)];
        let callers = callers(&state);
        assert_eq!(callers.affected, Some(true));
        let sentence = "Callers: 1111111111 serves, and 39 of 50 requests failed in the minute before.";
        assert_eq!(callers.sentence, sentence);
    }

    fn in_force() -> EnvironmentState {
        let applied = json!({"revision": revision("1"), "digest": digest("1"), "at": SHARED});
        let mut state = EnvironmentState::new("prod".parse().unwrap());
        state.applied = Some(serde_json::from_value(applied).unwrap());
        state
    }

    fn trying(phase: &Value, share: &str, promoted: bool, counted: (u64, u64)) -> EnvironmentState {
        let rollout = json!({
            "id": "00000000-0000-7000-8000-000000000001", "kind": {"kind": "deploy"}, "revision": revision("2"),
            "phase": phase, "started_at": SHARED, "phase_since": SHARED, "plan": {}, "verify": {},
            "promoted": promoted, "share": share,
            "callers_before": {"requests": counted.0, "failed": counted.1},
        });
        EnvironmentState { rollout: Some(serde_json::from_value(rollout).unwrap()), ..in_force() }
    }

    fn replica(serves: Option<&str>) -> Replica {
        let error = if serves.is_none() { json!("no answer") } else { Value::Null };
        let replica = json!({
            "endpoint": "http://a:1", "digest": serves.map(digest), "error": error, "checked_at": SHARED,
        });
        serde_json::from_value(replica).unwrap()
    }

    #[test]
    fn who_was_affected_is_said_of_each_way_a_rollout_may_stand() {
        let (old, new) = ("1111111111", "2222222222");
        let sentence = |phase: Value, share: &str, promoted: bool, counted| {
            let callers = callers(&trying(&phase, share, promoted, counted));
            (callers.sentence, callers.affected)
        };
        let frozen = json!({"phase": "frozen"});
        assert_eq!(
            sentence(frozen.clone(), "0%", false, (0, 0)),
            (format!("Callers: 0 saw {new}; {old} serves."), Some(false))
        );
        assert_eq!(
            sentence(frozen.clone(), "10%", false, (40, 8)),
            (format!("Callers: 40 requests saw {new}, 8 failed; {old} serves."), Some(true))
        );
        let promoted = sentence(frozen, "100%", true, (90, 9));
        assert!(
            promoted.0.starts_with(&format!("Callers: {new} serves, and it is not healthy;")),
            "{promoted:?}"
        );
        assert_eq!(promoted.1, Some(true));
        let shifting = sentence(json!({"phase": "shifting", "step": 0}), "10%", false, (40, 0));
        assert!(shifting.0.contains(&format!("10% of requests go to {new}, 40 answered")), "{shifting:?}");
        assert_eq!(shifting.1, Some(false));
        // Nothing of it is anywhere near a caller.
        let waiting = sentence(json!({"phase": "awaiting_approval"}), "0%", false, (0, 0));
        assert_eq!(waiting, (format!("Callers: {old} serves."), Some(false)));
    }

    #[test]
    fn a_replica_that_serves_something_else_affects_its_callers() {
        let mut state = in_force();
        let mut sentence = |replicas: &[Replica]| {
            state.replicas = replicas.to_vec();
            let callers = callers(&state);
            (callers.sentence, callers.affected)
        };
        let (healthy, other, dark) = (replica(Some("1")), replica(Some("3")), replica(None));
        assert_eq!(sentence(std::slice::from_ref(&healthy)).1, Some(false));
        let drifted = sentence(&[healthy.clone(), other]);
        assert!(
            drifted.0.starts_with("Callers: 1 of 2 replicas answer them from another document"),
            "{drifted:?}"
        );
        assert_eq!(drifted.1, Some(true));
        assert_eq!(sentence(&[healthy, dark.clone()]).1, None);
        assert!(sentence(std::slice::from_ref(&dark)).0.contains("not known"));
    }
}
