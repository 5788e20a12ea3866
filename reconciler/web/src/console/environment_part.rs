//! One environment: its status word, six conditions, revisions, rollout, replicas, drift, history.

use jiff::Timestamp;
use moorline_model::Revision;
use moorline_model::condition::{ConditionStatus, ConditionType};
use moorline_model::config::Digest;
use moorline_model::environment::{EnvironmentState, Replica};
use moorline_model::status;
use moorline_record::Recorded;

use super::html::Html;
use super::{adoption_part, drift_part, rollout_part, wording};

pub(super) fn write(html: &mut Html, state: &EnvironmentState, events: &[Recorded], now: Timestamp) {
    let (word, since) = status::word(state);
    html.raw("<article class=\"environment\"><header><h2><a href=\"/environments/")
        .segment(state.name.as_str());
    html.raw("\">").text(&state.name).raw("</a></h2><p>");
    wording::word(html, word, since, now);
    html.raw("</p></header>");
    notices(html, state, now);
    adoption_part::write(html, state, now);
    conditions(html, state, now);
    revisions(html, state, now);
    html.raw("<h3>Rollout</h3>");
    match &state.rollout {
        Some(rollout) => rollout_part::write(html, &state.name, rollout, now),
        None => {
            html.raw("<p class=\"empty\">There has been none yet.</p>");
        }
    }
    replicas(html, state, now);
    drift_part::write(html, state, now);
    history(html, events, now);
    html.raw("</article>");
}

fn notices(html: &mut Html, state: &EnvironmentState, now: Timestamp) {
    if let Some(frozen) = &state.frozen {
        html.raw("<p class=\"notice bad\" role=\"alert\"><strong>Frozen</strong>: ")
            .text(frozen.trim_end_matches('.'));
        html.raw(". Nothing is done by itself any more. Merge a fix, then <code>moorline release ")
            .text(&state.name)
            .raw("</code>.</p>");
    }
    let head = state.head.as_ref().map(|head| &head.commit);
    let (here, past): (Vec<_>, Vec<_>) =
        state.holds.iter().partition(|hold| hold.commit.is_none() || hold.commit.as_ref() == head);
    for hold in here {
        html.raw("<p class=\"notice attention\"><strong>Held</strong>");
        match &hold.commit {
            Some(commit) => {
                html.raw(": ");
                wording::commit(html, Some(commit.as_str()));
            }
            None => {
                html.raw(": everything");
            }
        }
        html.raw(", by ").text(&hold.by).raw(", ");
        wording::ago(html, hold.since, now);
        html.raw(": ").text(hold.reason.trim_end_matches('.'));
        html.raw(match hold.commit {
            Some(_) => {
                ". Merge a fix: a newer commit is rolled out by itself. To try this one again: <code>moorline release "
            }
            None => ". Lift it with <code>moorline release ",
        });
        html.text(&state.name).raw("</code>.</p>");
    }
    if !past.is_empty() {
        html.raw("<p class=\"hint\">Held, and no longer the head:");
        for commit in past.iter().filter_map(|hold| hold.commit.as_ref()) {
            html.raw(" ");
            wording::commit(html, Some(commit.as_str()));
        }
        html.raw("</p>");
    }
}

fn conditions(html: &mut Html, state: &EnvironmentState, now: Timestamp) {
    html.raw(
        "<h3>Conditions</h3><table><thead><tr><th scope=\"col\">Condition</th><th scope=\"col\">Status</th>\
         <th scope=\"col\">Because</th><th scope=\"col\">Since</th><th scope=\"col\">Checked</th></tr></thead><tbody>",
    );
    for condition in ConditionType::ALL {
        html.raw("<tr><th scope=\"row\">").raw(condition.as_str()).raw("</th><td data-label=\"Status\">");
        match state.conditions.0.get(&condition) {
            Some(known) => {
                wording::condition_status(html, known.status);
                html.raw("</td><td data-label=\"Because\">").text(&known.because);
                html.raw("</td><td data-label=\"Since\">");
                wording::ago(html, known.since, now);
                html.raw("</td><td data-label=\"Checked\">");
                wording::ago(html, known.checked_at, now);
                html.raw("</td></tr>");
            }
            None => {
                wording::condition_status(html, ConditionStatus::Unknown);
                html.raw("</td><td></td><td></td><td></td></tr>");
            }
        }
    }
    html.raw("</tbody></table>");
}

fn revisions(html: &mut Html, state: &EnvironmentState, now: Timestamp) {
    html.raw(
        "<h3>Revision</h3><table><thead><tr><th scope=\"col\"></th><th scope=\"col\">Commit</th>\
         <th scope=\"col\">Message</th><th scope=\"col\">Author</th><th scope=\"col\">Document</th>\
         <th scope=\"col\">Since</th></tr></thead><tbody>",
    );
    let head = state.head.as_ref();
    revision(html, "head", head.map(|head| (head, None, head.committed_at)), now);
    for (name, deployed) in [("applied", &state.applied), ("verified", &state.verified)] {
        let deployed = deployed.as_ref();
        let of = deployed.map(|deployed| (&deployed.revision, Some(deployed.digest), deployed.at));
        revision(html, name, of, now);
    }
    html.raw("</tbody></table>");
}

type ShownRevision<'a> = (&'a Revision, Option<Digest>, Timestamp);

fn revision(html: &mut Html, name: &'static str, shown: Option<ShownRevision<'_>>, now: Timestamp) {
    html.raw("<tr><th scope=\"row\">").raw(name).raw("</th><td data-label=\"Commit\">");
    let Some((revision, digest, since)) = shown else {
        html.raw("<span class=\"none\">none</span></td><td></td><td></td><td></td><td></td></tr>");
        return;
    };
    wording::commit(html, Some(revision.commit.as_str()));
    html.raw("</td><td data-label=\"Message\">").text(&revision.message);
    html.raw("</td><td data-label=\"Author\">").text(&revision.author);
    html.raw("</td><td data-label=\"Document\">");
    if let Some(digest) = digest {
        digits(html, digest);
    }
    html.raw("</td><td data-label=\"Since\">");
    wording::ago(html, since, now);
    html.raw("</td></tr>");
}

pub(super) fn digits(html: &mut Html, digest: Digest) {
    html.raw("<code title=\"").text(digest).raw("\">").text(digest.short()).raw("</code>");
}

fn replicas(html: &mut Html, state: &EnvironmentState, now: Timestamp) {
    html.raw("<h3>Replicas <span class=\"count\">").text(state.replicas.len()).raw("</span></h3>");
    if state.replicas.is_empty() {
        html.raw("<p class=\"empty\">None was read yet.</p>");
        return;
    }
    html.raw(
        "<table><thead><tr><th scope=\"col\">Admin address</th><th scope=\"col\">Document</th>\
         <th scope=\"col\">Commit</th><th scope=\"col\">Generation</th><th scope=\"col\">Candidate</th>\
         <th scope=\"col\">Read</th></tr></thead><tbody>",
    );
    for replica in &state.replicas {
        one_replica(html, replica, state.applied.as_ref().map(|applied| applied.digest), now);
    }
    html.raw("</tbody></table>");
}

fn one_replica(html: &mut Html, replica: &Replica, applied: Option<Digest>, now: Timestamp) {
    html.raw("<tr><th scope=\"row\">").text(&replica.endpoint).raw("</th>");
    if let Some(error) = &replica.error {
        html.raw("<td colspan=\"4\" data-label=\"Document\">");
        wording::condition_status(html, ConditionStatus::CannotCheck);
        html.raw(" ").text(error);
    } else {
        html.raw("<td data-label=\"Document\">");
        if let Some(digest) = replica.digest {
            digits(html, digest);
            if let Some(applied) = applied {
                let note = if applied == digest { " as applied" } else { " not as applied" };
                html.raw("<span class=\"age\">").raw(note).raw("</span>");
            }
        }
        html.raw("</td><td data-label=\"Commit\">");
        wording::commit(html, replica.commit.as_deref());
        html.raw("</td><td data-label=\"Generation\">");
        if let Some(generation) = replica.generation {
            html.text(generation);
        }
        html.raw("</td><td data-label=\"Candidate\">");
        if let Some(candidate) = replica.candidate {
            digits(html, candidate);
        }
    }
    html.raw("</td><td data-label=\"Read\">");
    wording::ago(html, replica.checked_at, now);
    html.raw("</td></tr>");
}

fn history(html: &mut Html, events: &[Recorded], now: Timestamp) {
    html.raw("<h3>History</h3>");
    if events.is_empty() {
        html.raw("<p class=\"empty\">Nothing has happened yet.</p>");
        return;
    }
    html.raw("<ol class=\"history\">");
    for recorded in events {
        html.raw("<li>");
        wording::ago(html, recorded.event.at, now);
        html.raw(" ").text(&recorded.event.message);
        if let Some(commit) = &recorded.event.commit {
            html.raw(" ");
            wording::commit(html, Some(commit.as_str()));
        }
        html.raw("</li>");
    }
    html.raw("</ol>");
}
