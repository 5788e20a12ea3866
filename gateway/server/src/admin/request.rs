//! What a request says, read once and checked: its body, and the headers of a write.

use axum::body::Body;
use http::HeaderMap;
use http::header::IF_MATCH;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use moorline_admin::Origin;
use moorline_config::Digest;
use serde::de::DeserializeOwned;

use super::refusal::Refusal;
use super::{BODY_TIMEOUT, Ends};
use crate::state::{Author, Ownership, Write};

/// The longest text a header may carry.
const HEADER_BYTES_MAX: usize = 1024;

/// Reads a JSON body, bounded in size and time.
pub(super) async fn json<T: DeserializeOwned>(body: Body, bytes_max: usize) -> Result<T, Refusal> {
    let read = tokio::time::timeout(BODY_TIMEOUT, Limited::new(body, bytes_max).collect()).await;
    let bytes = match read {
        Ok(Ok(collected)) => collected.to_bytes(),
        Ok(Err(error)) if error.is::<LengthLimitError>() => {
            return Err(Refusal::too_large(format!("expected at most {bytes_max} bytes")));
        }
        Ok(Err(_)) => return Err(Refusal::malformed("the body broke off")),
        Err(_) => {
            return Err(Refusal::malformed(format!(
                "the body did not arrive within {} s",
                BODY_TIMEOUT.as_secs()
            )));
        }
    };
    parsed(&bytes)
}

/// Reads JSON.
pub(super) fn parsed<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Refusal> {
    serde_json::from_slice(bytes)
        .map_err(|error| Refusal::malformed(format!("the body is not the JSON expected: {error}")))
}

/// Reads the headers of a write. Without `Moorline-Origin` it is a person's.
pub(super) fn write(headers: &HeaderMap, ends: &Ends) -> Result<Write, Refusal> {
    let origin = match text(headers, "moorline-origin")? {
        None => Origin::Manual,
        Some(origin) => {
            origin.parse().map_err(|error| Refusal::malformed(format!("Moorline-Origin: {error}")))?
        }
    };
    if origin == Origin::File {
        return Err(Refusal::malformed(
            "Moorline-Origin: `file` is what the gateway itself reads; expected git, terraform or manual",
        ));
    }
    let author = Author {
        origin,
        commit: text(headers, "moorline-commit")?,
        actor: actor(text(headers, "moorline-actor")?, ends),
        reason: text(headers, "moorline-reason")?,
    };
    if origin == Origin::Manual && (author.actor.is_none() || author.reason.is_none()) {
        return Err(Refusal::malformed(
            "a manual write says who and why: expected Moorline-Actor and Moorline-Reason",
        ));
    }
    let ownership = match text(headers, "moorline-take-over")?.as_deref() {
        None | Some("false") => Ownership::Respect,
        Some("true") => Ownership::TakeOver,
        Some(_) => return Err(Refusal::malformed("Moorline-Take-Over: expected true or false")),
    };
    Ok(Write { author, if_match: if_match(headers)?, ownership })
}

/// Who writes: what a client certificate proves comes before what is only said.
fn actor(said: Option<String>, ends: &Ends) -> Option<String> {
    match (ends.client.as_deref(), said) {
        (Some(proven), Some(said)) if said != proven => Some(format!("{proven} (for {said})")),
        (Some(proven), _) => Some(proven.to_owned()),
        (None, said) => said,
    }
}

/// The digest of `If-Match`, when there is one. `*` is no condition here.
pub(super) fn if_match(headers: &HeaderMap) -> Result<Option<Digest>, Refusal> {
    let Some(tag) = text(headers, IF_MATCH.as_str())?.filter(|tag| tag != "*") else { return Ok(None) };
    let digest = tag.strip_prefix('"').and_then(|tag| tag.strip_suffix('"')).unwrap_or(&tag);
    digest.parse().map(Some).map_err(|error| Refusal::malformed(format!("If-Match: {error}")))
}

/// A header's text; absent and empty are the same.
fn text(headers: &HeaderMap, name: &str) -> Result<Option<String>, Refusal> {
    let mut values = headers.get_all(name).iter();
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(Refusal::malformed(format!("{name}: expected once")));
    }
    let text = std::str::from_utf8(value.as_bytes())
        .map_err(|_| Refusal::malformed(format!("{name}: expected UTF-8")))?;
    if text.len() > HEADER_BYTES_MAX {
        return Err(Refusal::malformed(format!("{name}: expected at most {HEADER_BYTES_MAX} bytes")));
    }
    Ok(Some(text.trim().to_owned()).filter(|text| !text.is_empty()))
}
