//! Reading the small shapes that all chat protocols share, without a tree.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use serde::Deserialize;
use serde::de::value::StrDeserializer;
use serde::de::{self, DeserializeSeed, IgnoredAny, MapAccess, SeqAccess, Visitor};

use crate::chat::{Image, Untranslatable};

/// A string, or a list of parts: how every protocol writes contents.
#[derive(Debug)]
pub(crate) enum Content<T> {
    /// Text only.
    Text(String),
    /// Parts.
    Parts(Vec<T>),
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Content<T> {
    fn deserialize<D: de::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either<T>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for Either<T> {
            type Value = Content<T>;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a string or a list")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Content::Text(text.to_owned()))
            }

            fn visit_string<E: de::Error>(self, text: String) -> Result<Self::Value, E> {
                Ok(Content::Text(text))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
                let mut parts = Vec::new();
                while let Some(part) = list.next_element()? {
                    parts.push(part);
                }
                Ok(Content::Parts(parts))
            }
        }

        deserializer.deserialize_any(Either(PhantomData))
    }
}

/// Reads an object and leaves its unknown fields out; says whether there were any.
pub(crate) fn known_fields<'de, T: Deserialize<'de>>(
    body: &'de [u8],
    has_unknown: &mut bool,
) -> Result<T, serde_json::Error> {
    let mut json = serde_json::Deserializer::from_slice(body);
    let value = T::deserialize(KnownFields { inner: &mut json, has_unknown })?;
    json.end()?;
    Ok(value)
}

/// A deserializer that shows a struct the fields it has, and no others.
struct KnownFields<'a, D> {
    inner: D,
    has_unknown: &'a mut bool,
}

impl<'de, D: de::Deserializer<'de>> de::Deserializer<'de> for KnownFields<'_, D> {
    type Error = D::Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        self.inner.deserialize_any(visitor)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        self.inner.deserialize_map(KnownMap { inner: visitor, fields, has_unknown: self.has_unknown })
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 u8 u16 u32 u64 f32 f64 char str string bytes byte_buf option unit unit_struct
        newtype_struct seq tuple tuple_struct map enum identifier ignored_any
    }
}

/// A map, or who visits it, without the keys that are not among `fields`.
struct KnownMap<'a, T> {
    inner: T,
    fields: &'static [&'static str],
    has_unknown: &'a mut bool,
}

impl<'de, V: Visitor<'de>> Visitor<'de> for KnownMap<'_, V> {
    type Value = V::Value;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.expecting(formatter)
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<V::Value, A::Error> {
        self.inner.visit_map(KnownMap { inner: map, fields: self.fields, has_unknown: self.has_unknown })
    }
}

impl<'de, A: MapAccess<'de>> MapAccess<'de> for KnownMap<'_, A> {
    type Error = A::Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, A::Error> {
        while let Some(key) = self.inner.next_key::<Word<'de>>()? {
            if self.fields.contains(&key.as_str()) {
                return seed.deserialize(StrDeserializer::new(key.as_str())).map(Some);
            }
            *self.has_unknown = true;
            self.inner.next_value::<IgnoredAny>()?;
        }
        Ok(None)
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, A::Error> {
        self.inner.next_value_seed(seed)
    }
}

/// A word of a protocol: nearly always without escapes, so that it need not be copied.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Word<'a>(#[serde(borrow)] Cow<'a, str>);

impl Word<'_> {
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

/// What cannot be read, in words for the caller.
#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
pub(crate) fn invalid(error: serde_json::Error) -> Untranslatable {
    Untranslatable::Invalid(error.to_string())
}

/// An image from its URL, which may hold it.
pub(crate) fn image(url: String) -> Result<Image, Untranslatable> {
    let Some(data) = url.strip_prefix("data:") else { return Ok(Image::Url(url)) };
    let Some((head, base64)) = data.split_once(',') else {
        return Err(Untranslatable::Invalid("an image's data: URL has no data".to_owned()));
    };
    let Some(media_type) = head.strip_suffix(";base64") else {
        return Err(Untranslatable::Invalid("an image's data: URL must be in base64".to_owned()));
    };
    // Parameters such as `;charset=…` say nothing about an image.
    let media_type = media_type.split(';').next().unwrap_or_default();
    Ok(Image::Data { media_type: media_type.to_owned(), base64: base64.to_owned() })
}

/// An image as a URL, which may hold it.
pub(crate) fn image_url(image: &Image) -> Cow<'_, str> {
    match image {
        Image::Url(url) => Cow::Borrowed(url),
        Image::Data { media_type, base64 } => Cow::Owned(format!("data:{media_type};base64,{base64}")),
    }
}
