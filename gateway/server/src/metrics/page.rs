//! The Prometheus text format: families of samples, with their labels escaped.

use std::fmt::Display;

/// Every name begins with this.
const PREFIX: &str = "moorline_gateway_";

/// What a family's numbers mean.
#[derive(Debug, Clone, Copy)]
pub(super) enum Kind {
    /// Only goes up.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Counts by upper bound.
    Histogram,
}

/// A page under construction.
#[derive(Default)]
pub(super) struct Page {
    text: String,
    family: String,
}

impl Page {
    /// Begins a family; the samples that follow belong to it.
    pub(super) fn family(&mut self, name: &str, kind: Kind, help: &str) {
        self.family = format!("{PREFIX}{name}");
        let kind = match kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
        };
        let family = &self.family;
        self.text += &format!("# HELP {family} {help}\n# TYPE {family} {kind}\n");
    }

    /// Writes one sample of the family.
    pub(super) fn sample(&mut self, labels: &[(&str, &str)], value: impl Display) {
        self.suffixed("", labels, value);
    }

    /// Writes one sample of the family under its name and a suffix.
    pub(super) fn suffixed(&mut self, suffix: &str, labels: &[(&str, &str)], value: impl Display) {
        let labels: Vec<String> =
            labels.iter().map(|(name, value)| format!("{name}=\"{}\"", escaped(value))).collect();
        let labels = if labels.is_empty() { String::new() } else { format!("{{{}}}", labels.join(",")) };
        let family = &self.family;
        self.text += &format!("{family}{suffix}{labels} {value}\n");
    }

    /// The finished page.
    pub(super) fn finish(self) -> String {
        self.text
    }
}

fn escaped(value: &str) -> String {
    value.replace('\\', r"\\").replace('"', "\\\"").replace('\n', r"\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_cannot_break_out_of_its_quotes() {
        let mut page = Page::default();
        page.family("requests_total", Kind::Counter, "Requests.");
        page.sample(&[("route", "/a\"} 1\nb\\")], 3);
        assert_eq!(
            page.finish(),
            "# HELP moorline_gateway_requests_total Requests.\n# TYPE moorline_gateway_requests_total counter\n\
             moorline_gateway_requests_total{route=\"/a\\\"} 1\\nb\\\\\"} 3\n"
        );
    }
}
