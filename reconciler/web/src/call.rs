//! A call of an endpoint, taken apart into the types that the endpoint names, and its answer put together from one.
//!
//! In: a request that the guard let through. Out: JSON of the endpoint's own type, or a problem.

use std::future::Future;
use std::sync::Arc;

use axum::Json;
use axum::extract::{FromRequestParts as _, Query, RawPathParams, Request};
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, StatusCode};
use moorline_api::{BodyRule, Endpoint};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::access::Caller;
use crate::problem::Problem;
use crate::{App, body};

/// A request to an endpoint, parsed.
pub(crate) struct Call<Q, B> {
    pub(crate) app: Arc<App>,
    pub(crate) query: Q,
    pub(crate) body: B,
    pub(crate) caller: Caller,
    pub(crate) headers: HeaderMap,
    path: Vec<String>,
}

impl<Q, B> Call<Q, B> {
    /// The environment in the path.
    pub(crate) fn name(&self) -> &str {
        self.path.first().map_or("", String::as_str)
    }

    /// What stands below the environment in the path.
    pub(crate) fn id(&self) -> &str {
        self.path.get(1).map_or("", String::as_str)
    }
}

/// Takes a request apart, has it handled and puts the answer together.
pub(crate) async fn answer<Q, B, R, F>(
    endpoint: &Endpoint<Q, B, R>,
    app: Arc<App>,
    request: Request,
    handler: impl FnOnce(Call<Q, B>) -> F,
    headers: fn(&R) -> HeaderMap,
) -> Result<Response, Problem>
where
    Q: DeserializeOwned,
    B: DeserializeOwned,
    R: Serialize,
    F: Future<Output = Result<R, Problem>>,
{
    let call = parsed(endpoint, app, request).await?;
    let answer = handler(call).await?;
    Ok((endpoint.status, headers(&answer), Json(answer)).into_response())
}

pub(crate) async fn parsed<Q, B, R>(
    endpoint: &Endpoint<Q, B, R>,
    app: Arc<App>,
    request: Request,
) -> Result<Call<Q, B>, Problem>
where
    Q: DeserializeOwned,
    B: DeserializeOwned,
{
    let (mut parts, body) = request.into_parts();
    let parameters = RawPathParams::from_request_parts(&mut parts, &()).await;
    let parameters = parameters.map_err(|_| Problem::of_status(StatusCode::BAD_REQUEST))?;
    let path = parameters.iter().map(|(_, value)| value.to_owned()).collect();
    let query = Query::try_from_uri(&parts.uri).map_err(|error| Problem::malformed(error.body_text()))?;
    let body = match endpoint.body {
        BodyRule::None => body::parsed(b"{}")?,
        BodyRule::Optional { bytes_max } | BodyRule::Required { bytes_max } => {
            body::json(body, bytes_max).await?
        }
    };
    // The guard names the caller of whatever is not open.
    let caller = parts.extensions.remove::<Caller>().unwrap_or_else(|| Caller("anybody".to_owned()));
    Ok(Call { app, query: query.0, body, caller, headers: parts.headers, path })
}
