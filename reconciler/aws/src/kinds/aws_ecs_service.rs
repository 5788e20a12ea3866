//! ECS services: task definition, desired count, launch type, ECS Exec, circuit breaker, network configuration, and
//! deployments that failed.

mod compare;
mod delegated;
mod form;
#[cfg(test)]
pub(super) mod sample;
mod task_definition;

use std::collections::BTreeSet;

use aws_config::SdkConfig;
use aws_sdk_ecs::Client;
use aws_sdk_ecs::config::Builder;
use aws_sdk_ecs::operation::describe_services::DescribeServicesOutput;
use aws_sdk_ecs::types::Service as LiveService;
use moorline_model::drift::Finding;

pub(super) use delegated::{TrafficShift, traffic_shifts};

use crate::attributes::{Attributes, Unexpected};
use crate::fields::Fields;
use crate::kind::{Kind, Place};
use crate::read::{ReadError, Refused, region};
use crate::state::{Declared, State};
use delegated::{ScalingBounds, scaling_bounds};
use task_definition::TaskDefinition;

/// An ECS service as the state has it.
#[derive(Debug)]
pub(super) struct Service {
    region: Option<String>,
    /// Its cluster's name or ARN.
    cluster: String,
    name: String,
    task_definition: Option<TaskDefinition>,
    /// Bounds of the desired count, when an autoscaler owns it.
    scaling: Option<ScalingBounds>,
    deployments: Deployments,
    /// Everything else that is compared.
    fields: Fields,
}

/// Whose deployments change a service's task definition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Deployments {
    /// Terraform's, through ECS: the revision is declared.
    Declared,
    /// Another controller's (CodeDeploy, task sets): only the family is declared.
    Delegated,
}

impl Kind for Service {
    const TYPES: &'static [&'static str] = &["aws_ecs_service"];
    const PERMISSION: &'static str = "ecs:DescribeServices";
    const PER_CALL: usize = 10;

    type Client = Client;
    type Answer = DescribeServicesOutput;
    type Live = LiveService;

    fn connect(config: &SdkConfig) -> Client {
        Client::new(config)
    }

    fn declared(state: &State<'_>) -> Vec<Declared<Self>> {
        let bounds = scaling_bounds(state);
        state.read(Self::TYPES, |attributes| Self::of(attributes, &bounds))
    }

    /// A call asks for services of one cluster.
    fn place(&self) -> Place<'_> {
        Place { region: self.region.as_deref(), within: &self.cluster }
    }

    async fn read(client: &Client, requested: &[&Self]) -> Result<DescribeServicesOutput, Refused> {
        let first = requested.first();
        let names: BTreeSet<&str> = requested.iter().map(|service| service.name.as_str()).collect();
        let request = client
            .describe_services()
            .set_cluster(first.map(|service| service.cluster.clone()))
            .set_services(Some(names.into_iter().map(str::to_owned).collect()));
        let named = first.and_then(|service| service.region.as_deref());
        let region = Builder::new().region(region(named, client.config().region()));
        request.customize().config_override(region).send().await.map_err(|error| {
            if error.as_service_error().is_some_and(|error| error.is_cluster_not_found_exception()) {
                return Refused::AllAreMissing;
            }
            match ReadError::new(Self::PERMISSION, error) {
                // A policy may name services, and then the call is denied for one that it leaves out.
                error @ ReadError::Denied { .. } => Refused::PerhapsOne(error),
                error => error.into(),
            }
        })
    }

    fn find<'a>(&self, answer: &'a DescribeServicesOutput) -> Result<Option<&'a LiveService>, ReadError> {
        let is_it = |service: &&LiveService| service.service_name.as_deref() == Some(&self.name);
        if let Some(service) = answer.services().iter().find(is_it) {
            return Ok(Some(service));
        }
        let is_about_it = |arn: &str| arn.rsplit('/').next() == Some(&self.name);
        let failure =
            answer.failures().iter().find(|failure| failure.arn.as_deref().is_some_and(is_about_it));
        match failure.and_then(|failure| failure.reason.as_deref()) {
            Some("MISSING") => Ok(None),
            Some(reason) => Err(ReadError::Failed {
                operation: Self::PERMISSION,
                code: reason.to_owned(),
                message: failure.and_then(|failure| failure.detail.clone()).unwrap_or_default(),
            }),
            None => Err(ReadError::Unreadable { operation: Self::PERMISSION, source: None }),
        }
    }

    fn findings(&self, address: &str, live: Option<&LiveService>) -> Vec<Finding> {
        compare::findings(self, address, live)
    }
}

impl Service {
    fn of(attributes: &Attributes<'_>, bounds: &[ScalingBounds]) -> Result<Self, Unexpected> {
        let cluster = attributes.text("cluster")?.unwrap_or_else(|| "default".to_owned());
        let name = attributes.required("name")?;
        let controller = match attributes.block("deployment_controller")? {
            Some(controller) => controller.text("type")?,
            None => None,
        };
        let scaling = bounds.iter().find(|bounds| bounds.is_of(&cluster, &name)).cloned();
        let mut fields = form::declared(attributes)?;
        if scaling.is_some() {
            fields.take(form::DESIRED_COUNT);
        }
        Ok(Self {
            region: attributes.text("region")?,
            cluster,
            name,
            task_definition: form::declared_task_definition(attributes)?,
            scaling,
            deployments: match controller.as_deref() {
                None | Some("ECS") => Deployments::Declared,
                Some(_) => Deployments::Delegated,
            },
            fields,
        })
    }
}

#[cfg(test)]
mod tests;
