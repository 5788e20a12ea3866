//! Counters by what callers bring along: an address, or the value of a header.
//!
//! A caller can invent values, so their number is bounded. Nothing that still counts is dropped to make room, because
//! that would forgive: a value that comes when all places are taken is counted together with all others like it, in
//! one counter of the same limit. So inventing values buys the limit for each of at most [`VALUES_MAX`], once.

use std::collections::HashMap;
use std::fmt;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use sha2::{Digest as _, Sha256};

use super::{Counter, Millis};

/// Values that have counters of their own, in each limit.
pub const VALUES_MAX: usize = 8_192;
/// The least time between two searches for counters that say nothing any more.
const SWEEP_PAUSE: Millis = 1_000;

/// A value's identity: as long as any other, and telling nothing of it. The same on every replica.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct ValueId([u8; 16]);

impl ValueId {
    /// Of an address. A caller at home has 2^64 IPv6 addresses: those count together.
    #[must_use]
    pub fn of_address(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(address) => Self::of(&[b"4", &address.octets()]),
            IpAddr::V6(address) => {
                let [network @ .., _, _, _, _, _, _, _, _] = address.octets();
                let network: [u8; 8] = network;
                Self::of(&[b"6", &network])
            }
        }
    }

    /// Of a header's value, or of its absence.
    #[must_use]
    pub fn of_header(value: Option<&[u8]>) -> Self {
        value.map_or_else(|| Self::of(&[b"-"]), |value| Self::of(&[b"=", value]))
    }

    /// Of a caller's name.
    #[must_use]
    pub fn of_name(name: &str) -> Self {
        Self::of(&[b"n", name.as_bytes()])
    }

    fn of(parts: &[&[u8]]) -> Self {
        let mut hash = Sha256::new();
        for part in parts {
            hash.update(part);
        }
        let mut id = [0; 16];
        id.iter_mut().zip(hash.finalize()).for_each(|(byte, hashed)| *byte = hashed);
        Self(id)
    }
}

impl fmt::Display for ValueId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for ValueId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

/// Makes the counter of a value, or of all values without a place.
pub(super) type Make = dyn Fn(Option<ValueId>) -> Arc<Counter> + Send + Sync;

/// The counters of one limit, by value.
pub struct Values {
    make: Box<Make>,
    places: Mutex<Places>,
    overflow: Arc<Counter>,
}

struct Places {
    by_id: HashMap<ValueId, Arc<Counter>>,
    swept: Millis,
}

impl Values {
    pub(super) fn new(make: Box<Make>) -> Self {
        let overflow = make(None);
        Self { make, places: Mutex::new(Places { by_id: HashMap::new(), swept: 0 }), overflow }
    }

    /// The counter of a value.
    pub fn counter(&self, id: ValueId, now: Millis) -> Arc<Counter> {
        let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(counter) = places.by_id.get(&id) {
            return Arc::clone(counter);
        }
        // A search looks at every counter: not more often than that, however fast new values come.
        if places.by_id.len() >= VALUES_MAX && now >= places.swept.saturating_add(SWEEP_PAUSE) {
            places.swept = now;
            places.by_id.retain(|_, counter| Arc::strong_count(counter) > 1 || counter.is_running(now));
        }
        if places.by_id.len() >= VALUES_MAX {
            return Arc::clone(&self.overflow);
        }
        let counter = (self.make)(Some(id));
        places.by_id.insert(id, Arc::clone(&counter));
        counter
    }
}

impl fmt::Debug for Values {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Values")
    }
}

#[cfg(test)]
mod tests {
    use moorline_config::Duration;
    use moorline_config::document::Algorithm;

    use super::super::ring::Shape;
    use super::*;

    fn values() -> Values {
        let shape = Shape::new(Some(Duration::from_seconds(60)), Algorithm::Fixed);
        Values::new(Box::new(move |_| Arc::new(Counter::new(shape, None))))
    }

    fn pass(values: &Values, value: usize, now: Millis) -> bool {
        let id = ValueId::of_header(Some(value.to_string().as_bytes()));
        values.counter(id, now).reserve(1, 2, now).map(|hold| hold.settle(1)).is_ok()
    }

    #[test]
    fn values_beyond_the_most_share_one_counter_and_forgive_nobody() {
        let values = values();
        assert!((0..VALUES_MAX).all(|value| pass(&values, value, 0)));
        let beyond = (VALUES_MAX..VALUES_MAX + 100).filter(|value| pass(&values, *value, 0)).count();
        assert_eq!(beyond, 2, "the limit, once for all of them");
        assert!(pass(&values, 0, 1) && !pass(&values, 0, 2), "the first still counts on");
        assert_eq!(values.places.lock().unwrap().by_id.len(), VALUES_MAX);
        assert!(pass(&values, VALUES_MAX, 60_000), "with the next window there are places again");
    }

    #[test]
    fn addresses_count_by_what_a_caller_cannot_choose() {
        let id = |text: &str| ValueId::of_address(text.parse().unwrap());
        assert_eq!(id("10.0.0.1"), id("::ffff:10.0.0.1"));
        assert_ne!(id("10.0.0.1"), id("10.0.0.2"));
        assert_eq!(id("2001:db8:1:2::1"), id("2001:db8:1:2:ffff::9"));
        assert_ne!(id("2001:db8:1:2::1"), id("2001:db8:1:3::1"));
        assert_ne!(ValueId::of_header(None), ValueId::of_header(Some(b"")));
    }
}
