//! The declared gateway document.
//!
//! In: the text of one or more YAML or JSON files. Out: a [`Config`] (typed, checked, with the document's
//! [`Digest`]) or every mistake in the text at once ([`Mistakes`]), each with file, line, path and what was
//! expected. Nothing here reads a file, resolves a secret or knows the time.
//!
//! Reading order: [`document`] is what people write; [`decode`](mod@decode) turns text into any document type of
//! Moorline (this one, `moorline.yaml`, `moorlined.yaml`); [`check`] holds the rules a type cannot say;
//! [`mod@layer`], [`digest`] and [`mod@diff`] work on the plain JSON value.

pub mod chain;
pub mod check;
pub mod config;
pub mod decode;
pub mod diff;
pub mod digest;
pub mod document;
mod json;
pub mod layer;
pub mod mistake;
pub mod moment;
pub mod name;
pub mod pattern;
#[cfg(test)]
mod properties;
pub mod schema;
pub mod secret;
pub mod suggest;
mod tree;
pub mod units;
mod yaml;

pub use config::Config;
pub use decode::{Decoded, Source, decode, decode_checked, decode_value};
pub use diff::{Change, diff};
pub use digest::Digest;
pub use document::Document;
pub use layer::layer;
pub use mistake::{Mistake, Mistakes};
pub use moment::Moment;
pub use name::{GatewayName, GuardrailName, KeyName, ModelName, ProviderName, TeamName};
pub use secret::{Reference, Secret, WeakToken};
pub use units::{ByteSize, Duration, Percent, Usd, from_text_or_number};
