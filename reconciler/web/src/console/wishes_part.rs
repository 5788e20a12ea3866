//! What people asked for lately, and what came of it.

use jiff::Timestamp;
use moorline_model::intent::Outcome;
use moorline_record::RecordedIntent;

use super::html::Html;
use super::wording;

pub(super) fn write(html: &mut Html, asked: &[RecordedIntent], now: Timestamp) {
    html.raw("<h3>Asked for</h3>");
    if asked.is_empty() {
        html.raw("<p class=\"empty\">Nobody has asked for anything yet.</p>");
        return;
    }
    html.raw(
        "<table><thead><tr><th scope=\"col\">When</th><th scope=\"col\">Who</th><th scope=\"col\">What</th>\
         <th scope=\"col\">Why</th><th scope=\"col\">What came of it</th></tr></thead><tbody>",
    );
    for asked in asked {
        row(html, asked, now);
    }
    html.raw("</tbody></table>");
}

fn row(html: &mut Html, asked: &RecordedIntent, now: Timestamp) {
    let intent = &asked.intent;
    html.raw("<tr><th scope=\"row\">");
    wording::ago(html, intent.at, now);
    html.raw("</th><td data-label=\"Who\">").text(&intent.actor);
    html.raw("</td><td data-label=\"What\">").raw(intent.operation.as_str());
    if let Some(commit) = intent.operation.commit() {
        html.raw(" ");
        wording::commit(html, Some(commit.as_str()));
    }
    html.raw("</td><td data-label=\"Why\">").text(&intent.reason);
    html.raw("</td><td data-label=\"What came of it\">");
    match (&asked.outcome, asked.is_applied) {
        (Some(outcome), _) => html.raw(standing(outcome)).raw(": ").text(outcome.message()),
        // The release that heeded it wrote no outcome.
        (None, true) => html.raw("heeded; the history says how"),
        (None, false) => html.raw("waits for the next cycle"),
    };
    html.raw("</td></tr>");
}

const fn standing(outcome: &Outcome) -> &'static str {
    match outcome {
        Outcome::Done { .. } => "done",
        Outcome::UnderWay { .. } => "done, and a rollout began",
        Outcome::Waits { .. } => "waits",
        Outcome::Refused { .. } => "refused",
    }
}
