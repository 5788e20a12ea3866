//! For tests: the state of `tests/fixtures/state.json`. What AWS says when nothing has changed since is beside each kind.

use serde_json::Value;

use crate::attributes::Unexpected;
use crate::kind::Kind;
use crate::managed::{Managed, managed};
use crate::state::State;

pub(crate) const SERVICE: &str = "module.gateway.aws_ecs_service.gateway";
pub(crate) const RULE: &str = "aws_lb_listener_rule.chat";
pub(crate) const WEB_ACL: &str = "aws_wafv2_web_acl.gateway[0]";
/// The state as Terraform writes it.
pub(crate) fn state() -> Value {
    serde_json::from_str(include_str!("../tests/fixtures/state.json")).unwrap()
}

/// The values of a resource of the state, to be changed.
pub(crate) fn values<'a>(state: &'a mut Value, address: &str) -> &'a mut Value {
    &mut resource(state, address)["values"]
}

/// A resource of the state, to be changed.
pub(crate) fn resource<'a>(state: &'a mut Value, address: &str) -> &'a mut Value {
    let root = &mut state["values"]["root_module"];
    let resources = match address.starts_with("module.") {
        true => &mut root["child_modules"][0]["resources"],
        false => &mut root["resources"],
    };
    resources.as_array_mut().unwrap().iter_mut().find(|resource| resource["address"] == address).unwrap()
}

/// Adds a resource to the root module.
pub(crate) fn add(state: &mut Value, kind: &str, values: &Value) {
    let resource = serde_json::json!({
        "address": format!("{kind}.added"), "mode": "managed", "type": kind, "values": values, "sensitive_values": {},
    });
    state["values"]["root_module"]["resources"].as_array_mut().unwrap().push(resource);
}

/// What is managed, as it stands in the file.
pub(crate) fn all() -> Managed {
    managed(&state())
}

/// What a state declares of one kind, all of which can be read.
pub(crate) fn declared<K: Kind>(state: &Value) -> Vec<K> {
    read(state).into_iter().map(Result::unwrap).collect()
}

/// What a state declares of one kind, or why that cannot be read.
pub(crate) fn read<K: Kind>(state: &Value) -> Vec<Result<K, Unexpected>> {
    K::declared(&State::of(state)).into_iter().map(|declared| declared.read).collect()
}
