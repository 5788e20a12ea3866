//! `rule_json`: rules that the configuration gives as the API's own JSON instead of as blocks.
//!
//! Terraform does not see their drift at all. Brought to the form of blocks, they are compared like any other.

use serde_json::Value;

/// Deepest nesting that is followed; WAF allows far less.
const DEPTH_MAX: usize = 64;

/// Turns the API's form into that of blocks; `None` when the text is no list of rules.
pub(super) fn as_blocks(text: &str) -> Option<Value> {
    let rules: Value = serde_json::from_str(text).ok()?;
    rules.as_array().is_some_and(|rules| rules.iter().all(Value::is_object)).then(|| snaked(&rules, 0))
}

fn snaked(value: &Value, depth: usize) -> Value {
    match value {
        _ if depth > DEPTH_MAX => Value::Null,
        Value::Object(fields) => {
            fields.iter().map(|(name, field)| (renamed(snake(name)), snaked(field, depth + 1))).collect()
        }
        Value::Array(items) => items.iter().map(|item| snaked(item, depth + 1)).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value.clone(),
    }
}

/// Lists are plural in the API and blocks are singular.
fn renamed(name: String) -> String {
    match name.as_str() {
        "statements" => "statement".to_owned(),
        "custom_keys" => "custom_key".to_owned(),
        _ => name,
    }
}

/// `IPSetReferenceStatement` to `ip_set_reference_statement`.
fn snake(name: &str) -> String {
    let letters: Vec<char> = name.chars().collect();
    let mut snake = String::with_capacity(name.len() + 8);
    for (index, letter) in letters.iter().enumerate() {
        let before = index.checked_sub(1).and_then(|before| letters.get(before));
        let begins_word = letter.is_ascii_uppercase()
            && before.is_some_and(|before| {
                !before.is_ascii_uppercase() || letters.get(index + 1).is_some_and(char::is_ascii_lowercase)
            });
        if begins_word {
            snake.push('_');
        }
        snake.push(letter.to_ascii_lowercase());
    }
    snake
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn names_become_those_of_blocks() {
        let names =
            ["IPSetReferenceStatement", "EvaluationWindowSec", "ARN", "ForwardedIPConfig", "JA3Fingerprint"];
        let snakes = names.map(snake);
        assert_eq!(
            snakes,
            [
                "ip_set_reference_statement",
                "evaluation_window_sec",
                "arn",
                "forwarded_ip_config",
                "ja3_fingerprint"
            ]
        );
    }

    #[test]
    fn rules_become_blocks_and_anything_else_is_refused() {
        let text =
            r#"[{"Name": "a", "Statement": {"AndStatement": {"Statements": [{"GeoMatchStatement": {}}]}}}]"#;
        let blocks = json!([{"name": "a", "statement": {"and_statement": {"statement": [{"geo_match_statement": {}}]}}}]);
        assert_eq!(as_blocks(text), Some(blocks));
        assert_eq!(as_blocks("{}"), None);
        assert_eq!(as_blocks("(sensitive)"), None);
    }
}
