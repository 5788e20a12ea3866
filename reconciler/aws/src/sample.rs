//! For tests: the state of `tests/fixtures/state.json`, and what AWS says when nothing has changed since.

use aws_sdk_ecs::types::{
    AssignPublicIp, AwsVpcConfiguration, Deployment, DeploymentCircuitBreaker, DeploymentConfiguration,
    DeploymentRolloutState, LaunchType, NetworkConfiguration, Service,
};
use aws_sdk_elasticloadbalancingv2::types::{
    Action, ActionTypeEnum, ForwardActionConfig, HttpHeaderConditionConfig, PathPatternConditionConfig, Rule,
    RuleCondition, TargetGroupTuple,
};
use aws_sdk_wafv2::types::{
    AllowAction, BlockAction, CustomResponse, DefaultAction, ManagedRuleGroupStatement, NoneAction,
    OverrideAction, RateBasedStatement, RateBasedStatementAggregateKeyType, Rule as WafRule, RuleAction,
    Statement, VisibilityConfig, WebAcl,
};
use serde_json::Value;

use crate::managed::{Managed, managed};

pub(crate) const SERVICE: &str = "module.gateway.aws_ecs_service.gateway";
pub(crate) const RULE: &str = "aws_lb_listener_rule.chat";
pub(crate) const WEB_ACL: &str = "aws_wafv2_web_acl.gateway[0]";
pub(crate) const STABLE: &str =
    "arn:aws:elasticloadbalancing:us-east-1:123456789012:targetgroup/gateway/6d0ecf831eec9f09";
pub(crate) const NEXT: &str =
    "arn:aws:elasticloadbalancing:us-east-1:123456789012:targetgroup/gateway-next/943f017f100becff";

/// The state as Terraform writes it.
pub(crate) fn state() -> Value {
    serde_json::from_str(include_str!("../tests/fixtures/state.json")).unwrap()
}

/// The values of a resource of the state, to be changed.
pub(crate) fn values<'a>(state: &'a mut Value, address: &str) -> &'a mut Value {
    &mut resource(state, address)["values"]
}

/// A resource of the state, to be changed.
pub(crate) fn resource<'a>(state: &'a mut Value, address: &str) -> &'a mut Value {
    let root = &mut state["values"]["root_module"];
    let resources = match address.starts_with("module.") {
        true => &mut root["child_modules"][0]["resources"],
        false => &mut root["resources"],
    };
    resources.as_array_mut().unwrap().iter_mut().find(|resource| resource["address"] == address).unwrap()
}

/// Adds a resource to the root module.
pub(crate) fn add(state: &mut Value, kind: &str, values: &Value) {
    let resource = serde_json::json!({
        "address": format!("{kind}.added"), "mode": "managed", "type": kind, "values": values, "sensitive_values": {},
    });
    state["values"]["root_module"]["resources"].as_array_mut().unwrap().push(resource);
}

/// What is managed, as it stands in the file.
pub(crate) fn all() -> Managed {
    managed(&state())
}

/// The service, in step.
pub(crate) fn service() -> Service {
    let breaker = DeploymentCircuitBreaker::builder().enable(true).rollback(true).build();
    let network = AwsVpcConfiguration::builder()
        .subnets("subnet-0ee55ff66aa77bb88")
        .subnets("subnet-0aa11bb22cc33dd44")
        .security_groups("sg-0a1b2c3d4e5f60718")
        .assign_public_ip(AssignPublicIp::Disabled);
    let network = NetworkConfiguration::builder().awsvpc_configuration(network.build().unwrap());
    Service::builder()
        .status("ACTIVE")
        .task_definition("arn:aws:ecs:us-east-1:123456789012:task-definition/gateway:7")
        .desired_count(2)
        .launch_type(LaunchType::Fargate)
        .deployment_configuration(
            DeploymentConfiguration::builder().deployment_circuit_breaker(breaker).build(),
        )
        .network_configuration(network.build())
        .deployments(deployment("PRIMARY", DeploymentRolloutState::Completed, 7))
        .build()
}

/// A deployment of the service.
pub(crate) fn deployment(status: &str, rollout: DeploymentRolloutState, revision: u32) -> Deployment {
    Deployment::builder()
        .status(status)
        .rollout_state(rollout)
        .task_definition(format!("arn:aws:ecs:us-east-1:123456789012:task-definition/gateway:{revision}"))
        .build()
}

/// An action that forwards.
pub(crate) fn forward(targets: &[(&str, i32)]) -> Action {
    let target = |(arn, weight): &(&str, i32)| {
        TargetGroupTuple::builder().target_group_arn(*arn).weight(*weight).build()
    };
    let config = ForwardActionConfig::builder().set_target_groups(Some(targets.iter().map(target).collect()));
    Action::builder().r#type(ActionTypeEnum::Forward).order(1).forward_config(config.build()).build()
}

/// The listener rule, with those conditions and this action.
pub(crate) fn rule_with(action: Action) -> Rule {
    let paths = PathPatternConditionConfig::builder().values("/v1/embeddings").values("/v1/chat/*");
    let header = HttpHeaderConditionConfig::builder().http_header_name("x-tenant").values("search");
    Rule::builder()
        .priority("10")
        .conditions(RuleCondition::builder().field("http-header").http_header_config(header.build()).build())
        .conditions(RuleCondition::builder().field("path-pattern").path_pattern_config(paths.build()).build())
        .actions(action)
        .build()
}

/// The listener rule, in step.
pub(crate) fn rule() -> Rule {
    rule_with(forward(&[(NEXT, 10), (STABLE, 90)]))
}

/// A rate-based rule.
pub(crate) fn rate_rule(limit: i64, action: RuleAction) -> WafRule {
    let rate = RateBasedStatement::builder()
        .limit(limit)
        .aggregate_key_type(RateBasedStatementAggregateKeyType::Ip)
        .build()
        .unwrap();
    waf_rule("per-ip", 1, Statement::builder().rate_based_statement(rate).build(), Some(action))
}

/// Any rule.
pub(crate) fn waf_rule(
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
pub(crate) fn block() -> RuleAction {
    let response = CustomResponse::builder().response_code(429).build().unwrap();
    RuleAction::builder().block(BlockAction::builder().custom_response(response).build()).build()
}

/// A web ACL that allows by default, with those rules.
pub(crate) fn web_acl_with(rules: Vec<WafRule>) -> WebAcl {
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
pub(crate) fn known_bad() -> WafRule {
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

/// The web ACL, in step.
pub(crate) fn web_acl() -> WebAcl {
    web_acl_with(vec![rate_rule(2000, block()), known_bad()])
}
