//! A document that was read, typed and found without mistake.

use std::ops::Deref;
use std::sync::Arc;

use serde_json::Value;

use crate::decode::{self, Decoded, Source};
use crate::{Digest, Document, Mistakes, check};

/// A checked gateway document. Everything after parsing holds this and never a raw document.
#[derive(Debug, Clone)]
pub struct Config(Arc<Checked>);

/// What every clone shares: a daemon holds the documents of a thousand environments in several places.
#[derive(Debug)]
struct Checked {
    document: Document,
    value: Value,
    digest: Digest,
}

/// The same digest is the same document.
impl PartialEq for Config {
    fn eq(&self, other: &Self) -> bool {
        self.0.digest == other.0.digest
    }
}

impl Config {
    /// Reads layered sources (later wins) into a checked document.
    ///
    /// # Errors
    /// Every mistake in the text, the shape and the rules of [`crate::check`], at once.
    pub fn parse(sources: &[Source<'_>]) -> Result<Self, Mistakes> {
        decode::decode_checked(sources, check::check).map(Self::new)
    }

    /// Reads layered sources as [`Config::parse`] does, and refuses also what nobody can mean ([`check::lint`]): what is
    /// about to be declared is held to more than what serves already.
    ///
    /// # Errors
    /// As [`Config::parse`].
    pub fn parse_new(sources: &[Source<'_>]) -> Result<Self, Mistakes> {
        let rules = |document: &Document| [check::check(document), check::lint(document)].concat();
        decode::decode_checked(sources, rules).map(Self::new)
    }

    /// Reads a document that is already one JSON value (from the admin API, the record, Terraform).
    ///
    /// # Errors
    /// As [`Config::parse`]; `name` stands for the file, and there are no lines.
    pub fn from_value(name: &str, value: &Value) -> Result<Self, Mistakes> {
        decode::decode_value(name, value, check::check).map(Self::new)
    }

    fn new(decoded: Decoded<Document>) -> Self {
        let digest = Digest::of(&decoded.value);
        Self(Arc::new(Checked { document: decoded.document, value: decoded.value, digest }))
    }

    /// The document's identity.
    #[must_use]
    pub fn digest(&self) -> Digest {
        self.0.digest
    }

    /// The document as declared: layered, references unresolved, defaults not filled in.
    #[must_use]
    pub fn value(&self) -> &Value {
        &self.0.value
    }
}

impl Deref for Config {
    type Target = Document;
    fn deref(&self) -> &Document {
        &self.0.document
    }
}
