//! The metrics that the daemon has: when they have a series, how they are listed, and that nobody asks for others.

#![expect(clippy::unwrap_used, reason = "what a test needs and does not get is its report")]

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use moorline_daemon::metrics::{Metrics, described};
use moorline_model::EnvironmentName;
use moorline_web::{Described, Exposition, Kind, MetricsSource as _};

/// How the page of metrics is made anew.
const ANEW: &str = "UPDATE_REFERENCE=1 cargo test --workspace --locked --test metrics";

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn name(text: &str) -> EnvironmentName {
    text.parse().unwrap()
}

fn page(metrics: &Metrics, known: &[&EnvironmentName]) -> String {
    let mut exposition = Exposition::default();
    metrics.write(&mut exposition, known);
    exposition.into_text()
}

fn counted() -> Metrics {
    let metrics = Metrics::default();
    let began: Timestamp = "2026-11-21T00:00:00Z".parse().unwrap();
    let ended: Timestamp = "2026-11-21T00:00:00.2Z".parse().unwrap();
    metrics.cycle(&name("prod"), began, ended, true);
    metrics.cycle(&name("prod"), began, began, false);
    metrics
}

#[test]
fn a_cycle_is_counted_in_every_bucket_that_holds_it() {
    assert!(!Metrics::default().has_succeeded());
    let metrics = counted();
    assert!(metrics.has_succeeded());
    let text = page(&metrics, &[]);
    for line in ["{le=\"0.1\"} 1", "{le=\"0.25\"} 2", "{le=\"300\"} 2", "{le=\"+Inf\"} 2"] {
        let line = format!("moorline_cycle_seconds_bucket{line}");
        assert!(text.lines().any(|found| found == line), "{line}\n{text}");
    }
}

#[test]
fn a_series_is_there_from_when_it_says_something() {
    let metrics = counted();
    let (prod, dev) = (name("prod"), name("dev"));
    let text = page(&metrics, &[&prod, &dev]);
    for line in [
        "moorline_cycle_seconds_count 2",
        "moorline_cycle_failures_total{environment=\"prod\"} 1",
        "moorline_last_cycle_seconds{environment=\"prod\"} 0",
        "moorline_last_success_timestamp_seconds{environment=\"prod\"} 1795219200.2",
    ] {
        assert!(text.lines().any(|found| found == line), "{line}\n{text}");
    }
    assert!(!text.contains("dev") && !text.contains("given_up_total{"), "{text}");
    // One that no commit declares any more has no series, and no alert on its age.
    assert!(!page(&metrics, &[&dev]).contains("prod"));
    metrics.given_up(&"ops".parse().unwrap());
    assert!(page(&metrics, &[]).contains("moorline_outbox_given_up_total{channel=\"ops\"} 1"));
}

#[test]
fn an_environment_adds_three_lines_here() {
    let lines = |count: usize| {
        let metrics = Metrics::default();
        let names: Vec<_> = (0..count).map(|number| name(&format!("e{number}"))).collect();
        for name in &names {
            metrics.cycle(name, Timestamp::UNIX_EPOCH, Timestamp::UNIX_EPOCH, true);
        }
        page(&metrics, &names.iter().collect::<Vec<_>>()).lines().count()
    };
    assert_eq!(lines(1000) - lines(0), 3 * 1000);
}

#[test]
fn each_metric_is_described_once_and_named_as_prometheus_asks() {
    let mut seen = BTreeSet::new();
    for Described { name, kind, help, labels } in described() {
        assert!(seen.insert(name), "{name} is described twice");
        assert!(name.starts_with("moorline_") && help.ends_with('.'), "{name}: {help}");
        assert_eq!(name.ends_with("_total"), kind == Kind::Counter, "{name}");
        assert!(!labels.contains(&"le"), "{name}: that label is a histogram's");
    }
}

#[test]
fn the_page_of_metrics_is_current() {
    let mut text = format!(
        "# Metrics of the daemon\n\n<!-- Written by reconciler/daemon/tests/metrics.rs from the tables of metrics. Do not \
         edit it: {ANEW} -->\n\n`GET /metrics` of the daemon, open to all. A series is there where it says something: a query \
         that must show 0 where there is none ends in `or on() vector(0)`.\n\n\
         | metric | type | labels | meaning |\n|---|---|---|---|\n"
    );
    for Described { name, kind, help, labels } in described() {
        let labels: Vec<_> = labels.iter().map(|label| format!("`{label}`")).collect();
        writeln!(text, "| `{name}` | {} | {} | {help} |", kind.as_str(), labels.join(", ")).unwrap();
    }
    let place = root().join("docs/reference/metrics.md");
    if std::env::var_os("UPDATE_REFERENCE").is_some() {
        std::fs::write(&place, &text).unwrap();
    }
    let kept = std::fs::read_to_string(place).unwrap_or_default();
    assert!(text == kept, "docs/reference/metrics.md is not what the tables say any more: {ANEW}");
}

/// The names of metrics in a text, each with the names of labels that stand in braces behind it.
fn queried(text: &str) -> Vec<(String, Vec<String>)> {
    let mut found = Vec::new();
    for (at, _) in text.match_indices("moorline_") {
        let rest = &text[at..];
        let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(rest.len());
        let selector = rest[end..].strip_prefix('{').and_then(|inside| inside.split('}').next());
        let labels = selector.into_iter().flat_map(|inside| inside.split(','));
        let labels = labels.filter_map(|pair| Some(pair.split_once(['=', '!'])?.0.trim().to_owned()));
        found.push((rest[..end].to_owned(), labels.collect()));
    }
    found
}

/// What is queried in dashboards and guides is there, by name and by label.
#[test]
fn dashboards_and_guides_ask_for_metrics_that_there_are() {
    let mut known = BTreeMap::new();
    for Described { name, kind, labels, .. } in described() {
        let ends: &[&str] = if kind == Kind::Histogram { &["_bucket", "_sum", "_count", ""] } else { &[""] };
        known.extend(ends.iter().map(|end| (format!("{name}{end}"), labels)));
    }
    let mut checked = 0;
    for file in
        ["dashboards/moorline.json", "docs/operating.md", "docs/decisions/0014-notification-channels.md"]
    {
        // In JSON the quotes of labels are escaped; the names before them are not.
        let text = std::fs::read_to_string(root().join(file)).unwrap();
        for (name, labels) in queried(&text) {
            // The gateway's own, and names of crates in advice on the log.
            if name.starts_with("moorline_gateway_") || ["moorline_cycle", "moorline_plan"].contains(&&*name)
            {
                continue;
            }
            let has =
                known.get(&name).unwrap_or_else(|| panic!("{file} asks for {name}, which there is not"));
            for label in labels {
                assert!(has.contains(&&*label) || label == "le", "{file}: {name} has no label {label}");
            }
            checked += 1;
        }
    }
    assert!(checked > 10, "{checked}");
}
