//! Probe, then everything.

use super::strategy::Strategy;

pub(super) static STRATEGY: Strategy = Strategy {
    name: "all_at_once",
    meaning: "Probe, then everything.",
    settings: &[],
    check: |_| Vec::new(),
    lower: |_| Vec::new(),
};
