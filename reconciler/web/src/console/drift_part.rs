//! Drift: what differs from what is declared, and how to restore it.
//!
//! In: the findings, and how the comparison stands. Out: a part of an environment's page, or a page of their own, where a
//! message about drift leads. That nothing was found is said only where something was compared.

use std::collections::BTreeSet;

use jiff::Timestamp;
use moorline_model::comparison::{Answer, drift as known};
use moorline_model::condition::ConditionType;
use moorline_model::drift::{Drift, DriftKind, DriftState, Severity};
use moorline_model::environment::EnvironmentState;
use moorline_model::intent::healing::{self, HealScope};

use super::html::Html;
use super::wording;

/// Findings shown on the environment's page; the page of drift has them all.
const ROWS_MAX: usize = 50;
/// Commands shown, one an address.
const COMMANDS_MAX: usize = 20;

/// The sections of the page, in the order in which they matter.
const SECTIONS: [(DriftState, &str, &str); 3] = [
    (DriftState::Open, "Open", "Read twice: these alert."),
    (DriftState::Suspected, "Suspected", "Seen once. The next look decides."),
    (
        DriftState::Ignored,
        "Ignored",
        "These match a rule below drift.ignore, and stay silent until it expires.",
    ),
];

/// Drift as a part of the environment's page.
pub(super) fn write(html: &mut Html, state: &EnvironmentState, now: Timestamp) {
    html.raw("<h3><a href=\"/environments/").segment(state.name.as_str()).raw("/drift\">Drift</a>");
    html.raw(" <span class=\"count\">").text(Count::of(state)).raw("</span></h3>");
    if state.drift.is_empty() {
        nothing(html, state);
        return;
    }
    let shown: Vec<_> = state.drift.iter().take(ROWS_MAX).collect();
    table(html, &shown, now);
    if state.drift.len() > ROWS_MAX {
        html.raw("<p class=\"hint\">").text(ROWS_MAX).raw(" of ").text(state.drift.len());
        html.raw(" shown: <a href=\"/environments/")
            .segment(state.name.as_str())
            .raw("/drift\">all</a>.</p>");
    }
}

/// Everything that is known of an environment's drift.
pub(super) fn page(html: &mut Html, state: &EnvironmentState, now: Timestamp) {
    html.raw("<article class=\"environment\">");
    comparison(html, state, now);
    let is_open = state.drift.iter().any(|drift| drift.state == DriftState::Open);
    let not_checked = known(state).not_checked;
    if is_open && !not_checked.is_empty() {
        // More may differ than the list below says.
        html.raw("<p class=\"notice attention\"><strong>Not checked</strong>: ")
            .text(not_checked.join("; "))
            .raw(".</p>");
    }
    for (section, name, meaning) in SECTIONS {
        let found: Vec<_> = state.drift.iter().filter(|drift| drift.state == section).collect();
        if found.is_empty() {
            continue;
        }
        html.raw("<h3>").raw(name).raw(" <span class=\"count\">").text(found.len());
        html.raw("</span></h3><p class=\"hint\">").raw(meaning).raw("</p>");
        table(html, &found, now);
        if section == DriftState::Open {
            restore(html, state, &found);
        }
    }
    if !is_open {
        html.raw("<h3>Open</h3>");
        nothing(html, state);
    }
    html.raw("</article>");
}

/// How the comparison stands, and how old it is.
fn comparison(html: &mut Html, state: &EnvironmentState, now: Timestamp) {
    html.raw("<p>");
    wording::condition_status(html, state.conditions.status(ConditionType::Drift));
    if let Some(reading) = state.conditions.0.get(&ConditionType::Drift) {
        html.raw(" ").text(&reading.because).raw(" <span class=\"age\">for ");
        wording::span(html, reading.since, now);
        html.raw(", last noted ");
        wording::ago(html, reading.checked_at, now);
        html.raw("</span>");
    }
    html.raw("</p>");
    if state.lanes.is_empty() {
        return;
    }
    html.raw("<dl class=\"facts\">");
    for (lane, known) in &state.lanes {
        html.raw("<div><dt>").raw(lane.as_str()).raw(" compared</dt><dd>");
        match known.compared_at {
            Some(at) => wording::ago(html, at, now),
            None => {
                html.raw("never");
            }
        }
        html.raw("</dd></div>");
    }
    html.raw("</dl>");
}

/// What an empty list means: the same sentence as `moorline drift` says.
fn nothing(html: &mut Html, state: &EnvironmentState) {
    html.raw("<p class=\"empty\">").text(known(state).sentence).raw("</p>");
}

/// How many findings there are; none only where something was compared.
pub(super) struct Count(Option<usize>);

impl Count {
    /// All findings, whatever came of them.
    fn of(state: &EnvironmentState) -> Self {
        Self::counted(state, state.drift.len())
    }

    /// Those that are open.
    pub(super) fn open(state: &EnvironmentState) -> Self {
        Self::counted(state, state.drift.iter().filter(|drift| drift.state == DriftState::Open).count())
    }

    fn counted(state: &EnvironmentState, count: usize) -> Self {
        Self((count > 0 || known(state).answer != Answer::NotChecked).then_some(count))
    }
}

impl std::fmt::Display for Count {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0 {
            Some(count) => write!(formatter, "{count}"),
            None => formatter.write_str("not checked"),
        }
    }
}

fn table(html: &mut Html, drift: &[&Drift], now: Timestamp) {
    html.raw(
        "<table class=\"drift\"><thead><tr><th scope=\"col\">Where</th><th scope=\"col\">Field</th><th scope=\"col\">What</th>\
         <th scope=\"col\">Declared</th><th scope=\"col\">Live</th><th scope=\"col\">First seen</th><th scope=\"col\">Last seen</th></tr></thead><tbody>",
    );
    for drift in drift {
        row(html, drift, now);
    }
    html.raw("</tbody></table>");
}

fn row(html: &mut Html, drift: &Drift, now: Timestamp) {
    let finding = &drift.finding;
    html.raw("<tr><th scope=\"row\">").text(&finding.address).raw(" <span class=\"age\">");
    html.raw(finding.lane.as_str()).raw("</span></th><td data-label=\"Field\">");
    html.text(if finding.path.is_empty() { "all of it" } else { &finding.path });
    html.raw("</td><td data-label=\"What\">")
        .raw(kind(finding.kind))
        .raw(", ")
        .raw(severity(finding.severity))
        .raw(" <span class=\"age\">")
        .raw(match drift.state {
            DriftState::Suspected => "suspected, to be read again",
            DriftState::Open => "open",
            DriftState::Ignored => "ignored by a rule",
        })
        .raw("</span>");
    html.raw("</td><td data-label=\"Declared\">").text(finding.declared.as_deref().unwrap_or("nothing"));
    html.raw("</td><td data-label=\"Live\">");
    // Nothing there and nothing known are two things.
    let unread = if finding.kind == DriftKind::Unverifiable { "not known" } else { "nothing" };
    html.text(finding.live.as_deref().unwrap_or(unread));
    if let Some(note) = &finding.note {
        html.raw(" <span class=\"age\">").text(note).raw("</span>");
    }
    html.raw("</td><td data-label=\"First seen\">");
    wording::ago(html, drift.first_seen, now);
    html.raw("</td><td data-label=\"Last seen\">");
    wording::ago(html, drift.last_seen, now);
    html.raw("</td></tr>");
}

/// The two ways out of open drift.
fn restore(html: &mut Html, state: &EnvironmentState, open: &[&Drift]) {
    let environment = &state.name;
    let is_restored_by_hand =
        |drift: &&&Drift| !matches!(drift.finding.kind, DriftKind::Unverifiable | DriftKind::Undeployed);
    let addresses: BTreeSet<_> =
        open.iter().filter(is_restored_by_hand).map(|drift| drift.finding.address.as_str()).collect();
    html.raw("<h4>What to do</h4>");
    if open.iter().any(|drift| drift.finding.kind == DriftKind::Unverifiable) {
        html.raw(
            "<p>What cannot be read is neither right nor wrong: see its error above, and make it readable again.</p>",
        );
    }
    if open.iter().any(|drift| drift.finding.kind == DriftKind::Undeployed) {
        html.raw("<p>What is not deployed yet comes with the next rollout: <code>moorline why ");
        html.text(environment).raw("</code> says what that waits for.</p>");
    }
    let everywhere = healing::everywhere(environment);
    let mut commands = HealScope::of(&state.drift, None).commands(environment, addresses);
    if commands.is_empty() {
        return;
    }
    html.raw("<p>Lanes below <code>drift.heal</code> are restored by themselves. Else restore the declared state with ");
    html.raw("<code>").text(&everywhere).raw("</code>");
    commands.retain(|command| *command != everywhere);
    if commands.is_empty() {
        html.raw(".</p>");
    } else {
        html.raw(", or of one address:</p><ul>");
        for command in commands.iter().take(COMMANDS_MAX) {
            html.raw("<li><code>").text(command).raw("</code></li>");
        }
        html.raw("</ul>");
    }
    if commands.len() > COMMANDS_MAX {
        html.raw("<p class=\"hint\">and ").text(commands.len() - COMMANDS_MAX).raw(" more addresses.</p>");
    }
    html.raw(
        "<p>To keep what is live, declare it in Git. To leave a field to another owner, add a rule below ",
    );
    html.raw("<code>drift.ignore</code>.</p>");
}

const fn kind(kind: DriftKind) -> &'static str {
    match kind {
        DriftKind::Changed => "changed",
        DriftKind::Missing => "missing",
        DriftKind::Unmanaged => "unmanaged",
        DriftKind::Undeployed => "not deployed yet",
        DriftKind::OutOfBand => "out of its bounds",
        DriftKind::Unverifiable => "cannot be read",
    }
}

const fn severity(severity: Severity) -> &'static str {
    match severity {
        Severity::Info => "for information",
        Severity::Warning => "warning",
        Severity::Critical => "critical",
    }
}
