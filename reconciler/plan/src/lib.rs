//! Pure deciding: desired, diff, decide, rollout, verify, policy.
