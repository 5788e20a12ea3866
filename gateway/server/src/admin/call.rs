//! A call of an endpoint, taken apart into the types that the endpoint names.

use std::sync::Arc;

use axum::extract::{Query, Request};
use http::HeaderMap;
use moorline_admin::endpoint::BodyRule;
use moorline_admin::endpoints::Endpoint;
use serde::de::DeserializeOwned;

use super::refusal::Refusal;
use super::{Ends, Server, request};

/// What an endpoint was asked.
pub(super) struct Call<Q, B> {
    pub(super) server: Arc<Server>,
    pub(super) ends: Ends,
    pub(super) headers: HeaderMap,
    pub(super) query: Q,
    pub(super) body: B,
}

impl<Q: DeserializeOwned, B: DeserializeOwned> Call<Q, B> {
    /// Takes a request apart.
    pub(super) async fn of<R>(
        endpoint: &Endpoint<Q, B, R>,
        server: Arc<Server>,
        ends: Ends,
        request: Request,
    ) -> Result<Self, Refusal> {
        let (parts, body) = request.into_parts();
        let Query(query) = Query::try_from_uri(&parts.uri)
            .map_err(|error| Refusal::malformed(format!("the query is not as expected: {error}")))?;
        let body = match endpoint.body {
            BodyRule::None => request::parsed(b"{}")?,
            BodyRule::Optional { bytes_max } | BodyRule::Required { bytes_max } => {
                request::json(body, bytes_max).await?
            }
        };
        Ok(Self { server, ends, headers: parts.headers, query, body })
    }
}
