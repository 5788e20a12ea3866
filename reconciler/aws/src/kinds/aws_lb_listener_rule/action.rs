//! Actions of a listener rule: a list, in the order in which they run; what each forwards to is a set.
//!
//! A target group named by itself is the same as forwarding to it alone, an absent weight is 1, and
//! stickiness that is off is absent. Secrets of identity providers are not compared.

use aws_sdk_elasticloadbalancingv2::types::{Action, ForwardActionConfig};

use crate::attributes::{Attributes, Unexpected};
use crate::fields::{Fields, keyed};

const TYPE: &str = "type";
const STICKINESS: &str = "forward[0].stickiness";

/// Attributes of a redirect, with AWS's default for an absent one: the request's own value.
const REDIRECT: [(&str, &str); 6] = [
    ("host", "#{host}"),
    ("path", "/#{path}"),
    ("port", "#{port}"),
    ("protocol", "#{protocol}"),
    ("query", "#{query}"),
    ("status_code", ""),
];
const FIXED: [&str; 3] = ["content_type", "message_body", "status_code"];
const COGNITO: [&str; 4] =
    ["user_pool_arn", "user_pool_client_id", "user_pool_domain", "on_unauthenticated_request"];
const OIDC: [&str; 6] = [
    "issuer",
    "authorization_endpoint",
    "token_endpoint",
    "user_info_endpoint",
    "client_id",
    "on_unauthenticated_request",
];
const JWT: [&str; 2] = ["issuer", "jwks_endpoint"];

/// The end of the path of a target's weight.
pub(super) fn target_path(target_group: &str) -> String {
    keyed("forward[0].target_group", target_group)
}

pub(super) fn declared(actions: &[Attributes<'_>], fields: &mut Fields) -> Result<(), Unexpected> {
    let mut ordered = Vec::new();
    for (index, action) in actions.iter().enumerate() {
        ordered.push((action.number("order")?.unwrap_or(0), index, declared_action(action)?));
    }
    ordered.sort_by_key(|(order, index, _)| (*order, *index));
    for (index, (_, _, action)) in ordered.into_iter().enumerate() {
        fields.put_under(&format!("action[{index}]"), action);
    }
    Ok(())
}

fn declared_action(action: &Attributes<'_>) -> Result<Fields, Unexpected> {
    let mut fields = Fields::default();
    fields.put(TYPE, action.required(TYPE)?);
    match action.block("forward")? {
        Some(forward) => {
            for target in forward.blocks("target_group")? {
                let weight = target.text("weight")?.unwrap_or_else(|| "1".to_owned());
                fields.put(target_path(&target.required("arn")?), weight);
            }
            if let Some(stickiness) = forward.block("stickiness")?
                && stickiness.text("enabled")?.as_deref() == Some("true")
            {
                fields
                    .put_some(STICKINESS, stickiness.text("duration")?.map(|seconds| format!("{seconds} s")));
            }
        }
        None => {
            if let Some(target_group) = action.text("target_group_arn")? {
                fields.put(target_path(&target_group), "1");
            }
        }
    }
    if let Some(redirect) = action.block("redirect")? {
        for (name, default) in REDIRECT {
            fields.put(
                format!("redirect[0].{name}"),
                redirect.text(name)?.unwrap_or_else(|| default.to_owned()),
            );
        }
    }
    let blocks: [(&str, &[&str]); 4] = [
        ("fixed_response", &FIXED),
        ("authenticate_cognito", &COGNITO),
        ("authenticate_oidc", &OIDC),
        ("jwt_validation", &JWT),
    ];
    for (block, names) in blocks {
        let Some(attributes) = action.block(block)? else { continue };
        for name in names {
            fields.put_some(format!("{block}[0].{name}"), attributes.text(name)?);
        }
    }
    Ok(fields)
}

pub(super) fn live(actions: &[Action], fields: &mut Fields) {
    let mut ordered: Vec<(usize, &Action)> = actions.iter().enumerate().collect();
    ordered.sort_by_key(|(index, action)| (action.order.unwrap_or(0), *index));
    for (index, (_, action)) in ordered.into_iter().enumerate() {
        fields.put_under(&format!("action[{index}]"), live_action(action));
    }
}

fn live_action(action: &Action) -> Fields {
    let mut fields = Fields::default();
    fields.put_some(TYPE, action.r#type.as_ref().map(|kind| kind.as_str()));
    match action.forward_config.as_ref().filter(|config| !config.target_groups().is_empty()) {
        Some(config) => live_forward(config, &mut fields),
        None => {
            if let Some(target_group) = &action.target_group_arn {
                fields.put(target_path(target_group), "1");
            }
        }
    }
    if let Some(redirect) = &action.redirect_config {
        let status = redirect.status_code.as_ref().map(|status| status.as_str());
        let parts: [Option<&str>; 6] = [
            redirect.host.as_deref(),
            redirect.path.as_deref(),
            redirect.port.as_deref(),
            redirect.protocol.as_deref(),
            redirect.query.as_deref(),
            status,
        ];
        for ((name, default), part) in REDIRECT.into_iter().zip(parts) {
            fields.put(format!("redirect[0].{name}"), part.unwrap_or(default));
        }
    }
    if let Some(fixed) = &action.fixed_response_config {
        let parts =
            [fixed.content_type.as_deref(), fixed.message_body.as_deref(), fixed.status_code.as_deref()];
        put_block(&mut fields, "fixed_response", &FIXED, &parts);
    }
    live_authentication(action, &mut fields);
    fields
}

fn live_forward(config: &ForwardActionConfig, fields: &mut Fields) {
    for target in config.target_groups() {
        let arn = target.target_group_arn.as_deref().unwrap_or_default();
        fields.put(target_path(arn), target.weight.unwrap_or(1).to_string());
    }
    if let Some(stickiness) = &config.target_group_stickiness_config
        && stickiness.enabled == Some(true)
    {
        fields.put_some(STICKINESS, stickiness.duration_seconds.map(|seconds| format!("{seconds} s")));
    }
}

fn live_authentication(action: &Action, fields: &mut Fields) {
    if let Some(cognito) = &action.authenticate_cognito_config {
        let unauthenticated = cognito.on_unauthenticated_request.as_ref().map(|behaviour| behaviour.as_str());
        let parts = [
            cognito.user_pool_arn.as_deref(),
            cognito.user_pool_client_id.as_deref(),
            cognito.user_pool_domain.as_deref(),
            unauthenticated,
        ];
        put_block(fields, "authenticate_cognito", &COGNITO, &parts);
    }
    if let Some(oidc) = &action.authenticate_oidc_config {
        let unauthenticated = oidc.on_unauthenticated_request.as_ref().map(|behaviour| behaviour.as_str());
        let parts = [
            oidc.issuer.as_deref(),
            oidc.authorization_endpoint.as_deref(),
            oidc.token_endpoint.as_deref(),
            oidc.user_info_endpoint.as_deref(),
            oidc.client_id.as_deref(),
            unauthenticated,
        ];
        put_block(fields, "authenticate_oidc", &OIDC, &parts);
    }
    if let Some(jwt) = &action.jwt_validation_config {
        put_block(fields, "jwt_validation", &JWT, &[jwt.issuer.as_deref(), jwt.jwks_endpoint.as_deref()]);
    }
}

fn put_block(fields: &mut Fields, block: &str, names: &[&str], parts: &[Option<&str>]) {
    for (name, part) in names.iter().zip(parts) {
        fields.put_some(format!("{block}[0].{name}"), part.filter(|part| !part.is_empty()));
    }
}

#[cfg(test)]
mod tests {
    use aws_sdk_elasticloadbalancingv2::types::{
        ActionTypeEnum, FixedResponseActionConfig, RedirectActionConfig, RedirectActionStatusCodeEnum,
        TargetGroupStickinessConfig, TargetGroupTuple,
    };
    use serde_json::json;

    use super::*;

    fn declared_of(state: &serde_json::Value) -> Fields {
        let mut fields = Fields::default();
        declared(&Attributes::of(state).blocks("action").unwrap(), &mut fields).unwrap();
        fields
    }

    fn live_of(actions: &[Action]) -> Fields {
        let mut fields = Fields::default();
        live(actions, &mut fields);
        fields
    }

    fn forward(targets: &[(&str, i32)]) -> Action {
        let stickiness = TargetGroupStickinessConfig::builder().enabled(false).build();
        let config = targets.iter().fold(
            ForwardActionConfig::builder().target_group_stickiness_config(stickiness),
            |config, (arn, weight)| {
                config
                    .target_groups(TargetGroupTuple::builder().target_group_arn(*arn).weight(*weight).build())
            },
        );
        Action::builder().r#type(ActionTypeEnum::Forward).forward_config(config.build()).build()
    }

    #[test]
    fn a_target_group_by_itself_is_a_forward_to_it_alone() {
        let scalar = declared_of(&json!({"action": [
            {"type": "forward", "target_group_arn": "arn:a", "forward": [], "order": 1},
        ]}));
        let block = declared_of(&json!({"action": [
            {"type": "forward", "target_group_arn": "", "forward": [
                {"target_group": [{"arn": "arn:a", "weight": null}], "stickiness": [{"enabled": false, "duration": 1}]},
            ]},
        ]}));
        assert_eq!(scalar, block);
        assert_eq!(scalar, live_of(&[forward(&[("arn:a", 1)])]));
        let legacy = Action::builder().r#type(ActionTypeEnum::Forward).target_group_arn("arn:a").build();
        assert_eq!(scalar, live_of(&[legacy]));
    }

    #[test]
    fn the_order_of_targets_does_not_count_and_their_weights_do() {
        let state = declared_of(&json!({"action": [{"type": "forward", "forward": [
            {"target_group": [{"arn": "arn:b", "weight": 10}, {"arn": "arn:a", "weight": 90}]},
        ]}]}));
        assert_eq!(state, live_of(&[forward(&[("arn:a", 90), ("arn:b", 10)])]));
        let found = state.differences(&live_of(&[forward(&[("arn:a", 50), ("arn:b", 50)])]));
        assert_eq!(found.len(), 2);
        assert_eq!(found[0].path, "action[0].forward[0].target_group[\"arn:a\"]");
    }

    #[test]
    fn the_order_of_actions_counts() {
        let fixed = FixedResponseActionConfig::builder()
            .status_code("403")
            .content_type("text/plain")
            .message_body("");
        let fixed = Action::builder()
            .r#type(ActionTypeEnum::FixedResponse)
            .fixed_response_config(fixed.build())
            .order(2)
            .build();
        let mut first = forward(&[("arn:a", 1)]);
        first.order = Some(1);
        let state = |first: i64, second: i64| {
            declared_of(&json!({"action": [
                {"type": "fixed-response", "order": first, "fixed_response": [
                    {"content_type": "text/plain", "message_body": null, "status_code": "403"},
                ]},
                {"type": "forward", "order": second, "target_group_arn": "arn:a"},
            ]}))
        };
        let live = live_of(&[fixed, first]);
        assert_eq!(state(2, 1), live);
        assert_ne!(state(1, 2), live);
    }

    #[test]
    fn an_absent_part_of_a_redirect_is_the_requests_own() {
        let state = declared_of(&json!({"action": [{"type": "redirect", "redirect": [
            {"host": null, "path": "/#{path}", "port": "443", "protocol": "HTTPS", "query": null, "status_code": "HTTP_301"},
        ]}]}));
        let redirect = RedirectActionConfig::builder()
            .host("#{host}")
            .query("#{query}")
            .port("443")
            .protocol("HTTPS")
            .status_code(RedirectActionStatusCodeEnum::Http301)
            .build();
        let live = Action::builder().r#type(ActionTypeEnum::Redirect).redirect_config(redirect).build();
        assert_eq!(state, live_of(&[live]));
    }
}
