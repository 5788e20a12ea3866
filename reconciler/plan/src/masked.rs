//! Values of a document as short text, with nothing in it that could be a secret.
//!
//! References and hashes are no secrets themselves, but where they point to is nobody's business, and a value in the wrong
//! place is what a document written by hand is most likely to have. Limits, weights, addresses, models, prices and times
//! are shown.

use moorline_model::masking::{self, NOT_SHOWN};
use serde_json::Value;

/// Longest text of a value.
const VALUE_LENGTH_MAX: usize = 120;
/// What a reference to a secret begins with.
const SCHEMES: [&str; 5] = ["env", "file", "secretsmanager", "ssm", "vault"];

/// A value as text, at most [`VALUE_LENGTH_MAX`] characters of it. `names` are the fields it stands in.
pub(crate) fn text<'a>(names: impl IntoIterator<Item = &'a str>, value: &Value) -> String {
    let is_secret = names.into_iter().any(is_secret_name);
    let mut text = String::new();
    write(&mut text, value, is_secret);
    match text.char_indices().nth(VALUE_LENGTH_MAX) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

/// Whether a field's values are not shown.
pub(crate) fn is_secret_name(name: &str) -> bool {
    name.contains("sha256") || masking::is_secret_name(name)
}

fn write(out: &mut String, value: &Value, is_secret: bool) {
    match value {
        Value::String(text) => out.push_str(&string(text, is_secret)),
        _ if is_secret => out.push_str(NOT_SHOWN),
        Value::Object(map) => {
            out.push('{');
            for (index, (name, value)) in map.iter().enumerate() {
                out.push_str(if index == 0 { "" } else { ", " });
                out.push_str(&masking::masked(name));
                out.push_str(": ");
                write(out, value, is_secret_name(name));
            }
            out.push('}');
        }
        Value::Array(items) => {
            out.push('[');
            for (index, value) in items.iter().enumerate() {
                out.push_str(if index == 0 { "" } else { ", " });
                write(out, value, false);
            }
            out.push(']');
        }
        other => out.push_str(&other.to_string()),
    }
}

fn string(text: &str, is_secret: bool) -> String {
    if let Some(reference) = reference(text) {
        return reference;
    }
    if is_secret || masking::is_secret_form(text) {
        return NOT_SHOWN.to_owned();
    }
    masking::masked(text)
}

/// A reference's scheme, without what it points to.
fn reference(text: &str) -> Option<String> {
    let (scheme, rest) = text.split_once(':')?;
    (SCHEMES.contains(&scheme) && !rest.starts_with("//")).then(|| format!("{scheme}:…"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn one(name: &str, value: &Value) -> String {
        text([name], value)
    }

    #[test]
    fn what_people_want_to_see_is_shown() {
        for (name, value, shown) in [
            ("requests", json!(1000), "1000"),
            ("tokens", json!(5), "5"),
            ("first_token", json!("30s"), "30s"),
            ("base_url", json!("http://10.0.3.7:8000/v1"), "http://10.0.3.7:8000/v1"),
            ("models", json!(["gpt-4o", "x"]), "[gpt-4o, x]"),
            ("price", json!({"input": 2.5, "output": 10}), "{input: 2.5, output: 10}"),
        ] {
            assert_eq!(one(name, &value), shown, "{name}");
        }
    }

    #[test]
    fn what_smells_of_a_secret_is_not() {
        for (name, value) in [
            ("api_key", json!("hunter2")),
            ("sha256", json!("hunter2")),
            ("api_key", json!("env:hunter2")),
            ("anything", json!("secretsmanager:hunter2#key")),
            ("base_url", json!("http://u:hunter2@h/v1")),
            ("base_url", json!("http://u:hunter2/@h/v1")),
            ("base_url", json!("http://h/v1?code=hunter2")),
            ("base_url", json!("http://h/v1#hunter2")),
            ("url", json!("https://hooks.example.com/services/T1/hunter2hunter2hunter2x")),
            ("location", json!("sk-hunter2hunter2")),
            ("stores", json!({"limits": {"redis_password": "hunter2"}})),
            ("headers", json!({"authorization": ["hunter2"]})),
            ("header", json!("Basic aHVudGVyMg==hunter2")),
            ("location", json!("Bearer hunter2hunter2")),
            ("tags", json!({"https://me:hunter2@host": "x"})),
        ] {
            let shown = one(name, &value);
            assert!(!shown.contains("hunter2"), "{name}: {shown}");
        }
        let key = "7f83b1657ff1fc53b92dc18148a1d65dfc2d4b1fa3d677284addd200126d9069";
        assert_eq!(one("location", &json!(key)), NOT_SHOWN);
        assert_eq!(one("api_key", &json!("env:OPENAI_API_KEY")), "env:…");
        assert_eq!(one("base_url", &json!("http://h/v1?code=x")), "http://h/v1?(not shown)");
    }

    /// Secrets in the shapes in which people have them, and in the fields of which nobody thinks.
    const SHAPES: [&str; 8] = [
        "https://me:hunter2@host/v1",
        "sk-hunter2hunter2",
        "Basic aHVudGVyMg==hunter2",
        "Bearer hunter2hunter2",
        "aGVsbG8Xd29ybGQ9hunter2QkZnR4Yk1pQ0s3VmZ0",
        "https://hooks.slack.com/services/T000/B000/hunter2",
        "https://host/bot123:hunter2/",
        "password=hunter2",
    ];

    /// A document with a text at each place that people name or fill in.
    fn document(text: &str) -> Value {
        json!({
            "version": 1, "name": text, "location": text, "tags": {"Team": text, text: "x"},
            "providers": {text: {"kind": "openai", "base_url": text, "headers": {"x-team": text, text: "1"}}},
            "models": {text: {"targets": [{"provider": text, "model": text, "weight": 1}], "fallback": [text]}},
            "routes": [{"path": text, "models": [text], "limits": [{"per": {"header": text}, "requests": 1}]}],
            "keys": [{"name": text, "sha256": text, "models": [text], "tags": [text]}],
            "guardrails": {text: {"deny": [text]}},
        })
    }

    proptest::proptest! {
        #[test]
        fn no_shape_of_a_secret_is_seen_in_any_place_of_a_difference(
            shape in proptest::sample::select(&SHAPES[..]),
            other in proptest::sample::select(&SHAPES[..]),
        ) {
            let (plain, before, after) = (document("gpt-4o"), document(shape), document(other));
            for (before, after) in [(&plain, &after), (&before, &plain), (&before, &after)] {
                let digest = moorline_model::config::Digest::of(after);
                let changes = crate::changes::changes(Some(before), after, digest);
                let first = crate::changes::changes(None, after, digest);
                let fields: Vec<_> = crate::gateway::fields::tests::lines(before, after);
                let seen = serde_json::to_string(&(&changes, &first, fields)).unwrap();
                let seen = format!("{seen} {}", changes.lines(usize::MAX).join(" "));
                proptest::prop_assert!(!seen.contains("hunter2"), "{seen}");
            }
        }
    }

    #[test]
    fn a_long_value_is_cut_between_characters() {
        let shown = one("location", &json!("ä".repeat(500)));
        assert_eq!(shown, format!("{}…", "ä".repeat(VALUE_LENGTH_MAX)));
    }
}
