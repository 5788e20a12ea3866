//! How a new document reaches requests: what is declared, and the strategies that lower it to steps.
//!
//! A strategy is a file of this folder and a line of [`STRATEGIES`]. It says which settings are its own, and lowers them to
//! steps when a rollout begins; whoever moves a rollout knows steps only.

mod all_at_once;
mod canary;
mod linear;
mod strategy;

use moorline_config::check::Problem;
use moorline_config::{Duration, Percent, schema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use self::strategy::RolloutStrategy;
use self::strategy::Strategy;

/// Every strategy. The first is the one of an environment that declares none.
static STRATEGIES: &[&Strategy] = &[&all_at_once::STRATEGY, &canary::STRATEGY, &linear::STRATEGY];

/// How a new document reaches requests.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(transform = strategy::settings_of_each)]
pub struct RolloutPlan {
    /// The manner. Default: all_at_once.
    pub strategy: RolloutStrategy,
    /// With `canary`: the steps, in order.
    pub steps: Vec<RolloutStep>,
    /// With `linear`: by how much the share grows with each step.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("not" = schema::zero()))]
    pub step_weight: Option<Percent>,
    /// With `linear`: the share of the last step, after which the document gets all requests.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_weight: Option<Percent>,
    /// With `linear`: shortest time at each step.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hold: Option<Duration>,
}

/// One step of a rollout.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RolloutStep {
    /// Share of requests that the candidate gets.
    #[schemars(extend("not" = schema::zero()))]
    pub weight: Percent,
    /// Shortest time at this share.
    pub hold: Duration,
}

/// What a strategy came to when a rollout began: steps, and nothing that had to be known of the strategy. A rollout without steps is
/// promoted at once.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Traffic {
    /// The strategy's name, for people. A name and no more, so that a record outlives its strategies.
    pub strategy: String,
    /// The steps.
    pub steps: Vec<RolloutStep>,
}

impl RolloutPlan {
    /// The settings that are given.
    fn given(&self) -> impl Iterator<Item = &'static str> {
        let settings = [
            ("steps", !self.steps.is_empty()),
            ("step_weight", self.step_weight.is_some()),
            ("max_weight", self.max_weight.is_some()),
            ("hold", self.hold.is_some()),
        ];
        settings.into_iter().filter(|(_, is_given)| *is_given).map(|(name, _)| name)
    }

    /// What its strategy comes to.
    #[must_use]
    pub fn lowered(&self) -> Traffic {
        let strategy = self.strategy.as_str().to_owned();
        Traffic { strategy, steps: (self.strategy.strategy().lower)(self) }
    }

    /// What types cannot say, by the path below `rollout`.
    pub(super) fn problems(&self) -> Vec<Problem> {
        let strategy = self.strategy.strategy();
        let at = |path: &str, problem: String| Problem { path: path.to_owned(), problem };
        let mut problems = Vec::new();
        for setting in
            strategy.settings.iter().filter(|setting| !self.given().any(|given| given == **setting))
        {
            problems.push(at(setting, format!("`{}` needs it", strategy.name)));
        }
        for setting in self.given().filter(|given| !strategy.settings.contains(given)) {
            let of = STRATEGIES.iter().filter(|of| of.settings.contains(&setting)).map(|of| of.name);
            let of = of.collect::<Vec<_>>().join(" and ");
            problems.push(at(setting, format!("`{}` takes none: it belongs to {of}", strategy.name)));
        }
        problems.extend((strategy.check)(self).into_iter().map(|(path, problem)| at(&path, problem)));
        problems
    }
}

#[cfg(test)]
mod tests;
