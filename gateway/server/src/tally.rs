//! Counts of what is rare, by a declared name.
//!
//! In: a name that a document declares, and what happened to it. Out: numbers for the metrics page, which outlive
//! documents and never go down. A lock each time: not for what happens to every request.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

/// The most names counted apart over the life of a process; further ones are counted together.
const NAMES_MAX: usize = 1024;
/// Stands for what is beyond [`NAMES_MAX`].
const OTHER: &str = "other";

/// Numbers by name and by what happened.
#[derive(Debug)]
pub struct Tally<W>(Mutex<BTreeMap<String, BTreeMap<W, u64>>>);

impl<W> Default for Tally<W> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<W: Ord + Copy> Tally<W> {
    /// Counts one more.
    pub fn count(&self, name: &str, what: W) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let name = if all.contains_key(name) || all.len() < NAMES_MAX { name } else { OTHER };
        match all.get_mut(name) {
            Some(counts) => *counts.entry(what).or_default() += 1,
            None => drop(all.insert(name.to_owned(), BTreeMap::from([(what, 1)]))),
        }
    }

    /// Every number above zero, by name.
    #[must_use]
    pub fn all(&self) -> Vec<(String, W, u64)> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let of = |(name, counts): (&String, &BTreeMap<W, u64>)| -> Vec<_> {
            counts.iter().map(|(what, count)| (name.clone(), *what, *count)).collect()
        };
        all.iter().flat_map(of).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_happens_is_counted_by_name_and_names_are_bounded() {
        let tally = Tally::default();
        tally.count("a", 1);
        tally.count("a", 1);
        tally.count("a", 2);
        tally.count("b", 1);
        let named = |name: &str, what, count| (name.to_owned(), what, count);
        assert_eq!(tally.all(), [named("a", 1, 2), named("a", 2, 1), named("b", 1, 1)]);
        (0..NAMES_MAX + 5).for_each(|number| tally.count(&format!("n{number}"), 1));
        assert_eq!(tally.all().iter().find(|(name, ..)| name == OTHER).unwrap().2, 7);
        tally.count("a", 1);
        assert_eq!(tally.all()[0].2, 3, "one that is known goes on");
    }
}
