//! Messages that describe what a provider offers. [`crate::schema`] is what the rest of the crate writes schemas in.

/// A resource's, data source's or provider's schema.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct Schema {
    /// Version of the stored form.
    #[prost(int64, tag = "1")]
    pub version: i64,
    /// The top level.
    #[prost(message, optional, tag = "2")]
    pub block: Option<Block>,
}

/// A block's content.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct Block {
    /// Version of the stored form.
    #[prost(int64, tag = "1")]
    pub version: i64,
    /// Its attributes.
    #[prost(message, repeated, tag = "2")]
    pub attributes: Vec<Attribute>,
    /// Blocks inside it.
    #[prost(message, repeated, tag = "3")]
    pub block_types: Vec<NestedBlock>,
    /// What it is.
    #[prost(string, tag = "4")]
    pub description: String,
    /// 0 plain, 1 Markdown.
    #[prost(int32, tag = "5")]
    pub description_kind: i32,
    /// Whether it is on its way out.
    #[prost(bool, tag = "6")]
    pub deprecated: bool,
}

/// An attribute.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct Attribute {
    /// Its name.
    #[prost(string, tag = "1")]
    pub name: String,
    /// Its type as JSON; empty when `nested_type` says it.
    #[prost(bytes = "vec", tag = "2")]
    pub r#type: Vec<u8>,
    /// What it is.
    #[prost(string, tag = "3")]
    pub description: String,
    /// Must be written.
    #[prost(bool, tag = "4")]
    pub required: bool,
    /// May be written.
    #[prost(bool, tag = "5")]
    pub optional: bool,
    /// Is filled in by the provider.
    #[prost(bool, tag = "6")]
    pub computed: bool,
    /// Is hidden in output.
    #[prost(bool, tag = "7")]
    pub sensitive: bool,
    /// 0 plain, 1 Markdown.
    #[prost(int32, tag = "8")]
    pub description_kind: i32,
    /// An object's attributes.
    #[prost(message, optional, tag = "10")]
    pub nested_type: Option<Object>,
}

/// An object-valued attribute's inside.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct Object {
    /// Its attributes.
    #[prost(message, repeated, tag = "1")]
    pub attributes: Vec<Attribute>,
    /// One object, or a collection of them.
    #[prost(enumeration = "Nesting", tag = "3")]
    pub nesting: i32,
}

/// A block inside a block.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct NestedBlock {
    /// The word that opens it.
    #[prost(string, tag = "1")]
    pub type_name: String,
    /// Its content.
    #[prost(message, optional, tag = "2")]
    pub block: Option<Block>,
    /// How many there can be.
    #[prost(enumeration = "Nesting", tag = "3")]
    pub nesting: i32,
    /// At least.
    #[prost(int64, tag = "4")]
    pub min_items: i64,
    /// At most; 0 for any number.
    #[prost(int64, tag = "5")]
    pub max_items: i64,
}

/// How a nested object or block repeats.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, prost::Enumeration)]
#[repr(i32)]
pub enum Nesting {
    /// Not to be sent.
    Invalid = 0,
    /// At most one.
    Single = 1,
    /// In order.
    List = 2,
}
