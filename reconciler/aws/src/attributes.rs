//! Reads attributes out of a resource's values in Terraform's state.
//!
//! Blocks are lists there, also those that occur at most once, and an absent block is an empty list. A shape that the
//! provider's schema does not have is an error, not an absence: guessing would be a false alarm or a false calm.

use serde_json::Value;

/// What stands where a sensitive value stood.
pub(crate) const HIDDEN: &str = "(sensitive)";

/// An attribute that has another shape than in the provider's schema.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("attribute {path} in the state: expected {expected}")]
pub(crate) struct Unexpected {
    pub(crate) path: String,
    pub(crate) expected: &'static str,
}

/// The attributes of a resource or of one of its blocks.
#[derive(Debug, Clone)]
pub(crate) struct Attributes<'a> {
    values: &'a Value,
    path: String,
}

impl<'a> Attributes<'a> {
    /// The attributes of a whole resource.
    pub(crate) const fn of(values: &'a Value) -> Self {
        Self { values, path: String::new() }
    }

    /// A scalar as text; null and the empty text are none.
    pub(crate) fn text(&self, name: &str) -> Result<Option<String>, Unexpected> {
        match &self.values[name] {
            Value::Null => Ok(None),
            Value::String(text) => Ok(Some(text.clone()).filter(|text| !text.is_empty())),
            Value::Number(number) => Ok(Some(number.to_string())),
            Value::Bool(flag) => Ok(Some(flag.to_string())),
            Value::Array(_) | Value::Object(_) => Err(self.unexpected(name, "a text, a number or a flag")),
        }
    }

    /// A scalar that must be there.
    pub(crate) fn required(&self, name: &str) -> Result<String, Unexpected> {
        self.text(name)?.ok_or_else(|| self.unexpected(name, "a value"))
    }

    /// A number; `None` when there is none, or when it is hidden.
    pub(crate) fn number(&self, name: &str) -> Result<Option<i64>, Unexpected> {
        match self.text(name)? {
            Some(text) if text != HIDDEN => {
                text.parse().map(Some).map_err(|_| self.unexpected(name, "a whole number"))
            }
            _ => Ok(None),
        }
    }

    /// A set or list of texts, sorted; null is an empty one.
    pub(crate) fn texts(&self, name: &str) -> Result<Vec<String>, Unexpected> {
        let items = match &self.values[name] {
            Value::Null => return Ok(Vec::new()),
            Value::Array(items) => items,
            Value::String(text) if text == HIDDEN => return Ok(vec![HIDDEN.to_owned()]),
            _ => return Err(self.unexpected(name, "a set of texts")),
        };
        let texts = items.iter().map(|item| item.as_str().map(str::to_owned));
        let mut texts =
            texts.collect::<Option<Vec<_>>>().ok_or_else(|| self.unexpected(name, "a set of texts"))?;
        texts.sort_unstable();
        Ok(texts)
    }

    /// The blocks of a name, in the state's order.
    pub(crate) fn blocks(&self, name: &str) -> Result<Vec<Self>, Unexpected> {
        let at = |index: usize, values: &'a Value| Self {
            values,
            path: format!("{}[{index}]", self.joined(name)),
        };
        match &self.values[name] {
            Value::Null => Ok(Vec::new()),
            block @ Value::Object(_) => Ok(vec![at(0, block)]),
            Value::Array(items) if items.iter().all(|item| item.is_object() || item.is_null()) => {
                Ok(items.iter().enumerate().map(|(index, item)| at(index, item)).collect())
            }
            Value::Array(_) | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
                Err(self.unexpected(name, "blocks that are not sensitive"))
            }
        }
    }

    /// The block of a name that occurs at most once.
    pub(crate) fn block(&self, name: &str) -> Result<Option<Self>, Unexpected> {
        Ok(self.blocks(name)?.into_iter().next())
    }

    /// The names of the blocks that are there and end so.
    pub(crate) fn blocks_ending<'b>(&'b self, end: &'b str) -> impl Iterator<Item = &'a str> + 'b {
        let fields: Option<&'a serde_json::Map<String, Value>> = self.values.as_object();
        let is_there = |value: &Value| match value {
            Value::Array(items) => !items.is_empty(),
            other => other.is_object(),
        };
        let names = fields.into_iter().flatten();
        names
            .filter(move |(name, value)| name.ends_with(end) && is_there(value))
            .map(|(name, _)| name.as_str())
    }

    /// An error about the attribute of that name.
    pub(crate) fn unexpected(&self, name: &str, expected: &'static str) -> Unexpected {
        Unexpected { path: self.joined(name), expected }
    }

    fn joined(&self, name: &str) -> String {
        if self.path.is_empty() { name.to_owned() } else { format!("{}.{name}", self.path) }
    }
}

/// A value with all that a mask of the state (`sensitive_values`) marks replaced by [`HIDDEN`].
pub(crate) fn masked(value: &Value, mask: &Value) -> Value {
    match (value, mask) {
        (value, Value::Null | Value::Bool(false)) => value.clone(),
        (Value::Object(fields), Value::Object(marks)) => {
            let masked = |(name, field): (&String, &Value)| {
                (name.clone(), masked(field, marks.get(name).unwrap_or(&Value::Null)))
            };
            fields.iter().map(masked).collect()
        }
        (Value::Array(items), Value::Array(marks)) if items.len() == marks.len() => {
            items.iter().zip(marks).map(|(item, mark)| masked(item, mark)).collect()
        }
        (value, Value::Array(marks)) if marks.is_empty() => value.clone(),
        (value, Value::Object(marks)) if marks.is_empty() => value.clone(),
        // Marked as a whole, or in a shape that masks do not have.
        _ => Value::String(HIDDEN.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn scalars_are_texts_and_nothing_is_none() {
        let values = json!({"a": "x", "b": 300, "c": true, "d": "", "e": null, "f": []});
        let attributes = Attributes::of(&values);
        let text = |name: &str| attributes.text(name).unwrap();
        assert_eq!(text("a").as_deref(), Some("x"));
        assert_eq!(text("b").as_deref(), Some("300"));
        assert_eq!(text("c").as_deref(), Some("true"));
        assert_eq!((text("d"), text("e"), text("nowhere")), (None, None, None));
        assert_eq!(
            attributes.text("f").unwrap_err().to_string(),
            "attribute f in the state: expected a text, a number or a flag"
        );
        assert!(attributes.required("e").is_err());
        assert!(attributes.number("a").is_err());
    }

    #[test]
    fn an_absent_block_is_an_empty_list_and_errors_name_the_whole_path() {
        let values = json!({"a": [{"b": [{"c": {"x": 1}}], "d": [null]}], "e": []});
        let attributes = Attributes::of(&values);
        assert!(attributes.block("e").unwrap().is_none());
        let inner = attributes.block("a").unwrap().unwrap().block("b").unwrap().unwrap();
        assert_eq!(inner.text("c").unwrap_err().path, "a[0].b[0].c");
        // An empty block is a block.
        assert!(attributes.block("a").unwrap().unwrap().block("d").unwrap().is_some());
        assert_eq!(attributes.blocks_ending("a").collect::<Vec<_>>(), ["a"]);
        assert_eq!(attributes.blocks_ending("e").count(), 0);
    }

    #[test]
    fn what_is_marked_is_hidden_and_the_rest_stays() {
        let values = json!({"a": "x", "b": [{"c": "y", "d": "z"}], "e": ["p", "q"], "f": "w"});
        let mask = json!({"a": true, "b": [{"c": true}], "e": [true], "f": {}});
        let shown = json!({"a": HIDDEN, "b": [{"c": HIDDEN, "d": "z"}], "e": HIDDEN, "f": "w"});
        assert_eq!(masked(&values, &mask), shown);
    }

    #[test]
    fn a_hidden_number_is_none_and_a_hidden_set_is_hidden() {
        let values = json!({"n": HIDDEN, "s": HIDDEN});
        assert_eq!(Attributes::of(&values).number("n").unwrap(), None);
        assert_eq!(Attributes::of(&values).texts("s").unwrap(), [HIDDEN]);
    }
}
