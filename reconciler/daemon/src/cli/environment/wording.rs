//! Lines for people, made from what the API answers.

use serde_json::Value;

/// The text at a JSON pointer.
pub(super) fn text_at<'a>(value: &'a Value, pointer: &str) -> Option<&'a str> {
    value.pointer(pointer)?.as_str()
}

/// The list in a field; empty when there is none.
pub(super) fn list(value: &Value, field: &str) -> Vec<Value> {
    value.get(field).and_then(Value::as_array).cloned().unwrap_or_default()
}

/// `prod  drifted  since 2 min ago  at 0123456789`.
pub(super) fn word_line(environment: &Value) -> String {
    let name = text_at(environment, "/name").unwrap_or("?");
    let word = text_at(environment, "/status/word").unwrap_or("cannot check");
    let age =
        environment.pointer("/status/age_seconds").and_then(Value::as_i64).map_or_else(String::new, ago);
    let commit = |field: &str| text_at(environment, &format!("/{field}/revision/commit")).map(short);
    let applied = commit("applied").unwrap_or("nothing");
    let verified = commit("verified").unwrap_or("nothing");
    let mut line = format!("{name}  {word}  {age}  applied {applied}, verified {verified}");
    if let Some(phase) = text_at(environment, "/rollout/phase/phase").filter(|phase| is_under_way(phase)) {
        let bringing = text_at(environment, "/rollout/revision/commit").map_or("?", short);
        line.push_str(&format!(", bringing {bringing}: {}", phase.replace('_', " ")));
    }
    line
}

/// Whether a rollout in this phase is not over.
pub(super) fn is_under_way(phase: &str) -> bool {
    !matches!(phase, "succeeded" | "rolled_back" | "frozen" | "failed" | "superseded")
}

/// One finding on one line.
pub(super) fn finding(finding: &Value) -> String {
    let text = |field: &str| text_at(finding, &format!("/{field}")).unwrap_or("");
    let mut line =
        format!("{:<9} {:<10} {:<12} {}", text("state"), text("lane"), text("kind"), text("address"));
    if !text("path").is_empty() {
        line.push_str(&format!(" {}", text("path")));
    }
    if finding.get("declared").is_some() || finding.get("live").is_some() {
        let or_nothing = |field: &str| text_at(finding, &format!("/{field}")).unwrap_or("nothing").to_owned();
        line.push_str(&format!(": declared {}, live {}", or_nothing("declared"), or_nothing("live")));
    }
    if !text("note").is_empty() {
        line.push_str(&format!(" ({})", text("note")));
    }
    line.push_str(&format!(", since {}", text("first_seen")));
    line
}

/// One gate on one line.
pub(super) fn gate(gate: &Value) -> String {
    let text = |field: &str| text_at(gate, &format!("/{field}")).unwrap_or("");
    if text("state") != "closed" {
        return format!("open    {}", text("gate").replace('_', " "));
    }
    let mut line = format!("CLOSED  {}: {}", text("gate").replace('_', " "), text("because"));
    if !text("opened_by").is_empty() {
        line.push_str(&format!("; opened by {}", text("opened_by")));
    }
    if !text("opens_at").is_empty() {
        line.push_str(&format!(", at {}", text("opens_at")));
    }
    line
}

/// `12 s ago`.
pub(super) fn ago(seconds: i64) -> String {
    match seconds {
        ..60 => format!("{} s ago", seconds.max(0)),
        60..3600 => format!("{} min ago", seconds / 60),
        3600..86400 => format!("{} h ago", seconds / 3600),
        _ => format!("{} d ago", seconds / 86400),
    }
}

fn short(commit: &str) -> &str {
    commit.get(..10).unwrap_or(commit)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_environment_is_told_in_one_line() {
        let environment = json!({
            "name": "prod",
            "status": {"word": "verifying", "age_seconds": 75},
            "applied": {"revision": {"commit": "0123456789abcdef0123456789abcdef01234567"}},
            "verified": null,
            "rollout": {"phase": {"phase": "shifting", "step": 0}, "revision": {"commit": "ffffffffffffffff"}},
        });
        assert_eq!(
            word_line(&environment),
            "prod  verifying  1 min ago  applied 0123456789, verified nothing, bringing ffffffffff: shifting"
        );
    }

    #[test]
    fn a_closed_gate_says_who_opens_it() {
        let closed = json!({"gate": "hold", "state": "closed", "because": "held", "opened_by": "moorline release prod"});
        assert_eq!(gate(&closed), "CLOSED  hold: held; opened by moorline release prod");
    }
}
