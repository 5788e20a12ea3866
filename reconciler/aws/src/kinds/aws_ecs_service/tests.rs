use aws_sdk_ecs::types::Failure;
use serde_json::{Value, json};

use super::*;
use crate::attributes::HIDDEN;
use crate::sample;

fn service(state: &Value) -> Service {
    sample::declared(state).remove(0)
}

#[test]
fn an_autoscaler_bounds_its_own_service_only() {
    let target = |resource_id: &str, dimension: &str| {
        let mut state = sample::state();
        let values = json!({
            "resource_id": resource_id, "scalable_dimension": dimension, "service_namespace": "ecs",
            "min_capacity": 2, "max_capacity": 8,
        });
        sample::add(&mut state, "aws_appautoscaling_target", &values);
        let service = service(&state);
        (
            service.scaling.map(|bounds| (bounds.min, bounds.max)),
            service.fields.get("desired_count").map(str::to_owned),
        )
    };
    assert_eq!(target("service/ai-gateway/gateway", "ecs:service:DesiredCount"), (Some((2, 8)), None));
    let declared = (None, Some("2".to_owned()));
    assert_eq!(target("service/ai-gateway/other", "ecs:service:DesiredCount"), declared);
    assert_eq!(target("service/ai-gateway/gateway", "ecs:service:Other"), declared);
}

#[test]
fn a_sensitive_task_definition_is_not_compared() {
    let mut state = sample::state();
    let resource = sample::resource(&mut state, sample::SERVICE);
    resource["sensitive_values"] = json!({"launch_type": true, "task_definition": true});
    let service = service(&state);
    assert_eq!(service.task_definition, None);
    assert_eq!(service.fields.get("launch_type"), Some(HIDDEN));
}

#[test]
fn a_failure_is_of_the_service_that_it_names() {
    let failure = |name: &str, reason: &str| {
        Failure::builder()
            .arn(format!("arn:aws:ecs:us-east-1:123456789012:service/ai-gateway/{name}"))
            .reason(reason)
            .build()
    };
    let of = |failures: &[Failure]| {
        let answer = DescribeServicesOutput::builder().set_failures(Some(failures.to_vec())).build();
        let found = service(&sample::state()).find(&answer).map(|live| live.is_none());
        found.map_err(|error| error.to_string())
    };
    assert_eq!(of(&[failure("other", "ACCESS"), failure("gateway", "MISSING")]), Ok(true));
    let denied = "ecs:DescribeServices failed: ACCESS: ".to_owned();
    assert_eq!(of(&[failure("other", "MISSING"), failure("gateway", "ACCESS")]), Err(denied));
    let unreadable = Err("ecs:DescribeServices gave an answer that cannot be read".to_owned());
    assert_eq!(of(&[failure("other", "MISSING")]), unreadable);
    // One that names nobody could be of anybody.
    assert_eq!(of(&[Failure::builder().reason("MISSING").build()]), unreadable);
}
