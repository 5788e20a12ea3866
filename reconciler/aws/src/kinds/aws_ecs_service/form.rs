//! Declared and live in one canonical form, in which equal means equal.
//!
//! What is declared is read from Terraform's state. An absent boolean is off, sets have no order, and what the configuration leaves
//! to AWS (`null` in Terraform's state) is not compared. The task definition and the deployments have rules of their own, in `compare.rs`.

use aws_sdk_ecs::types::Service as LiveService;

use super::task_definition::TaskDefinition;
use crate::attributes::{Attributes, HIDDEN, Unexpected};
use crate::fields::Fields;

pub(super) const DESIRED_COUNT: &str = "desired_count";
pub(super) const TASK_DEFINITION: &str = "task_definition";
const EXECUTE_COMMAND: &str = "enable_execute_command";
const LAUNCH_TYPE: &str = "launch_type";
const BREAKER: &str = "deployment_circuit_breaker[0].enable";
const BREAKER_ROLLBACK: &str = "deployment_circuit_breaker[0].rollback";
const PUBLIC_IP: &str = "network_configuration[0].assign_public_ip";
const SECURITY_GROUPS: &str = "network_configuration[0].security_groups";
const SUBNETS: &str = "network_configuration[0].subnets";

const OFF: &str = "false";

pub(super) fn declared(service: &Attributes<'_>) -> Result<Fields, Unexpected> {
    let mut fields = Fields::default();
    let off = || Some(OFF.to_owned());
    // A daemon service runs one task a host; desired_count does not apply.
    if service.text("scheduling_strategy")?.as_deref() != Some("DAEMON") {
        fields.put_some(DESIRED_COUNT, service.text("desired_count")?);
    }
    fields.put_some(LAUNCH_TYPE, service.text("launch_type")?);
    fields.put_some(EXECUTE_COMMAND, service.text("enable_execute_command")?.or_else(off));
    let breaker = service.block("deployment_circuit_breaker")?;
    let switch = |name: &str| breaker.as_ref().map_or(Ok(None), |breaker| breaker.text(name));
    fields.put_some(BREAKER, switch("enable")?.or_else(off));
    fields.put_some(BREAKER_ROLLBACK, switch("rollback")?.or_else(off));
    if let Some(network) = service.block("network_configuration")? {
        fields.put_some(PUBLIC_IP, network.text("assign_public_ip")?.or_else(off));
        fields.put_set(SECURITY_GROUPS, &network.texts("security_groups")?);
        fields.put_set(SUBNETS, &network.texts("subnets")?);
    }
    Ok(fields)
}

/// The task definition in Terraform's state; `None` when it is hidden or another's to choose.
pub(super) fn declared_task_definition(
    service: &Attributes<'_>,
) -> Result<Option<TaskDefinition>, Unexpected> {
    let text = service.text("task_definition")?.filter(|text| !text.contains(HIDDEN));
    Ok(text.map(|text| TaskDefinition::parse(&text)))
}

pub(super) fn live(service: &LiveService) -> Fields {
    let mut fields = Fields::default();
    fields.put(DESIRED_COUNT, service.desired_count.to_string());
    fields.put_some(LAUNCH_TYPE, service.launch_type.as_ref().map(|launch| launch.as_str()));
    fields.put(EXECUTE_COMMAND, service.enable_execute_command.to_string());
    let configuration = service.deployment_configuration.as_ref();
    let breaker = configuration.and_then(|configuration| configuration.deployment_circuit_breaker.as_ref());
    fields.put(BREAKER, breaker.is_some_and(|breaker| breaker.enable).to_string());
    fields.put(BREAKER_ROLLBACK, breaker.is_some_and(|breaker| breaker.rollback).to_string());
    let network = service.network_configuration.as_ref();
    if let Some(network) = network.and_then(|network| network.awsvpc_configuration.as_ref()) {
        let is_public = network.assign_public_ip.as_ref().is_some_and(|assign| assign.as_str() == "ENABLED");
        fields.put(PUBLIC_IP, is_public.to_string());
        fields.put_set(SECURITY_GROUPS, network.security_groups());
        fields.put_set(SUBNETS, network.subnets());
    }
    fields
}

#[cfg(test)]
mod tests {
    use aws_sdk_ecs::types::{AssignPublicIp, AwsVpcConfiguration, LaunchType, NetworkConfiguration};
    use serde_json::json;

    use super::*;

    #[test]
    fn what_the_state_leaves_out_is_the_default_or_none_of_our_business() {
        let state = json!({
            "desired_count": 2, "launch_type": "", "enable_execute_command": null,
            "deployment_circuit_breaker": [], "network_configuration": [],
        });
        let declared = declared(&Attributes::of(&state)).unwrap();
        let live = live(&LiveService::builder().desired_count(2).launch_type(LaunchType::Fargate).build());
        assert_eq!(declared.differences(&live.limited_to(&declared)), []);
        assert_eq!(declared.get(BREAKER), Some(OFF));
        assert_eq!(declared.get(LAUNCH_TYPE), None);
    }

    #[test]
    fn the_order_of_subnets_and_groups_does_not_count() {
        let state = json!({"network_configuration": [
            {"assign_public_ip": false, "subnets": ["b", "a"], "security_groups": ["y", "x"]},
        ]});
        let network = AwsVpcConfiguration::builder()
            .subnets("a")
            .subnets("b")
            .security_groups("x")
            .security_groups("y")
            .assign_public_ip(AssignPublicIp::Disabled)
            .build()
            .unwrap();
        let network = NetworkConfiguration::builder().awsvpc_configuration(network).build();
        let declared = declared(&Attributes::of(&state)).unwrap();
        let live = live(&LiveService::builder().network_configuration(network).build());
        assert_eq!(declared.differences(&live.limited_to(&declared)), []);
    }

    #[test]
    fn a_daemons_count_is_not_declared() {
        let state = json!({"desired_count": 0, "scheduling_strategy": "DAEMON"});
        assert_eq!(declared(&Attributes::of(&state)).unwrap().get(DESIRED_COUNT), None);
    }
}
