//! What a model says of choosing among its targets.

use std::collections::{BTreeMap, BTreeSet};

use super::Problems;
use super::text::{self, one_line};
use crate::document::{Breaker, Hedge, Model, Shadow, StickyBy, When};
use crate::{Document, KeyName, ModelName, Percent};

/// Most targets that are asked beside the first.
const HEDGES_MAX: usize = 3;
/// Most copies of requests under way at once: each holds its request's body.
const SHADOWS_MAX: u32 = 1_000;
/// Most failures a breaker waits for.
const FAILURES_MAX: u32 = 10_000;
/// The longest name of a header.
const HEADER_NAME_LENGTH_MAX: usize = 128;
/// The longest value of a header that is compared.
const HEADER_VALUE_LENGTH_MAX: usize = 512;
/// Headers that carry a proof of who calls. One that is written in a document is a secret in a document.
const PROOFS: [&str; 5] = ["authorization", "proxy-authorization", "x-api-key", "cookie", "x-moorline-probe"];

pub(super) fn check(
    document: &Document,
    name: &ModelName,
    path: &str,
    model: &Model,
    problems: &mut Problems,
) {
    for (index, target) in model.targets.iter().enumerate() {
        if let Some(when) = &target.when {
            condition(document, &format!("{path}.targets[{index}].when"), when, problems);
        }
    }
    let windows =
        model.targets.iter().enumerate().map(|(index, target)| {
            (format!("{path}.targets[{index}].context_window"), target.context_window)
        });
    for (path, window) in windows.chain([(format!("{path}.context_window"), model.context_window)]) {
        if window == Some(0) {
            problems.add(path, "expected more than 0 tokens");
        }
    }
    if let Some(breaker) = &model.breaker {
        breaks(&format!("{path}.breaker"), breaker, problems);
    }
    if let Some(hedge) = model.hedge {
        hedges(&format!("{path}.hedge"), hedge, model.targets.len(), problems);
    }
    if let Some(shadow) = &model.shadow {
        shadows(document, name, &format!("{path}.shadow"), shadow, problems);
    }
    if let Some(StickyBy::Header(by)) = model.sticky.as_ref().map(|sticky| &sticky.by) {
        header_name(&format!("{path}.sticky.by.header"), &by.header, problems);
    }
}

fn hedges(path: &str, hedge: Hedge, targets: usize, problems: &mut Problems) {
    let Hedge { after, max } = hedge;
    if after.as_milliseconds() == 0 {
        problems.add(format!("{path}.after"), "expected a time longer than 0");
    }
    let Some(others) = targets.checked_sub(1).filter(|others| *others > 0) else {
        problems
            .add(path, "expected a model with at least two targets: the next one is asked beside the first");
        return;
    };
    let most = others.min(HEDGES_MAX);
    if !(1..=most).contains(&usize::try_from(max).unwrap_or(usize::MAX)) {
        let why = if most < HEDGES_MAX { ": there are no more targets to ask" } else { "" };
        let expected = if most == 1 { "1".to_owned() } else { format!("1 to {most}") };
        problems.add(format!("{path}.max"), format!("expected {expected}{why}"));
    }
}

fn shadows(document: &Document, of: &ModelName, path: &str, shadow: &Shadow, problems: &mut Problems) {
    let Shadow { model, share, max_in_flight } = shadow;
    if model == of {
        problems.add(format!("{path}.model"), "expected another model: this one gets the request itself");
    } else {
        problems.model(document, format!("{path}.model"), model);
    }
    if *share == Percent::ZERO {
        problems.add(format!("{path}.share"), "expected more than 0%");
    }
    if !(1..=SHADOWS_MAX).contains(max_in_flight) {
        problems.add(format!("{path}.max_in_flight"), format!("expected 1 to {SHADOWS_MAX}"));
    }
}

fn breaks(path: &str, breaker: &Breaker, problems: &mut Problems) {
    let Breaker { failures, window, cooldown } = breaker;
    if !(1..=FAILURES_MAX).contains(failures) {
        problems.add(format!("{path}.failures"), format!("expected 1 to {FAILURES_MAX}"));
    }
    for (field, duration) in [("window", window), ("cooldown", cooldown)] {
        if duration.as_milliseconds() == 0 {
            problems.add(format!("{path}.{field}"), "expected a time longer than 0");
        }
    }
}

fn condition(document: &Document, path: &str, when: &When, problems: &mut Problems) {
    let When { header, key, metadata } = when;
    if header.is_empty() && key.is_empty() && metadata.is_empty() {
        problems.add(path, "expected at least one condition: `header`, `key` or `metadata`");
    }
    text::metadata(&format!("{path}.metadata"), metadata, problems);
    headers(&format!("{path}.header"), header, problems);
    let mut seen = BTreeSet::new();
    for (index, name) in key.iter().enumerate() {
        let path = format!("{path}.key[{index}]");
        if !seen.insert(name) {
            problems.add(path, format!("`{name}` is named twice"));
            continue;
        }
        let names = document.keys.iter().map(|key| key.name.as_str());
        let is_declared = document.keys.iter().any(|key: &crate::document::Key| key.name == *name);
        problems.declared(path, "key", KeyName::as_str(name), is_declared, names);
    }
}

fn headers(path: &str, headers: &BTreeMap<String, String>, problems: &mut Problems) {
    for (name, value) in headers {
        if header_name(path, name, problems) {
            one_line(&format!("{path}.{name}"), value, 1, HEADER_VALUE_LENGTH_MAX, problems);
        }
    }
}

/// Checks a header's name, and says whether it is one.
fn header_name(path: &str, name: &str, problems: &mut Problems) -> bool {
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    if name.is_empty() || name.len() > HEADER_NAME_LENGTH_MAX || !name.bytes().all(is_token) {
        problems.add(path, "expected the name of a header, such as `x-session`");
        return false;
    }
    if PROOFS.iter().any(|proof| proof.eq_ignore_ascii_case(name)) {
        problems.add(path, format!("`{name}` says who calls: name keys under `key` instead"));
        return false;
    }
    true
}

#[cfg(test)]
mod tests;
