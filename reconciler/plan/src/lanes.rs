//! Which lanes an environment declares, and when each was last compared with live.
//!
//! In: what is declared, and what this cycle's looks came to. Out: the comparisons in the state. A lane that is declared
//! and was never read is there too: without it "nothing differs" would be said of what nobody looked at.

use jiff::Timestamp;
use moorline_model::comparison::Comparison;
use moorline_model::declaration::Environment;
use moorline_model::drift::{DriftKind, Finding, Lane};
use moorline_model::environment::EnvironmentState;
use moorline_model::{CheckFailed, FailureClass};

use crate::gateway::ReplicaReading;

/// What a look at a lane came to: all of it was compared, or why not.
pub type LaneCheck = (Lane, Result<(), LaneFailed>);

/// Why not all of a lane could be compared.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LaneFailed {
    /// It could not be read.
    #[error(transparent)]
    Unread(#[from] CheckFailed),
    /// Some of it could not; the findings say each for itself whether looking again helps.
    #[error("{address}: {}{}", note.as_deref().unwrap_or("it cannot be read"), and_more(*more))]
    PartlyUnread {
        /// The first of those.
        address: String,
        /// Why it could not.
        note: Option<String>,
        /// How many more there are.
        more: usize,
    },
}

impl LaneFailed {
    /// Whether looking again helps, where that is known.
    #[must_use]
    pub const fn class(&self) -> Option<&FailureClass> {
        match self {
            Self::Unread(failed) => Some(&failed.class),
            Self::PartlyUnread { .. } => None,
        }
    }
}

fn and_more(more: usize) -> String {
    if more == 0 { String::new() } else { format!(", and {more} more") }
}

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
            Ok(()) => Comparison { compared_at: Some(now), ..Comparison::default() },
            Err(failed) => Comparison {
                compared_at: known.compared_at,
                trouble: Some(failed.to_string()),
                failure: failed.class().cloned(),
            },
        };
    }
}

/// What reading the replicas came to.
///
/// # Errors
/// Why not all of them could be compared.
pub fn replicas(readings: &[ReplicaReading]) -> Result<(), LaneFailed> {
    let unread = readings.iter().filter(|reading| reading.result.is_err()).count();
    match (worst(readings), readings.len()) {
        (_, 0) => Err(CheckFailed::stalled("no replica was found").into()),
        (None, _) => Ok(()),
        (Some(class), all) => {
            Err(CheckFailed::new(class.clone(), format!("{unread} of {all} replicas cannot be read")).into())
        }
    }
}

/// Of the replicas that cannot be read, what the one needs that needs most.
pub(crate) fn worst(readings: &[ReplicaReading]) -> Option<&FailureClass> {
    readings.iter().filter_map(|reading| Some(&reading.result.as_ref().err()?.class)).max()
}

/// What reading a lane came to that tells of what it could not read in its findings.
///
/// # Errors
/// Why not all of it could be compared.
pub fn findings(findings: &[Finding]) -> Result<(), LaneFailed> {
    let mut unread = findings.iter().filter(|finding| finding.kind == DriftKind::Unverifiable);
    let Some(first) = unread.next() else { return Ok(()) };
    let (address, note) = (first.address.clone(), first.note.clone());
    Err(LaneFailed::PartlyUnread { address, note, more: unread.count() })
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
    fn replicas_need_what_the_one_needs_that_needs_most() {
        let read = |failures: &[FailureClass]| {
            let dark = |class: &FailureClass| ReplicaReading {
                endpoint: "http://a:1".to_owned(),
                result: Err(CheckFailed::new(class.clone(), "no answer")),
            };
            let well = crate::sample::replica("b", None, None);
            let readings: Vec<_> = failures.iter().map(dark).chain([well]).collect();
            replicas(&readings).err().map(|failed| (failed.to_string(), failed.class().cloned()))
        };
        let (soon, stalled) = (FailureClass::Transient, FailureClass::Stalled);
        let said = |text: &str, class: &FailureClass| Some((text.to_owned(), Some(class.clone())));
        assert_eq!(read(&[]), None);
        assert_eq!(read(std::slice::from_ref(&soon)), said("1 of 2 replicas cannot be read", &soon));
        assert_eq!(read(&[stalled.clone(), soon]), said("2 of 3 replicas cannot be read", &stalled));
    }

    #[test]
    fn a_failed_look_keeps_the_moment_of_the_last_good_one() {
        let mut state = in_force("c1");
        let later = now() + jiff::SignedDuration::from_mins(1);
        note(&mut state, Some(&[Lane::Gateway]), vec![(Lane::Gateway, Ok(()))], now());
        let failed = CheckFailed::transient("no answer");
        note(&mut state, None, vec![(Lane::Gateway, Err(failed.into()))], later);
        let known = &state.lanes[&Lane::Gateway];
        assert_eq!((known.compared_at, known.trouble.as_deref()), (Some(now()), Some("no answer")));
        assert_eq!(known.failure, Some(FailureClass::Transient));
        note(&mut state, None, vec![(Lane::Gateway, Ok(()))], later);
        assert_eq!(state.lanes[&Lane::Gateway].failure, None);
    }
}
