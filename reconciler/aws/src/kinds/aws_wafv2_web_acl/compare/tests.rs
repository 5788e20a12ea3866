use aws_sdk_wafv2::types::{
    AllowAction, BlockAction, CountAction, CountryCode, DefaultAction, GeoMatchStatement, RuleAction,
    Statement,
};
use serde_json::json;

use super::super::sample::{block, known_bad, rate_rule, waf_rule, web_acl, web_acl_with};
use super::*;
use crate::sample;

fn declared() -> WebAcl {
    sample::declared(&sample::state()).remove(0)
}

fn findings(declared: &WebAcl, live: Option<&LiveWebAcl>) -> Vec<Finding> {
    super::findings(declared, sample::WEB_ACL, live)
}

fn geo() -> Statement {
    let geo = GeoMatchStatement::builder().country_codes(CountryCode::De).build();
    Statement::builder().geo_match_statement(geo).build()
}

/// Kind, path, declared and live of each finding.
fn described(findings: &[Finding]) -> Vec<String> {
    let described = |finding: &Finding| {
        let part = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
        let (kind, severity) = (finding.kind, finding.severity);
        format!(
            "{kind:?} {severity:?} {}: {} -> {}",
            finding.path,
            part(&finding.declared),
            part(&finding.live)
        )
    };
    findings.iter().map(described).collect()
}

#[test]
fn a_web_acl_in_sync_has_no_findings() {
    assert_eq!(findings(&declared(), Some(&web_acl())), []);
}

#[test]
fn a_web_acl_that_is_gone_is_missing() {
    let found = findings(&declared(), None);
    assert_eq!((found[0].kind, found[0].path.as_str(), found.len()), (DriftKind::Missing, "", 1));
}

#[test]
fn a_weakened_rule_is_critical() {
    let count = RuleAction::builder().count(CountAction::builder().build()).build();
    let mut live = web_acl_with(vec![rate_rule(20_000, count), known_bad()]);
    live.default_action = Some(DefaultAction::builder().block(BlockAction::builder().build()).build());
    insta::assert_snapshot!(described(&findings(&declared(), Some(&live))).join("\n"), @r#"
    Changed Critical default_action: allow -> block
    Changed Critical rule["per-ip"].action: block -> count
    Changed Critical rule["per-ip"].action[0].block[0].custom_response[0].response_code: 429 -> -
    Changed Critical rule["per-ip"].statement[0].rate_based_statement[0].limit: 2000 -> 20000
    "#);
}

#[test]
fn a_rule_narrowed_by_a_scope_is_found() {
    let mut rule = rate_rule(2000, block());
    let rate = rule.statement.as_mut().unwrap().rate_based_statement.as_mut().unwrap();
    rate.scope_down_statement = Some(Box::new(geo()));
    rate.evaluation_window_sec = 60;
    assert_eq!(
        described(&findings(&declared(), Some(&web_acl_with(vec![rule, known_bad()])))),
        [
            "Changed Critical rule[\"per-ip\"].statement[0].rate_based_statement[0].evaluation_window_sec: 300 -> 60",
            "Changed Critical rule[\"per-ip\"].statement[0].rate_based_statement[0].scope_down_statement: - -> geo_match DE",
        ]
    );
}

#[test]
fn a_statement_that_is_newer_than_this_program_is_unverifiable() {
    let rule = waf_rule("per-ip", 1, Statement::builder().build(), Some(block()));
    let found = findings(&declared(), Some(&web_acl_with(vec![rule, known_bad()])));
    let unknown = found.iter().find(|finding| finding.path == "rule[\"per-ip\"].statement").unwrap();
    assert_eq!(unknown.kind, DriftKind::Unverifiable);
    assert!(unknown.note.is_some());
}

#[test]
fn rules_are_told_apart_by_name_and_those_of_others_are_silent() {
    let allow = RuleAction::builder().allow(AllowAction::builder().build()).build();
    let live = web_acl_with(vec![
        waf_rule("ShieldMitigationRuleGroup_123456789012_x", 10_000_000, geo(), None),
        waf_rule("PREFMManaged-policy", 5, geo(), None),
        waf_rule("POSTFMManaged-policy", 6, geo(), None),
        waf_rule("let-me-in", 0, geo(), Some(allow)),
        waf_rule("watch", 7, geo(), Some(block())),
        known_bad(),
    ]);
    assert_eq!(
        described(&findings(&declared(), Some(&live))),
        [
            "Missing Critical rule[\"per-ip\"]: block on rate_based, priority 1 -> -",
            "Unmanaged Critical rule[\"let-me-in\"]: - -> allow on geo_match DE, priority 0",
            "Unmanaged Warning rule[\"watch\"]: - -> block on geo_match DE, priority 7",
        ]
    );
}

#[test]
fn rules_given_as_json_are_compared_like_blocks() {
    let json = json!([
        {"Name": "per-ip", "Priority": 1,
         "Action": {"Block": {"CustomResponse": {"ResponseCode": 429}}},
         "Statement": {"RateBasedStatement": {"Limit": 2000, "AggregateKeyType": "IP"}},
         "VisibilityConfig": {}},
        {"Name": "known-bad", "Priority": 2, "OverrideAction": {"None": {}},
         "Statement": {"ManagedRuleGroupStatement":
            {"VendorName": "AWS", "Name": "AWSManagedRulesKnownBadInputsRuleSet"}}},
    ]);
    let mut state = sample::state();
    let values = sample::values(&mut state, sample::WEB_ACL);
    values["rule"] = json!([]);
    values["rule_json"] = json!(json.to_string());
    let declared: WebAcl = sample::declared(&state).remove(0);
    assert_eq!(findings(&declared, Some(&web_acl())), []);
    let live = web_acl_with(vec![rate_rule(9999, block()), known_bad()]);
    assert_eq!(
        described(&findings(&declared, Some(&live))),
        ["Changed Critical rule[\"per-ip\"].statement[0].rate_based_statement[0].limit: 2000 -> 9999",]
    );
}

#[test]
fn hidden_rules_are_not_taken_for_none() {
    let mut state = sample::state();
    let resource = sample::resource(&mut state, sample::WEB_ACL);
    resource["values"]["rule_json"] = json!("[]");
    resource["sensitive_values"] = json!({"rule_json": true});
    assert_eq!(sample::read::<WebAcl>(&state)[0].as_ref().unwrap_err().path, "rule_json");
}
