//! Growing shares, each verified, as they are declared.

use moorline_config::Percent;

use super::RolloutPlan;
use super::strategy::{Found, Strategy};

pub(super) static STRATEGY: Strategy = Strategy {
    name: "canary",
    meaning: "Growing shares, each verified.",
    settings: &["steps"],
    check,
    lower: |plan| plan.steps.clone(),
};

fn check(plan: &RolloutPlan) -> Vec<Found> {
    let mut found = Vec::new();
    for (index, pair) in plan.steps.windows(2).enumerate() {
        if pair[1].weight <= pair[0].weight {
            let problem = "each step must give the candidate more than the one before";
            found.push((format!("steps[{}].weight", index + 1), problem.to_owned()));
        }
    }
    for (index, step) in plan.steps.iter().enumerate() {
        if step.weight == Percent::ZERO {
            found.push((format!("steps[{index}].weight"), "expected more than 0%".to_owned()));
        }
    }
    found
}
