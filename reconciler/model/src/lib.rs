//! Nouns of the reconciler: environment, revision, drift, plan, rollout, outcome.
