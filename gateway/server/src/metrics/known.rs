//! Names whose counters are shown from the start: a rate over a counter that appears with its first event misses that
//! event, and until then nobody can tell "none" from "not watched".
//!
//! In: the documents served. Out: their names, and counts with a 0 for each that has none yet. Bounded as counting is:
//! where [`NAMES_MAX`] names have counts, no further one is shown before it has.

use std::collections::{BTreeMap, BTreeSet};

use crate::gauges::{Hedge, Unsent};
use crate::generation::Snapshot;
use crate::guardrails::tally;
use crate::recorder::ledger::{NAMES_MAX, NONE, Totals};

/// Names that served documents declare.
#[derive(Debug, Default)]
pub(super) struct Known {
    models: BTreeSet<String>,
    routes: BTreeSet<String>,
    hedged: BTreeSet<String>,
    shadows: BTreeSet<String>,
    guardrails: BTreeSet<String>,
    /// Providers and their models.
    pub(super) targets: BTreeSet<(String, String)>,
}

impl Known {
    /// What stable and candidate declare.
    pub(super) fn of(snapshot: &Snapshot) -> Self {
        // Requests that name nothing declared are counted too.
        let none = || BTreeSet::from([NONE.to_owned()]);
        let mut known = Self { models: none(), routes: none(), ..Self::default() };
        let candidate = snapshot.candidate.as_ref().map(|staged| &staged.generation);
        for generation in snapshot.stable.iter().chain(candidate) {
            let config = &generation.config;
            for (name, model) in &config.models {
                known.models.insert(name.to_string());
                if model.hedge.is_some() {
                    known.hedged.insert(name.to_string());
                }
                known.shadows.extend(model.shadow.iter().map(|shadow| shadow.model.to_string()));
                let targets = model.targets.iter();
                let targets = targets.map(|target| (target.provider.to_string(), target.model.to_string()));
                known.targets.extend(targets);
            }
            known.routes.extend(config.routes.iter().map(|route| route.path.clone()));
            known.guardrails.extend(config.guardrails.keys().map(ToString::to_string));
        }
        known
    }

    /// Totals of traffic.
    pub(super) fn totals(&self, mut totals: Totals) -> Totals {
        fill(&mut totals.models, &self.models);
        fill(&mut totals.routes, &self.routes);
        fill(&mut totals.shadows, &self.shadows);
        totals
    }

    /// Targets asked beside others.
    pub(super) fn hedges(&self, counted: Vec<(String, Hedge, u64)>) -> BTreeMap<(String, Hedge), u64> {
        let all = self.hedged.iter().flat_map(|name| Hedge::ALL.map(|what| (name.clone(), what)));
        at_least(all, counted.into_iter().map(|(name, what, count)| ((name, what), count)))
    }

    /// Copies of requests that came to nothing.
    pub(super) fn unsent(&self, counted: Vec<(String, Unsent, u64)>) -> BTreeMap<(String, Unsent), u64> {
        let all = self.shadows.iter().flat_map(|name| Unsent::ALL.map(|why| (name.clone(), why)));
        at_least(all, counted.into_iter().map(|(name, why, count)| ((name, why), count)))
    }

    /// What guardrails came to: by name, stage and action.
    pub(super) fn verdicts(
        &self,
        counted: Vec<(String, &'static str, &'static str, u64)>,
    ) -> BTreeMap<(String, &'static str, &'static str), u64> {
        let each = |name: &String| {
            let name = name.clone();
            tally::labels().map(move |(stage, action)| (name.clone(), stage, action))
        };
        let all = self.guardrails.iter().flat_map(each);
        at_least(all, counted.into_iter().map(|(name, stage, action, count)| ((name, stage, action), count)))
    }
}

fn fill<U: Default>(counted: &mut BTreeMap<String, U>, known: &BTreeSet<String>) {
    for name in known {
        if counted.len() >= NAMES_MAX {
            return;
        }
        if !counted.contains_key(name) {
            counted.insert(name.clone(), U::default());
        }
    }
}

/// What was counted, and 0 for what was not.
fn at_least<K: Ord>(
    known: impl Iterator<Item = K>,
    counted: impl Iterator<Item = (K, u64)>,
) -> BTreeMap<K, u64> {
    // Names of these are few: each declares a feature of its own.
    let mut all: BTreeMap<K, u64> = known.take(NAMES_MAX).map(|key| (key, 0)).collect();
    all.extend(counted);
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_counted_comes_before_what_is_only_known() {
        let mut counted: BTreeMap<String, u64> = (0..NAMES_MAX - 1).map(|n| (format!("n{n}"), 1)).collect();
        let known = ["a", "b", "n1"].map(str::to_owned).into();
        fill(&mut counted, &known);
        assert_eq!(counted.len(), NAMES_MAX);
        assert_eq!((counted.get("a"), counted.get("b"), counted.get("n1")), (Some(&0), None, Some(&1)));
        let known = ["a", "b"].into_iter();
        assert_eq!(at_least(known, [("b", 2)].into_iter()), [("a", 0), ("b", 2)].into());
    }
}
