//! Listener rules of load balancers: priority, conditions, and actions with their targets and weights.

mod action;
mod compare;
mod condition;
mod form;
#[cfg(test)]
pub(super) mod sample;

use std::collections::BTreeSet;

use aws_config::SdkConfig;
use aws_sdk_elasticloadbalancingv2::Client;
use aws_sdk_elasticloadbalancingv2::config::Builder;
use aws_sdk_elasticloadbalancingv2::operation::describe_rules::DescribeRulesOutput;
use aws_sdk_elasticloadbalancingv2::types::Rule;
use moorline_model::drift::Finding;

use super::aws_ecs_service::{TrafficShift, traffic_shifts};
use crate::attributes::{Attributes, Unexpected};
use crate::fields::Fields;
use crate::kind::{Kind, Place};
use crate::read::{ReadError, Refused, region};
use crate::state::{Declared, State};

/// A listener rule as the state has it.
#[derive(Debug)]
pub(super) struct ListenerRule {
    region: Option<String>,
    arn: String,
    /// The target groups between which ECS shifts traffic on this rule, when a service says so.
    traffic_shift: Option<TrafficShift>,
    fields: Fields,
}

impl Kind for ListenerRule {
    const TYPES: &'static [&'static str] = &["aws_lb_listener_rule", "aws_alb_listener_rule"];
    const PERMISSION: &'static str = "elasticloadbalancing:DescribeRules";
    // Not in the API's reference: AWS refuses more with a `ValidationError` that names this number.
    const PER_CALL: usize = 20;

    type Client = Client;
    type Answer = DescribeRulesOutput;
    type Live = Rule;

    fn connect(config: &SdkConfig) -> Client {
        Client::new(config)
    }

    fn declared(state: &State<'_>) -> Vec<Declared<Self>> {
        let shifts = traffic_shifts(state);
        state.read(Self::TYPES, |attributes| Self::of(attributes, &shifts))
    }

    fn place(&self) -> Place<'_> {
        Place { region: self.region.as_deref(), within: "" }
    }

    async fn read(client: &Client, requested: &[&Self]) -> Result<DescribeRulesOutput, Refused> {
        let arns: BTreeSet<&str> = requested.iter().map(|rule| rule.arn.as_str()).collect();
        let request =
            client.describe_rules().set_rule_arns(Some(arns.into_iter().map(str::to_owned).collect()));
        let named = requested.first().and_then(|rule| rule.region.as_deref());
        let region = Builder::new().region(region(named, client.config().region()));
        request.customize().config_override(region).send().await.map_err(|error| {
            let is_missing = error.as_service_error().is_some_and(|error| {
                error.is_rule_not_found_exception() || error.is_listener_not_found_exception()
            });
            if is_missing { Refused::OneIsMissing } else { ReadError::new(Self::PERMISSION, error).into() }
        })
    }

    fn find<'a>(&self, answer: &'a DescribeRulesOutput) -> Result<Option<&'a Rule>, ReadError> {
        let rule = answer.rules().iter().find(|rule| rule.rule_arn.as_deref() == Some(&self.arn));
        // AWS has an error of its own for absence; this is something else.
        rule.map(Some).ok_or(ReadError::Unreadable { operation: Self::PERMISSION, source: None })
    }

    fn findings(&self, address: &str, live: Option<&Rule>) -> Vec<Finding> {
        compare::findings(self, address, live)
    }
}

impl ListenerRule {
    fn of(attributes: &Attributes<'_>, shifts: &[TrafficShift]) -> Result<Self, Unexpected> {
        let arn = attributes.required("arn")?;
        Ok(Self {
            region: attributes.text("region")?,
            traffic_shift: shifts.iter().find(|shift| shift.rules.contains(&arn)).cloned(),
            fields: form::declared(attributes)?,
            arn,
        })
    }
}

#[cfg(test)]
mod tests;
