//! The daemon's own figures for `/metrics`: how long cycles take, and whether they succeed.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use jiff::Timestamp;
use moorline_model::EnvironmentName;
use moorline_web::{Exposition, Kind, MetricsSource};

/// Upper bounds of a cycle's buckets, in seconds.
const BOUNDS_SECONDS: [f64; 10] = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 30.0, 300.0];

/// The figures.
#[derive(Debug, Default)]
pub struct Metrics {
    cycles: Mutex<BTreeMap<EnvironmentName, Cycles>>,
}

#[derive(Debug, Clone, Default)]
struct Cycles {
    buckets: [u64; BOUNDS_SECONDS.len()],
    count: u64,
    sum_seconds: f64,
    failed: u64,
    last_success: Option<Timestamp>,
}

impl Metrics {
    /// Counts a cycle.
    pub fn cycle(&self, environment: &EnvironmentName, began: Timestamp, ended: Timestamp, succeeded: bool) {
        let mut cycles = self.cycles.lock().unwrap_or_else(PoisonError::into_inner);
        let cycles = cycles.entry(environment.clone()).or_default();
        let seconds = ended.duration_since(began).as_secs_f64();
        cycles.count += 1;
        cycles.sum_seconds += seconds;
        for (bucket, bound) in cycles.buckets.iter_mut().zip(BOUNDS_SECONDS) {
            *bucket += u64::from(seconds <= bound);
        }
        if succeeded {
            cycles.last_success = Some(ended);
        } else {
            cycles.failed += 1;
        }
    }

    /// Whether any cycle succeeded yet.
    #[must_use]
    pub fn has_succeeded(&self) -> bool {
        let cycles = self.cycles.lock().unwrap_or_else(PoisonError::into_inner);
        cycles.values().any(|cycles| cycles.last_success.is_some())
    }
}

impl MetricsSource for Metrics {
    fn write(&self, exposition: &mut Exposition, known: &[&EnvironmentName]) {
        let mut cycles = self.cycles.lock().unwrap_or_else(PoisonError::into_inner).clone();
        for name in known {
            cycles.entry((*name).clone()).or_default();
        }
        exposition.family("moorline_cycle_seconds", Kind::Histogram, "How long a cycle took.");
        for (name, cycles) in &cycles {
            let buckets: Vec<(f64, u64)> = BOUNDS_SECONDS.into_iter().zip(cycles.buckets).collect();
            let labels = [("environment", name.as_str())];
            exposition.histogram(&labels, &buckets, cycles.count, cycles.sum_seconds);
        }
        let help = "Cycles that ended with an error.";
        exposition.family("moorline_cycle_failures_total", Kind::Counter, help);
        for (name, cycles) in &cycles {
            exposition.sample(&[("environment", name.as_str())], moorline_web::as_float(cycles.failed));
        }
        let help = "When a cycle last ended well.";
        exposition.family("moorline_last_success_timestamp_seconds", Kind::Gauge, help);
        for (name, cycles) in &cycles {
            if let Some(at) = cycles.last_success {
                exposition.sample(&[("environment", name.as_str())], at.as_duration().as_secs_f64());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cycle_is_counted_in_every_bucket_that_holds_it() {
        let metrics = Metrics::default();
        let name: EnvironmentName = "prod".parse().unwrap();
        let began: Timestamp = "2026-11-21T00:00:00Z".parse().unwrap();
        let ended: Timestamp = "2026-11-21T00:00:00.2Z".parse().unwrap();
        assert!(!metrics.has_succeeded());
        metrics.cycle(&name, began, ended, true);
        metrics.cycle(&name, began, began, false);
        assert!(metrics.has_succeeded());
        let cycles = metrics.cycles.lock().unwrap();
        assert_eq!(cycles[&name].buckets, [1, 1, 1, 1, 2, 2, 2, 2, 2, 2]);
        assert_eq!((cycles[&name].count, cycles[&name].failed), (2, 1));
    }

    #[test]
    fn an_environment_that_had_no_cycle_yet_has_its_counters() {
        let name: EnvironmentName = "prod".parse().unwrap();
        let mut exposition = Exposition::default();
        Metrics::default().write(&mut exposition, &[&name]);
        let text = format!("{exposition:?}");
        for family in ["moorline_cycle_failures_total", "moorline_cycle_seconds_count"] {
            assert!(text.contains(&format!(r#"{family}{{environment=\"prod\"}} 0"#)), "{family}: {text}");
        }
    }
}
