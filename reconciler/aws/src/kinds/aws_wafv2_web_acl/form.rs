//! Declared and live in one form, in which equal means equal: a default action, and rules keyed by their names.

use std::collections::BTreeMap;

use aws_sdk_wafv2::types::{
    BlockAction, DefaultAction, OverrideAction, RateBasedStatement, Rule, RuleAction, WebAcl,
};

use super::{custom_key, rule_json, statement};
use crate::attributes::{Attributes, HIDDEN, Unexpected};
use crate::fields::{Fields, UNKNOWN};

/// Path of what happens to requests that no rule decides about.
pub(super) const DEFAULT_ACTION: &str = "default_action";
/// Path of a rule's action, inside the rule.
pub(super) const ACTION: &str = "action";
const OVERRIDE: &str = "override_action";
/// Path of a rule's priority, inside the rule.
pub(super) const PRIORITY: &str = "priority";
/// Path of a rule's statement, inside the rule.
pub(super) const STATEMENT: &str = "statement";
const RESPONSE: &str = "block[0].custom_response[0].response_code";
const RATE: &str = "statement[0].rate_based_statement[0]";

/// AWS's defaults.
const WINDOW_DEFAULT: i64 = 300;
const KEY_DEFAULT: &str = "IP";

#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Form {
    /// What it has of its own.
    pub(super) fields: Fields,
    /// By name.
    pub(super) rules: BTreeMap<String, Fields>,
}

pub(super) fn declared(web_acl: &Attributes<'_>) -> Result<Form, Unexpected> {
    let mut form = Form::default();
    if let Some(default) = web_acl.block(DEFAULT_ACTION)? {
        declared_action(&default, DEFAULT_ACTION, &["allow", "block"], &mut form.fields)?;
    }
    match web_acl.text("rule_json")? {
        Some(text) => {
            let expected = "a list of rules that is not sensitive";
            let blocks =
                rule_json::as_blocks(&text).ok_or_else(|| web_acl.unexpected("rule_json", expected))?;
            let blocks = serde_json::json!({"rule": blocks});
            form.rules = declared_rules(&Attributes::of(&blocks))?;
        }
        None => form.rules = declared_rules(web_acl)?,
    }
    Ok(form)
}

fn declared_rules(web_acl: &Attributes<'_>) -> Result<BTreeMap<String, Fields>, Unexpected> {
    let rules = web_acl.blocks("rule")?;
    rules.iter().map(|rule| Ok((declared_name(rule)?, declared_rule(rule)?))).collect()
}

/// Rules are told apart by their names, so a hidden name leaves nothing to compare.
fn declared_name(rule: &Attributes<'_>) -> Result<String, Unexpected> {
    let name = rule.required("name")?;
    if name.contains(HIDDEN) {
        Err(rule.unexpected("name", "a name that is not sensitive"))
    } else {
        Ok(name)
    }
}

fn declared_rule(rule: &Attributes<'_>) -> Result<Fields, Unexpected> {
    const KINDS: [&str; 5] = ["allow", "block", "count", "captcha", "challenge"];
    let mut fields = Fields::default();
    fields.put(PRIORITY, rule.required("priority")?);
    if let Some(action) = rule.block(ACTION)? {
        declared_action(&action, ACTION, &KINDS, &mut fields)?;
    }
    if let Some(action) = rule.block(OVERRIDE)? {
        declared_action(&action, OVERRIDE, &["count", "none"], &mut fields)?;
    }
    let Some(looked_at) = rule.block(STATEMENT)? else { return Ok(fields) };
    fields.put(STATEMENT, statement::declared(&looked_at)?);
    if let Some(rate) = looked_at.block("rate_based_statement")? {
        fields.put_under(RATE, declared_rate(&rate)?);
    }
    Ok(fields)
}

fn declared_action(
    action: &Attributes<'_>,
    path: &str,
    kinds: &[&str],
    fields: &mut Fields,
) -> Result<(), Unexpected> {
    for kind in kinds {
        let Some(block) = action.block(kind)? else { continue };
        fields.put(path, *kind);
        if let Some(response) = block.block("custom_response")? {
            fields.put_some(format!("{path}[0].{RESPONSE}"), response.text("response_code")?);
        }
    }
    Ok(())
}

fn declared_rate(rate: &Attributes<'_>) -> Result<Fields, Unexpected> {
    let mut fields = Fields::default();
    fields.put("limit", rate.required("limit")?);
    let window = rate.text("evaluation_window_sec")?.filter(|window| window != "0");
    fields.put("evaluation_window_sec", window.unwrap_or_else(|| WINDOW_DEFAULT.to_string()));
    fields.put(
        "aggregate_key_type",
        rate.text("aggregate_key_type")?.unwrap_or_else(|| KEY_DEFAULT.to_owned()),
    );
    if let Some(forwarded) = rate.block("forwarded_ip_config")? {
        let header = forwarded.text("header_name")?.map(|name| name.to_ascii_lowercase());
        fields.put_some("forwarded_ip_config[0].header_name", header);
        fields.put_some("forwarded_ip_config[0].fallback_behavior", forwarded.text("fallback_behavior")?);
    }
    let keys = rate.blocks("custom_key")?;
    fields.put_set("custom_key", &keys.iter().map(custom_key::declared).collect::<Result<Vec<_>, _>>()?);
    if let Some(scope) = rate.block("scope_down_statement")? {
        fields.put("scope_down_statement", statement::declared(&scope)?);
    }
    Ok(fields)
}

pub(super) fn live(web_acl: &WebAcl) -> Form {
    let mut fields = Fields::default();
    if let Some(DefaultAction { allow, block, .. }) = &web_acl.default_action {
        let kind = if block.is_some() { Some("block") } else { allow.as_ref().map(|_| "allow") };
        fields.put_some(DEFAULT_ACTION, kind);
        live_response(DEFAULT_ACTION, block.as_ref(), &mut fields);
    }
    Form { fields, rules: web_acl.rules().iter().map(|rule| (rule.name.clone(), live_rule(rule))).collect() }
}

fn live_rule(rule: &Rule) -> Fields {
    let mut fields = Fields::default();
    fields.put(PRIORITY, rule.priority.to_string());
    if let Some(action) = &rule.action {
        fields.put(ACTION, live_action(action));
        live_response(ACTION, action.block.as_ref(), &mut fields);
    }
    if let Some(OverrideAction { count, none, .. }) = &rule.override_action {
        let kind = if count.is_some() { Some("count") } else { none.as_ref().map(|_| "none") };
        fields.put_some(OVERRIDE, kind);
    }
    if let Some(looked_at) = &rule.statement {
        fields.put(STATEMENT, statement::live(looked_at));
        if let Some(rate) = &looked_at.rate_based_statement {
            fields.put_under(RATE, live_rate(rate));
        }
    }
    fields
}

fn live_action(action: &RuleAction) -> &'static str {
    let kinds = [
        (action.allow.is_some(), "allow"),
        (action.block.is_some(), "block"),
        (action.count.is_some(), "count"),
        (action.captcha.is_some(), "captcha"),
        (action.challenge.is_some(), "challenge"),
    ];
    kinds.iter().find(|(is_there, _)| *is_there).map_or(UNKNOWN, |(_, kind)| kind)
}

fn live_response(path: &str, block: Option<&BlockAction>, fields: &mut Fields) {
    let response = block.and_then(|block| block.custom_response.as_ref());
    fields.put_some(
        format!("{path}[0].{RESPONSE}"),
        response.map(|response| response.response_code.to_string()),
    );
}

fn live_rate(rate: &RateBasedStatement) -> Fields {
    let mut fields = Fields::default();
    fields.put("limit", rate.limit.to_string());
    let window = if rate.evaluation_window_sec == 0 { WINDOW_DEFAULT } else { rate.evaluation_window_sec };
    fields.put("evaluation_window_sec", window.to_string());
    fields.put("aggregate_key_type", rate.aggregate_key_type.as_str());
    if let Some(forwarded) = &rate.forwarded_ip_config {
        fields.put("forwarded_ip_config[0].header_name", forwarded.header_name.to_ascii_lowercase());
        fields.put("forwarded_ip_config[0].fallback_behavior", forwarded.fallback_behavior.as_str());
    }
    let keys: Vec<String> = rate.custom_keys().iter().map(custom_key::live).collect();
    fields.put_set("custom_key", &keys);
    fields.put_some("scope_down_statement", rate.scope_down_statement.as_deref().map(statement::live));
    fields
}

#[cfg(test)]
mod tests;
