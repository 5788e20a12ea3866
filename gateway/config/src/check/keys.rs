//! Virtual keys: names and hashes told apart, those of keys on their way out too, models declared.

use std::collections::BTreeMap;

use super::{Problems, limits, text};
use crate::Document;

pub(super) fn check(document: &Document, problems: &mut Problems) {
    let mut names = BTreeMap::new();
    let mut hashes = BTreeMap::new();
    for (index, key) in document.keys.iter().enumerate() {
        let path = format!("keys[{index}]");
        if let Some(first) = names.insert(&key.name, index) {
            problems.add(format!("{path}.name"), format!("the same name as `keys[{first}]`"));
        }
        let previous = key.previous.as_ref().map(|previous| ("previous.sha256", &previous.sha256));
        for (field, hash) in [("sha256", &key.sha256)].into_iter().chain(previous) {
            // What stands here is never repeated: it may be the key itself.
            if !is_hash(hash) {
                problems.add(
                    format!("{path}.{field}"),
                    "expected the key's SHA-256, as 64 hex digits in lower case",
                );
            } else if let Some(first) = hashes.insert(hash, index) {
                problems.add(format!("{path}.{field}"), format!("the same key as `keys[{first}]`"));
            }
        }
        text::metadata(&format!("{path}.metadata"), &key.metadata, problems);
        if let Some(models) = &key.models {
            problems.models(document, &format!("{path}.models"), models);
        }
        let of = if key.team.is_some() { limits::Of::KeyInTeam } else { limits::Of::KeyAlone };
        limits::check(&format!("{path}.limits"), &key.limits, of, problems);
    }
}

fn is_hash(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}
