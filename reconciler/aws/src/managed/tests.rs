use serde_json::json;

use super::*;
use crate::sample;

#[test]
fn the_kinds_are_picked_out_of_all_modules_and_nothing_else() {
    insta::assert_debug_snapshot!(sample::all());
}

#[test]
fn a_state_without_resources_manages_nothing() {
    for state in [json!({"format_version": "1.0"}), json!(null)] {
        let managed = managed(&state);
        assert!(managed.kinds.is_empty() && managed.unreadable.is_empty(), "{managed:?}");
    }
}

#[test]
fn a_deposed_object_is_not_compared() {
    let mut state = sample::state();
    sample::resource(&mut state, sample::SERVICE)["deposed_key"] = json!("4ad5a6b7");
    assert_eq!(managed(&state).addresses().collect::<Vec<_>>(), [sample::RULE, sample::WEB_ACL]);
}

#[test]
fn a_shape_that_is_not_in_the_schema_is_unreadable_and_the_others_are_read() {
    let mut state = sample::state();
    sample::values(&mut state, sample::SERVICE)["network_configuration"] = json!("none");
    let managed = managed(&state);
    assert_eq!(managed.addresses().collect::<Vec<_>>(), [sample::RULE, sample::WEB_ACL]);
    assert_eq!(managed.unreadable[0].address, sample::SERVICE);
    assert_eq!(managed.unreadable[0].reason.path, "network_configuration");
}

#[test]
fn a_sensitive_value_stays_out() {
    let mut state = sample::state();
    let service = sample::resource(&mut state, sample::SERVICE);
    service["values"]["launch_type"] = json!("hunter2");
    service["sensitive_values"] = json!({"launch_type": true});
    let managed = format!("{:?}", managed(&state));
    assert!(!managed.contains("hunter2") && managed.contains(crate::attributes::HIDDEN), "{managed}");
}
