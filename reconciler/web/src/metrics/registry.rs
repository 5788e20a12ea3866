//! What a metric is: an entry in a table, with its name, its labels, and where its values come from.
//!
//! A table is all there is to know of its metrics: `/metrics` is written from it, the page of metrics
//! (`docs/reference/metrics.md`) too, and the dashboards are held against it.

use crate::exposition::{Exposition, Kind};

/// A metric whose values come from an `S`.
pub struct Metric<S: ?Sized> {
    /// What the metric is called and what it says.
    pub described: Described,
    /// Adds the metric's samples. None: nothing happened yet that it would say.
    pub values: fn(&S, &mut Samples<'_>),
}

/// What a metric is called and what it says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Described {
    /// Its name.
    pub name: &'static str,
    /// What kind of figure it is.
    pub kind: Kind,
    /// What it says, and when it has samples where that is not always.
    pub help: &'static str,
    /// The names of its labels, in the order of the values of each sample. Each value is a declared name or a word of
    /// ours, so that no caller can make the page grow.
    pub labels: &'static [&'static str],
}

/// Where a metric's samples go.
pub struct Samples<'a> {
    exposition: &'a mut Exposition,
    labels: &'static [&'static str],
}

impl Samples<'_> {
    /// A sample with these values of the labels.
    pub fn add(&mut self, values: &[&str], value: f64) {
        let labels: Vec<_> = self.labels.iter().copied().zip(values.iter().copied()).collect();
        debug_assert_eq!(self.labels.len(), values.len(), "a value for each label");
        self.exposition.sample(&labels, value);
    }

    /// A histogram, as [`Exposition::histogram`] takes it.
    pub fn histogram(&mut self, buckets: &[(f64, u64)], count: u64, sum: f64) {
        self.exposition.histogram(&[], buckets, count, sum);
    }
}

/// Writes the metrics of a table.
pub fn write<S: ?Sized>(table: &[Metric<S>], source: &S, exposition: &mut Exposition) {
    for Metric { described, values } in table {
        exposition.family(described.name, described.kind, described.help);
        values(source, &mut Samples { exposition, labels: described.labels });
    }
}
