use aws_sdk_wafv2::types::{
    FallbackBehavior, ForwardedIpConfig, RateBasedStatementAggregateKeyType, RateBasedStatementCustomKey,
    RateLimitHeader, TextTransformation, TextTransformationType,
};
use serde_json::json;

use super::super::sample;
use super::*;

fn declared_of(rate: &serde_json::Value) -> Fields {
    declared_rate(&Attributes::of(rate)).unwrap()
}

#[test]
fn an_absent_window_and_key_are_awss_defaults() {
    let rate =
        RateBasedStatement::builder().limit(2000).aggregate_key_type(RateBasedStatementAggregateKeyType::Ip);
    let live = live_rate(&rate.build().unwrap());
    for (window, key) in [(json!(null), json!(null)), (json!(0), json!("")), (json!(300), json!("IP"))] {
        let state = json!({"limit": 2000, "evaluation_window_sec": window, "aggregate_key_type": key});
        assert_eq!(declared_of(&state), live);
    }
}

#[test]
fn header_names_have_no_case_and_keys_have_no_order() {
    let header = |name: &str| {
        let transformation = TextTransformation::builder().priority(0).r#type(TextTransformationType::None);
        let header =
            RateLimitHeader::builder().name(name).text_transformations(transformation.build().unwrap());
        RateBasedStatementCustomKey::builder().header(header.build().unwrap()).build()
    };
    let forwarded = ForwardedIpConfig::builder()
        .header_name("x-forwarded-for")
        .fallback_behavior(FallbackBehavior::Match)
        .build()
        .unwrap();
    let live = RateBasedStatement::builder()
        .limit(100)
        .aggregate_key_type(RateBasedStatementAggregateKeyType::CustomKeys)
        .forwarded_ip_config(forwarded)
        .custom_keys(header("x-b"))
        .custom_keys(header("x-a"))
        .build()
        .unwrap();
    let state = json!({
        "limit": 100, "aggregate_key_type": "CUSTOM_KEYS",
        "forwarded_ip_config": [{"header_name": "X-Forwarded-For", "fallback_behavior": "MATCH"}],
        "custom_key": [{"header": [{"name": "X-A"}]}, {"header": [{"name": "X-B"}]}],
    });
    assert_eq!(declared_of(&state), live_rate(&live));
}

#[test]
fn a_hidden_name_of_a_rule_is_an_error() {
    let state = json!({"rule": [{"name": HIDDEN, "priority": 1}]});
    assert_eq!(declared(&Attributes::of(&state)).unwrap_err().path, "rule[0].name");
}

#[test]
fn a_live_web_acl_is_keyed_by_rule_names() {
    let live = live(&sample::web_acl());
    assert_eq!(live.rules.keys().collect::<Vec<_>>(), ["known-bad", "per-ip"]);
    assert_eq!(live.rules["known-bad"].get(OVERRIDE), Some("none"));
}
