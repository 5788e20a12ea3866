//! Webhooks. A hook proves that it knows the secret, over the raw bytes and before anything is parsed. Then it wakes the
//! cycles and does no more: nothing that it carries is read.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use hmac::{Hmac, Mac as _};
use http::{HeaderMap, StatusCode};
use moorline_model::Secret;
use serde_json::json;
use sha2::Sha256;

use crate::access::TokenHash;
use crate::problem::Problem;
use crate::{App, body};

/// Largest hook.
const HOOK_BYTES_MAX: usize = 256 << 10;
/// Deliveries remembered; the same one again wakes nothing.
const DELIVERIES_MAX: usize = 1_000;
/// Longest delivery id that is remembered.
const DELIVERY_LENGTH_MAX: usize = 128;

/// The ids of the latest deliveries.
#[derive(Debug, Default)]
pub(crate) struct Deliveries(Mutex<VecDeque<String>>);

impl Deliveries {
    /// Whether this is the first time. A delivery without an id always is.
    fn is_new(&self, id: Option<&str>) -> bool {
        let Some(id) = id else { return true };
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.iter().any(|known| known == id) {
            return false;
        }
        if seen.len() >= DELIVERIES_MAX {
            seen.pop_front();
        }
        seen.push_back(id.to_owned());
        true
    }
}

/// `POST /hooks/generic`: `X-Moorline-Signature: sha256=HEX` over the body; `X-Moorline-Delivery` may name it.
pub(crate) async fn generic(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    signed(&app, &headers, body, "x-moorline-signature", "x-moorline-delivery").await
}

/// `POST /hooks/github`
pub(crate) async fn github(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    signed(&app, &headers, body, "x-hub-signature-256", "x-github-delivery").await
}

/// `POST /hooks/gitlab`: GitLab sends the secret itself.
pub(crate) async fn gitlab(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let secret = secret(&app)?;
    let token = one(&headers, "x-gitlab-token").ok_or_else(refused)?;
    if !TokenHash::of_text(token).is(&TokenHash::of_text(secret.expose())) {
        return Err(refused());
    }
    body::read(body, HOOK_BYTES_MAX).await?;
    Ok(wake(&app, &headers, "x-gitlab-event-uuid"))
}

async fn signed(
    app: &App,
    headers: &HeaderMap,
    body: Body,
    signature: &'static str,
    delivery: &'static str,
) -> Result<Response, Problem> {
    let secret = secret(app)?;
    // Without a signature of the right form the body is not even read.
    let digits = one(headers, signature).and_then(|text| text.strip_prefix("sha256=")).ok_or_else(refused)?;
    let mut given = [0; 32];
    hex::decode_to_slice(digits, &mut given).map_err(|_| refused())?;
    let bytes = body::read(body, HOOK_BYTES_MAX).await?;
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.expose().as_bytes()).map_err(|_| refused())?;
    mac.update(&bytes);
    // Compares in constant time.
    mac.verify_slice(&given).map_err(|_| refused())?;
    Ok(wake(app, headers, delivery))
}

fn wake(app: &App, headers: &HeaderMap, delivery: &'static str) -> Response {
    let id = one(headers, delivery).filter(|id| id.len() <= DELIVERY_LENGTH_MAX);
    let is_new = app.deliveries.is_new(id);
    if is_new {
        app.web.cycles.wake(None);
    }
    (StatusCode::ACCEPTED, Json(json!({ "rung": is_new }))).into_response()
}

fn secret(app: &App) -> Result<&Secret, Problem> {
    app.web
        .webhook_secret
        .as_ref()
        .filter(|secret| !secret.expose().is_empty())
        .ok_or_else(|| Problem::forbidden("hooks are closed; `repository.webhook_secret` opens them"))
}

/// The same for every cause, so that a guess learns nothing.
fn refused() -> Problem {
    Problem::unauthorized("the hook's signature is missing or wrong")
}

/// The value of a header that is there exactly once.
fn one<'headers>(headers: &'headers HeaderMap, name: &str) -> Option<&'headers str> {
    let mut values = headers.get_all(name).iter();
    let value = values.next()?;
    if values.next().is_some() { None } else { value.to_str().ok() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deliveries_are_remembered_within_a_bound() {
        let deliveries = Deliveries::default();
        assert!(deliveries.is_new(Some("first")));
        assert!(!deliveries.is_new(Some("first")));
        assert!(deliveries.is_new(None) && deliveries.is_new(None));
        for n in 0..DELIVERIES_MAX {
            assert!(deliveries.is_new(Some(&n.to_string())));
        }
        assert_eq!(deliveries.0.lock().unwrap().len(), DELIVERIES_MAX);
    }
}
