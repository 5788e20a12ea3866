//! Unions told apart by their shape: a text or a map.
//!
//! serde's untagged unions try one form after another and, when none fits, say only that. Here the shape decides
//! which form was meant, and a mistake inside it is reported where it stands.

use std::fmt;
use std::marker::PhantomData;

use serde::de::value::{MapAccessDeserializer, StrDeserializer};
use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};

/// A text or a map.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TextOrMap<T, M> {
    /// It was written as text.
    Text(T),
    /// It was written as a map.
    Map(M),
}

/// Reads a text as `T` or a map as `M`. `expected` completes the sentence "expected …".
///
/// # Errors
/// What `T` or `M` says of its own shape; `expected` when the shape is neither.
pub fn text_or_map<'de, D, T, M>(deserializer: D, expected: &'static str) -> Result<TextOrMap<T, M>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
    M: Deserialize<'de>,
{
    struct Shapes<T, M>(&'static str, PhantomData<(T, M)>);

    impl<'de, T: Deserialize<'de>, M: Deserialize<'de>> Visitor<'de> for Shapes<T, M> {
        type Value = TextOrMap<T, M>;
        fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
            formatter.write_str(self.0)
        }
        fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
            T::deserialize(StrDeserializer::new(text)).map(TextOrMap::Text)
        }
        fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
            M::deserialize(MapAccessDeserializer::new(map)).map(TextOrMap::Map)
        }
    }

    deserializer.deserialize_any(Shapes(expected, PhantomData))
}
