//! Answers of a daemon, for tests.

use jiff::Timestamp;
use moorline_api::views::EnvironmentView;
use moorline_model::environment::EnvironmentState;
use serde_json::{Value, json};

pub(super) const AT: &str = "2026-11-21T12:00:00Z";

/// An environment of which nothing is known but what `changes` says, laid over its JSON.
pub(super) fn environment(name: &str, changes: &Value) -> EnvironmentView {
    let at: Timestamp = AT.parse().unwrap();
    let view = EnvironmentView::of(EnvironmentState::new(name.parse().unwrap()), at);
    let mut view = serde_json::to_value(view).unwrap();
    lay_over(&mut view, changes);
    serde_json::from_value(view).unwrap()
}

fn lay_over(below: &mut Value, above: &Value) {
    match (below, above) {
        (Value::Object(below), Value::Object(above)) => {
            for (field, value) in above {
                lay_over(below.entry(field).or_insert(Value::Null), value);
            }
        }
        (below, above) => *below = above.clone(),
    }
}

/// A commit of one digit.
pub(super) fn revision(digit: &str) -> Value {
    json!({"commit": digit.repeat(40), "author": "me", "message": "m", "committed_at": AT})
}

/// What is in force.
pub(super) fn deployed(digit: &str) -> Value {
    json!({"revision": revision(digit), "digest": format!("sha256:{}", digit.repeat(64)), "at": AT})
}

/// A rollout of a commit of one digit in a phase.
pub(super) fn rollout(digit: &str, phase: &Value) -> Value {
    json!({
        "id": "00000000-0000-7000-8000-000000000001", "kind": {"kind": "deploy"}, "revision": revision(digit),
        "phase": phase, "started_at": AT, "phase_since": AT, "plan": {}, "verify": {},
    })
}
