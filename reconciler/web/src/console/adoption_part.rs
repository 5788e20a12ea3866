//! What gateways served when they were first met: what a person needs to see before `moorline adopt`.

use jiff::Timestamp;
use moorline_model::adoption::Found;
use moorline_model::drift::Finding;
use moorline_model::environment::EnvironmentState;

use super::environment_part::digits;
use super::html::Html;
use super::wording;

/// Fields of one replica that are shown; more are counted.
const FIELDS_MAX: usize = 20;

/// Nothing where nothing was found.
pub(super) fn write(html: &mut Html, state: &EnvironmentState, now: Timestamp) {
    if state.found.is_empty() {
        return;
    }
    html.raw("<h3>Found at first contact <span class=\"count\">").text(state.found.len()).raw("</span></h3>");
    let waits = state.found.iter().filter(|found| found.adopted.is_none()).count();
    if waits > 0 {
        html.raw("<p class=\"notice attention\"><strong>Waits for you</strong>: what is not adopted is left alone. ");
        html.raw("See below what would be replaced, then <code>moorline adopt ").text(&state.name);
        html.raw("</code>. The documents are kept: <code>moorline rollback ").text(&state.name);
        html.raw(" --reason \"…\"</code> goes back to them.</p>");
    }
    html.raw(
        "<table><thead><tr><th scope=\"col\">Replica</th><th scope=\"col\">Document</th><th scope=\"col\">Owner</th>\
         <th scope=\"col\">Since</th><th scope=\"col\">Would change</th><th scope=\"col\">Adopted</th></tr></thead><tbody>",
    );
    for found in &state.found {
        row(html, found, now);
    }
    html.raw("</tbody></table>");
}

fn row(html: &mut Html, found: &Found, now: Timestamp) {
    html.raw("<tr><th scope=\"row\">").text(&found.endpoint).raw("</th><td data-label=\"Document\">");
    digits(html, found.digest);
    html.raw("</td><td data-label=\"Owner\">").text(&found.origin);
    if let Some(actor) = &found.actor {
        html.raw(", by ").text(actor);
    }
    if let Some(reason) = &found.reason {
        html.raw(" <span class=\"age\">").text(reason).raw("</span>");
    }
    html.raw("</td><td data-label=\"Since\">");
    wording::ago(html, found.since, now);
    html.raw("</td><td data-label=\"Would change\">");
    differences(html, &found.differs);
    html.raw("</td><td data-label=\"Adopted\">");
    match &found.adopted {
        Some(ask) => {
            html.raw("by ").text(&ask.actor).raw(", ");
            wording::ago(html, ask.at, now);
        }
        None => {
            html.raw("not yet");
        }
    }
    html.raw("</td></tr>");
}

/// From what it serves to what is declared: the way an adoption goes.
fn differences(html: &mut Html, differs: &[Finding]) {
    if differs.is_empty() {
        html.raw("fields that are not known");
        return;
    }
    html.raw("<ul>");
    for finding in differs.iter().take(FIELDS_MAX) {
        html.raw("<li>").text(if finding.path.is_empty() { "all of it" } else { &finding.path });
        html.raw(": ").text(finding.live.as_deref().unwrap_or("nothing"));
        html.raw(" → ").text(finding.declared.as_deref().unwrap_or("nothing")).raw("</li>");
    }
    if differs.len() > FIELDS_MAX {
        html.raw("<li>and ").text(differs.len() - FIELDS_MAX).raw(" more</li>");
    }
    html.raw("</ul>");
}
