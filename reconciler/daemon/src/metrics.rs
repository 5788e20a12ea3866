//! What this process counts for `/metrics`: its cycles, and messages that it gave up.

mod table;

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use jiff::Timestamp;
use moorline_model::EnvironmentName;
use moorline_model::declaration::ChannelName;
use moorline_web::{Described, Exposition, MetricsSource};

/// Upper bounds of a cycle's buckets, in seconds.
const BOUNDS_SECONDS: [f64; 10] = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 30.0, 300.0];

#[derive(Debug, Default)]
pub struct Metrics {
    figures: Mutex<Figures>,
}

#[derive(Debug, Clone, Default)]
struct Figures {
    /// How many cycles took at most as long as each bound.
    buckets: [u64; BOUNDS_SECONDS.len()],
    count: u64,
    sum_seconds: f64,
    /// Of each environment that had a cycle.
    environments: BTreeMap<EnvironmentName, Cycles>,
    /// Messages given up, by channel.
    given_up: BTreeMap<ChannelName, u64>,
}

#[derive(Debug, Clone, Default)]
struct Cycles {
    failed: u64,
    last_seconds: f64,
    last_success: Option<Timestamp>,
}

impl Metrics {
    /// Counts a cycle.
    pub fn cycle(&self, environment: &EnvironmentName, began: Timestamp, ended: Timestamp, succeeded: bool) {
        let mut figures = self.figures.lock().unwrap_or_else(PoisonError::into_inner);
        let seconds = ended.duration_since(began).as_secs_f64();
        figures.count += 1;
        figures.sum_seconds += seconds;
        for (bucket, bound) in figures.buckets.iter_mut().zip(BOUNDS_SECONDS) {
            *bucket += u64::from(seconds <= bound);
        }
        let cycles = figures.environments.entry(environment.clone()).or_default();
        cycles.last_seconds = seconds;
        if succeeded {
            cycles.last_success = Some(ended);
        } else {
            cycles.failed += 1;
        }
    }

    /// Counts a message that is not tried any more.
    pub fn given_up(&self, channel: &ChannelName) {
        let mut figures = self.figures.lock().unwrap_or_else(PoisonError::into_inner);
        *figures.given_up.entry(channel.clone()).or_default() += 1;
    }

    /// Whether any cycle succeeded yet.
    #[must_use]
    pub fn has_succeeded(&self) -> bool {
        let figures = self.figures.lock().unwrap_or_else(PoisonError::into_inner);
        figures.environments.values().any(|cycles| cycles.last_success.is_some())
    }
}

impl MetricsSource for Metrics {
    fn write(&self, exposition: &mut Exposition, known: &[&EnvironmentName]) {
        let mut figures = self.figures.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let mut all = std::mem::take(&mut figures.environments);
        figures.environments = known.iter().filter_map(|name| all.remove_entry(*name)).collect();
        moorline_web::write_metrics(table::TABLE, &figures, exposition);
    }
}

/// Every metric of the daemon, whoever knows its values.
#[must_use]
pub fn described() -> Vec<Described> {
    let own = table::TABLE.iter().map(|metric| metric.described);
    moorline_web::described_metrics().into_iter().chain(own).collect()
}
