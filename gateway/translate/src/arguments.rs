//! Arguments of tool calls, for protocols that want an object and not its text.

use std::borrow::Cow;

use serde_json::value::RawValue;

/// The arguments as a JSON object, as they were written. Models make mistakes: what is no object is wrapped into one, so
/// that a conversation with such a mistake in it can go on.
pub(crate) fn object(arguments: &str) -> Cow<'_, RawValue> {
    let text = if arguments.trim().is_empty() { "{}" } else { arguments };
    match serde_json::from_str::<&RawValue>(text) {
        Ok(json) if json.get().starts_with('{') => Cow::Borrowed(json),
        _ => {
            let wrapped = serde_json::json!({ "arguments": arguments }).to_string();
            // What was just written is JSON.
            Cow::Owned(RawValue::from_string(wrapped).unwrap_or_else(|_| RawValue::NULL.to_owned()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::object;

    #[test]
    fn arguments_stay_as_written_and_mistakes_are_wrapped() {
        for (arguments, expected) in [
            (r#" {"b": 1.50, "a": [ ]} "#, r#"{"b": 1.50, "a": [ ]}"#),
            ("", "{}"),
            ("  ", "{}"),
            ("[1]", r#"{"arguments":"[1]"}"#),
            ("{\"a\":", r#"{"arguments":"{\"a\":"}"#),
            ("\"x\"", r#"{"arguments":"\"x\""}"#),
        ] {
            assert_eq!(object(arguments).get(), expected);
        }
    }
}
