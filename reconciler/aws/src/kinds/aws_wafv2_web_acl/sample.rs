//! For tests: what AWS says of the web ACL in the state.

use aws_sdk_wafv2::types::{
    AllowAction, BlockAction, CustomResponse, DefaultAction, ManagedRuleGroupStatement, NoneAction,
    OverrideAction, RateBasedStatement, RateBasedStatementAggregateKeyType, Rule as WafRule, RuleAction,
    Statement, VisibilityConfig, WebAcl,
};

pub(in crate::kinds) fn rate_rule(limit: i64, action: RuleAction) -> WafRule {
    let rate = RateBasedStatement::builder()
        .limit(limit)
        .aggregate_key_type(RateBasedStatementAggregateKeyType::Ip)
        .build()
        .unwrap();
    waf_rule("per-ip", 1, Statement::builder().rate_based_statement(rate).build(), Some(action))
}

pub(in crate::kinds) fn waf_rule(
    name: &str,
    priority: i32,
    statement: Statement,
    action: Option<RuleAction>,
) -> WafRule {
    let metric = VisibilityConfig::builder()
        .sampled_requests_enabled(true)
        .cloud_watch_metrics_enabled(true)
        .metric_name(name)
        .build()
        .unwrap();
    WafRule::builder()
        .name(name)
        .priority(priority)
        .statement(statement)
        .set_action(action)
        .visibility_config(metric)
        .build()
        .unwrap()
}

/// Block, with the status 429.
pub(in crate::kinds) fn block() -> RuleAction {
    let response = CustomResponse::builder().response_code(429).build().unwrap();
    RuleAction::builder().block(BlockAction::builder().custom_response(response).build()).build()
}

/// A web ACL that allows by default, with those rules.
pub(in crate::kinds) fn web_acl_with(rules: Vec<WafRule>) -> WebAcl {
    WebAcl::builder()
        .name("ai-gateway")
        .id("a1b2c3d4-5678-90ab-cdef-111122223333")
        .arn("arn:aws:wafv2:us-east-1:123456789012:regional/webacl/ai-gateway/a1b2c3d4-5678-90ab-cdef-111122223333")
        .default_action(DefaultAction::builder().allow(AllowAction::builder().build()).build())
        .set_rules(Some(rules))
        .build()
        .unwrap()
}

/// The rule with AWS's own rule group.
pub(in crate::kinds) fn known_bad() -> WafRule {
    let group = ManagedRuleGroupStatement::builder()
        .vendor_name("AWS")
        .name("AWSManagedRulesKnownBadInputsRuleSet")
        .build()
        .unwrap();
    let mut rule =
        waf_rule("known-bad", 2, Statement::builder().managed_rule_group_statement(group).build(), None);
    rule.override_action = Some(OverrideAction::builder().none(NoneAction::builder().build()).build());
    rule
}

/// The web ACL, in sync.
pub(in crate::kinds) fn web_acl() -> WebAcl {
    web_acl_with(vec![rate_rule(2000, block()), known_bad()])
}
