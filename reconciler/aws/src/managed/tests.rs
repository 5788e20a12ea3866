use serde_json::json;

use super::*;
use crate::attributes::HIDDEN;
use crate::sample;

#[test]
fn the_three_kinds_are_picked_out_of_all_modules_and_nothing_else() {
    insta::assert_debug_snapshot!(sample::all());
}

#[test]
fn a_state_without_resources_manages_nothing() {
    assert_eq!(managed(&json!({"format_version": "1.0"})), Managed::default());
    assert_eq!(managed(&json!(null)), Managed::default());
}

#[test]
fn a_deposed_object_is_not_compared() {
    let mut state = sample::state();
    sample::resource(&mut state, sample::SERVICE)["deposed_key"] = json!("4ad5a6b7");
    assert_eq!(managed(&state).services, []);
}

#[test]
fn a_shape_that_is_not_in_the_schema_is_unreadable_and_the_others_are_read() {
    let mut state = sample::state();
    sample::values(&mut state, sample::SERVICE)["network_configuration"] = json!("none");
    let managed = managed(&state);
    assert_eq!((managed.services.len(), managed.listener_rules.len(), managed.web_acls.len()), (0, 1, 1));
    assert_eq!(managed.unreadable[0].address, sample::SERVICE);
    assert_eq!(managed.unreadable[0].reason.path, "network_configuration");
}

#[test]
fn a_sensitive_value_stays_out() {
    let mut state = sample::state();
    let service = sample::resource(&mut state, sample::SERVICE);
    service["values"]["launch_type"] = json!("hunter2");
    service["sensitive_values"] = json!({"launch_type": true, "task_definition": true});
    let managed = managed(&state);
    assert!(!format!("{managed:?}").contains("hunter2"));
    assert_eq!(managed.services[0].task_definition, None);
    assert_eq!(managed.services[0].fields.get("launch_type"), Some(HIDDEN));
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
        let service = managed(&state).services.remove(0);
        (
            service.autoscaled.map(|band| (band.min, band.max)),
            service.fields.get("desired_count").map(str::to_owned),
        )
    };
    assert_eq!(target("service/ai-gateway/gateway", "ecs:service:DesiredCount"), (Some((2, 8)), None));
    let declared = (None, Some("2".to_owned()));
    assert_eq!(target("service/ai-gateway/other", "ecs:service:DesiredCount"), declared);
    assert_eq!(target("service/ai-gateway/gateway", "ecs:service:Other"), declared);
}

#[test]
fn a_service_that_shifts_traffic_names_its_rule_and_targets() {
    let mut state = sample::state();
    let rule = sample::all().listener_rules.remove(0).at.arn;
    sample::values(&mut state, sample::SERVICE)["load_balancer"][0]["advanced_configuration"] = json!([{
        "alternate_target_group_arn": sample::NEXT, "production_listener_rule": rule, "role_arn": "arn:role",
        "test_listener_rule": null,
    }]);
    let pair = managed(&state).listener_rules.remove(0).shifted.unwrap();
    assert_eq!(pair.service, sample::SERVICE);
    assert_eq!(pair.target_groups, [sample::STABLE, sample::NEXT]);
    assert_eq!(sample::all().listener_rules[0].shifted, None);
}
