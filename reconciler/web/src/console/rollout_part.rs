//! A rollout: how far it is, and what its verdict rests on.

use std::collections::BTreeSet;

use jiff::Timestamp;
use moorline_model::EnvironmentName;
use moorline_model::plan::PlanSummary;
use moorline_model::rollout::{Evidence, Phase, Rollout, RolloutKind, Verdict};

use super::html::Html;
use super::wording;

/// The phases of a rollout that succeeds.
const PHASES: [(&str, &str); 9] = [
    ("pending", "pending"),
    ("planning", "planning"),
    ("awaiting_approval", "approval"),
    ("applying", "applying"),
    ("staging", "staging"),
    ("shifting", "shifting"),
    ("promoting", "promoting"),
    ("baking", "baking"),
    ("succeeded", "succeeded"),
];
/// Fields of a document, and resources of a plan, that are shown.
const CHANGES_MAX: usize = 100;

/// A list of rollouts, newest first.
pub(super) fn list(html: &mut Html, environment: &EnvironmentName, rollouts: &[Rollout], now: Timestamp) {
    html.raw("<article class=\"environment\"><h3>Rollouts</h3><ol class=\"history\">");
    for rollout in rollouts {
        html.raw("<li>");
        wording::ago(html, rollout.started_at, now);
        html.raw(" <a href=\"/environments/").segment(environment.as_str()).raw("/rollouts/");
        html.segment(&rollout.id.to_string()).raw("\">").text(&rollout.phase).raw("</a> ");
        wording::commit(html, Some(rollout.revision.commit.as_str()));
        html.raw(" ").text(&rollout.revision.message).raw("</li>");
    }
    html.raw("</ol></article>");
}

/// One rollout.
pub(super) fn write(html: &mut Html, environment: &EnvironmentName, rollout: &Rollout, now: Timestamp) {
    phases(html, rollout);
    html.raw("<dl class=\"facts\"><div><dt>Phase</dt><dd>")
        .text(&rollout.phase)
        .raw(", for <span class=\"age\">");
    wording::span(html, rollout.phase_since, now);
    html.raw("</span></dd></div><div><dt>Rolls out</dt><dd>");
    wording::commit(html, Some(rollout.revision.commit.as_str()));
    html.raw(" ")
        .text(&rollout.revision.message)
        .raw(", by ")
        .text(&rollout.revision.author)
        .raw("</dd></div>");
    if let RolloutKind::Rollback { from, actor, reason } = &rollout.kind {
        html.raw("<div><dt>Rolls back from</dt><dd>");
        wording::commit(html, Some(from.as_str()));
        html.raw(", requested by ").text(actor).raw(": ").text(reason).raw("</dd></div>");
    }
    html.raw("<div><dt>Began</dt><dd>");
    wording::ago(html, rollout.started_at, now);
    html.raw(", <a href=\"/environments/").segment(environment.as_str()).raw("/rollouts/");
    html.segment(&rollout.id.to_string()).raw("\">this rollout's page</a></dd></div>");
    manner(html, rollout);
    if let Some(from) = rollout.from.as_ref().filter(|_| !rollout.phase.is_over()) {
        html.raw("<div><dt>Rolls back to</dt><dd>");
        wording::commit(html, Some(from.revision.commit.as_str()));
        html.raw(" if it fails</dd></div>");
    }
    if let Some(reason) = &rollout.reason {
        html.raw("<div><dt>Because</dt><dd>").text(reason).raw("</dd></div>");
    }
    html.raw("</dl>");
    changes(html, rollout);
    if let Some(plan) = &rollout.terraform {
        terraform(html, plan);
    }
    if let Some(evidence) = &rollout.evidence {
        verdict(html, evidence, now);
    }
}

/// What it changes: a sentence, and the document's fields below it. Terraform's resources have a list of their own.
fn changes(html: &mut Html, rollout: &Rollout) {
    html.raw("<h4>What it changes</h4><p>").text(rollout.what_changes()).raw(".</p>");
    let Some(changes) = rollout.changes.as_ref().filter(|changes| !changes.is_empty()) else { return };
    html.raw("<ul class=\"changes\">");
    for line in changes.lines(CHANGES_MAX) {
        html.raw("<li>").text(line).raw("</li>");
    }
    html.raw("</ul>");
}

fn phases(html: &mut Html, rollout: &Rollout) {
    let Some(here) = PHASES.iter().position(|(phase, _)| *phase == rollout.phase.as_str()) else {
        return;
    };
    html.raw("<ol class=\"way\">");
    for (index, (_, name)) in PHASES.iter().enumerate() {
        html.raw(match index.cmp(&here) {
            std::cmp::Ordering::Less => "<li class=\"past\">",
            std::cmp::Ordering::Equal => "<li class=\"here\" aria-current=\"step\">",
            std::cmp::Ordering::Greater => "<li>",
        });
        html.raw(name).raw("</li>");
    }
    html.raw("</ol>");
}

fn manner(html: &mut Html, rollout: &Rollout) {
    html.raw("<div><dt>Manner</dt><dd>").text(rollout.traffic.strategy.replace('_', " "));
    for (index, step) in rollout.traffic.steps.iter().enumerate() {
        let is_here = rollout.phase == Phase::Shifting { step: index };
        html.raw(if index == 0 { ": " } else { " → " });
        html.raw(if is_here { "<strong>" } else { "<span>" });
        html.text(step.weight).raw(" for ").text(step.hold);
        html.raw(if is_here { "</strong>" } else { "</span>" });
    }
    html.raw("</dd></div>");
}

fn terraform(html: &mut Html, plan: &PlanSummary) {
    html.raw("<details><summary>Terraform: ").text(plan.headline()).raw("</summary><ul>");
    for change in plan.changes.iter().take(CHANGES_MAX) {
        html.raw("<li><code>").text(&change.address).raw("</code> ");
        html.text(format!("{:?}", change.action).to_lowercase());
        if !change.attributes.is_empty() {
            html.raw(": ").text(change.attributes.join(", "));
        }
        html.raw("</li>");
    }
    html.raw("</ul><p class=\"hint\">Plan <code>")
        .text(&plan.binding.plan_sha256)
        .raw("</code></p></details>");
}

fn verdict(html: &mut Html, evidence: &Evidence, now: Timestamp) {
    html.raw("<h4>Evidence on ").text(&evidence.phase).raw(", ");
    wording::ago(html, evidence.at, now);
    html.raw("</h4>");
    match &evidence.verdict {
        Verdict::Passed => {
            html.raw("<p><span class=\"mark good\"><span aria-hidden=\"true\">●</span> passed</span></p>");
        }
        Verdict::Failed { reasons } => {
            html.raw("<p><span class=\"mark bad\"><span aria-hidden=\"true\">✖</span> failed</span></p><ul>");
            for reason in reasons {
                html.raw("<li>").text(reason).raw("</li>");
            }
            html.raw("</ul>");
        }
        Verdict::Inconclusive { because } => {
            html.raw(
                "<p><span class=\"mark busy\"><span aria-hidden=\"true\">◐</span> not known yet</span> ",
            );
            html.text(because).raw("</p>");
        }
        Verdict::Error { because, .. } => {
            html.raw(
                "<p><span class=\"mark unknown\"><span aria-hidden=\"true\">?</span> cannot check</span> ",
            );
            html.text(because).raw("</p>");
        }
    }
    numbers(html, evidence);
}

/// What the verdict rests on: candidate and stable side by side, then what is counted once.
fn numbers(html: &mut Html, evidence: &Evidence) {
    let of = |side: &str, name: &str| evidence.facts.get(&format!("{side}.{name}"));
    let names: BTreeSet<&str> = evidence
        .facts
        .keys()
        .filter_map(|name| name.strip_prefix("candidate.").or_else(|| name.strip_prefix("stable.")))
        .collect();
    if !names.is_empty() {
        html.raw(
            "<table><thead><tr><th scope=\"col\">Measure</th><th scope=\"col\">Candidate</th>\
             <th scope=\"col\">Stable</th></tr></thead><tbody>",
        );
        for name in names {
            html.raw("<tr><th scope=\"row\">").text(name.replace('_', " ")).raw("</th>");
            for (label, side) in [("Candidate", "candidate"), ("Stable", "stable")] {
                html.raw("<td data-label=\"").raw(label).raw("\">");
                match of(side, name) {
                    Some(value) => html.text(value),
                    None => html.raw("<span class=\"none\">none</span>"),
                };
                html.raw("</td>");
            }
            html.raw("</tr>");
        }
        html.raw("</tbody></table>");
    }
    html.raw("<dl class=\"facts\">");
    for (name, value) in &evidence.facts {
        if !name.starts_with("candidate.") && !name.starts_with("stable.") {
            let name = name.replace(['.', '_'], " ");
            html.raw("<div><dt>").text(name).raw("</dt><dd>").text(value).raw("</dd></div>");
        }
    }
    html.raw("</dl>");
}
