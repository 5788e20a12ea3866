//! States that nobody would have thought of: there is a decision for each, and what it leads to is sound.

use moorline_model::environment::EnvironmentState;
use moorline_model::rollout::Verdict;
use moorline_plan::{Inputs, Situation, advance, decide};
use proptest::prelude::*;

use super::arbitrary;

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    #[test]
    fn there_is_a_decision_for_every_state(
        state in arbitrary::state(),
        readings in arbitrary::readings(),
        blocked in any::<bool>(),
        interrupted in any::<bool>(),
        results in arbitrary::results(),
        has_head in any::<bool>(),
    ) {
        let desired = arbitrary::desired();
        let situation = Situation {
            head: has_head.then_some(Ok(&desired)),
            current: Some(&desired),
            replicas: &readings,
            denials: Ok(&[]),
            interrupted: interrupted.then_some("terraform.apply"),
            blocked: blocked.then_some("errored.tfstate"),
        };
        let now = arbitrary::now();
        let decision = decide(&state, &situation, now);
        let id = "00000000-0000-7000-8000-000000000001".parse().unwrap();
        let inputs = Inputs { id, desired: Some(&desired), in_force: None, incoming: None };
        let next = advance(&state, results.of(decision), &inputs, now);
        let why = moorline_plan::gates::why(&state, &situation, &[], now);
        prop_assert!(!why.gates.is_empty() && !why.sentence.is_empty());
        prop_assert!(is_sound(&next.state), "{:?}", next.state);
        // What is written is read back as it was.
        let text = serde_json::to_string(&next.state).unwrap();
        let read: EnvironmentState = serde_json::from_str(&text).unwrap();
        prop_assert_eq!(read, next.state);
    }
}

/// A rollout that is frozen froze the environment; evidence never outlives its phase as a verdict.
fn is_sound(state: &EnvironmentState) -> bool {
    let is_passed = |verdict: Option<&Verdict>| verdict == Some(&Verdict::Passed);
    state.rollout.as_ref().is_none_or(|rollout| {
        rollout.evidence.as_ref().is_none_or(|evidence| evidence.phase == rollout.phase)
            || !is_passed(rollout.verdict())
    })
}
