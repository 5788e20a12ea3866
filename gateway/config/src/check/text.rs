//! Free text: how long it may be. It ends up in metrics, pages and messages.

use std::collections::BTreeMap;

use super::Problems;
use crate::Document;

/// The longest address.
pub(super) const URL_LENGTH_MAX: usize = 2048;
/// The longest path of a route.
pub(super) const PATH_LENGTH_MAX: usize = 512;
/// The longest `location`.
const LOCATION_LENGTH_MAX: usize = 128;
/// Most tags, as cloud providers count them.
const TAGS_MAX: usize = 50;
/// The longest name of a tag.
const TAG_NAME_LENGTH_MAX: usize = 128;
/// The longest value of a tag.
const TAG_VALUE_LENGTH_MAX: usize = 256;
/// Most entries of a key's metadata.
const METADATA_MAX: usize = 16;
/// The longest name of one.
const METADATA_NAME_LENGTH_MAX: usize = 64;
/// The longest value of one.
const METADATA_VALUE_LENGTH_MAX: usize = 256;
/// The longest name of whoever answers for something.
const OWNER_LENGTH_MAX: usize = 128;
/// The longest `audience`.
const AUDIENCE_LENGTH_MAX: usize = 512;

pub(super) fn check(document: &Document, problems: &mut Problems) {
    if let Some(location) = &document.location {
        one_line("location", location, 1, LOCATION_LENGTH_MAX, problems);
    }
    if document.tags.len() > TAGS_MAX {
        problems.add("tags", format!("expected at most {TAGS_MAX} tags"));
    }
    for (name, value) in document.tags.iter().take(TAGS_MAX) {
        let path = format!("tags.{name}");
        if !fits(name, 1, TAG_NAME_LENGTH_MAX) {
            problems.add("tags", format!("expected names of 1 to {TAG_NAME_LENGTH_MAX} bytes on one line"));
            continue;
        }
        one_line(&path, value, 0, TAG_VALUE_LENGTH_MAX, problems);
    }
    for (index, route) in document.routes.iter().enumerate() {
        if let Some(log_bodies) = &route.log_bodies {
            let path = format!("routes[{index}].log_bodies.owner");
            one_line(&path, &log_bodies.owner, 1, OWNER_LENGTH_MAX, problems);
        }
    }
    if let Some(jwt) = document.auth.as_ref().and_then(|auth| auth.jwt.as_ref()) {
        one_line("auth.jwt.audience", &jwt.audience, 1, AUDIENCE_LENGTH_MAX, problems);
    }
}

/// What is known of whoever holds a key. The names are those of fields: they are written in conditions.
pub(super) fn metadata(path: &str, metadata: &BTreeMap<String, String>, problems: &mut Problems) {
    if metadata.len() > METADATA_MAX {
        problems.add(path, format!("expected at most {METADATA_MAX} entries"));
    }
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    for (name, value) in metadata.iter().take(METADATA_MAX) {
        if !(1..=METADATA_NAME_LENGTH_MAX).contains(&name.len()) || !name.chars().all(plain) {
            let most = METADATA_NAME_LENGTH_MAX;
            problems.add(path, format!("expected names of 1 to {most} letters, digits or any of `-_.`"));
            continue;
        }
        one_line(&format!("{path}.{name}"), value, 0, METADATA_VALUE_LENGTH_MAX, problems);
    }
}

pub(super) fn one_line(path: &str, text: &str, least: usize, most: usize, problems: &mut Problems) {
    if !fits(text, least, most) {
        problems.add(path, format!("expected {least} to {most} bytes on one line"));
    }
}

fn fits(text: &str, least: usize, most: usize) -> bool {
    (least..=most).contains(&text.len()) && !text.chars().any(char::is_control)
}
