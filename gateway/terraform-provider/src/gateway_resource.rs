//! `openai_gateway`: a gateway's document, declared in HCL.
//!
//! In: a block (see [`schema`](GatewayResource::schema)). Out: the document at the endpoint. [`attributes`] is the
//! block as typed data, [`mod@declare`] makes the document of it, [`project`] makes the block of a document again (to
//! show drift at the attribute that people wrote), [`deliver`] hands it over, [`check`] points at mistakes.
//!
//! The state's `digest` is the anchor: a live document of that digest is the one that was applied, and nothing else
//! is compared. A write carries it as `If-Match`.

pub mod attributes;
pub mod check;
pub mod declare;
pub mod deliver;
pub mod project;

use async_trait::async_trait;
use moorline_config::Config;

use self::attributes::Attributes;
use crate::connection::Connection;
use crate::protocol::{AttributePath, Diagnostic};
use crate::report;
use crate::resource::{Applied, Change, Diagnostics, Resource};
use crate::schema::{Attribute, Kind, ListBlock, Schema};
use crate::value::Value;

/// The type `openai_gateway`.
#[derive(Debug, Clone, Copy)]
pub struct GatewayResource;

#[async_trait]
impl Resource for GatewayResource {
    fn schema(&self) -> Schema {
        Schema {
            description: "A gateway's document. Blocks say the common things; `document` says everything else.",
            attributes: vec![
                Attribute::required("name", Kind::Text, "The gateway's name."),
                Attribute::optional(
                    "location",
                    Kind::Text,
                    "Region or place, for people and for cost reports.",
                ),
                Attribute::optional("tags", Kind::TextMap, "Free labels, laid over those of `document`."),
                Attribute::optional(
                    "document",
                    Kind::Text,
                    "A gateway document as JSON: all that the other attributes do not say. They are \
                        laid over it.",
                ),
                Attribute::optional(
                    "providers",
                    Kind::TextList,
                    "Declarations of `openai_provider` and `anthropic_provider`, laid over the \
                        providers of `document`.",
                ),
                Attribute::optional(
                    "take_over",
                    Kind::Bool,
                    "Write although another owner (git, file) holds the document. Default: false.",
                ),
                Attribute::computed("id", Kind::Text, "The same as `name`."),
                Attribute::computed(
                    "endpoint",
                    Kind::Text,
                    "The address that serves requests; the provider's endpoint when that is not known.",
                ),
                Attribute::computed(
                    "digest",
                    Kind::Text,
                    "The document's identity: SHA-256 over its canonical JSON.",
                ),
            ],
            blocks: vec![route_block()],
        }
    }

    fn validate(&self, config: &Value) -> Diagnostics {
        match Attributes::read(config) {
            Err(found) => found,
            // What is not known yet is checked again when it is: before the plan, or before the apply.
            Ok(None) => Vec::new(),
            Ok(Some(attributes)) => check::check(&attributes),
        }
    }

    fn plan(&self, change: &Change) -> Result<Value, Diagnostics> {
        let mut planned = self.schema().conform(&change.next);
        if let Some(prior) = &change.prior {
            keep_equal_document(&mut planned, prior);
        }
        planned.set("id", planned.get("name").clone());
        planned.set(
            "digest",
            match Attributes::read(&planned)? {
                Some(attributes) => Value::from(declared(&attributes)?.digest().to_string()),
                None => Value::Unknown,
            },
        );
        let endpoint = change.prior.as_ref().map_or(&Value::Null, |prior| prior.get("endpoint"));
        planned.set("endpoint", if endpoint.is_null() { Value::Unknown } else { endpoint.clone() });
        Ok(planned)
    }

    async fn apply(&self, change: &Change, connection: &Connection) -> Result<Applied, Diagnostics> {
        let Some(attributes) = Attributes::read(&change.next)? else {
            return Err(vec![Diagnostic::error(
                "The document is not known",
                "A value is still unknown while applying.",
            )]);
        };
        let config = declared(&attributes)?;
        let standing = deliver::Standing::of(change.prior.as_ref(), attributes.take_over);
        let (served_at, warnings) = deliver::deliver(&config, &standing, connection).await?;
        let mut state = change.next.clone();
        state.set("id", attributes.name);
        state.set("digest", config.digest().to_string());
        if !state.get("endpoint").is_known() {
            state.set("endpoint", served_at);
        }
        Ok(Applied { state, warnings })
    }

    async fn delete(&self, prior: &Value, connection: &Connection) -> Result<(), Diagnostics> {
        deliver::withdraw(prior, connection).await
    }

    async fn read(&self, state: &Value, connection: &Connection) -> Result<Option<Value>, Diagnostics> {
        let endpoint = connection.document().map_err(|diagnostic| vec![diagnostic])?;
        let Some(live) = endpoint.get().await.map_err(|error| vec![report::admin(&error)])? else {
            return match state.get("digest") {
                Value::Null => Err(nothing_to_import(state)),
                _ => Ok(None),
            };
        };
        let mut read = match state.get("digest").text() {
            Some(digest) if digest == live.digest.to_string() => state.clone(),
            Some(_) => project::onto(state, &live.document)?,
            None => project::imported(state, &live.document)?,
        };
        read.set("digest", live.digest.to_string());
        read.set("id", read.get("name").clone());
        let own = connection.endpoint().map_err(|diagnostic| vec![diagnostic])?;
        read.set("endpoint", live.endpoint.as_deref().unwrap_or(own));
        Ok(Some(read))
    }

    fn import(&self, id: &str) -> Result<Value, Diagnostics> {
        let mut state = self.schema().conform(&Value::Null);
        state.set("id", id);
        state.set("name", id);
        Ok(state)
    }
}

/// The document that attributes declare, checked.
fn declared(attributes: &Attributes) -> Result<Config, Diagnostics> {
    let document = declare::declare(attributes)?;
    Config::from_value("openai_gateway", &document).map_err(|mistakes| check::point_at(&mistakes, attributes))
}

/// Keeps the text of an equal document: formatting is no change.
fn keep_equal_document(planned: &mut Value, prior: &Value) {
    let meaning = |value: &Value| value.text().and_then(|text| declare::parse(text).ok());
    let before = meaning(prior.get("document"));
    if before.is_some() && before == meaning(planned.get("document")) {
        planned.set("document", prior.get("document").clone());
    }
}

fn nothing_to_import(state: &Value) -> Diagnostics {
    let name = state.get("id").text().unwrap_or_default();
    let detail = format!(
        "The endpoint holds no document, so there is no gateway `{name}` to import. Apply the block to \
            declare one."
    );
    vec![Diagnostic::error("Nothing to import", detail).at(AttributePath::of("id"))]
}

fn route_block() -> ListBlock {
    let rate_limit = Kind::Object(vec![
        Attribute::optional("requests", Kind::Number, "Requests in a window."),
        Attribute::optional("tokens", Kind::Number, "Tokens in a window, in and out together."),
        Attribute::required("window", Kind::Text, "The window's length: 30s, 1m, 1h."),
    ]);
    ListBlock {
        name: "route",
        description: "What serves the requests on a path; the first that matches. Any route block \
            stands in for all routes of `document`.",
        attributes: vec![
            Attribute::required("path", Kind::Text, "An exact path, or a prefix that ends in `*`."),
            Attribute::optional(
                "model",
                Kind::Text,
                "The one model served here, also to requests that name none. Absent: all models.",
            ),
            Attribute::optional("rate_limit", rate_limit, "The most that each key may use here."),
        ],
    }
}
