//! Reads of load balancers.

use async_trait::async_trait;
use aws_sdk_elasticloadbalancingv2::config::Builder;
use aws_sdk_elasticloadbalancingv2::types::Rule;

use super::ReadError;

const OPERATION: &str = "elasticloadbalancing:DescribeRules";

/// Which listener rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListenerRuleAt {
    /// Its region, where the state names one.
    pub region: Option<String>,
    /// Its ARN.
    pub arn: String,
}

/// What is read of load balancers.
#[async_trait]
pub trait LoadBalancerReads: Send + Sync {
    /// A listener rule; `None` when AWS says that it, or its listener, does not exist.
    async fn listener_rule(&self, at: &ListenerRuleAt) -> Result<Option<Rule>, ReadError>;
}

#[async_trait]
impl LoadBalancerReads for aws_sdk_elasticloadbalancingv2::Client {
    async fn listener_rule(&self, at: &ListenerRuleAt) -> Result<Option<Rule>, ReadError> {
        let region = Builder::new().region(super::region(at.region.as_deref(), self.config().region()));
        let answer =
            self.describe_rules().rule_arns(&at.arn).customize().config_override(region).send().await;
        match answer {
            Ok(answer) => match answer.rules.into_iter().flatten().next() {
                Some(rule) => Ok(Some(rule)),
                // AWS has an error of its own for absence; this is something else.
                None => Err(ReadError::Unreadable { operation: OPERATION, source: None }),
            },
            Err(error)
                if error.as_service_error().is_some_and(|error| {
                    error.is_rule_not_found_exception() || error.is_listener_not_found_exception()
                }) =>
            {
                Ok(None)
            }
            Err(error) => Err(ReadError::new(OPERATION, error)),
        }
    }
}
