//! The masks beside values in Terraform's JSON: `true` hides all below, objects and lists mirror the value.

use serde_json::Value;

/// What a mask says about one place and all below it.
#[derive(Debug, Clone, Copy)]
pub enum Mask<'a> {
    /// Nothing here is marked.
    Open,
    /// Everything here is secret.
    Secret,
    /// It depends on where below.
    Inside(&'a Value),
}

impl<'a> Mask<'a> {
    /// Reads a mask. A shape that masks do not have counts as secret.
    #[must_use]
    pub fn read(mask: Option<&'a Value>) -> Self {
        match mask {
            None | Some(Value::Bool(false) | Value::Null) => Self::Open,
            Some(inside @ (Value::Object(_) | Value::Array(_))) => Self::Inside(inside),
            Some(Value::Bool(true) | Value::Number(_) | Value::String(_)) => Self::Secret,
        }
    }

    /// The mask of a field of an object.
    #[must_use]
    pub fn field(self, name: &str) -> Self {
        match self {
            Self::Inside(Value::Object(fields)) => Self::read(fields.get(name)),
            // A list where the value is an object: not a shape that we know.
            Self::Inside(_) => self.closed(),
            Self::Open | Self::Secret => self,
        }
    }

    /// The mask of an item of a list that has `count` items.
    #[must_use]
    pub fn item(self, index: usize, count: usize) -> Self {
        match self {
            Self::Inside(Value::Array(items)) if items.len() == count => Self::read(items.get(index)),
            // Sets lose their order, and then an index says nothing: one secret item hides them all.
            Self::Inside(_) => self.closed(),
            Self::Open | Self::Secret => self,
        }
    }

    /// For a value that has no parts, or whose parts do not fit the mask: secret if anything is marked.
    #[must_use]
    pub fn closed(self) -> Self {
        match self {
            Self::Inside(inside) if marks_anything(inside) => Self::Secret,
            Self::Inside(_) => Self::Open,
            other => other,
        }
    }

    /// Whether everything here is secret.
    #[must_use]
    pub const fn is_secret(self) -> bool {
        matches!(self, Self::Secret)
    }
}

fn marks_anything(mask: &Value) -> bool {
    match mask {
        Value::Bool(false) | Value::Null => false,
        Value::Object(fields) => fields.values().any(marks_anything),
        Value::Array(items) => items.iter().any(marks_anything),
        Value::Bool(true) | Value::Number(_) | Value::String(_) => true,
    }
}

/// Calls `found` with every value that a mask hides.
pub(crate) fn hidden<'v>(value: &'v Value, mask: Mask<'_>, found: &mut dyn FnMut(&'v Value)) {
    match (value, mask) {
        (_, Mask::Open) => {}
        (value, Mask::Secret) => found(value),
        (Value::Object(fields), _) => {
            fields.iter().for_each(|(name, field)| hidden(field, mask.field(name), found));
        }
        (Value::Array(items), _) => {
            for (index, item) in items.iter().enumerate() {
                hidden(item, mask.item(index, items.len()), found);
            }
        }
        (value, Mask::Inside(_)) => {
            if mask.closed().is_secret() {
                found(value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn all_hidden(value: &Value, mask: &Value) -> Vec<Value> {
        let mut found = Vec::new();
        hidden(value, Mask::read(Some(mask)), &mut |value| found.push(value.clone()));
        found
    }

    #[test]
    fn a_mask_follows_the_values_structure() {
        let value = json!({"a": {"b": ["x", {"c": "y"}]}, "d": "z"});
        assert_eq!(all_hidden(&value, &json!({"a": {"b": [false, {"c": true}]}})), [json!("y")]);
        assert_eq!(all_hidden(&value, &json!(true)), std::slice::from_ref(&value));
        assert!(all_hidden(&value, &json!({})).is_empty());
    }

    #[test]
    fn a_shape_that_does_not_fit_counts_as_secret() {
        assert_eq!(all_hidden(&json!({"a": "x"}), &json!("yes")), [json!({"a": "x"})]);
        assert_eq!(all_hidden(&json!({"a": "x"}), &json!([true])), [json!("x")]);
        assert_eq!(all_hidden(&json!("x"), &json!({"a": true})), [json!("x")]);
        // A set with one secret item, whose order is not known.
        assert_eq!(all_hidden(&json!(["x", "y"]), &json!([true])), [json!("x"), json!("y")]);
    }
}
