//! The latest intents of people, with their outcomes.

use jiff::Timestamp;
use moorline_model::intent::Outcome;
use moorline_record::RecordedIntent;

use super::html::Html;
use super::wording;

pub(super) fn write(html: &mut Html, intents: &[RecordedIntent], now: Timestamp) {
    html.raw("<h3>Requests</h3>");
    if intents.is_empty() {
        html.raw("<p class=\"empty\">Nobody has requested anything yet.</p>");
        return;
    }
    html.raw(
        "<table><thead><tr><th scope=\"col\">When</th><th scope=\"col\">Who</th><th scope=\"col\">What</th>\
         <th scope=\"col\">Why</th><th scope=\"col\">Outcome</th></tr></thead><tbody>",
    );
    for recorded in intents {
        row(html, recorded, now);
    }
    html.raw("</tbody></table>");
}

fn row(html: &mut Html, recorded: &RecordedIntent, now: Timestamp) {
    let intent = &recorded.intent;
    html.raw("<tr><th scope=\"row\">");
    wording::ago(html, intent.at, now);
    html.raw("</th><td data-label=\"Who\">").text(&intent.actor);
    html.raw("</td><td data-label=\"What\">").raw(intent.operation.as_str());
    if let Some(commit) = intent.operation.commit() {
        html.raw(" ");
        wording::commit(html, Some(commit.as_str()));
    }
    html.raw("</td><td data-label=\"Why\">").text(&intent.reason);
    html.raw("</td><td data-label=\"Outcome\">");
    match (&recorded.outcome, recorded.is_applied) {
        (Some(outcome), _) => html.raw(result(outcome)).raw(": ").text(outcome.message()),
        // An earlier release applied it and recorded no outcome.
        (None, true) => html.raw("applied; the history says how"),
        (None, false) => html.raw("waits for the next cycle"),
    };
    html.raw("</td></tr>");
}

const fn result(outcome: &Outcome) -> &'static str {
    match outcome {
        Outcome::Done { .. } => "done",
        Outcome::UnderWay { .. } => "done, and a rollout began",
        Outcome::Waits { .. } => "waits",
        Outcome::Refused { .. } => "refused",
    }
}
