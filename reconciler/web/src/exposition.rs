//! Figures in the text format that Prometheus reads.

use std::fmt::Write as _;

/// What kind of figure a family holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Goes up and down.
    Gauge,
    /// Only grows, but for restarts.
    Counter,
    /// Counts by size.
    Histogram,
}

impl Kind {
    /// The kind as Prometheus writes it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Gauge => "gauge",
            Self::Counter => "counter",
            Self::Histogram => "histogram",
        }
    }
}

/// A text being written, family by family.
#[derive(Debug, Default)]
pub struct Exposition {
    text: String,
    family: String,
}

impl Exposition {
    /// Begins a family; the samples after it belong to it.
    pub fn family(&mut self, name: &str, kind: Kind, help: &str) -> &mut Self {
        let kind = kind.as_str();
        name.clone_into(&mut self.family);
        self.push(format_args!("# HELP {name} {}\n# TYPE {name} {kind}\n", help.replace('\n', " ")));
        self
    }

    /// A sample of the present family.
    pub fn sample(&mut self, labels: &[(&str, &str)], value: f64) -> &mut Self {
        self.line("", labels, None, value);
        self
    }

    /// A histogram of the present family. `buckets` are upper bounds, growing, with the count of what is at most as
    /// large; the bucket without bound is added.
    pub fn histogram(
        &mut self,
        labels: &[(&str, &str)],
        buckets: &[(f64, u64)],
        count: u64,
        sum: f64,
    ) -> &mut Self {
        for (bound, below) in buckets {
            self.line("_bucket", labels, Some(&bound.to_string()), as_float(*below));
        }
        self.line("_bucket", labels, Some("+Inf"), as_float(count));
        self.line("_sum", labels, None, sum);
        self.line("_count", labels, None, as_float(count));
        self
    }

    /// The text.
    #[must_use]
    pub fn into_text(self) -> String {
        self.text
    }

    fn line(&mut self, suffix: &str, labels: &[(&str, &str)], bound: Option<&str>, value: f64) {
        let pairs = labels.iter().copied().chain(bound.map(|bound| ("le", bound)));
        let pairs: Vec<String> = pairs.map(|(key, text)| format!("{key}=\"{}\"", escaped(text))).collect();
        let labels = if pairs.is_empty() { String::new() } else { format!("{{{}}}", pairs.join(",")) };
        let family = std::mem::take(&mut self.family);
        self.push(format_args!("{family}{suffix}{labels} {value}\n"));
        self.family = family;
    }

    fn push(&mut self, text: std::fmt::Arguments<'_>) {
        // Writing into a String does not fail.
        self.text.write_fmt(text).unwrap_or_default();
    }
}

/// A count as a sample's value. Counts beyond 2^53 lose their last digits, as they do in Prometheus.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "samples are floating point numbers")]
pub const fn as_float(count: u64) -> f64 {
    count as f64
}

fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_samples_and_histograms_are_written_as_prometheus_reads_them() {
        let mut exposition = Exposition::default();
        exposition.family("a_total", Kind::Counter, "what\nit is").sample(&[("x", "q\"\\\n")], 2.0);
        exposition.family("b_seconds", Kind::Histogram, "b").histogram(&[], &[(0.5, 1), (1.0, 2)], 3, 4.5);
        let expected = "# HELP a_total what it is\n# TYPE a_total counter\na_total{x=\"q\\\"\\\\\\n\"} 2\n\
            # HELP b_seconds b\n# TYPE b_seconds histogram\nb_seconds_bucket{le=\"0.5\"} 1\nb_seconds_bucket{le=\"1\"} 2\n\
            b_seconds_bucket{le=\"+Inf\"} 3\nb_seconds_sum 4.5\nb_seconds_count 3\n";
        assert_eq!(exposition.into_text(), expected);
    }
}
