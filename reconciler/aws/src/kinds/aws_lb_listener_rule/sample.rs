//! For tests: what AWS says of the listener rule in the state.

use aws_sdk_elasticloadbalancingv2::types::{
    Action, ActionTypeEnum, ForwardActionConfig, HttpHeaderConditionConfig, PathPatternConditionConfig, Rule,
    RuleCondition, TargetGroupTuple,
};

pub(in crate::kinds) const STABLE: &str =
    "arn:aws:elasticloadbalancing:us-east-1:123456789012:targetgroup/gateway/6d0ecf831eec9f09";
pub(in crate::kinds) const NEXT: &str =
    "arn:aws:elasticloadbalancing:us-east-1:123456789012:targetgroup/gateway-next/943f017f100becff";

pub(in crate::kinds) fn forward(targets: &[(&str, i32)]) -> Action {
    let target = |(arn, weight): &(&str, i32)| {
        TargetGroupTuple::builder().target_group_arn(*arn).weight(*weight).build()
    };
    let config = ForwardActionConfig::builder().set_target_groups(Some(targets.iter().map(target).collect()));
    Action::builder().r#type(ActionTypeEnum::Forward).order(1).forward_config(config.build()).build()
}

/// The listener rule, with those conditions and this action.
pub(in crate::kinds) fn rule_with(action: Action) -> Rule {
    let paths = PathPatternConditionConfig::builder().values("/v1/embeddings").values("/v1/chat/*");
    let header = HttpHeaderConditionConfig::builder().http_header_name("x-tenant").values("search");
    Rule::builder()
        .priority("10")
        .conditions(RuleCondition::builder().field("http-header").http_header_config(header.build()).build())
        .conditions(RuleCondition::builder().field("path-pattern").path_pattern_config(paths.build()).build())
        .actions(action)
        .build()
}

/// The listener rule, in sync.
pub(in crate::kinds) fn rule() -> Rule {
    rule_with(forward(&[(NEXT, 10), (STABLE, 90)]))
}
