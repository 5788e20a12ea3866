//! Findings of this lane, as every kind makes them.

use moorline_model::drift::{DriftKind, Finding, Lane, Severity};

use crate::fields::{Difference, UNKNOWN};

/// A finding about a resource that AWS says is not there.
pub(crate) fn missing(address: &str, declared: String) -> Finding {
    Finding {
        lane: Lane::Aws,
        address: address.to_owned(),
        path: String::new(),
        kind: DriftKind::Missing,
        severity: Severity::Critical,
        declared: Some(declared),
        live: None,
        note: None,
    }
}

/// A finding about a resource of which nothing is known.
pub(crate) fn unverifiable(address: &str, note: String) -> Finding {
    Finding {
        lane: Lane::Aws,
        address: address.to_owned(),
        path: String::new(),
        kind: DriftKind::Unverifiable,
        severity: Severity::Warning,
        declared: None,
        live: None,
        note: Some(note),
    }
}

/// A finding about one attribute. What is live in a form that this program does not know is not different but unknown.
pub(crate) fn changed(address: &str, difference: Difference, severity: Severity) -> Finding {
    let Difference { path, declared, live } = difference;
    if live.as_ref().is_some_and(|live| live.contains(UNKNOWN)) {
        let note = "AWS has a value here that this release does not know".to_owned();
        return Finding { path, declared, live, ..unverifiable(address, note) };
    }
    Finding {
        lane: Lane::Aws,
        address: address.to_owned(),
        path,
        kind: DriftKind::Changed,
        severity,
        declared,
        live,
        note: None,
    }
}
