//! What the format knows and this release does not serve yet. It is refused plainly: a document that is accepted is
//! a document that is served in full. A release that serves one of these deletes its row.

use super::Problems;
use crate::Document;

/// One thing that may be written but is not served, and where a document says it.
struct Unserved {
    what: &'static str,
    places: fn(&Document) -> Vec<String>,
}

const UNSERVED: &[Unserved] = &[
    Unserved { what: "a response cache", places: caches },
    Unserved { what: "a cache store", places: cache_store },
];

pub(super) fn check(document: &Document, problems: &mut Problems) {
    for Unserved { what, places } in UNSERVED {
        for path in places(document) {
            problems.add(path, format!("{what} is not served by this release"));
        }
    }
}

fn caches(document: &Document) -> Vec<String> {
    let declared = document.routes.iter().enumerate().filter(|(_, route)| route.cache.is_some());
    declared.map(|(index, _)| format!("routes[{index}].cache")).collect()
}

fn cache_store(document: &Document) -> Vec<String> {
    let declared = document.stores.as_ref().is_some_and(|stores| stores.cache.is_some());
    if declared { vec!["stores.cache".to_owned()] } else { Vec::new() }
}
