//! What Terraform would have made: a service, a listener rule and a web ACL in the emulator, and the state about them.

use std::net::SocketAddr;

use aws_credential_types::Credentials;
use aws_sdk_ecs::types::{
    AssignPublicIp, AwsVpcConfiguration, ContainerDefinition, DeploymentCircuitBreaker,
    DeploymentConfiguration, LaunchType, NetworkConfiguration,
};
use aws_sdk_elasticloadbalancingv2::types::{
    Action, ActionTypeEnum, ForwardActionConfig, HttpHeaderConditionConfig, PathPatternConditionConfig,
    ProtocolEnum, RuleCondition, TargetGroupTuple, TargetTypeEnum,
};
use aws_sdk_wafv2::types::{
    AllowAction, BlockAction, CustomResponse, DefaultAction, ManagedRuleGroupStatement, NoneAction,
    OverrideAction, RateBasedStatement, RateBasedStatementAggregateKeyType, Rule, RuleAction, Scope,
    Statement, VisibilityConfig,
};
use moorline_aws::{Aws, Managed, loader, managed};
use moorline_model::declaration;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

pub(crate) const SERVICE: &str = "module.gateway.aws_ecs_service.gateway";
pub(crate) const RULE: &str = "aws_lb_listener_rule.chat";
pub(crate) const WEB_ACL: &str = "aws_wafv2_web_acl.gateway[0]";

/// The state of the fixture.
pub(crate) fn state() -> Value {
    serde_json::from_str(include_str!("../fixtures/state.json")).unwrap()
}

/// A resource of it, to be changed.
pub(crate) fn resource<'a>(state: &'a mut Value, address: &str) -> &'a mut Value {
    let root = state["values"]["root_module"].as_object_mut().unwrap();
    let (mut own, mut modules) = (Vec::new(), Vec::new());
    for (name, value) in root.iter_mut() {
        match name.as_str() {
            "resources" => own.extend(value.as_array_mut().unwrap()),
            "child_modules" => modules.extend(value.as_array_mut().unwrap()),
            _ => {}
        }
    }
    let of_modules = modules.into_iter().flat_map(|module| module["resources"].as_array_mut().unwrap());
    own.into_iter().chain(of_modules).find(|resource| resource["address"] == address).unwrap()
}

/// The state without all resources but one.
pub(crate) fn only(mut state: Value, address: &str) -> Value {
    let resource = resource(&mut state, address).take();
    json!({"values": {"root_module": {"resources": [resource]}}})
}

/// What an environment declares of AWS, with everything at one address.
pub(crate) fn declared(address: SocketAddr) -> declaration::Aws {
    declaration::Aws { region: "us-east-1".to_owned(), endpoint_url: Some(format!("http://{address}")) }
}

/// Credentials that are none.
pub(crate) fn credentials() -> Credentials {
    Credentials::from_keys("test", "test", None)
}

/// A service, a listener rule and a web ACL, and the clients that made them.
pub(crate) struct World {
    pub(crate) ecs: aws_sdk_ecs::Client,
    pub(crate) load_balancers: aws_sdk_elasticloadbalancingv2::Client,
    pub(crate) waf: aws_sdk_wafv2::Client,
    pub(crate) aws: Aws,
    pub(crate) name: String,
    pub(crate) rule_arn: String,
    pub(crate) target_groups: [String; 2],
    listener_arn: String,
    web_acl_id: String,
    subnets: Vec<String>,
}

impl World {
    /// Makes everything under that name.
    pub(crate) async fn build(name: &str, address: SocketAddr) -> Self {
        let config = loader(&declared(address)).credentials_provider(credentials()).load().await;
        let mut world = Self {
            ecs: aws_sdk_ecs::Client::new(&config),
            load_balancers: aws_sdk_elasticloadbalancingv2::Client::new(&config),
            waf: aws_sdk_wafv2::Client::new(&config),
            aws: Aws::with(config),
            name: name.to_owned(),
            rule_arn: String::new(),
            target_groups: Default::default(),
            listener_arn: String::new(),
            web_acl_id: String::new(),
            subnets: subnets(address).await,
        };
        world.make_service().await;
        world.make_listener_rule().await;
        world.make_web_acl().await;
        world
    }

    /// What is managed of the state that Terraform would have written.
    pub(crate) fn managed(&self) -> Managed {
        managed(&self.state())
    }

    /// The state that Terraform would have written.
    pub(crate) fn state(&self) -> Value {
        let mut state = state();
        let service = &mut resource(&mut state, SERVICE)["values"];
        service["name"] = json!(self.name);
        service["cluster"] = json!(format!("arn:aws:ecs:us-east-1:123456789012:cluster/{}", self.name));
        service["task_definition"] =
            json!(format!("arn:aws:ecs:us-east-1:123456789012:task-definition/{}:1", self.name));
        service["network_configuration"][0]["subnets"] = json!(self.subnets);
        service["network_configuration"][0]["security_groups"] = json!([]);
        let rule = &mut resource(&mut state, RULE)["values"];
        rule["arn"] = json!(self.rule_arn);
        for (index, target_group) in self.target_groups.iter().enumerate() {
            rule["action"][0]["forward"][0]["target_group"][index]["arn"] = json!(target_group);
        }
        let web_acl = &mut resource(&mut state, WEB_ACL)["values"];
        web_acl["name"] = json!(self.name);
        web_acl["id"] = json!(self.web_acl_id);
        state
    }

    async fn make_service(&self) {
        self.ecs.create_cluster().cluster_name(&self.name).send().await.unwrap();
        for _ in 0..2 {
            let container =
                ContainerDefinition::builder().name("gateway").image("gateway:1").memory(512).build();
            let task =
                self.ecs.register_task_definition().family(&self.name).container_definitions(container);
            task.send().await.unwrap();
        }
        let network = AwsVpcConfiguration::builder()
            .set_subnets(Some(self.subnets.clone()))
            .set_security_groups(Some(Vec::new()))
            .assign_public_ip(AssignPublicIp::Disabled);
        let network = NetworkConfiguration::builder().awsvpc_configuration(network.build().unwrap()).build();
        let service = self.ecs.create_service().cluster(&self.name).service_name(&self.name).desired_count(2);
        let service = service.task_definition(format!("{}:1", self.name)).launch_type(LaunchType::Fargate);
        service.network_configuration(network).send().await.unwrap();
        // The emulator forgets the breaker when the service is made, and remembers it when it is changed.
        let breaker = DeploymentCircuitBreaker::builder().enable(true).rollback(true).build();
        let configuration = DeploymentConfiguration::builder().deployment_circuit_breaker(breaker).build();
        let update = self.ecs.update_service().cluster(&self.name).service(&self.name);
        update.deployment_configuration(configuration).send().await.unwrap();
    }

    async fn make_listener_rule(&mut self) {
        let client = &self.load_balancers;
        let load_balancer =
            client.create_load_balancer().name(&self.name).set_subnets(Some(self.subnets.clone()));
        let load_balancer = load_balancer.send().await.unwrap().load_balancers.unwrap().remove(0);
        for (index, end) in ["a", "b"].into_iter().enumerate() {
            let group = client.create_target_group().name(format!("{}-{end}", self.name)).port(8787);
            let group = group.protocol(ProtocolEnum::Http).target_type(TargetTypeEnum::Ip);
            let group = group.vpc_id(load_balancer.vpc_id().unwrap()).send().await.unwrap();
            self.target_groups[index] = group.target_groups.unwrap().remove(0).target_group_arn.unwrap();
        }
        let listener = client.create_listener().load_balancer_arn(load_balancer.load_balancer_arn().unwrap());
        let listener = listener.port(80).protocol(ProtocolEnum::Http).default_actions(self.forward(1, 1));
        let listener = listener.send().await.unwrap().listeners.unwrap().remove(0);
        self.listener_arn = listener.listener_arn().unwrap().to_owned();
        let paths =
            PathPatternConditionConfig::builder().values("/v1/embeddings").values("/v1/chat/*").build();
        let header =
            HttpHeaderConditionConfig::builder().http_header_name("X-Tenant").values("search").build();
        let rule = client.create_rule().listener_arn(listener.listener_arn().unwrap()).priority(10);
        let rule = rule
            .conditions(RuleCondition::builder().field("path-pattern").path_pattern_config(paths).build())
            .conditions(RuleCondition::builder().field("http-header").http_header_config(header).build())
            .actions(self.forward(90, 10));
        self.rule_arn = rule.send().await.unwrap().rules.unwrap().remove(0).rule_arn.unwrap();
    }

    /// An action that forwards to both target groups.
    pub(crate) fn forward(&self, first: i32, second: i32) -> Action {
        let target =
            |arn: &String, weight| TargetGroupTuple::builder().target_group_arn(arn).weight(weight).build();
        let config = ForwardActionConfig::builder()
            .target_groups(target(&self.target_groups[0], first))
            .target_groups(target(&self.target_groups[1], second));
        Action::builder().r#type(ActionTypeEnum::Forward).order(1).forward_config(config.build()).build()
    }

    /// Deletes the listener, whose default action holds the target groups.
    pub(crate) async fn delete_listener(&self) {
        self.load_balancers.delete_listener().listener_arn(&self.listener_arn).send().await.unwrap();
    }

    async fn make_web_acl(&mut self) {
        let web_acl =
            self.waf.create_web_acl().name(&self.name).scope(Scope::Regional).default_action(allow());
        let web_acl =
            web_acl.visibility_config(metrics(&self.name)).set_rules(Some(vec![per_ip(2000), known_bad()]));
        self.web_acl_id = web_acl.send().await.unwrap().summary.unwrap().id.unwrap();
    }

    /// Gives the web ACL other rules.
    pub(crate) async fn set_rules(&self, rules: Vec<Rule>) {
        let token = self.lock_token().await;
        let update = self.waf.update_web_acl().name(&self.name).id(&self.web_acl_id).scope(Scope::Regional);
        let update = update.lock_token(token).default_action(allow()).visibility_config(metrics(&self.name));
        update.set_rules(Some(rules)).send().await.unwrap();
    }

    /// Deletes the web ACL.
    pub(crate) async fn delete_web_acl(&self) {
        let token = self.lock_token().await;
        let delete = self.waf.delete_web_acl().name(&self.name).id(&self.web_acl_id).scope(Scope::Regional);
        delete.lock_token(token).send().await.unwrap();
    }

    async fn lock_token(&self) -> String {
        let get = self.waf.get_web_acl().name(&self.name).id(&self.web_acl_id).scope(Scope::Regional);
        get.send().await.unwrap().lock_token.unwrap()
    }
}

/// The rate-based rule.
pub(crate) fn per_ip(limit: i64) -> Rule {
    let rate =
        RateBasedStatement::builder().limit(limit).aggregate_key_type(RateBasedStatementAggregateKeyType::Ip);
    let response = CustomResponse::builder().response_code(429).build().unwrap();
    let block = BlockAction::builder().custom_response(response).build();
    Rule::builder()
        .name("per-ip")
        .priority(1)
        .statement(Statement::builder().rate_based_statement(rate.build().unwrap()).build())
        .action(RuleAction::builder().block(block).build())
        .visibility_config(metrics("per-ip"))
        .build()
        .unwrap()
}

/// The rule with AWS's own rule group.
pub(crate) fn known_bad() -> Rule {
    let group =
        ManagedRuleGroupStatement::builder().vendor_name("AWS").name("AWSManagedRulesKnownBadInputsRuleSet");
    Rule::builder()
        .name("known-bad")
        .priority(2)
        .statement(Statement::builder().managed_rule_group_statement(group.build().unwrap()).build())
        .override_action(OverrideAction::builder().none(NoneAction::builder().build()).build())
        .visibility_config(metrics("known-bad"))
        .build()
        .unwrap()
}

fn allow() -> DefaultAction {
    DefaultAction::builder().allow(AllowAction::builder().build()).build()
}

fn metrics(name: &str) -> VisibilityConfig {
    VisibilityConfig::builder()
        .sampled_requests_enabled(true)
        .cloud_watch_metrics_enabled(true)
        .metric_name(name)
        .build()
        .unwrap()
}

/// Two subnets of the emulator's default VPC. EC2 is asked for nothing else, so by hand.
async fn subnets(address: SocketAddr) -> Vec<String> {
    const BODY: &str = "Action=DescribeSubnets&Version=2016-11-15";
    let request = format!(
        "POST / HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\ncontent-length: {}\r\n\
         content-type: application/x-www-form-urlencoded\r\nauthorization: AWS4-HMAC-SHA256 \
         Credential=test/20260101/us-east-1/ec2/aws4_request, SignedHeaders=host, Signature=0\r\n\r\n{BODY}",
        BODY.len(),
    );
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.take(1 << 20).read_to_string(&mut answer).await.unwrap();
    let ids = answer.split("<subnetId>").skip(1).filter_map(|rest| rest.split('<').next());
    let ids: Vec<String> = ids.take(2).map(str::to_owned).collect();
    assert_eq!(ids.len(), 2, "{answer}");
    ids
}
