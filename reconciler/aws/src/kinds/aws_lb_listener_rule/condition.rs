//! Conditions of a listener rule: a set, keyed by the field they look at; their values are sets too.
//!
//! AWS repeats the values of some fields in a legacy list; that list is read only where the newer one is absent.

use std::collections::BTreeMap;

use aws_sdk_elasticloadbalancingv2::types::RuleCondition;

use crate::attributes::{Attributes, Unexpected};
use crate::fields::{Fields, keyed};

/// Field to values. A field may have several conditions, which must all hold.
#[derive(Default)]
struct Conditions(BTreeMap<String, Vec<String>>);

impl Conditions {
    fn add(&mut self, field: &str, mut values: Vec<String>) {
        if !values.is_empty() {
            values.sort_unstable();
            values.dedup();
            self.0.entry(field.to_owned()).or_default().push(values.join(", "));
        }
    }

    fn finish(self, fields: &mut Fields) {
        for (field, mut conditions) in self.0 {
            conditions.sort_unstable();
            fields.put(keyed("condition", &field), conditions.join(" and "));
        }
    }
}

pub(super) fn declared(conditions: &[Attributes<'_>], fields: &mut Fields) -> Result<(), Unexpected> {
    let mut found = Conditions::default();
    for condition in conditions {
        for field in ["host_header", "path_pattern", "http_request_method", "source_ip"] {
            if let Some(block) = condition.block(field)? {
                found.add(field, block.texts("values")?);
                found.add(&regex(field), block.texts("regex_values")?);
            }
        }
        if let Some(header) = condition.block("http_header")? {
            let field = header_field(&header.required("http_header_name")?);
            found.add(&field, header.texts("values")?);
            found.add(&regex(&field), header.texts("regex_values")?);
        }
        let mut pairs = Vec::new();
        for pair in condition.blocks("query_string")? {
            pairs.push(query(pair.text("key")?.as_deref(), pair.text("value")?.as_deref()));
        }
        found.add("query_string", pairs);
    }
    found.finish(fields);
    Ok(())
}

pub(super) fn live(conditions: &[RuleCondition], fields: &mut Fields) {
    let mut found = Conditions::default();
    for condition in conditions {
        let field = condition.field.as_deref().unwrap_or_default().replace('-', "_");
        let legacy = condition.values();
        let either =
            |values: Option<&[String]>| values.filter(|values| !values.is_empty()).unwrap_or(legacy).to_vec();
        match field.as_str() {
            "host_header" => {
                let config = condition.host_header_config.as_ref();
                found.add(&field, either(config.map(|config| config.values())));
                found.add(&regex(&field), expressions(condition, config.map(|config| config.regex_values())));
            }
            "path_pattern" => {
                let config = condition.path_pattern_config.as_ref();
                found.add(&field, either(config.map(|config| config.values())));
                found.add(&regex(&field), expressions(condition, config.map(|config| config.regex_values())));
            }
            "http_request_method" => {
                found.add(
                    &field,
                    either(condition.http_request_method_config.as_ref().map(|config| config.values())),
                );
            }
            "source_ip" => {
                found.add(&field, either(condition.source_ip_config.as_ref().map(|config| config.values())));
            }
            "http_header" => {
                let Some(config) = &condition.http_header_config else { continue };
                let field = header_field(config.http_header_name.as_deref().unwrap_or_default());
                found.add(&field, config.values().to_vec());
                found.add(&regex(&field), expressions(condition, Some(config.regex_values())));
            }
            "query_string" => {
                let config = condition.query_string_config.as_ref();
                let pairs = config.map(|config| config.values()).unwrap_or_default();
                found.add(
                    &field,
                    pairs.iter().map(|pair| query(pair.key.as_deref(), pair.value.as_deref())).collect(),
                );
            }
            // A field that is newer than this program: shown, so that it counts as a difference.
            _ => found.add(&field, legacy.to_vec()),
        }
    }
    found.finish(fields);
}

fn regex(field: &str) -> String {
    format!("{field} (regex)")
}

/// Header names have no case.
fn header_field(name: &str) -> String {
    format!("http_header {}", name.to_ascii_lowercase())
}

fn query(key: Option<&str>, value: Option<&str>) -> String {
    match key.filter(|key| !key.is_empty()) {
        Some(key) => format!("{key}={}", value.unwrap_or_default()),
        None => value.unwrap_or_default().to_owned(),
    }
}

fn expressions(condition: &RuleCondition, values: Option<&[String]>) -> Vec<String> {
    values.filter(|values| !values.is_empty()).unwrap_or(condition.regex_values()).to_vec()
}

#[cfg(test)]
mod tests {
    use aws_sdk_elasticloadbalancingv2::types::{
        HttpHeaderConditionConfig, PathPatternConditionConfig, QueryStringConditionConfig,
        QueryStringKeyValuePair,
    };
    use serde_json::json;

    use super::*;

    fn declared_of(state: &serde_json::Value) -> Fields {
        let mut fields = Fields::default();
        declared(&Attributes::of(state).blocks("condition").unwrap(), &mut fields).unwrap();
        fields
    }

    fn live_of(conditions: &[RuleCondition]) -> Fields {
        let mut fields = Fields::default();
        live(conditions, &mut fields);
        fields
    }

    fn path_pattern(values: &[&str]) -> RuleCondition {
        let config =
            values.iter().fold(PathPatternConditionConfig::builder(), |config, value| config.values(*value));
        let condition = RuleCondition::builder().field("path-pattern").path_pattern_config(config.build());
        // The legacy list says the same again.
        values.iter().fold(condition, |condition, value| condition.values(*value)).build()
    }

    #[test]
    fn neither_the_order_of_conditions_nor_of_values_counts() {
        let state = json!({"condition": [
            {"path_pattern": [{"values": ["/v1/*", "/v2/*"], "regex_values": []}], "host_header": []},
            {"http_header": [{"http_header_name": "X-Team", "values": ["search", "ads"]}]},
            {"query_string": [{"key": "version", "value": "1"}, {"key": "", "value": "beta"}]},
        ]});
        let header =
            HttpHeaderConditionConfig::builder().http_header_name("x-team").values("ads").values("search");
        let pair = |key: Option<&str>, value: &str| {
            QueryStringKeyValuePair::builder().set_key(key.map(str::to_owned)).value(value).build()
        };
        let query = QueryStringConditionConfig::builder()
            .values(pair(None, "beta"))
            .values(pair(Some("version"), "1"));
        let live = live_of(&[
            RuleCondition::builder().field("query-string").query_string_config(query.build()).build(),
            RuleCondition::builder().field("http-header").http_header_config(header.build()).build(),
            path_pattern(&["/v2/*", "/v1/*"]),
        ]);
        assert_eq!(declared_of(&state), live);
        assert_eq!(live.get("condition[\"path_pattern\"]"), Some("/v1/*, /v2/*"));
        assert_eq!(live.get("condition[\"query_string\"]"), Some("beta, version=1"));
    }

    #[test]
    fn a_legacy_answer_without_configuration_is_read_too() {
        let legacy = RuleCondition::builder().field("host-header").values("a.example.com").build();
        let state = json!({"condition": [{"host_header": [{"values": ["a.example.com"]}]}]});
        assert_eq!(declared_of(&state), live_of(&[legacy]));
    }

    #[test]
    fn two_conditions_on_one_field_are_not_one() {
        let two = live_of(&[path_pattern(&["/a"]), path_pattern(&["/b"])]);
        assert_ne!(two, live_of(&[path_pattern(&["/a", "/b"])]));
    }
}
