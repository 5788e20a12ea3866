//! Virtual keys: names and hashes told apart, models declared.

use std::collections::BTreeMap;

use super::{Problems, limits};
use crate::Document;

pub(super) fn check(document: &Document, problems: &mut Problems) {
    let mut names = BTreeMap::new();
    let mut hashes = BTreeMap::new();
    for (index, key) in document.keys.iter().enumerate() {
        let path = format!("keys[{index}]");
        if let Some(first) = names.insert(&key.name, index) {
            problems.add(format!("{path}.name"), format!("the same name as `keys[{first}]`"));
        }
        // What stands here is never repeated: it may be the key itself.
        if !is_hash(&key.sha256) {
            problems
                .add(format!("{path}.sha256"), "expected the key's SHA-256, as 64 hex digits in lower case");
        } else if let Some(first) = hashes.insert(&key.sha256, index) {
            problems.add(format!("{path}.sha256"), format!("the same key as `keys[{first}]`"));
        }
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
