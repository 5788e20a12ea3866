//! Terraform values: what attributes hold, with the two states JSON does not have apart (null and not known yet).
//!
//! In: msgpack (Terraform's calls) or JSON (a state file). Out: [`Value`], and msgpack again. Lists, sets and tuples
//! are one thing here, as are maps and objects: the schema tells them apart, the encoding does not.

use std::collections::BTreeMap;

use serde_json::Number;

use crate::protocol::DynamicValue;

/// Nesting deeper than this is refused; our schemas nest three levels.
const DEPTH_MAX: usize = 64;

/// Why bytes are no value.
#[derive(Debug, thiserror::Error)]
pub enum ValueError {
    /// The bytes are no msgpack.
    #[error("reading a value from msgpack")]
    Msgpack(#[source] rmpv::decode::Error),
    /// The bytes are no JSON.
    #[error("reading a value from JSON")]
    Json(#[source] serde_json::Error),
    /// The msgpack holds what no Terraform value holds.
    #[error("reading a value from msgpack: {found} is no Terraform value")]
    Foreign {
        /// What stands there.
        found: &'static str,
    },
}

/// A Terraform value.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// Not written.
    Null,
    /// Known only after something else was applied.
    Unknown,
    /// true or false.
    Bool(bool),
    /// A number.
    Number(Number),
    /// A text.
    Text(String),
    /// A list, set or tuple.
    List(Vec<Self>),
    /// A map or object.
    Map(BTreeMap<String, Self>),
}

impl Value {
    /// Reads a value off a call. A missing one is null.
    ///
    /// # Errors
    /// [`ValueError`] when the bytes are not what Terraform sends.
    pub fn decode(value: Option<&DynamicValue>) -> Result<Self, ValueError> {
        match value {
            Some(value) if !value.msgpack.is_empty() => Self::from_msgpack(&value.msgpack),
            Some(value) if !value.json.is_empty() => Self::from_json(&value.json),
            Some(_) | None => Ok(Self::Null),
        }
    }

    /// Writes a value for an answer.
    #[must_use]
    pub fn encode(&self) -> DynamicValue {
        let mut msgpack = Vec::new();
        // Writing to memory cannot fail; if it ever did, Terraform would refuse the empty value.
        if rmpv::encode::write_value(&mut msgpack, &self.to_msgpack()).is_err() {
            msgpack.clear();
        }
        DynamicValue { msgpack, json: Vec::new() }
    }

    /// Reads JSON as a state file holds it.
    ///
    /// # Errors
    /// [`ValueError::Json`].
    pub fn from_json(bytes: &[u8]) -> Result<Self, ValueError> {
        serde_json::from_slice::<serde_json::Value>(bytes).map(Self::from).map_err(ValueError::Json)
    }

    fn from_msgpack(mut bytes: &[u8]) -> Result<Self, ValueError> {
        let value =
            rmpv::decode::read_value_with_max_depth(&mut bytes, DEPTH_MAX).map_err(ValueError::Msgpack)?;
        Self::of(value)
    }

    fn of(value: rmpv::Value) -> Result<Self, ValueError> {
        Ok(match value {
            rmpv::Value::Nil => Self::Null,
            // Type 0 is an unknown value, 12 one about which something is known; we need no more than that it is.
            rmpv::Value::Ext(..) => Self::Unknown,
            rmpv::Value::Boolean(value) => Self::Bool(value),
            rmpv::Value::Integer(value) => Self::Number(integer(value)),
            rmpv::Value::F32(value) => Self::float(value.into())?,
            rmpv::Value::F64(value) => Self::float(value)?,
            rmpv::Value::String(text) => {
                Self::Text(text.into_str().ok_or(ValueError::Foreign { found: "non-UTF-8 text" })?)
            }
            rmpv::Value::Binary(_) => return Err(ValueError::Foreign { found: "binary" }),
            rmpv::Value::Array(items) => {
                Self::List(items.into_iter().map(Self::of).collect::<Result<_, _>>()?)
            }
            rmpv::Value::Map(entries) => {
                Self::Map(entries.into_iter().map(Self::entry).collect::<Result<_, _>>()?)
            }
        })
    }

    fn entry((key, value): (rmpv::Value, rmpv::Value)) -> Result<(String, Self), ValueError> {
        match Self::of(key)? {
            Self::Text(key) => Ok((key, Self::of(value)?)),
            _ => Err(ValueError::Foreign { found: "a key that is no text" }),
        }
    }

    fn float(value: f64) -> Result<Self, ValueError> {
        Number::from_f64(value).map(Self::Number).ok_or(ValueError::Foreign { found: "an infinite number" })
    }

    fn to_msgpack(&self) -> rmpv::Value {
        match self {
            Self::Null => rmpv::Value::Nil,
            Self::Unknown => rmpv::Value::Ext(0, vec![0]),
            Self::Bool(value) => rmpv::Value::Boolean(*value),
            Self::Number(number) => match (number.as_u64(), number.as_i64(), number.as_f64()) {
                (Some(value), _, _) => value.into(),
                (None, Some(value), _) => value.into(),
                (None, None, Some(value)) => value.into(),
                (None, None, None) => rmpv::Value::Nil,
            },
            Self::Text(text) => text.as_str().into(),
            Self::List(items) => rmpv::Value::Array(items.iter().map(Self::to_msgpack).collect()),
            Self::Map(entries) => rmpv::Value::Map(
                entries.iter().map(|(key, value)| (key.as_str().into(), value.to_msgpack())).collect(),
            ),
        }
    }

    /// Whether no part of the value is unknown.
    #[must_use]
    pub fn is_known(&self) -> bool {
        match self {
            Self::Unknown => false,
            Self::List(items) => items.iter().all(Self::is_known),
            Self::Map(entries) => entries.values().all(Self::is_known),
            Self::Null | Self::Bool(_) | Self::Number(_) | Self::Text(_) => true,
        }
    }

    /// Whether the value is null.
    #[must_use]
    pub const fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }

    /// An object's attribute; null when the value is no object or has no such attribute.
    #[must_use]
    pub fn get(&self, name: &str) -> &Self {
        match self {
            Self::Map(entries) => entries.get(name).unwrap_or(&Self::Null),
            _ => &Self::Null,
        }
    }

    /// Sets an object's attribute. A value that is no object stays as it is.
    pub fn set(&mut self, name: &str, value: impl Into<Self>) {
        if let Self::Map(entries) = self {
            entries.insert(name.to_owned(), value.into());
        }
    }

    /// The text, when it is one.
    #[must_use]
    pub fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }
}

fn integer(value: rmpv::Integer) -> Number {
    match (value.as_u64(), value.as_i64()) {
        (Some(value), _) => value.into(),
        (None, value) => value.unwrap_or_default().into(),
    }
}

impl From<serde_json::Value> for Value {
    fn from(value: serde_json::Value) -> Self {
        match value {
            serde_json::Value::Null => Self::Null,
            serde_json::Value::Bool(value) => Self::Bool(value),
            serde_json::Value::Number(number) => Self::Number(number),
            serde_json::Value::String(text) => Self::Text(text),
            serde_json::Value::Array(items) => Self::List(items.into_iter().map(Self::from).collect()),
            serde_json::Value::Object(entries) => {
                Self::Map(entries.into_iter().map(|(key, value)| (key, Self::from(value))).collect())
            }
        }
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<u64> for Value {
    fn from(number: u64) -> Self {
        Self::Number(number.into())
    }
}

impl<T: Into<Self>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn any_value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            Just(Value::Unknown),
            any::<bool>().prop_map(Value::Bool),
            any::<u64>().prop_map(Value::from),
            any::<i64>().prop_map(|number| Value::Number(number.into())),
            ".{0,12}".prop_map(Value::Text),
        ];
        leaf.prop_recursive(4, 32, 6, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..6).prop_map(Value::List),
                prop::collection::btree_map("[a-z]{1,6}", inner, 0..6).prop_map(Value::Map),
            ]
        })
    }

    proptest! {
        #[test]
        fn what_is_encoded_decodes_to_itself(value in any_value()) {
            prop_assert_eq!(Value::decode(Some(&value.encode())).unwrap(), value);
        }

        #[test]
        fn bytes_of_any_kind_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            drop(Value::decode(Some(&DynamicValue { msgpack: bytes, json: Vec::new() })));
        }
    }

    #[test]
    fn an_unknown_is_written_as_the_three_bytes_terraform_expects() {
        assert_eq!(Value::Unknown.encode().msgpack, [0xd4, 0, 0]);
    }

    #[test]
    fn an_unknown_with_refinements_is_still_unknown() {
        // {1: true} ("certainly not null") as extension 12.
        let refined = DynamicValue { msgpack: vec![0xc7, 3, 12, 0x81, 1, 0xc2], json: Vec::new() };
        assert_eq!(Value::decode(Some(&refined)).unwrap(), Value::Unknown);
    }
}
