//! What the record knows, as metrics. One entry a metric.
//!
//! A series is there where it says something: of the words that an environment's status may be the one that it is, of
//! findings, holds and waiting messages those that there are. A thousand environments make 1.3 MB so.

use std::sync::Arc;

use std::collections::BTreeMap;

use jiff::Timestamp;
use moorline_model::condition::ConditionType;
use moorline_model::declaration::ChannelName;
use moorline_model::environment::EnvironmentState;
use moorline_model::rollout::Phase;
use moorline_model::status;

use super::registry::{Described, Metric, Samples};
use crate::exposition::{Kind, as_float};

/// What the values come from.
pub(crate) struct Figures {
    /// The declared environments.
    pub(crate) states: Vec<Arc<EnvironmentState>>,
    /// Rollouts by environment and phase.
    pub(crate) rollouts: Vec<(String, String, u64)>,
    /// Messages that wait, by channel.
    pub(crate) pending: Vec<(ChannelName, u64)>,
    /// The newest leader's fencing token.
    pub(crate) fence: u64,
    /// Transactions that this process wrote.
    pub(crate) writes: u64,
}

/// Every metric that is read from the record.
pub(crate) const TABLE: &[Metric<Figures>] = &[
    Metric {
        described: Described {
            name: "moorline_build_info",
            kind: Kind::Gauge,
            help: "1, with the release as a label.",
            labels: &["version"],
        },
        values: |_, samples| samples.add(&[env!("CARGO_PKG_VERSION")], 1.0),
    },
    Metric {
        described: Described {
            name: "moorline_environment_status",
            kind: Kind::Gauge,
            help: "1, with the word that describes the environment as a label.",
            labels: &["environment", "word"],
        },
        values: environment_status,
    },
    Metric {
        described: Described {
            name: "moorline_environment_axis",
            kind: Kind::Gauge,
            help: "1, with the status that the axis has as a label.",
            labels: &["environment", "axis", "standing"],
        },
        values: environment_axis,
    },
    Metric {
        described: Described {
            name: "moorline_last_check_timestamp_seconds",
            kind: Kind::Gauge,
            help: "When the axis was last checked, in seconds since 1970. None before the first check.",
            labels: &["environment", "axis"],
        },
        values: last_check,
    },
    Metric {
        described: Described {
            name: "moorline_holds",
            kind: Kind::Gauge,
            help: "Holds that keep commits from being applied, where there are any.",
            labels: &["environment"],
        },
        values: holds,
    },
    Metric {
        described: Described {
            name: "moorline_drift_findings",
            kind: Kind::Gauge,
            help: "Differences between declared and live, by lane and by how far they have come, where there are any.",
            labels: &["environment", "lane", "state"],
        },
        values: drift_findings,
    },
    Metric {
        described: Described {
            name: "moorline_replicas",
            kind: Kind::Gauge,
            help: "Gateway replicas that serve the applied document (in_step), another one (other), or could not be read (unreadable).",
            labels: &["environment", "state"],
        },
        values: replicas,
    },
    Metric {
        described: Described {
            name: "moorline_rollouts_total",
            kind: Kind::Counter,
            help: "Rollouts by the phase they ended in, from the first that did.",
            labels: &["environment", "phase"],
        },
        values: rollouts,
    },
    Metric {
        described: Described {
            name: "moorline_outbox_pending",
            kind: Kind::Gauge,
            help: "Messages that wait to be delivered, by channel, where there are any.",
            labels: &["channel"],
        },
        values: outbox_pending,
    },
    Metric {
        described: Described {
            name: "moorline_leader_fence",
            kind: Kind::Gauge,
            help: "The newest leader's fencing token: it grows when another daemon leads, or the same one anew.",
            labels: &[],
        },
        values: |figures, samples| samples.add(&[], as_float(figures.fence)),
    },
    Metric {
        described: Described {
            name: "moorline_record_writes_total",
            kind: Kind::Counter,
            help: "Transactions that this process wrote to the record, each of them a wait for the disk.",
            labels: &[],
        },
        values: |figures, samples| samples.add(&[], as_float(figures.writes)),
    },
];

#[expect(clippy::cast_precision_loss, reason = "milliseconds since 1970 fit a float's digits")]
fn seconds(at: Timestamp) -> f64 {
    at.as_millisecond() as f64 / 1000.0
}

fn environment_status(figures: &Figures, samples: &mut Samples<'_>) {
    for state in &figures.states {
        samples.add(&[state.name.as_str(), status::word(state).0.as_str()], 1.0);
    }
}

fn environment_axis(figures: &Figures, samples: &mut Samples<'_>) {
    for state in &figures.states {
        for axis in ConditionType::ALL {
            let standing = state.conditions.status(axis).as_str();
            samples.add(&[state.name.as_str(), axis.as_str(), standing], 1.0);
        }
    }
}

fn last_check(figures: &Figures, samples: &mut Samples<'_>) {
    for state in &figures.states {
        for (axis, reading) in &state.conditions.0 {
            samples.add(&[state.name.as_str(), axis.as_str()], seconds(reading.checked_at));
        }
    }
}

fn holds(figures: &Figures, samples: &mut Samples<'_>) {
    for state in figures.states.iter().filter(|state| !state.holds.is_empty()) {
        samples.add(&[state.name.as_str()], as_float(state.holds.len() as u64));
    }
}

fn drift_findings(figures: &Figures, samples: &mut Samples<'_>) {
    for state in &figures.states {
        let mut counts = BTreeMap::new();
        for drift in &state.drift {
            *counts.entry((drift.finding.lane.as_str(), drift.state.as_str())).or_insert(0) += 1;
        }
        for ((lane, drift_state), count) in counts {
            samples.add(&[state.name.as_str(), lane, drift_state], as_float(count));
        }
    }
}

fn replicas(figures: &Figures, samples: &mut Samples<'_>) {
    for state in &figures.states {
        let applied = state.applied.as_ref().map(|applied| applied.digest);
        let mut counts = BTreeMap::new();
        for replica in &state.replicas {
            let found = match replica.digest {
                _ if replica.error.is_some() => "unreadable",
                Some(digest) if Some(digest) == applied => "in_step",
                _ => "other",
            };
            *counts.entry(found).or_insert(0) += 1;
        }
        for (found, count) in counts {
            samples.add(&[state.name.as_str(), found], as_float(count));
        }
    }
}

fn rollouts(figures: &Figures, samples: &mut Samples<'_>) {
    let declared: Vec<_> = figures.states.iter().map(|state| state.name.as_str()).collect();
    for (name, phase, count) in &figures.rollouts {
        let has_ended = Phase::ENDS.iter().any(|end| end.as_str() == phase);
        if has_ended && declared.contains(&name.as_str()) {
            samples.add(&[name, phase], as_float(*count));
        }
    }
}

fn outbox_pending(figures: &Figures, samples: &mut Samples<'_>) {
    for (channel, count) in &figures.pending {
        samples.add(&[channel.as_str()], as_float(*count));
    }
}

#[cfg(test)]
mod tests {
    use moorline_model::condition::ConditionStatus;
    use moorline_model::environment::Replica;

    use super::*;
    use crate::exposition::Exposition;
    use crate::metrics::registry;

    /// A healthy environment: every condition checked, two replicas.
    fn healthy(number: usize) -> EnvironmentState {
        let at = Timestamp::from_second(1_795_000_000).unwrap();
        let mut state = EnvironmentState::new(format!("environment-{number:04}").parse().unwrap());
        for axis in ConditionType::ALL {
            state.conditions.note(axis, ConditionStatus::Good, "as it should be", at);
        }
        let replica = |port: u16| -> Replica {
            let endpoint = format!("http://10.0.0.1:{port}");
            serde_json::from_value(serde_json::json!({"endpoint": endpoint, "checked_at": at})).unwrap()
        };
        state.replicas = vec![replica(1), replica(2)];
        state
    }

    fn page(count: usize) -> String {
        let states: Vec<_> = (0..count).map(healthy).map(Arc::new).collect();
        let ended = |state: &Arc<EnvironmentState>| (state.name.to_string(), "succeeded".to_owned(), 3);
        let under_way = |state: &Arc<EnvironmentState>| (state.name.to_string(), "shifting".to_owned(), 1);
        let rollouts = states.iter().map(ended).chain(states.iter().map(under_way)).collect();
        let figures = Figures { states, rollouts, pending: Vec::new(), fence: 1, writes: 1 };
        let mut exposition = Exposition::default();
        registry::write(TABLE, &figures, &mut exposition);
        exposition.into_text()
    }

    /// Eighty lines each, 6.3 MB, when every word of every state had its series.
    #[test]
    fn a_healthy_environment_adds_fifteen_lines() {
        let (none, all) = (page(0), page(1000));
        assert_eq!(all.lines().count() - none.lines().count(), 15 * 1000);
        assert!(all.len() < 1_400_000, "{} bytes", all.len());
        assert!(!all.contains("shifting"), "a rollout under way has not ended");
    }

    #[test]
    fn what_is_there_is_counted() {
        let mut state = healthy(1);
        let drift = |lane: &str, drift_state: &str| {
            let at = "2026-11-21T14:02:00Z";
            serde_json::from_value(serde_json::json!({
                "lane": lane, "address": "a", "path": "b", "kind": "changed", "severity": "warning",
                "fingerprint": "0123456789abcdef", "state": drift_state, "first_seen": at, "last_seen": at,
            }))
        };
        state.drift = [("aws", "open"), ("aws", "open"), ("gateway", "suspected")]
            .map(|(lane, drift_state)| drift(lane, drift_state).unwrap())
            .into();
        let pending = vec![("ops".parse().unwrap(), 2)];
        let figures =
            Figures { states: vec![state.into()], rollouts: Vec::new(), pending, fence: 1, writes: 1 };
        let mut exposition = Exposition::default();
        registry::write(TABLE, &figures, &mut exposition);
        let text = exposition.into_text();
        for line in [
            "moorline_drift_findings{environment=\"environment-0001\",lane=\"aws\",state=\"open\"} 2",
            "moorline_drift_findings{environment=\"environment-0001\",lane=\"gateway\",state=\"suspected\"} 1",
            "moorline_replicas{environment=\"environment-0001\",state=\"other\"} 2",
            "moorline_outbox_pending{channel=\"ops\"} 2",
        ] {
            assert!(text.lines().any(|found| found == line), "{line}\n{text}");
        }
        assert_eq!(text.matches("moorline_drift_findings{").count(), 2, "{text}");
    }
}
