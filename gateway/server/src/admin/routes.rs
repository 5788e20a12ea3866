//! Every route of the admin API, and its description, which is made of the same list.

use std::future::Future;
use std::sync::{Arc, LazyLock};

use axum::extract::{Extension, Request, State};
use axum::handler::Handler;
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodFilter, MethodRouter, get, on};
use axum::{Json, Router};
use http::{HeaderMap, StatusCode};
use moorline_admin::endpoint::Nothing;
use moorline_admin::endpoints::{self, Endpoint};
use moorline_admin::openapi::{About, Description, EventStream, OpenApi};
use moorline_admin::{Event, Problem};
use schemars::JsonSchema;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::json;

use super::call::Call;
use super::refusal::Refusal;
use super::{Ends, Server, candidate, document, gate, observe};

const ABOUT: About = About {
    title: "Moorline gateway, admin API",
    description: "What a gateway serves, and how that is changed. Errors are RFC 9457 problems.",
    path_parameters: &[],
};

struct Route {
    method: http::Method,
    path: &'static str,
    handler: MethodRouter<Arc<Server>>,
    /// Writes it into the description.
    describe: Box<dyn Fn(&mut OpenApi)>,
}

/// The route of an endpoint. Its handler takes and gives what the endpoint's types say.
fn serve<Q, B, R, H, F>(endpoint: &'static Endpoint<Q, B, R>, handler: H) -> Route
where
    Q: DeserializeOwned + JsonSchema + Send,
    B: DeserializeOwned + JsonSchema + Send,
    R: Serialize + JsonSchema,
    H: Fn(Call<Q, B>) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Result<R, Refusal>> + Send,
{
    serve_with(endpoint, handler, |_| HeaderMap::new())
}

/// The same, with headers that follow from the answer.
fn serve_with<Q, B, R, H, F>(
    endpoint: &'static Endpoint<Q, B, R>,
    handler: H,
    headers: fn(&R) -> HeaderMap,
) -> Route
where
    Q: DeserializeOwned + JsonSchema + Send,
    B: DeserializeOwned + JsonSchema + Send,
    R: Serialize + JsonSchema,
    H: Fn(Call<Q, B>) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Result<R, Refusal>> + Send,
{
    let answer =
        async move |State(server): State<Arc<Server>>, Extension(ends): Extension<Ends>, request: Request| {
            let answer = handler(Call::of(endpoint, server, ends, request).await?).await?;
            Ok::<_, Refusal>((endpoint.status, headers(&answer), Json(answer)))
        };
    described(endpoint, answer)
}

/// The route of the endpoint whose answer is a stream.
fn stream<F>(
    endpoint: &'static Endpoint<Nothing, Nothing, EventStream>,
    handler: fn(Call<Nothing, Nothing>) -> F,
) -> Route
where
    F: Future<Output = Result<Response, Refusal>> + Send + 'static,
{
    let answer =
        async move |State(server): State<Arc<Server>>, Extension(ends): Extension<Ends>, request: Request| {
            handler(Call::of(endpoint, server, ends, request).await?).await
        };
    described(endpoint, answer)
}

fn described<Q, B, R, H, T>(endpoint: &'static Endpoint<Q, B, R>, handler: H) -> Route
where
    Q: JsonSchema,
    B: JsonSchema,
    R: JsonSchema,
    H: Handler<T, Arc<Server>>,
    T: 'static,
{
    let method = endpoint.verb.method();
    let filter = MethodFilter::try_from(method.clone()).unwrap_or(MethodFilter::GET);
    let describe = Box::new(move |description: &mut OpenApi| description.add(endpoint));
    Route { method, path: endpoint.path, handler: on(filter, handler), describe }
}

fn all() -> Vec<Route> {
    vec![
        serve(&endpoints::STATUS, observe::status),
        serve_with(&endpoints::CONFIG, document::read, document::tag),
        serve(&endpoints::REPLACE, document::replace),
        serve(&endpoints::VALIDATE, document::validate),
        serve(&endpoints::PLAN, document::plan),
        serve(&endpoints::STAGE, candidate::stage),
        serve(&endpoints::SET_WEIGHT, candidate::set_weight),
        serve(&endpoints::DISCARD, candidate::discard),
        serve(&endpoints::PROMOTE, candidate::promote),
        serve(&endpoints::STATS, observe::stats),
        serve(&endpoints::FAILURE, observe::failure),
        stream(&endpoints::EVENTS, observe::events),
        serve(&endpoints::DRAIN, observe::drain),
        serve(&endpoints::OPENAPI, async |_| Ok(DESCRIPTION.clone())),
    ]
}

static DESCRIPTION: LazyLock<Description> = LazyLock::new(|| {
    let mut description = OpenApi::new(ABOUT);
    all().iter().for_each(|route| (route.describe)(&mut description));
    description.mention::<Event>();
    description.finish::<Problem>(&json!({
        "token": { "type": "http", "scheme": "bearer" },
        "certificate": { "type": "mutualTLS" },
    }))
});

/// Method and path of every route of the API.
#[must_use]
pub fn routes() -> Vec<(http::Method, &'static str)> {
    all().into_iter().map(|route| (route.method, route.path)).collect()
}

pub(super) fn router(server: Arc<Server>) -> Router {
    let mut router = Router::new().route("/metrics", get(observe::metrics));
    for Route { path, handler, .. } in all() {
        router = router.route(path, handler);
    }
    router
        .fallback(|| async { Refusal::not_found("there is no such path; the admin API is below /admin/v1") })
        .method_not_allowed_fallback(|| async {
            Refusal::new(
                StatusCode::METHOD_NOT_ALLOWED,
                "malformed",
                "Method not allowed",
                "this path has no such method",
            )
            .into_response()
        })
        .layer(axum::middleware::from_fn_with_state(Arc::clone(&server), gate::check))
        .with_state(server)
}
