use serde_json::json;

use super::sample::{NEXT, STABLE};
use super::*;
use crate::sample as state;

#[test]
fn a_service_that_shifts_traffic_names_its_rule_and_targets() {
    let mut with_shift = state::state();
    let arn = state::declared::<ListenerRule>(&with_shift).remove(0).arn;
    state::values(&mut with_shift, state::SERVICE)["load_balancer"][0]["advanced_configuration"] = json!([{
        "alternate_target_group_arn": NEXT, "production_listener_rule": arn, "role_arn": "arn:role",
        "test_listener_rule": null,
    }]);
    let shift = state::declared::<ListenerRule>(&with_shift).remove(0).traffic_shift.unwrap();
    assert_eq!(shift.service, state::SERVICE);
    assert_eq!(shift.target_groups, [STABLE, NEXT]);
    assert_eq!(state::declared::<ListenerRule>(&state::state()).remove(0).traffic_shift, None);
}

#[test]
fn the_older_name_of_the_type_is_the_same_kind() {
    let mut aliased = state::state();
    state::resource(&mut aliased, state::RULE)["type"] = json!("aws_alb_listener_rule");
    assert_eq!(state::declared::<ListenerRule>(&aliased).len(), 1);
}

#[test]
fn a_rule_is_found_by_its_arn_and_another_is_no_answer() {
    let rule = state::declared::<ListenerRule>(&state::state()).remove(0);
    let answer = |arn: &str| {
        let other = Rule::builder().rule_arn("arn:other").build();
        DescribeRulesOutput::builder().rules(other).rules(Rule::builder().rule_arn(arn).build()).build()
    };
    let found = answer(&rule.arn);
    assert_eq!(rule.find(&found).unwrap().unwrap().rule_arn.as_ref(), Some(&rule.arn));
    assert!(matches!(rule.find(&answer("arn:third")), Err(ReadError::Unreadable { .. })));
}
