//! Which requests a target serves.
//!
//! A condition compares what a request carries with what the document says, and nothing else: no value of a caller's
//! becomes a part of an address.

use std::collections::BTreeMap;

use http::HeaderName;
use moorline_config::KeyName;
use moorline_config::document::When;

use super::order::Occasion;

/// What must hold of a request.
#[derive(Debug)]
pub(super) struct Condition {
    headers: Vec<(HeaderName, Vec<u8>)>,
    /// Any of these; all when there are none.
    keys: Vec<KeyName>,
    metadata: BTreeMap<String, String>,
}

impl Condition {
    pub(super) fn compile(when: &When) -> Self {
        let headers = when.header.iter().filter_map(|(name, value)| {
            // Names were checked: one that is none would have been refused.
            Some((name.parse().ok()?, value.clone().into_bytes()))
        });
        Self { headers: headers.collect(), keys: when.key.clone(), metadata: when.metadata.clone() }
    }

    pub(super) fn holds(&self, occasion: &Occasion<'_>) -> bool {
        let header_is = |(name, value): &(HeaderName, Vec<u8>)| {
            // One that stands twice could be read either way.
            let mut given = occasion.headers.get_all(name).iter();
            given.next().is_some_and(|given| given.as_bytes() == value.as_slice()) && given.next().is_none()
        };
        let key = occasion.key;
        (self.keys.is_empty() || self.keys.contains(&key.name))
            && self.metadata.iter().all(|(name, value)| key.metadata.get(name) == Some(value))
            && self.headers.iter().all(header_is)
    }
}
