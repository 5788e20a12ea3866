//! The document endpoint: what `terraform apply` needs of a gateway, offered for a whole environment.
//!
//! `GET` answers as a gateway's `/admin/v1/config` does; `PUT` takes the document that Terraform declares. It does
//! not serve at once: the daemon rolls it out like any other.

use std::collections::BTreeMap;

use http::header::{ETAG, IF_MATCH};
use http::{HeaderMap, HeaderValue};
use moorline_api::{Document, EffectiveConfig, Nothing};
use moorline_model::EnvironmentName;
use moorline_model::config::{Config, Digest};
use moorline_model::environment::StoredDocument;
use moorline_record::HandOver;

use crate::App;
use crate::access::Caller;
use crate::call::Call;
use crate::problem::Problem;
use crate::seam::{DeclaredDocument, Delivery};

const ORIGIN: &str = "moorline-origin";
const ORIGIN_TERRAFORM: &str = "terraform";

/// `GET …/document`
pub(crate) async fn read_document(call: Call<Nothing, Nothing>) -> Result<EffectiveConfig, Problem> {
    let (name, declared) = declared(&call.app, call.name())?;
    let stored = call.app.web.record.handed_over(&name).await?;
    let stored =
        stored.ok_or_else(|| Problem::not_found(format!("no document was handed over for `{name}` yet")))?;
    Ok(effective(stored, declared))
}

/// `PUT …/document`
pub(crate) async fn write_document(call: Call<Nothing, Document>) -> Result<EffectiveConfig, Problem> {
    let (name, declared) = declared(&call.app, call.name())?;
    owned(&name, &declared, &call.headers)?;
    let if_match = if_match(&call.headers)?;
    let Call { app, body: Document(document), caller: Caller(actor), .. } = call;
    let config = Config::from_value("document", &document)
        .map_err(|mistakes| Problem::invalid_document(mistakes.0))?;
    let stored =
        StoredDocument { digest: config.digest(), document: config.value().clone(), at: (app.web.clock)() };
    let if_match = match if_match {
        Match::Any => None,
        Match::Existing => Some(existing(&app, &name).await?),
        Match::Digest(digest) => Some(digest),
    };
    if app.web.record.hand_over(&name, &stored, if_match, &actor).await? == HandOver::Changed {
        app.web.cycles.wake(Some(&name));
    }
    Ok(effective(stored, declared))
}

fn effective(stored: StoredDocument, declared: DeclaredDocument) -> EffectiveConfig {
    EffectiveConfig {
        digest: stored.digest,
        document: stored.document,
        attestation: None,
        fingerprints: BTreeMap::new(),
        endpoint: declared.endpoint,
    }
}

/// The digest as the ETag.
pub(crate) fn tag(config: &EffectiveConfig) -> HeaderMap {
    let tag = HeaderValue::try_from(format!("\"{}\"", config.digest)).ok();
    tag.map(|tag| (ETAG, tag)).into_iter().collect()
}

fn declared(app: &App, name: &str) -> Result<(EnvironmentName, DeclaredDocument), Problem> {
    let unknown =
        || Problem::not_found(format!("no environment is called `{}`", crate::console::short(name)));
    let name: EnvironmentName = name.parse().map_err(|_| unknown())?;
    let documents = app.web.documents.borrow();
    let documents = documents
        .as_ref()
        .ok_or_else(|| Problem::unavailable("the repository was not read yet; try again in a moment"))?;
    let declared = documents.get(&name).cloned().ok_or_else(unknown)?;
    Ok((name, declared))
}

/// A document has one owner. Here it is Terraform or nobody.
fn owned(name: &EnvironmentName, declared: &DeclaredDocument, headers: &HeaderMap) -> Result<(), Problem> {
    let origin = headers.get(ORIGIN).and_then(|origin| origin.to_str().ok());
    if declared.delivery == Delivery::Git {
        return Err(Problem::owned_by_another(format!(
            "the document of `{name}` is owned by git: moorline.yaml names its files. A write by {} is refused; \
             declare `document: {{terraform: openai_gateway.NAME}}` to hand it to Terraform",
            crate::console::short(origin.unwrap_or("nobody in particular")),
        )));
    }
    if origin != Some(ORIGIN_TERRAFORM) {
        return Err(Problem::owned_by_another(format!(
            "the document of `{name}` is owned by terraform. A write by {} is refused; change the resource and apply",
            crate::console::short(origin.unwrap_or("nobody in particular")),
        )));
    }
    Ok(())
}

/// What must be there for a write to happen.
enum Match {
    Any,
    Existing,
    Digest(Digest),
}

fn if_match(headers: &HeaderMap) -> Result<Match, Problem> {
    let mut values = headers.get_all(IF_MATCH).iter();
    let Some(value) = values.next() else { return Ok(Match::Any) };
    let text = value.to_str().unwrap_or_default().trim();
    let digest =
        text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).and_then(|text| text.parse().ok());
    match (text, digest) {
        _ if values.next().is_some() => Err(Problem::malformed("expected one If-Match header")),
        ("*", _) => Ok(Match::Existing),
        (_, Some(digest)) => Ok(Match::Digest(digest)),
        (_, None) => Err(Problem::malformed("expected If-Match: \"sha256:…\", as the ETag says it, or *")),
    }
}

async fn existing(app: &App, name: &EnvironmentName) -> Result<Digest, Problem> {
    let stored = app.web.record.handed_over(name).await?;
    let stored = stored.ok_or_else(|| {
        Problem::precondition_failed(format!(
            "If-Match: * requires a document, and `{name}` was handed none yet"
        ))
    })?;
    Ok(stored.digest)
}
