//! Which lanes an environment declares, and when each was last compared with live.
//!
//! In: what is declared, and what this cycle's looks came to. Out: the comparisons in the state. A lane that is declared
//! and was never read is there too: without it "nothing differs" would be said of what nobody looked at.

use jiff::Timestamp;
use moorline_model::comparison::Comparison;
use moorline_model::declaration::Environment;
use moorline_model::drift::{DriftKind, Finding, Lane};
use moorline_model::environment::EnvironmentState;

use crate::gateway::ReplicaReading;

/// What a look at a lane came to: all of it was compared, or why not.
pub type LaneCheck = (Lane, Result<(), String>);

/// The lanes that an environment declares.
#[must_use]
pub fn declared(environment: &Environment) -> Vec<Lane> {
    let has_terraform = environment.terraform.is_some();
    let lanes = [
        (Lane::Gateway, true),
        (Lane::Terraform, has_terraform),
        // AWS is compared with Terraform's state.
        (Lane::Aws, has_terraform && environment.aws.is_some()),
    ];
    lanes.into_iter().filter(|(_, is_declared)| *is_declared).map(|(lane, _)| lane).collect()
}

/// Notes what was compared. `declared` is `None` while it is not known what is declared; then the lanes stay.
pub fn note(state: &mut EnvironmentState, declared: Option<&[Lane]>, checks: Vec<LaneCheck>, now: Timestamp) {
    if let Some(declared) = declared {
        state.lanes.retain(|lane, _| declared.contains(lane));
        for lane in declared {
            state.lanes.entry(*lane).or_default();
        }
    }
    for (lane, check) in checks {
        let Some(known) = state.lanes.get_mut(&lane) else { continue };
        *known = match check {
            Ok(()) => Comparison { compared_at: Some(now), trouble: None },
            Err(trouble) => Comparison { trouble: Some(trouble), ..known.clone() },
        };
    }
}

/// What reading the replicas came to.
///
/// # Errors
/// Why not all of them could be compared.
pub fn replicas(readings: &[ReplicaReading]) -> Result<(), String> {
    let unread = readings.iter().filter(|reading| reading.result.is_err()).count();
    match (readings.len(), unread) {
        (0, _) => Err("no replica was found".to_owned()),
        (_, 0) => Ok(()),
        (all, unread) => Err(format!("{unread} of {all} replicas cannot be read")),
    }
}

/// What reading a lane came to that tells of what it could not read in its findings.
///
/// # Errors
/// Why not all of it could be compared.
pub fn findings(findings: &[Finding]) -> Result<(), String> {
    let mut unread = findings.iter().filter(|finding| finding.kind == DriftKind::Unverifiable);
    let Some(first) = unread.next() else { return Ok(()) };
    let note = first.note.as_deref().unwrap_or("it cannot be read");
    let more = match unread.count() {
        0 => String::new(),
        more => format!(", and {more} more"),
    };
    Err(format!("{}: {note}{more}", first.address))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::sample::{declared as desired, in_force, now};

    #[test]
    fn a_lane_that_is_declared_is_not_forgotten_because_nobody_read_it() {
        let infra = json!({"terraform": {"directory": "infra"}, "aws": {"region": "eu-west-1"}});
        let lanes = declared(&desired("c1", &infra).environment);
        assert_eq!(lanes, [Lane::Gateway, Lane::Terraform, Lane::Aws]);
        let mut state = in_force("c1");
        note(&mut state, Some(&lanes), vec![(Lane::Gateway, Ok(()))], now());
        assert_eq!(state.lanes[&Lane::Gateway].compared_at, Some(now()));
        assert_eq!(state.lanes[&Lane::Terraform], Comparison::default());
        let answer = moorline_model::comparison::drift(&state);
        assert_eq!(answer.not_checked.len(), 2, "{answer:?}");
        // It is not declared any more.
        note(&mut state, Some(&[Lane::Gateway]), Vec::new(), now());
        assert_eq!(moorline_model::comparison::drift(&state).not_checked, Vec::<String>::new());
    }

    #[test]
    fn a_failed_look_keeps_the_moment_of_the_last_good_one() {
        let mut state = in_force("c1");
        let later = now() + jiff::SignedDuration::from_mins(1);
        note(&mut state, Some(&[Lane::Gateway]), vec![(Lane::Gateway, Ok(()))], now());
        note(&mut state, None, vec![(Lane::Gateway, Err("no answer".to_owned()))], later);
        let known = &state.lanes[&Lane::Gateway];
        assert_eq!((known.compared_at, known.trouble.as_deref()), (Some(now()), Some("no answer")));
    }
}
