//! For tests: what AWS says of the service in the state.

use aws_sdk_ecs::types::{
    AssignPublicIp, AwsVpcConfiguration, Deployment, DeploymentCircuitBreaker, DeploymentConfiguration,
    DeploymentRolloutState, LaunchType, NetworkConfiguration, Service,
};

/// The service, in sync.
pub(in crate::kinds) fn service() -> Service {
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
pub(in crate::kinds) fn deployment(
    status: &str,
    rollout: DeploymentRolloutState,
    revision: u32,
) -> Deployment {
    Deployment::builder()
        .status(status)
        .rollout_state(rollout)
        .task_definition(format!("arn:aws:ecs:us-east-1:123456789012:task-definition/gateway:{revision}"))
        .build()
}
