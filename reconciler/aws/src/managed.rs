//! What Terraform manages of the three kinds that we compare, picked out of its state.
//!
//! In: the JSON of `terraform show -json` of a state, redacted or not. Out: [`Managed`]. What is marked sensitive
//! there is masked before anything is read.

mod delegated;
mod resources;

use serde_json::Value;

use crate::attributes::{Attributes, Unexpected};
use crate::normalise::{listener_rule, service, web_acl};
use crate::reads::{ListenerRuleAt, Scope, ServiceAt, WebAclAt};
use delegated::{bands, pairs};
use resources::{Resource, resources};

pub use crate::fields::Fields;
pub use crate::normalise::task_definition::TaskDefinition;
pub use crate::normalise::web_acl::WebAclForm;
pub use delegated::{Band, Pair};

/// What a state has of the kinds that are compared.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Managed {
    /// `aws_ecs_service`.
    pub services: Vec<Service>,
    /// `aws_lb_listener_rule`, and `aws_alb_listener_rule`, its other name.
    pub listener_rules: Vec<ListenerRule>,
    /// `aws_wafv2_web_acl`.
    pub web_acls: Vec<WebAcl>,
    /// Resources of these kinds whose attributes have a shape that we do not know.
    pub unreadable: Vec<Unreadable>,
}

/// An ECS service as the state has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Service {
    /// Its Terraform address.
    pub address: String,
    /// Where it is read.
    pub at: ServiceAt,
    /// Its task definition.
    pub task_definition: Option<TaskDefinition>,
    /// Bounds of the desired count, when an autoscaler owns it.
    pub autoscaled: Option<Band>,
    /// Whose deployments change the task definition.
    pub deployments: Deployments,
    /// Everything else that is compared.
    pub fields: Fields,
}

/// Whose deployments change a service's task definition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deployments {
    /// Terraform's, through ECS: the revision is declared.
    Declared,
    /// Another controller's (CodeDeploy, task sets): only the family is declared.
    Delegated,
}

/// A listener rule as the state has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListenerRule {
    /// Its Terraform address.
    pub address: String,
    /// Where it is read.
    pub at: ListenerRuleAt,
    /// The target groups between which ECS shifts traffic on this rule, when a service says so.
    pub shifted: Option<Pair>,
    /// What is compared.
    pub fields: Fields,
}

/// A web ACL as the state has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebAcl {
    /// Its Terraform address.
    pub address: String,
    /// Where it is read.
    pub at: WebAclAt,
    /// What is compared.
    pub form: WebAclForm,
}

/// A resource that we cannot compare.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unreadable {
    /// Its Terraform address.
    pub address: String,
    /// Why.
    pub reason: Unexpected,
}

/// Picks the three kinds out of a state.
#[must_use]
pub fn managed(state: &Value) -> Managed {
    let resources = resources(state);
    let mut managed = Managed::default();
    let (bands, pairs) = (bands(&resources), pairs(&resources));
    for resource in &resources {
        let attributes = Attributes::of(&resource.values);
        let read = match resource.kind.as_str() {
            "aws_ecs_service" => {
                read_service(resource, &attributes, &bands).map(|found| managed.services.push(found))
            }
            "aws_lb_listener_rule" | "aws_alb_listener_rule" => {
                read_rule(resource, &attributes, &pairs).map(|found| managed.listener_rules.push(found))
            }
            "aws_wafv2_web_acl" => {
                read_web_acl(resource, &attributes).map(|found| managed.web_acls.push(found))
            }
            _ => Ok(()),
        };
        if let Err(reason) = read {
            managed.unreadable.push(Unreadable { address: resource.address.clone(), reason });
        }
    }
    managed
}

fn read_service(
    resource: &Resource,
    attributes: &Attributes<'_>,
    bands: &[Band],
) -> Result<Service, Unexpected> {
    let cluster = attributes.text("cluster")?.unwrap_or_else(|| "default".to_owned());
    let at = ServiceAt { region: attributes.text("region")?, cluster, name: attributes.required("name")? };
    let controller = match attributes.block("deployment_controller")? {
        Some(controller) => controller.text("type")?,
        None => None,
    };
    let autoscaled = bands.iter().find(|band| band.is_of(&at)).cloned();
    let mut fields = service::declared(attributes)?;
    if autoscaled.is_some() {
        fields.take(service::DESIRED_COUNT);
    }
    Ok(Service {
        address: resource.address.clone(),
        at,
        task_definition: service::declared_task_definition(attributes)?,
        autoscaled,
        deployments: match controller.as_deref() {
            None | Some("ECS") => Deployments::Declared,
            Some(_) => Deployments::Delegated,
        },
        fields,
    })
}

fn read_rule(
    resource: &Resource,
    attributes: &Attributes<'_>,
    pairs: &[Pair],
) -> Result<ListenerRule, Unexpected> {
    let at = ListenerRuleAt { region: attributes.text("region")?, arn: attributes.required("arn")? };
    Ok(ListenerRule {
        address: resource.address.clone(),
        shifted: pairs.iter().find(|pair| pair.rules.contains(&at.arn)).cloned(),
        fields: listener_rule::declared(attributes)?,
        at,
    })
}

fn read_web_acl(resource: &Resource, attributes: &Attributes<'_>) -> Result<WebAcl, Unexpected> {
    let scope = match attributes.required("scope")?.as_str() {
        "REGIONAL" => Scope::Regional,
        "CLOUDFRONT" => Scope::CloudFront,
        _ => return Err(attributes.unexpected("scope", "REGIONAL or CLOUDFRONT")),
    };
    let at = WebAclAt {
        region: attributes.text("region")?,
        scope,
        name: attributes.required("name")?,
        id: attributes.required("id")?,
    };
    Ok(WebAcl { address: resource.address.clone(), at, form: web_acl::declared(attributes)? })
}

#[cfg(test)]
mod tests;
