//! The list of environments: a page of its rows, a filter by name, and the way to the next page.

use std::sync::Arc;

use jiff::Timestamp;
use moorline_model::EnvironmentName;
use moorline_model::environment::EnvironmentState;
use moorline_model::status;

use super::html::Html;
use super::{drift_part, wording};

/// A field for a part of a name.
pub(super) fn form(html: &mut Html, filter: &str) {
    html.raw(
        "<form method=\"get\" action=\"/\" class=\"filter\"><label for=\"filter\">Name contains</label>\
         <input id=\"filter\" name=\"filter\" type=\"search\" value=\"",
    );
    html.text(filter).raw("\"><button type=\"submit\">Filter</button></form>");
}

/// The way to the next page.
pub(super) fn next(html: &mut Html, after: &EnvironmentName, filter: &str) {
    html.raw("<p><a rel=\"next\" href=\"/?after=").segment(after.as_str());
    html.raw("&amp;filter=").segment(filter).raw("\">Next page</a></p>");
}

pub(super) fn table(html: &mut Html, states: &[Arc<EnvironmentState>], now: Timestamp) {
    html.raw(
        "<table class=\"wide\"><thead><tr><th scope=\"col\">Environment</th><th scope=\"col\">Status</th>\
         <th scope=\"col\">Head</th><th scope=\"col\">Verified</th><th scope=\"col\">Replicas</th>\
         <th scope=\"col\">Open drift</th></tr></thead><tbody>",
    );
    for state in states {
        let (word, since) = status::word(state);
        html.raw("<tr><th scope=\"row\"><a href=\"/environments/").segment(state.name.as_str()).raw("\">");
        html.text(&state.name).raw("</a></th><td data-label=\"Status\">");
        wording::word(html, word, since, now);
        html.raw("</td><td data-label=\"Head\">");
        wording::commit(html, state.head.as_ref().map(|head| head.commit.short()));
        html.raw("</td><td data-label=\"Verified\">");
        wording::commit(html, state.verified.as_ref().map(|verified| verified.revision.commit.short()));
        let read = state.replicas.iter().filter(|replica| replica.error.is_none()).count();
        html.raw("</td><td data-label=\"Replicas\">").text(read).raw(" of ").text(state.replicas.len());
        html.raw(" read</td><td data-label=\"Open drift\">").text(drift_part::Count::open(state));
        html.raw("</td></tr>");
    }
    html.raw("</tbody></table>");
}
