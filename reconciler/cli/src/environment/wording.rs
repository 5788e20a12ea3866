//! Lines for people, made from what the API answers.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use moorline_api::views::{ClosedGate, EnvironmentView, GateStatus, LaneView, Why};
use moorline_model::EnvironmentName;
use moorline_model::config::Digest;
use moorline_model::drift::{Drift, DriftKind, Lane};
use moorline_model::plan::PlanSummary;
use moorline_model::rollout::{Deployed, Evidence, Verdict};
use serde::Serialize;

/// Changes of a document that are listed before an approval; the rest is counted.
const CHANGES_MAX: usize = 20;
/// A look that is no older is one that was made just now.
const MOMENT_SECONDS: i64 = 5;

/// The word that JSON has for it.
pub(super) fn named(value: &impl Serialize) -> String {
    let value = serde_json::to_value(value).ok();
    value.as_ref().and_then(serde_json::Value::as_str).unwrap_or("?").to_owned()
}

/// `prod  drifted for 2 min  applied 0123456789, verified 0123456789`.
pub(super) fn word_line(environment: &EnvironmentView) -> String {
    let EnvironmentView { name, status, applied, verified, .. } = environment;
    let age = status.age_seconds.map_or_else(String::new, |seconds| format!(" for {}", span(seconds)));
    let commit = |deployed: &Option<Deployed>| {
        deployed.as_ref().map_or("nothing".to_owned(), |deployed| deployed.revision.commit.short().to_owned())
    };
    let (applied, verified) = (commit(applied), commit(verified));
    let mut line = format!("{name}  {}{age}  applied {applied}, verified {verified}", status.word);
    if let Some(rollout) = environment.rollout_under_way() {
        let (commit, phase) = (rollout.revision.commit.short(), rollout.phase.as_str().replace('_', " "));
        line.push_str(&format!(", rolling out {commit}: {phase}"));
    }
    line
}

/// What the rollout under way waits for: `shifting, step 2 for 4 s: 4s of 1m watched`. `None`: there is none.
pub(super) fn rollout(environment: &EnvironmentView) -> Option<String> {
    let rollout = environment.rollout_under_way()?;
    let age = span(environment.now.as_second() - rollout.phase_since.as_second());
    let mut line = format!("{} for {age}", rollout.phase);
    if let Some(because) = rollout.evidence.as_ref().and_then(because) {
        line.push_str(&format!(": {because}"));
    }
    Some(line)
}

/// Why the verdict is not a pass.
fn because(evidence: &Evidence) -> Option<String> {
    match &evidence.verdict {
        Verdict::Passed => None,
        Verdict::Failed { reasons } => Some(reasons.join("; ")),
        Verdict::Inconclusive { because } | Verdict::Error { because, .. } => Some(because.clone()),
    }
}

/// One finding on two lines: where and what, then the values, who and since when.
pub(super) fn finding(drift: &Drift) -> String {
    let finding = &drift.finding;
    let (state, lane, kind) = (named(&drift.state), finding.lane.as_str(), named(&finding.kind));
    let mut line = format!("{state:<9} {lane:<10} {kind:<12} {}", finding.address);
    if !finding.path.is_empty() {
        line.push_str(&format!(" {}", finding.path));
    }
    line.push_str("\n          ");
    let has_values = finding.declared.is_some() || finding.live.is_some();
    if finding.kind != DriftKind::Unverifiable && has_values {
        let or_nothing = |value: &Option<String>| value.clone().unwrap_or_else(|| "nothing".to_owned());
        let (declared, live) = (or_nothing(&finding.declared), or_nothing(&finding.live));
        line.push_str(&format!("declared {declared}, live {live}; "));
    }
    if let Some(note) = &finding.note {
        line.push_str(&format!("{note}; "));
    }
    line.push_str(&format!("seen since {}", time(drift.first_seen)));
    line
}

/// A declared lane: when it was last compared, and why the last look could not.
pub(super) fn lane(lane: &LaneView) -> String {
    let compared =
        lane.age_seconds.map_or_else(|| "never compared".to_owned(), |age| format!("compared {}", ago(age)));
    let trouble = lane.trouble.as_ref().map(|trouble| format!("; {}", indented(trouble, 10)));
    format!("{:<9} {compared}{}", lane.lane.as_str(), trouble.unwrap_or_default())
}

/// How to have it looked at again, when the last look is older than a moment. A sync reads every replica at once; Terraform is
/// planned and AWS read when their schedules say so.
pub(super) fn look_again(lanes: &[LaneView], environment: &EnvironmentName) -> Option<String> {
    let gateway = lanes.iter().find(|lane| lane.lane == Lane::Gateway)?;
    let looked = gateway.age_seconds.filter(|age| *age > MOMENT_SECONDS)?;
    let others = lanes.iter().any(|lane| lane.lane != Lane::Gateway);
    let others = if others { "; the other lanes are looked at on their schedules" } else { "" };
    Some(format!(
        "The replicas were last compared {}: `moorline sync {environment}` compares them at once{others}.",
        ago(looked)
    ))
}

/// What a person approves: the commit, what Terraform would change, the document.
pub(super) fn approved(environment: &EnvironmentView) -> Vec<String> {
    let Some(rollout) = &environment.rollout else { return Vec::new() };
    let revision = &rollout.revision;
    let mut lines = vec![format!("{} by {}: {}", revision.commit.short(), revision.author, revision.message)];
    lines.extend(rollout.terraform.iter().flat_map(planned));
    let waits = environment.waits_for_approval.as_ref();
    let document = waits.and_then(|waits| waits.digest);
    let in_force = environment.applied.as_ref().map(|applied| applied.digest);
    if let Some(document) = document.filter(|document| Some(*document) != in_force) {
        let in_force = in_force.map_or_else(|| "nothing".to_owned(), fingerprint);
        lines.push(format!("  document {in_force} → {}", fingerprint(document)));
        lines.push(format!("  {}", rollout.what_changes()));
        lines.extend(rollout.change_lines(CHANGES_MAX).iter().map(|change| format!("    {change}")));
    }
    lines
}

/// A line for each resource that a plan changes.
fn planned(plan: &PlanSummary) -> Vec<String> {
    let line = |change: &moorline_model::plan::ResourceChange| {
        let attributes = change.attributes.join(", ");
        let detail = if attributes.is_empty() { String::new() } else { format!(": {attributes}") };
        format!("  {:<8} {}{detail}", named(&change.action).replace('_', " "), change.address)
    };
    plan.changes.iter().map(line).collect()
}

/// The first digits of a digest, with its scheme.
pub(super) fn fingerprint(digest: Digest) -> String {
    format!("sha256:{}", digest.short())
}

/// The answer to "why?": the sentence, callers, the status word, the closed gates, the open ones on one line.
pub(super) fn why(answer: &Why) -> Vec<String> {
    let mut lines = vec![answer.sentence.clone()];
    // Where something went wrong, the sentence says it.
    lines.extend(
        Some(&answer.callers.sentence).filter(|callers| !answer.sentence.contains(*callers)).cloned(),
    );
    lines.push(format!("status  {}", answer.status.word));
    let (mut open, mut closed) = (Vec::new(), Vec::new());
    for reading in &answer.gates {
        match reading {
            GateStatus::Open { gate } => open.push(gate.as_str()),
            GateStatus::Closed(gate) => closed.push(gate),
        }
    }
    let which = if closed.is_empty() { "these gates" } else { "the other gates" };
    lines.extend(closed.into_iter().map(gate));
    if !open.is_empty() {
        lines.push(format!("Nothing waits at {which}: {}.", open.join(", ")));
    }
    lines
}

/// One closed gate.
fn gate(gate: &ClosedGate) -> String {
    let because = indented(&gate.because, 8);
    let mut line = format!("closed  {}: {because}\n        waits for {}", gate.gate, gate.waits_for);
    if !gate.opened_by.is_empty() {
        line.push_str(&format!("; opened by {}", gate.opened_by));
    }
    if let Some(opens_at) = gate.opens_at {
        line.push_str(&format!("\n        opens at {}", time(opens_at)));
    }
    line
}

/// Further lines of a text, set in below the first.
pub(super) fn indented(text: &str, by: usize) -> String {
    text.trim_end().replace('\n', &format!("\n{}", " ".repeat(by)))
}

/// A moment as this machine's clock on the wall shows it, with the zone's offset; whole seconds are enough for people.
pub(super) fn time(moment: Timestamp) -> String {
    time_in(moment, TimeZone::system())
}

fn time_in(moment: Timestamp, zone: TimeZone) -> String {
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::sample::{deployed, environment, rollout as begun};
    use super::*;

    #[test]
    fn an_environment_is_one_line() {
        let environment = environment(
            "prod",
            &json!({
                "status": {"word": "verifying", "age_seconds": 75},
                "applied": deployed("1"),
                "rollout": begun("f", &json!({"phase": "shifting", "step": 0})),
            }),
        );
        assert_eq!(
            word_line(&environment),
            "prod  verifying for 1 min  applied 1111111111, verified nothing, rolling out ffffffffff: shifting"
        );
    }

    #[test]
    fn the_first_line_of_why_is_the_answer_and_names_are_those_of_the_json() {
        let answer: Why = serde_json::from_value(json!({
            "sentence": "prod waits for you: held. Opened by `moorline release prod`.",
            "status": {"word": "held", "since": null, "exit_code": 5},
            "callers": {"sentence": "Callers: 0123456789 serves.", "affected": false},
            "gates": [
                {"gate": "hold", "state": "closed", "waits_for": "you", "because": "held", "opened_by": "a release"},
                {"gate": "deletions", "state": "open"},
            ],
        }))
        .unwrap();
        let lines = why(&answer);
        assert_eq!(lines[0], answer.sentence);
        assert_eq!(lines[1..3], ["Callers: 0123456789 serves.", "status  held"]);
        assert_eq!(lines[3], "closed  hold: held\n        waits for you; opened by a release");
        assert_eq!(lines[4], "Nothing waits at the other gates: deletions.");
        let sentence = "prod waits for you: frozen. Callers: 0123456789 serves. Opened by a release.";
        let gates = vec![GateStatus::Open { gate: "hold".to_owned() }];
        let trouble = Why { sentence: sentence.to_owned(), gates, ..answer };
        assert_eq!(why(&trouble), [sentence, "status  held", "Nothing waits at these gates: hold."]);
    }

    #[test]
    fn an_old_comparison_is_shown_with_the_command_that_compares_again() {
        let environment = "prod".parse().unwrap();
        let lane = |lane: Lane, age_seconds: Option<i64>| LaneView {
            lane,
            compared_at: None,
            age_seconds,
            trouble: None,
            failure: None,
        };
        let hint = |lanes: &[LaneView]| look_again(lanes, &environment);
        assert_eq!(hint(&[lane(Lane::Gateway, Some(2))]), None);
        assert_eq!(hint(&[lane(Lane::Gateway, None)]), None);
        assert_eq!(
            hint(&[lane(Lane::Gateway, Some(12))]).unwrap(),
            "The replicas were last compared 12 s ago: `moorline sync prod` compares them at once."
        );
        let both = [lane(Lane::Gateway, Some(12)), lane(Lane::Terraform, Some(700))];
        assert!(hint(&both).unwrap().ends_with("at once; the other lanes are looked at on their schedules."));
    }

    #[test]
    fn a_rollout_under_way_says_what_it_waits_for() {
        let mut going = begun("1", &json!({"phase": "shifting", "step": 1}));
        going["phase_since"] = json!("2026-11-21T12:00:05Z");
        going["evidence"] = json!({
            "phase": {"phase": "shifting", "step": 1}, "verdict": "inconclusive", "because": "4s of 1m watched",
            "facts": {}, "at": "2026-11-21T12:00:09Z",
        });
        let going = environment("prod", &json!({"now": "2026-11-21T12:00:09.5Z", "rollout": going}));
        assert_eq!(rollout(&going).unwrap(), "shifting, step 2 for 4 s: 4s of 1m watched");
        let over = environment("prod", &json!({"rollout": begun("1", &json!({"phase": "succeeded"}))}));
        assert_eq!(rollout(&over), None);
    }

    #[test]
    fn times_are_whole_seconds_with_a_zone() {
        let moment: Timestamp = "2026-11-21T12:00:09.513Z".parse().unwrap();
        assert_eq!(time_in(moment, TimeZone::UTC), "2026-11-21T12:00:09Z");
        let berlin = TimeZone::fixed(jiff::tz::offset(1));
        assert_eq!(time_in(moment, berlin), "2026-11-21T13:00:09+01:00");
    }
}
