//! Fields that another controller owns, and the bounds in which it may move them.
//!
//! Inside its bounds such a field is quiet; outside it is drift of a kind of its own. The bounds are declared too:
//! they stand in the same state.

use super::Service;
use crate::attributes::{Attributes, Unexpected};
use crate::kind::Kind as _;
use crate::state::State;

/// How far an autoscaler may move a service's desired count (`aws_appautoscaling_target`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ScalingBounds {
    /// `service/CLUSTER/NAME`.
    resource_id: String,
    pub(super) min: i64,
    pub(super) max: i64,
}

impl ScalingBounds {
    pub(super) fn is_of(&self, cluster: &str, service: &str) -> bool {
        let cluster = cluster.rsplit('/').next().unwrap_or(cluster);
        self.resource_id == format!("service/{cluster}/{service}")
    }
}

/// The target groups between which ECS shifts a service's traffic (`load_balancer.advanced_configuration`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::kinds) struct TrafficShift {
    /// Address of the service that says so.
    pub(in crate::kinds) service: String,
    /// ARNs of the listener rules on which it happens.
    pub(in crate::kinds) rules: Vec<String>,
    /// ARNs of the two target groups.
    pub(in crate::kinds) target_groups: Vec<String>,
}

/// All autoscalers' bounds in a state. One that cannot be read bounds nothing, so the declared count is compared.
pub(super) fn scaling_bounds(state: &State<'_>) -> Vec<ScalingBounds> {
    let targets = state.read(&["aws_appautoscaling_target"], bounds);
    targets.into_iter().filter_map(|target| target.read.ok().flatten()).collect()
}

fn bounds(target: &Attributes<'_>) -> Result<Option<ScalingBounds>, Unexpected> {
    let dimension = target.text("scalable_dimension")?;
    let (min, max) = (target.number("min_capacity")?, target.number("max_capacity")?);
    let is_count = dimension.as_deref() == Some("ecs:service:DesiredCount");
    let resource_id = target.required("resource_id")?;
    Ok(min.zip(max).filter(|_| is_count).map(|(min, max)| ScalingBounds { resource_id, min, max }))
}

/// All shifts of traffic that the services of a state declare.
pub(in crate::kinds) fn traffic_shifts(state: &State<'_>) -> Vec<TrafficShift> {
    let services = state.read(Service::TYPES, shifts).into_iter();
    let shifts = services.filter_map(|service| Some((service.address, service.read.ok()?)));
    let named = |(service, shifts): (String, Vec<TrafficShift>)| {
        shifts.into_iter().map(move |shift| TrafficShift { service: service.clone(), ..shift })
    };
    shifts.flat_map(named).collect()
}

/// A service's shifts, its address still to be filled in.
fn shifts(service: &Attributes<'_>) -> Result<Vec<TrafficShift>, Unexpected> {
    let mut found = Vec::new();
    for load_balancer in service.blocks("load_balancer")? {
        let Some(shifting) = load_balancer.block("advanced_configuration")? else { continue };
        let texts = [
            shifting.text("production_listener_rule")?,
            shifting.text("test_listener_rule")?,
            load_balancer.text("target_group_arn")?,
            shifting.text("alternate_target_group_arn")?,
        ];
        let [production, test, target_group, alternate] = texts;
        found.push(TrafficShift {
            service: String::new(),
            rules: production.into_iter().chain(test).collect(),
            target_groups: target_group.into_iter().chain(alternate).collect(),
        });
    }
    Ok(found)
}
