//! Handing the document over, and taking it away.
//!
//! Guarantees: nothing is overwritten that the plan did not show. An update says by `If-Match` which document it was
//! planned against. A create goes ahead only where nothing is declared, where the same document already stands (a
//! write whose answer was lost), or over an empty document (what [`withdraw`] leaves), unless it takes over.

use moorline_admin::{DocumentEndpoint, EffectiveConfig, Origin, WriteOptions};
use moorline_config::{Config, Digest, chain};
use serde_json::{Value as Json, json};

use crate::connection::Connection;
use crate::protocol::Diagnostic;
use crate::report;
use crate::resource::Diagnostics;
use crate::value::Value;

/// What we believe about the document that stands there now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// The document this change was planned against; `None` to create.
    pub planned_against: Option<String>,
    /// Write although another owner holds it.
    pub take_over: bool,
}

impl Standing {
    /// From the prior state.
    #[must_use]
    pub fn of(prior: Option<&Value>, take_over: bool) -> Self {
        let planned_against = prior.and_then(|prior| prior.get("digest").text()).map(str::to_owned);
        Self { planned_against, take_over }
    }
}

/// Hands a document over and says where it serves.
///
/// # Errors
/// What stopped it; then nothing was written.
pub async fn deliver(
    config: &Config,
    standing: &Standing,
    connection: &Connection,
) -> Result<(String, Diagnostics), Diagnostics> {
    let own = connection.endpoint().map_err(one)?;
    let endpoint = connection.document().map_err(one)?;
    let live = endpoint.get().await.map_err(|error| one(report::admin(&error)))?;
    let mut options = options(config, standing, live.as_ref()).map_err(one)?;
    options.commit = connection.commit().map(str::to_owned);
    endpoint.put(config.value(), &options).await.map_err(|error| one(report::admin(&error)))?;
    tracing::info!(digest = %config.digest(), url = %endpoint.url(), "document handed over");
    Ok(served_at(&endpoint, own).await)
}

/// Decides by which conditions to write, from what stands there.
fn options(
    config: &Config,
    standing: &Standing,
    live: Option<&EffectiveConfig>,
) -> Result<WriteOptions, Diagnostic> {
    let if_match = match (&standing.planned_against, live) {
        (Some(planned), _) => Some(digest(planned)?),
        (None, None) => None,
        (None, Some(live)) => {
            let is_free = live.digest == config.digest() || is_empty(&live.document);
            if !is_free && !standing.take_over {
                return Err(already_there(config, live));
            }
            Some(live.digest)
        }
    };
    // A manual write is break-glass on top of our document; the plan showed it as drift, and this write ends it.
    let is_manual =
        live.and_then(|live| live.attestation.as_ref()).is_some_and(|a| a.origin == Origin::Manual);
    Ok(WriteOptions {
        if_match,
        origin: Some(Origin::Terraform),
        take_over: standing.take_over || is_manual,
        ..WriteOptions::default()
    })
}

/// Replaces the document by one that has a name and nothing else.
///
/// A document endpoint has no "none": a gateway that was given a document keeps one, so that a restart cannot bring
/// an older one back. The empty document serves nothing and refuses every request, and is the safest one there is.
///
/// # Errors
/// What stopped it; then nothing was written.
pub async fn withdraw(prior: &Value, connection: &Connection) -> Result<(), Diagnostics> {
    let endpoint = connection.document().map_err(one)?;
    let live = endpoint.get().await.map_err(|error| one(report::admin(&error)))?;
    let Some(live) = live.filter(|live| !is_empty(&live.document)) else { return Ok(()) };
    let is_manual = live.attestation.as_ref().is_some_and(|attestation| attestation.origin == Origin::Manual);
    let options = WriteOptions {
        if_match: prior.get("digest").text().map(digest).transpose().map_err(one)?,
        origin: Some(Origin::Terraform),
        take_over: is_manual || *prior.get("take_over") == Value::Bool(true),
        commit: connection.commit().map(str::to_owned),
        ..WriteOptions::default()
    };
    let empty = json!({ "version": 1, "name": prior.get("name").text().unwrap_or_default() });
    endpoint.put(&empty, &options).await.map_err(|error| one(report::admin(&error)))
}

/// Whether a document serves nothing: a version and a name.
fn is_empty(document: &Json) -> bool {
    document.as_object().is_some_and(|fields| fields.keys().all(|name| name == "version" || name == "name"))
}

fn digest(text: &str) -> Result<Digest, Diagnostic> {
    text.parse().map_err(|error| Diagnostic::error("The state holds no digest", format!("digest: {error}")))
}

fn already_there(config: &Config, live: &EffectiveConfig) -> Diagnostic {
    let name = live.document.get("name").and_then(Json::as_str).unwrap_or_default();
    let origin = live.attestation.as_ref().map(|a| format!(", written by {}", a.origin)).unwrap_or_default();
    let detail = format!(
        "The endpoint already serves the document of `{name}` ({}{origin}); creating `{}` would replace \
            it.\n\nTo manage it from here, import it: `terraform import ADDRESS {name}`. To replace it \
            unseen, set `take_over = true`.",
        live.digest, config.name
    );
    Diagnostic::error("A document is already there", detail)
}

/// Where the document serves. The write is done: not being able to ask is no failure of it.
async fn served_at(endpoint: &DocumentEndpoint, own: &str) -> (String, Diagnostics) {
    match endpoint.get().await {
        Ok(live) => (live.and_then(|live| live.endpoint).unwrap_or_else(|| own.to_owned()), Vec::new()),
        Err(error) => {
            let detail = format!("The document was taken, but reading it back failed: {}", chain::of(&error));
            (own.to_owned(), vec![Diagnostic::warning("The document could not be read back", detail)])
        }
    }
}

fn one(diagnostic: Diagnostic) -> Diagnostics {
    vec![diagnostic]
}
