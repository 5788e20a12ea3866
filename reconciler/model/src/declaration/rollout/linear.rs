//! A share that grows by the same amount with each step, each verified.

use moorline_config::Percent;

use super::strategy::{Found, Strategy};
use super::{RolloutPlan, RolloutStep};

/// Most steps. With more of them somebody has mistaken the unit.
const STEPS_MAX: u16 = 100;

pub(super) static STRATEGY: Strategy = Strategy {
    name: "linear",
    meaning: "A share that grows by `step_weight` up to `max_weight`, each step verified.",
    settings: &["step_weight", "max_weight", "hold"],
    check,
    lower,
};

fn check(plan: &RolloutPlan) -> Vec<Found> {
    let (Some(step), Some(max)) = (plan.step_weight, plan.max_weight) else { return Vec::new() };
    let found = |path: &str, problem: String| vec![(path.to_owned(), problem)];
    if step == Percent::ZERO {
        return found("step_weight", "expected more than 0%".to_owned());
    }
    if max < step {
        return found("max_weight", format!("expected at least one step of {step}"));
    }
    if max.as_basis_points() / step.as_basis_points() > STEPS_MAX {
        return found("step_weight", format!("expected at most {STEPS_MAX} steps up to {max}"));
    }
    Vec::new()
}

fn lower(plan: &RolloutPlan) -> Vec<RolloutStep> {
    let (Some(step), Some(max), Some(hold)) = (plan.step_weight, plan.max_weight, plan.hold) else {
        return Vec::new();
    };
    let (step, max) = (step.as_basis_points(), max.as_basis_points());
    let mut steps = Vec::new();
    let mut weight = 0;
    while step > 0 && weight < max {
        weight = (weight + step).min(max);
        steps.push(RolloutStep { weight: Percent::of_basis_points(weight), hold });
    }
    steps
}
