//! Routes: their paths, models, limits and clocks.

use std::collections::BTreeMap;

use super::text::PATH_LENGTH_MAX;
use super::{Problems, limits};
use crate::Document;
use crate::document::{Route, Timeouts};

/// Most events that must come in a window: each stream remembers when so many came.
const EVENTS_MAX: u32 = 1_000;
/// Most attempts at one target.
const ATTEMPTS_MAX: u32 = 10;

pub(super) fn check(document: &Document, problems: &mut Problems) {
    reachable(&document.routes, problems);
    for (index, route) in document.routes.iter().enumerate() {
        let path = format!("routes[{index}]");
        if let Err(problem) = path_fits(&route.path) {
            problems.add(format!("{path}.path"), problem);
        }
        models(document, &path, route, problems);
        limits::check(&format!("{path}.limits"), &route.limits, limits::Of::Route, problems);
        if route.cache.is_some_and(|cache| cache.ttl.as_milliseconds() == 0) {
            problems.add(format!("{path}.cache.ttl"), "expected a time longer than 0");
        }
        if route.retry.is_some_and(|retry| !(1..=ATTEMPTS_MAX).contains(&retry.attempts)) {
            problems.add(format!("{path}.retry.attempts"), format!("expected 1 to {ATTEMPTS_MAX}"));
        }
        if let Some(rate) = route.min_stream_rate {
            if !(1..=EVENTS_MAX).contains(&rate.events) {
                problems.add(format!("{path}.min_stream_rate.events"), format!("expected 1 to {EVENTS_MAX}"));
            }
            if rate.window.as_milliseconds() == 0 {
                problems.add(format!("{path}.min_stream_rate.window"), "expected a time longer than 0");
            }
        }
        if let Some(timeouts) = route.timeouts {
            clocks(&format!("{path}.timeouts"), timeouts, problems);
        }
    }
}

fn path_fits(path: &str) -> Result<(), &'static str> {
    let plain = |c: char| c.is_ascii_graphic() && !"?#\\\"<>`{}".contains(c);
    let stem = path.strip_suffix('*').unwrap_or(path);
    if !path.starts_with('/') {
        return Err("expected a path that begins with `/`");
    }
    if stem.contains('*') {
        return Err("expected `*` at the end of the path only");
    }
    if path.len() > PATH_LENGTH_MAX || !path.chars().all(plain) {
        return Err("expected at most 512 plain characters, without spaces, `?` and `#`");
    }
    Ok(())
}

/// Finds routes that can never be reached, because an earlier one takes all their requests. Their limits would
/// silently not hold.
fn reachable(routes: &[Route], problems: &mut Problems) {
    let mut exact: BTreeMap<&str, usize> = BTreeMap::new();
    let mut prefixes: BTreeMap<&str, usize> = BTreeMap::new();
    for (index, route) in routes.iter().enumerate() {
        let path = route.path.as_str();
        let at = format!("routes[{index}].path");
        if let Some(first) = exact.get(path) {
            problems.add(at, format!("the same path as `routes[{first}]`"));
            continue;
        }
        let stem = path.strip_suffix('*').unwrap_or(path);
        let covering = stem
            .char_indices()
            .map(|(end, _)| &stem[..end])
            .chain([stem])
            .take(PATH_LENGTH_MAX)
            .find_map(|prefix| prefixes.get(prefix));
        if let Some(first) = covering {
            problems
                .add(at, format!("this route is never reached: `routes[{first}]` takes all its requests"));
        }
        exact.insert(path, index);
        if path.ends_with('*') {
            prefixes.insert(stem, index);
        }
    }
}

fn models(document: &Document, path: &str, route: &Route, problems: &mut Problems) {
    if let Some(models) = &route.models {
        problems.models(document, &format!("{path}.models"), models);
    }
    let Some(default) = &route.default_model else { return };
    let at = format!("{path}.default_model");
    if route.models.as_ref().is_some_and(|models| !models.contains(default)) {
        problems.add(at, format!("`{default}` is not among the route's `models`"));
    } else {
        problems.model(document, at, default);
    }
}

fn clocks(path: &str, timeouts: Timeouts, problems: &mut Problems) {
    let Timeouts { connect, headers, first_token, idle, total } = timeouts;
    for (field, timeout) in [
        ("connect", connect),
        ("headers", headers),
        ("first_token", first_token),
        ("idle", idle),
        ("total", total),
    ] {
        if timeout.as_milliseconds() == 0 {
            problems.add(format!("{path}.{field}"), "expected a time longer than 0");
        }
    }
}
