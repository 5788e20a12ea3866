//! What this process counts, as metrics. One entry a metric.

use moorline_web::{Described, Kind, Metric, Samples, as_float};

use super::{BOUNDS_SECONDS, Figures};

/// Every metric whose values this process knows.
pub(super) const TABLE: &[Metric<Figures>] = &[
    Metric {
        described: Described {
            name: "moorline_cycle_seconds",
            kind: Kind::Histogram,
            help: "How long a cycle took, over all environments.",
            labels: &[],
        },
        values: cycle_seconds,
    },
    Metric {
        described: Described {
            name: "moorline_last_cycle_seconds",
            kind: Kind::Gauge,
            help: "How long the last cycle took, from the first on.",
            labels: &["environment"],
        },
        values: last_cycle_seconds,
    },
    Metric {
        described: Described {
            name: "moorline_cycle_failures_total",
            kind: Kind::Counter,
            help: "Cycles that ended with an error, from the first cycle on.",
            labels: &["environment"],
        },
        values: cycle_failures,
    },
    Metric {
        described: Described {
            name: "moorline_last_success_timestamp_seconds",
            kind: Kind::Gauge,
            help: "When a cycle last succeeded, in seconds since 1970. None before the first.",
            labels: &["environment"],
        },
        values: last_success,
    },
    Metric {
        described: Described {
            name: "moorline_outbox_given_up_total",
            kind: Kind::Counter,
            help: "Messages that were not delivered and are not tried any more, by channel, from the first on.",
            labels: &["channel"],
        },
        values: given_up,
    },
    Metric {
        described: Described {
            name: "moorline_declarations_parsed_total",
            kind: Kind::Counter,
            help: "Declarations (moorline.yaml) that this process parsed: at most one a commit, and none for a text that it knows.",
            labels: &[],
        },
        values: |_, samples| samples.add(&[], as_float(moorline_cycle::declarations_parsed())),
    },
];

fn cycle_seconds(figures: &Figures, samples: &mut Samples<'_>) {
    let buckets: Vec<(f64, u64)> = BOUNDS_SECONDS.into_iter().zip(figures.buckets).collect();
    samples.histogram(&buckets, figures.count, figures.sum_seconds);
}

fn last_cycle_seconds(figures: &Figures, samples: &mut Samples<'_>) {
    for (name, cycles) in &figures.environments {
        samples.add(&[name.as_str()], cycles.last_seconds);
    }
}

// At 0 too: an increase over it is right from the first failure on.
fn cycle_failures(figures: &Figures, samples: &mut Samples<'_>) {
    for (name, cycles) in &figures.environments {
        samples.add(&[name.as_str()], as_float(cycles.failed));
    }
}

fn last_success(figures: &Figures, samples: &mut Samples<'_>) {
    for (name, cycles) in &figures.environments {
        if let Some(at) = cycles.last_success {
            samples.add(&[name.as_str()], at.as_duration().as_secs_f64());
        }
    }
}

fn given_up(figures: &Figures, samples: &mut Samples<'_>) {
    for (channel, count) in &figures.given_up {
        samples.add(&[channel.as_str()], as_float(*count));
    }
}
