//! Calls about the stable document: read, check, compare, replace.

use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::{Extension, State};
use axum::response::{IntoResponse, Response};
use http::HeaderMap;
use http::header::{ETAG, HeaderValue};
use moorline_admin::{ConfigPlan, EffectiveConfig, Status, Validation};
use moorline_config::diff;
use serde_json::{Value, json};

use super::refusal::Refusal;
use super::{Endpoint, Ends, Server, request, touched};
use crate::clock;
use crate::state::Proposal;

/// `GET /admin/v1/config`.
pub(super) async fn read(
    State(server): State<Arc<Server>>,
    Extension(ends): Extension<Ends>,
) -> Result<Response, Refusal> {
    let snapshot = server.admin.state.snapshot();
    let Some(stable) = &snapshot.stable else { return Err(Refusal::not_found("nothing was declared yet")) };
    let config = EffectiveConfig {
        digest: stable.config.digest(),
        document: stable.config.value().clone(),
        attestation: Some(stable.attestation.clone()),
        fingerprints: stable.fingerprints.clone(),
        endpoint: Some(server.admin.endpoint.url(&ends)),
    };
    let mut response = Json(&config).into_response();
    if let Ok(tag) = HeaderValue::try_from(format!("\"{}\"", config.digest)) {
        response.headers_mut().insert(ETAG, tag);
    }
    Ok(response)
}

/// `POST /admin/v1/config/validate`.
pub(super) async fn validate(
    State(server): State<Arc<Server>>,
    body: Body,
) -> Result<Json<Validation>, Refusal> {
    let proposal = Proposal::Posted(request::json(body).await?);
    let validation = server.admin.state.change(move |state| Ok(state.validate(&proposal))).await?;
    Ok(Json(validation))
}

/// `POST /admin/v1/config/plan`.
pub(super) async fn plan(State(server): State<Arc<Server>>, body: Body) -> Result<Json<ConfigPlan>, Refusal> {
    let proposal = Proposal::Posted(request::json(body).await?);
    let after = server.admin.state.change(move |state| state.parse(&proposal)).await?;
    let snapshot = server.admin.state.snapshot();
    let before = snapshot.stable.as_ref().map(|stable| &stable.config);
    let nothing = json!({});
    let before_value: &Value = before.map_or(&nothing, |config| config.value());
    Ok(Json(ConfigPlan {
        before: before.map(|config| config.digest()),
        after: after.digest(),
        changes: diff(before_value, after.value()),
        touched: touched::touched(before.map(|config| &**config), &after),
    }))
}

/// `PUT /admin/v1/config`.
pub(super) async fn replace(
    State(server): State<Arc<Server>>,
    Extension(ends): Extension<Ends>,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<Status>, Refusal> {
    let write = request::write(&headers, &ends)?;
    let proposal = Proposal::Posted(request::json(body).await?);
    let state = &server.admin.state;
    state.change(move |state| state.replace(&proposal, &write, clock::now())).await?;
    Ok(Json(server.status(&ends)))
}

impl Endpoint {
    pub(super) fn url(&self, ends: &Ends) -> String {
        match self {
            Self::Declared(url) => url.clone(),
            Self::Listener { scheme, address } => {
                let ip = if address.ip().is_unspecified() { ends.local.ip() } else { address.ip() };
                format!("{scheme}://{}", std::net::SocketAddr::new(ip, address.port()))
            }
        }
    }
}
