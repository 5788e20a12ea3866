//! Reading the small shapes that all chat protocols share, without a tree.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use serde::Deserialize;
use serde::de::{self, SeqAccess, Visitor};

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
