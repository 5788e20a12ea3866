//! Lines for people, made from what the API answers.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use moorline_model::EnvironmentName;
use moorline_model::rollout::Rollout;
use serde_json::Value;

/// Changes of a document that are listed before an approval; the rest is counted.
const CHANGES_MAX: usize = 20;
/// A look that is no older is one that was made just now.
const MOMENT_SECONDS: i64 = 5;

/// The text at a JSON pointer.
pub(super) fn text_at<'a>(value: &'a Value, pointer: &str) -> Option<&'a str> {
    value.pointer(pointer)?.as_str()
}

/// The list in a field; empty when there is none.
pub(super) fn list(value: &Value, field: &str) -> Vec<Value> {
    value.get(field).and_then(Value::as_array).cloned().unwrap_or_default()
}

/// `prod  drifted for 2 min  applied 0123456789, verified 0123456789`.
pub(super) fn word_line(environment: &Value) -> String {
    let name = text_at(environment, "/name").unwrap_or("?");
    let word = text_at(environment, "/status/word").unwrap_or("cannot check");
    let age = environment.pointer("/status/age_seconds").and_then(Value::as_i64);
    let age = age.map_or_else(String::new, |seconds| format!(" for {}", span(seconds)));
    let commit = |field: &str| text_at(environment, &format!("/{field}/revision/commit")).map(short);
    let applied = commit("applied").unwrap_or("nothing");
    let verified = commit("verified").unwrap_or("nothing");
    let mut line = format!("{name}  {word}{age}  applied {applied}, verified {verified}");
    if let Some(phase) = text_at(environment, "/rollout/phase/phase").filter(|phase| is_under_way(phase)) {
        let bringing = text_at(environment, "/rollout/revision/commit").map_or("?", short);
        line.push_str(&format!(", bringing {bringing}: {}", phase.replace('_', " ")));
    }
    line
}

/// What the rollout under way waits for: `shifting, step 2 for 4 s: 4s of 1m watched`. `None`: there is none.
pub(super) fn rollout(environment: &Value) -> Option<String> {
    let phase = text_at(environment, "/rollout/phase/phase").filter(|phase| is_under_way(phase))?;
    let mut line = phase.replace('_', " ");
    if let Some(step) = environment.pointer("/rollout/phase/step").and_then(Value::as_u64) {
        line.push_str(&format!(", step {}", step + 1));
    }
    let seconds = |pointer: &str| text_at(environment, pointer)?.parse::<Timestamp>().ok();
    if let (Some(since), Some(now)) = (seconds("/rollout/phase_since"), seconds("/now")) {
        line.push_str(&format!(" for {}", span(now.as_second() - since.as_second())));
    }
    let evidence = |field: &str| environment.pointer(&format!("/rollout/evidence/{field}"));
    let verdict = evidence("verdict").and_then(Value::as_str).unwrap_or_default();
    let reasons = evidence("reasons")
        .and_then(Value::as_array)
        .map(|reasons| reasons.iter().filter_map(Value::as_str).collect::<Vec<_>>().join("; "));
    let because = evidence("because").and_then(Value::as_str).map(str::to_owned).or(reasons);
    if let Some(because) = because.filter(|_| verdict != "passed") {
        line.push_str(&format!(": {because}"));
    }
    Some(line)
}

/// Whether a rollout in this phase is not over.
pub(super) fn is_under_way(phase: &str) -> bool {
    !matches!(phase, "succeeded" | "rolled_back" | "frozen" | "failed" | "superseded")
}

/// One finding on two lines: where and what, then the values, who and since when.
pub(super) fn finding(finding: &Value) -> String {
    let text = |field: &str| text_at(finding, &format!("/{field}")).unwrap_or("");
    let mut line =
        format!("{:<9} {:<10} {:<12} {}", text("state"), text("lane"), text("kind"), text("address"));
    if !text("path").is_empty() {
        line.push_str(&format!(" {}", text("path")));
    }
    line.push_str("\n          ");
    let is_unread = text("kind") == "unverifiable";
    if !is_unread && (!text("declared").is_empty() || !text("live").is_empty()) {
        let or_nothing = |field: &str| text_at(finding, &format!("/{field}")).unwrap_or("nothing").to_owned();
        line.push_str(&format!("declared {}, live {}; ", or_nothing("declared"), or_nothing("live")));
    }
    if !text("note").is_empty() {
        line.push_str(&format!("{}; ", text("note")));
    }
    line.push_str(&format!("seen since {}", time(text("first_seen"))));
    line
}

/// A declared lane: when it was last compared, and why the last look could not.
pub(super) fn lane(lane: &Value) -> String {
    let age = lane.get("age_seconds").and_then(Value::as_i64);
    let compared = age.map_or_else(|| "never compared".to_owned(), |age| format!("compared {}", ago(age)));
    let trouble = text_at(lane, "/trouble").map(|trouble| format!("; {}", indented(trouble, 10)));
    format!("{:<9} {compared}{}", text_at(lane, "/lane").unwrap_or("?"), trouble.unwrap_or_default())
}

/// How to have it looked at again, when the last look is older than a moment. A sync reads every replica at once; Terraform is
/// planned and AWS read when their schedules say so.
pub(super) fn look_again(answer: &Value, environment: &EnvironmentName) -> Option<String> {
    let lanes = list(answer, "lanes");
    let age = |lane: &Value| lane.get("age_seconds").and_then(Value::as_i64);
    let is_gateway = |lane: &&Value| text_at(lane, "/lane") == Some("gateway");
    let looked = lanes.iter().find(is_gateway).and_then(age).filter(|age| *age > MOMENT_SECONDS)?;
    let others = lanes.iter().any(|lane| !is_gateway(&lane));
    let others = if others { "; the other lanes are looked at on their schedules" } else { "" };
    Some(format!(
        "The replicas were last compared {}: `moorline sync {environment}` compares them at once{others}.",
        ago(looked)
    ))
}

/// What a person approves: the commit, what Terraform would change, the document.
pub(super) fn approved(environment: &Value) -> Vec<String> {
    let text = |pointer: &str| text_at(environment, pointer).unwrap_or("?");
    let revision = |field: &str| text(&format!("/rollout/revision/{field}")).to_owned();
    let commit = revision("commit");
    let mut lines = vec![format!("{} by {}: {}", short(&commit), revision("author"), revision("message"))];
    let changes = environment.pointer("/rollout/terraform").map(|plan| list(plan, "changes"));
    for change in changes.unwrap_or_default() {
        let attributes = list(&change, "attributes");
        let attributes: Vec<_> = attributes.iter().filter_map(Value::as_str).collect();
        let of = |field: &str| text_at(&change, &format!("/{field}")).unwrap_or("?").replace('_', " ");
        let detail =
            if attributes.is_empty() { String::new() } else { format!(": {}", attributes.join(", ")) };
        lines.push(format!("  {:<8} {}{detail}", of("action"), text_at(&change, "/address").unwrap_or("?")));
    }
    let document = text_at(environment, "/waits_for_approval/digest").map(fingerprint);
    let in_force = text_at(environment, "/applied/digest").map_or("nothing", fingerprint);
    if let Some(document) = document.filter(|document| *document != in_force) {
        lines.push(format!("  document {in_force} → {document}"));
        let rollout = environment.get("rollout").cloned();
        if let Some(Ok(rollout)) = rollout.map(serde_json::from_value::<Rollout>) {
            lines.push(format!("  {}", rollout.what_changes()));
            lines.extend(rollout.change_lines(CHANGES_MAX).iter().map(|change| format!("    {change}")));
        }
    }
    lines
}

/// The first digits of a digest.
fn fingerprint(digest: &str) -> &str {
    digest.get(..19).unwrap_or(digest)
}

/// The answer to "why?": the sentence, callers, the status word, the closed gates, the open ones on one line.
pub(super) fn why(answer: &Value) -> Vec<String> {
    let text = |pointer: &str| text_at(answer, pointer).unwrap_or("").to_owned();
    let (sentence, callers) = (text("/sentence"), text("/callers/sentence"));
    // Where something went wrong, the sentence says it.
    let callers = Some(callers).filter(|callers| !sentence.contains(callers));
    let mut lines = vec![sentence];
    lines.extend(callers);
    lines.push(format!("status  {}", text("/status/word")));
    let gates = list(answer, "gates");
    let (closed, open): (Vec<_>, Vec<_>) =
        gates.iter().partition(|gate| text_at(gate, "/state") == Some("closed"));
    let which = if closed.is_empty() { "these gates" } else { "the other gates" };
    lines.extend(closed.into_iter().map(gate));
    let open: Vec<_> = open.into_iter().filter_map(|gate| text_at(gate, "/gate")).collect();
    if !open.is_empty() {
        lines.push(format!("Nothing waits at {which}: {}.", open.join(", ")));
    }
    lines
}

/// One closed gate.
fn gate(gate: &Value) -> String {
    let text = |field: &str| text_at(gate, &format!("/{field}")).unwrap_or("");
    let because = indented(text("because"), 8);
    let mut line = format!("closed  {}: {because}", text("gate"));
    line.push_str(&format!("\n        waits for {}", text("waits_for")));
    if !text("opened_by").is_empty() {
        line.push_str(&format!("; opened by {}", text("opened_by")));
    }
    if !text("opens_at").is_empty() {
        line.push_str(&format!("\n        opens at {}", time(text("opens_at"))));
    }
    line
}

/// Further lines of a text, set in below the first.
pub(super) fn indented(text: &str, by: usize) -> String {
    text.trim_end().replace('\n', &format!("\n{}", " ".repeat(by)))
}

/// A moment as this machine's clock on the wall shows it, with the zone's offset; whole seconds are enough for people.
pub(super) fn time(text: &str) -> String {
    time_in(text, TimeZone::system())
}

fn time_in(text: &str, zone: TimeZone) -> String {
    let Ok(moment) = text.parse::<Timestamp>() else { return text.to_owned() };
    let local = moment.to_zoned(zone);
    match local.offset().is_zero() {
        true => local.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
        false => local.strftime("%Y-%m-%dT%H:%M:%S%:z").to_string(),
    }
}

/// `12 s ago`.
pub(super) fn ago(seconds: i64) -> String {
    format!("{} ago", span(seconds))
}

/// `12 s`.
pub(super) fn span(seconds: i64) -> String {
    match seconds {
        ..60 => format!("{} s", seconds.max(0)),
        60..3600 => format!("{} min", seconds / 60),
        3600..172_800 => format!("{} h", seconds / 3600),
        _ => format!("{} days", seconds / 86400),
    }
}

/// The first digits of a commit.
pub(super) fn short(commit: &str) -> &str {
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
            "prod  verifying for 1 min  applied 0123456789, verified nothing, bringing ffffffffff: shifting"
        );
    }

    #[test]
    fn the_first_line_of_why_is_the_answer_and_names_are_those_of_the_json() {
        let answer = json!({
            "sentence": "prod waits for you: held. Opened by `moorline release prod`.",
            "status": {"word": "held", "exit_code": 5},
            "callers": {"sentence": "Callers: 0123456789 serves.", "affected": false},
            "gates": [
                {"gate": "hold", "state": "closed", "waits_for": "you", "because": "held", "opened_by": "a release"},
                {"gate": "deletions", "state": "open"},
            ],
        });
        let lines = why(&answer);
        assert_eq!(lines[0], answer["sentence"].as_str().unwrap());
        assert_eq!(lines[1..3], ["Callers: 0123456789 serves.", "status  held"]);
        assert_eq!(lines[3], "closed  hold: held\n        waits for you; opened by a release");
        assert_eq!(lines[4], "Nothing waits at the other gates: deletions.");
        let trouble = json!({
            "sentence": "prod waits for you: frozen. Callers: 0123456789 serves. Opened by a release.",
            "status": {"word": "failed"},
            "callers": {"sentence": "Callers: 0123456789 serves."},
            "gates": [{"gate": "hold", "state": "open"}],
        });
        let once =
            [trouble["sentence"].as_str().unwrap(), "status  failed", "Nothing waits at these gates: hold."];
        assert_eq!(why(&trouble), once);
    }

    #[test]
    fn a_look_that_is_no_longer_new_is_told_with_what_looks_again() {
        let environment = "prod".parse().unwrap();
        let said = |lanes: Value| look_again(&json!({ "lanes": lanes }), &environment);
        assert_eq!(said(json!([{"lane": "gateway", "age_seconds": 2}])), None);
        assert_eq!(said(json!([{"lane": "gateway", "age_seconds": null}])), None);
        assert_eq!(
            said(json!([{"lane": "gateway", "age_seconds": 12}])).unwrap(),
            "The replicas were last compared 12 s ago: `moorline sync prod` compares them at once."
        );
        let both = json!([{"lane": "gateway", "age_seconds": 12}, {"lane": "terraform", "age_seconds": 700}]);
        assert!(said(both).unwrap().ends_with("at once; the other lanes are looked at on their schedules."));
    }

    #[test]
    fn a_rollout_under_way_says_what_it_waits_for() {
        let environment = json!({
            "now": "2026-11-21T12:00:09.5Z",
            "rollout": {
                "phase": {"phase": "shifting", "step": 1},
                "phase_since": "2026-11-21T12:00:05Z",
                "evidence": {"verdict": "inconclusive", "because": "4s of 1m watched"},
            },
        });
        assert_eq!(rollout(&environment).unwrap(), "shifting, step 2 for 4 s: 4s of 1m watched");
        assert_eq!(rollout(&json!({"rollout": {"phase": {"phase": "succeeded"}}})), None);
    }

    #[test]
    fn times_are_whole_seconds_with_a_zone() {
        let moment = "2026-11-21T12:00:09.513Z";
        assert_eq!(time_in(moment, TimeZone::UTC), "2026-11-21T12:00:09Z");
        let berlin = TimeZone::fixed(jiff::tz::offset(1));
        assert_eq!(time_in(moment, berlin), "2026-11-21T13:00:09+01:00");
        assert_eq!(time_in("soon", TimeZone::UTC), "soon");
    }
}
