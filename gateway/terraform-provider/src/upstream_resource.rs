//! `openai_provider` and `anthropic_provider`: an upstream provider, checked and printed as a piece of the document.
//!
//! A document has one owner, the `openai_gateway`; an upstream provider therefore has no remote object of its own. Its
//! `declaration` goes into the gateway's `providers`, and so into the same write as everything else.

use async_trait::async_trait;
use moorline_config::document::ProviderKind;
use moorline_config::{ProviderName, Reference};
use serde_json::json;
use url::Url;

use crate::connection::Connection;
use crate::protocol::{AttributePath, Diagnostic};
use crate::resource::{Applied, Change, Diagnostics, Resource};
use crate::schema::{Attribute, Kind, Schema};
use crate::value::Value;

/// An upstream provider of one kind.
#[derive(Debug, Clone, Copy)]
pub struct UpstreamResource {
    kind: ProviderKind,
}

impl UpstreamResource {
    /// `openai_provider`.
    pub const OPENAI: Self = Self { kind: ProviderKind::Openai };
    /// `anthropic_provider`.
    pub const ANTHROPIC: Self = Self { kind: ProviderKind::Anthropic };

    /// The state that a block comes to.
    fn state(self, block: &Value) -> Value {
        let mut state = self.schema().conform(block);
        let written = ["name", "base_url", "api_key"].map(|name| block.get(name));
        state.set("id", block.get("name").clone());
        state.set(
            "declaration",
            if written.iter().all(|value| value.is_known()) {
                self.declaration(block)
            } else {
                Value::Unknown
            },
        );
        state
    }

    fn declaration(self, block: &Value) -> Value {
        let mut provider = serde_json::Map::from_iter([("kind".to_owned(), json!(self.kind.as_str()))]);
        for name in ["base_url", "api_key"] {
            if let Some(text) = block.get(name).text() {
                provider.insert(name.to_owned(), json!(text));
            }
        }
        let name = block.get("name").text().unwrap_or_default();
        Value::Text(json!({ "providers": { name: provider } }).to_string())
    }
}

#[async_trait]
impl Resource for UpstreamResource {
    fn schema(&self) -> Schema {
        Schema {
            description: "An upstream provider, for the `providers` of an `openai_gateway`. It is \
                checked and printed; the gateway's own resource writes it.",
            attributes: vec![
                Attribute::required(
                    "name",
                    Kind::Text,
                    "Its name in the document, by which models refer to it.",
                ),
                Attribute::optional(
                    "base_url",
                    Kind::Text,
                    "Base of its URLs, up to and with the version. Absent: the public one.",
                ),
                Attribute::optional(
                    "api_key",
                    Kind::Text,
                    "Where its key is found: env:NAME, file:/path, secretsmanager:id[#key], ssm:/name \
                        or vault:path#key. Never the key itself.",
                ),
                Attribute::computed("id", Kind::Text, "The same as `name`."),
                Attribute::computed(
                    "declaration",
                    Kind::Text,
                    "The provider as a piece of the document, as JSON.",
                ),
            ],
            blocks: Vec::new(),
        }
    }

    fn validate(&self, config: &Value) -> Diagnostics {
        let mut found = Vec::new();
        if let Some(Err(error)) = config.get("name").text().map(str::parse::<ProviderName>) {
            found.push(Diagnostic::error("Invalid name", error.to_string()).at(AttributePath::of("name")));
        }
        if let Some(Err(error)) = config.get("base_url").text().map(Url::parse) {
            found.push(
                Diagnostic::error("Invalid base_url", error.to_string()).at(AttributePath::of("base_url")),
            );
        }
        if let Some(Err(error)) = config.get("api_key").text().map(str::parse::<Reference>) {
            // Without a path: Terraform prints the line a path leads to, and with it the key.
            found.push(Diagnostic::error("A key stands in `api_key`", format!("api_key: {error}.")));
        }
        found
    }

    fn plan(&self, change: &Change) -> Result<Value, Diagnostics> {
        Ok(self.state(&change.next))
    }

    async fn apply(&self, change: &Change, _: &Connection) -> Result<Applied, Diagnostics> {
        Ok(Applied { state: self.state(&change.next), warnings: Vec::new() })
    }

    async fn delete(&self, _: &Value, _: &Connection) -> Result<(), Diagnostics> {
        Ok(())
    }

    async fn read(&self, state: &Value, _: &Connection) -> Result<Option<Value>, Diagnostics> {
        Ok(Some(state.clone()))
    }

    fn import(&self, id: &str) -> Result<Value, Diagnostics> {
        let detail = format!(
            "There is nothing to import for `{id}`: an upstream provider lives in its gateway's \
                document. Write the block and apply."
        );
        Err(vec![Diagnostic::error("Upstream providers are not imported", detail)])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(json: &str) -> Value {
        UpstreamResource::OPENAI.schema().conform(&Value::from_json(json.as_bytes()).unwrap())
    }

    #[test]
    fn a_provider_is_declared_as_the_document_wants_it() {
        let state = UpstreamResource::ANTHROPIC.state(&block(r#"{"name":"claude","api_key":"env:KEY"}"#));
        let expected = r#"{"providers":{"claude":{"api_key":"env:KEY","kind":"anthropic"}}}"#;
        assert_eq!(state.get("declaration").text(), Some(expected));
        assert_eq!(state.get("id").text(), Some("claude"));
    }

    #[test]
    fn a_literal_key_is_refused_without_being_repeated_or_pointed_at() {
        let found = UpstreamResource::OPENAI.validate(&block(r#"{"name":"o","api_key":"sk-live-1"}"#));
        assert_eq!(found.len(), 1);
        assert!(found[0].attribute.is_none());
        assert!(!format!("{found:?}").contains("sk-live"));
    }

    #[test]
    fn what_is_not_known_yet_makes_the_declaration_not_known_yet() {
        let mut unknown = block(r#"{"name":"o"}"#);
        unknown.set("base_url", Value::Unknown);
        assert!(UpstreamResource::OPENAI.validate(&unknown).is_empty());
        assert_eq!(*UpstreamResource::OPENAI.state(&unknown).get("declaration"), Value::Unknown);
    }
}
