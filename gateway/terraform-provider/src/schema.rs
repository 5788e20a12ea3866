//! How this crate writes a schema down, and what follows from one: the message Terraform reads, and a value brought
//! into the schema's shape.

use crate::protocol::schema as message;
use crate::value::Value;

/// Version of every stored form so far.
pub const VERSION: i64 = 0;

/// Who gives an attribute its value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Presence {
    /// The configuration, always.
    Required,
    /// The configuration, or nobody.
    Optional,
    /// The provider.
    Computed,
}

/// What an attribute holds.
#[derive(Debug, Clone)]
pub enum Kind {
    /// A text.
    Text,
    /// A text that is hidden in output.
    SensitiveText,
    /// A number.
    Number,
    /// true or false.
    Bool,
    /// Texts in order.
    TextList,
    /// Texts by key.
    TextMap,
    /// Attributes of its own.
    Object(Vec<Attribute>),
}

/// An attribute.
#[derive(Debug, Clone)]
pub struct Attribute {
    name: &'static str,
    kind: Kind,
    presence: Presence,
    description: &'static str,
}

impl Attribute {
    /// An attribute that must be written.
    #[must_use]
    pub const fn required(name: &'static str, kind: Kind, description: &'static str) -> Self {
        Self { name, kind, presence: Presence::Required, description }
    }

    /// An attribute that may be written.
    #[must_use]
    pub const fn optional(name: &'static str, kind: Kind, description: &'static str) -> Self {
        Self { name, kind, presence: Presence::Optional, description }
    }

    /// An attribute that the provider fills in.
    #[must_use]
    pub const fn computed(name: &'static str, kind: Kind, description: &'static str) -> Self {
        Self { name, kind, presence: Presence::Computed, description }
    }

    fn message(&self) -> message::Attribute {
        let simple = |kind: &str| (kind.as_bytes().to_vec(), None);
        let (r#type, nested_type) = match &self.kind {
            Kind::Text | Kind::SensitiveText => simple("\"string\""),
            Kind::Number => simple("\"number\""),
            Kind::Bool => simple("\"bool\""),
            Kind::TextList => simple("[\"list\",\"string\"]"),
            Kind::TextMap => simple("[\"map\",\"string\"]"),
            Kind::Object(attributes) => (Vec::new(), Some(object(attributes))),
        };
        message::Attribute {
            name: self.name.to_owned(),
            r#type,
            nested_type,
            description: self.description.to_owned(),
            required: self.presence == Presence::Required,
            optional: self.presence == Presence::Optional,
            computed: self.presence == Presence::Computed,
            sensitive: matches!(self.kind, Kind::SensitiveText),
            description_kind: 0,
        }
    }

    fn conform(&self, value: &Value) -> Value {
        match (&self.kind, value) {
            (Kind::Object(attributes), Value::Map(_)) => conform(attributes, value),
            (_, value) => value.clone(),
        }
    }
}

fn object(attributes: &[Attribute]) -> message::Object {
    message::Object {
        attributes: attributes.iter().map(Attribute::message).collect(),
        nesting: message::Nesting::Single.into(),
    }
}

fn conform(attributes: &[Attribute], value: &Value) -> Value {
    let entry =
        |attribute: &Attribute| (attribute.name.to_owned(), attribute.conform(value.get(attribute.name)));
    Value::Map(attributes.iter().map(entry).collect())
}

/// A block that may be repeated; the order counts.
#[derive(Debug, Clone)]
pub struct ListBlock {
    /// The word that opens it.
    pub name: &'static str,
    /// What it is.
    pub description: &'static str,
    /// Its attributes.
    pub attributes: Vec<Attribute>,
}

impl ListBlock {
    fn message(&self) -> message::NestedBlock {
        message::NestedBlock {
            type_name: self.name.to_owned(),
            block: Some(block(self.description, &self.attributes, &[])),
            nesting: message::Nesting::List.into(),
            min_items: 0,
            max_items: 0,
        }
    }

    fn conform(&self, value: &Value) -> Value {
        match value {
            Value::List(items) => {
                Value::List(items.iter().map(|item| conform(&self.attributes, item)).collect())
            }
            // A list of blocks is never null: none written is an empty list.
            Value::Null => Value::List(Vec::new()),
            other => other.clone(),
        }
    }
}

fn block(description: &str, attributes: &[Attribute], blocks: &[ListBlock]) -> message::Block {
    message::Block {
        version: VERSION,
        attributes: attributes.iter().map(Attribute::message).collect(),
        block_types: blocks.iter().map(ListBlock::message).collect(),
        description: description.to_owned(),
        description_kind: 0,
        deprecated: false,
    }
}

/// The schema of a resource, a data source or the provider.
#[derive(Debug, Clone, Default)]
pub struct Schema {
    /// What it is.
    pub description: &'static str,
    /// Attributes.
    pub attributes: Vec<Attribute>,
    /// Blocks.
    pub blocks: Vec<ListBlock>,
}

impl Schema {
    /// The schema as Terraform reads it.
    #[must_use]
    pub fn message(&self) -> message::Schema {
        let block = block(self.description, &self.attributes, &self.blocks);
        message::Schema { version: VERSION, block: Some(block) }
    }

    /// The value with exactly the schema's attributes: those it lacks become null, those unknown to the schema go.
    /// Terraform accepts no other; state stored by an older release has fewer, by a newer one more.
    #[must_use]
    pub fn conform(&self, value: &Value) -> Value {
        let mut conformed = conform(&self.attributes, value);
        for block in &self.blocks {
            conformed.set(block.name, block.conform(value.get(block.name)));
        }
        conformed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schema() -> Schema {
        let limit = Kind::Object(vec![Attribute::optional("requests", Kind::Number, "")]);
        Schema {
            description: "",
            attributes: vec![
                Attribute::required("name", Kind::Text, ""),
                Attribute::computed("id", Kind::Text, ""),
            ],
            blocks: vec![ListBlock {
                name: "route",
                description: "",
                attributes: vec![Attribute::optional("rate_limit", limit, "")],
            }],
        }
    }

    #[test]
    fn a_value_stored_by_another_release_gets_todays_shape() {
        let stored = br#"{"name":"a","gone":1,"route":[{"rate_limit":{"old":2}}]}"#;
        let today = schema().conform(&Value::from_json(stored).unwrap());
        let expected = br#"{"name":"a","id":null,"route":[{"rate_limit":{"requests":null}}]}"#;
        assert_eq!(today, Value::from_json(expected).unwrap());
    }

    #[test]
    fn no_blocks_are_an_empty_list_and_never_null() {
        let today = schema().conform(&Value::from_json(br#"{"name":"a"}"#).unwrap());
        assert_eq!(*today.get("route"), Value::List(Vec::new()));
    }
}
