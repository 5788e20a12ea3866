//! Fields that another controller owns, and the bounds in which it may move them.
//!
//! Inside its bounds such a field is quiet; outside it is drift of a kind of its own. The bounds are declared too:
//! they stand in the same state.

use crate::attributes::{Attributes, Unexpected};
use crate::reads::ServiceAt;

use super::resources::Resource;

/// How far an autoscaler may move a service's desired count (`aws_appautoscaling_target`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Band {
    /// `service/CLUSTER/NAME`.
    resource_id: String,
    /// Smallest count.
    pub min: i64,
    /// Largest count.
    pub max: i64,
}

impl Band {
    /// Whether it is about that service.
    pub(super) fn is_of(&self, at: &ServiceAt) -> bool {
        let cluster = at.cluster.rsplit('/').next().unwrap_or(&at.cluster);
        self.resource_id == format!("service/{cluster}/{}", at.name)
    }
}

/// The target groups between which ECS shifts a service's traffic (`load_balancer.advanced_configuration`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pair {
    /// Address of the service that says so.
    pub service: String,
    /// The listener rules on which it happens.
    pub rules: Vec<String>,
    /// The two target groups.
    pub target_groups: Vec<String>,
}

/// All autoscalers' bounds in a state. One that cannot be read bounds nothing, so the declared count is compared.
pub(super) fn bands(resources: &[Resource]) -> Vec<Band> {
    let targets = resources.iter().filter(|resource| resource.kind == "aws_appautoscaling_target");
    targets.filter_map(|target| band(&Attributes::of(&target.values)).ok().flatten()).collect()
}

fn band(target: &Attributes<'_>) -> Result<Option<Band>, Unexpected> {
    let dimension = target.text("scalable_dimension")?;
    let (min, max) = (target.number("min_capacity")?, target.number("max_capacity")?);
    let is_count = dimension.as_deref() == Some("ecs:service:DesiredCount");
    let resource_id = target.required("resource_id")?;
    Ok(min.zip(max).filter(|_| is_count).map(|(min, max)| Band { resource_id, min, max }))
}

/// All pairs in a state.
pub(super) fn pairs(resources: &[Resource]) -> Vec<Pair> {
    let services = resources.iter().filter(|resource| resource.kind == "aws_ecs_service");
    services.filter_map(|service| pairs_of(service).ok()).flatten().collect()
}

fn pairs_of(service: &Resource) -> Result<Vec<Pair>, Unexpected> {
    let mut found = Vec::new();
    for load_balancer in Attributes::of(&service.values).blocks("load_balancer")? {
        let Some(shifting) = load_balancer.block("advanced_configuration")? else { continue };
        let texts = [
            shifting.text("production_listener_rule")?,
            shifting.text("test_listener_rule")?,
            load_balancer.text("target_group_arn")?,
            shifting.text("alternate_target_group_arn")?,
        ];
        let [production, test, target_group, alternate] = texts;
        found.push(Pair {
            service: service.address.clone(),
            rules: production.into_iter().chain(test).collect(),
            target_groups: target_group.into_iter().chain(alternate).collect(),
        });
    }
    Ok(found)
}
