//! The document endpoint: what `terraform apply` needs of a gateway, offered for a whole environment.
//!
//! `GET` answers as a gateway's `/admin/v1/config` does; `PUT` takes the document that Terraform declares. It does
//! not serve at once: the daemon rolls it out like any other.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use http::HeaderMap;
use http::header::{ETAG, IF_MATCH};
use moorline_model::EnvironmentName;
use moorline_model::config::{Config, Digest};
use moorline_model::environment::StoredDocument;
use moorline_record::HandOver;
use serde::Serialize;
use serde_json::Value;

use crate::access::Caller;
use crate::problem::Problem;
use crate::seam::{DeclaredDocument, Delivery};
use crate::{App, body};

/// Largest document.
const DOCUMENT_BYTES_MAX: usize = 4 << 20;
const ORIGIN: &str = "moorline-origin";
const ORIGIN_TERRAFORM: &str = "terraform";

/// The document as the provider reads it; the same shape as a gateway's.
#[derive(Serialize)]
struct EffectiveConfig {
    digest: Digest,
    document: Value,
    fingerprints: BTreeMap<String, Option<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    endpoint: Option<String>,
}

/// `GET …/document`
pub(crate) async fn read_document(
    State(app): State<Arc<App>>,
    Path(name): Path<String>,
) -> Result<Response, Problem> {
    let (name, declared) = declared(&app, &name)?;
    let kept = app.web.record.handed_over(&name).await?;
    let kept =
        kept.ok_or_else(|| Problem::not_found(format!("no document was handed over for `{name}` yet")))?;
    Ok(answer(kept, declared))
}

/// `PUT …/document`
pub(crate) async fn write_document(
    State(app): State<Arc<App>>,
    Path(name): Path<String>,
    Extension(Caller(actor)): Extension<Caller>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let (name, declared) = declared(&app, &name)?;
    owned(&name, &declared, &headers)?;
    let if_match = if_match(&headers)?;
    let document: Value = body::json(body, DOCUMENT_BYTES_MAX).await?;
    let config = Config::from_value("document", &document)
        .map_err(|mistakes| Problem::invalid_document(mistakes.0))?;
    let kept =
        StoredDocument { digest: config.digest(), document: config.value().clone(), at: (app.web.clock)() };
    let if_match = match if_match {
        Match::Any => None,
        Match::Existing => Some(existing(&app, &name).await?),
        Match::Digest(digest) => Some(digest),
    };
    if app.web.record.hand_over(&name, &kept, if_match, &actor).await? == HandOver::Changed {
        app.web.bell.ring(Some(&name));
    }
    Ok(answer(kept, declared))
}

fn answer(kept: StoredDocument, declared: DeclaredDocument) -> Response {
    let tag = format!("\"{}\"", kept.digest);
    let body = EffectiveConfig {
        digest: kept.digest,
        document: kept.document,
        fingerprints: BTreeMap::new(),
        endpoint: declared.endpoint,
    };
    ([(ETAG, tag)], Json(body)).into_response()
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
    let kept = app.web.record.handed_over(name).await?;
    let kept = kept.ok_or_else(|| {
        Problem::precondition_failed(format!(
            "If-Match: * asks for a document, and `{name}` was handed none yet"
        ))
    })?;
    Ok(kept.digest)
}
