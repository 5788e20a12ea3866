//! Every address of the daemon, with the access that it requires. A route cannot be added without one.

use std::future::Future;
use std::sync::{Arc, LazyLock};

use axum::Router;
use axum::extract::{Request, State};
use axum::handler::Handler;
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodFilter, MethodRouter, on};
use http::{HeaderMap, Method, Uri};
use moorline_api::{About, Access, Description, Endpoint, EventStream, Nothing, OpenApi, endpoints};
use schemars::JsonSchema;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::json;

use crate::access::{self, Guard};
use crate::call::{self, Call};
use crate::problem::Problem;
use crate::{App, api, console, hooks, metrics, reader, session, shield};

/// What the description of the API says beside its endpoints.
const ABOUT: About = About {
    title: "Moorline",
    description: "What a Moorline daemon knows, and the operations that people may request. Errors are RFC 9457 problems.",
    path_parameters: &[
        ("name", "The environment; a / in it is written %2F."),
        ("id", "The `intent` of the answer to an operation."),
    ],
};

/// Writes an endpoint into the description of the API.
type Describe = Box<dyn Fn(&mut OpenApi)>;

struct Route {
    method: Method,
    path: &'static str,
    access: Access,
    handler: MethodRouter<Arc<App>>,
    /// Writes it into the description of the API, if it is part of that.
    describe: Option<Describe>,
}

/// A route that is no part of the API.
fn plain<H, T>(method: Method, path: &'static str, access: Access, handler: H) -> Route
where
    H: Handler<T, Arc<App>>,
    T: 'static,
{
    let filter = MethodFilter::try_from(method.clone()).unwrap_or(MethodFilter::GET);
    Route { method, path, access, handler: on(filter, handler), describe: None }
}

fn get<H: Handler<T, Arc<App>>, T: 'static>(path: &'static str, access: Access, handler: H) -> Route {
    plain(Method::GET, path, access, handler)
}

fn post<H: Handler<T, Arc<App>>, T: 'static>(path: &'static str, access: Access, handler: H) -> Route {
    plain(Method::POST, path, access, handler)
}

/// The route of an endpoint. Its handler takes and gives what the endpoint's types say.
fn serve<Q, B, R, H, F>(endpoint: &'static Endpoint<Q, B, R>, handler: H) -> Route
where
    Q: DeserializeOwned + JsonSchema + Send,
    B: DeserializeOwned + JsonSchema + Send,
    R: Serialize + JsonSchema,
    H: Fn(Call<Q, B>) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Result<R, Problem>> + Send,
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
    F: Future<Output = Result<R, Problem>> + Send,
{
    let answer = async move |State(app): State<Arc<App>>, request: Request| {
        call::answer(endpoint, app, request, handler, headers).await
    };
    described(endpoint, answer)
}

/// The route of the endpoint whose answer is a stream.
fn stream<F>(
    endpoint: &'static Endpoint<Nothing, Nothing, EventStream>,
    handler: fn(Call<Nothing, Nothing>) -> F,
) -> Route
where
    F: Future<Output = Result<Response, Problem>> + Send + 'static,
{
    let answer = async move |State(app): State<Arc<App>>, request: Request| {
        handler(call::parsed(endpoint, app, request).await?).await
    };
    described(endpoint, answer)
}

fn described<Q, B, R, H, T>(endpoint: &'static Endpoint<Q, B, R>, handler: H) -> Route
where
    Q: JsonSchema,
    B: JsonSchema,
    R: JsonSchema,
    H: Handler<T, Arc<App>>,
    T: 'static,
{
    let describe = Box::new(move |description: &mut OpenApi| description.add(endpoint));
    let route = plain(endpoint.verb.method(), endpoint.path, endpoint.access, handler);
    Route { describe: Some(describe), ..route }
}

fn all() -> Vec<Route> {
    use Access::{Open, Page};
    let mut all = vec![
        get("/healthz", Open, metrics::healthz),
        get("/readyz", Open, metrics::readyz),
        get("/metrics", Open, metrics::metrics),
        // Hooks check a signature over the raw body themselves.
        post("/hooks/generic", Open, hooks::generic),
        post("/hooks/github", Open, hooks::github),
        post("/hooks/gitlab", Open, hooks::gitlab),
        get("/", Page, console::overview),
        get("/environments/{name}", Page, console::environment),
        get("/environments/{name}/drift", Page, console::drift),
        get("/environments/{name}/rollouts/{id}", Page, console::rollout),
        get("/session", Open, session::form),
        post("/session", Open, session::sign_in),
        post("/session/end", Open, session::sign_out),
        get("/assets/console.css", Open, console::style),
        get("/assets/live.js", Open, console::script),
        get("/assets/icon.svg", Open, console::icon),
        serve(&endpoints::OPENAPI, async |_| Ok(DESCRIPTION.clone())),
        serve(&endpoints::ENVIRONMENTS, api::environments),
        serve(&endpoints::ENVIRONMENT, api::environment),
        serve(&endpoints::DRIFT, api::drift),
        serve(&endpoints::ROLLOUTS, api::rollouts),
        serve(&endpoints::HISTORY, api::history),
        serve(&endpoints::WHY, api::why),
        serve(&endpoints::INTENT, api::intent),
        serve_with(&endpoints::READ_DOCUMENT, api::read_document, api::tag),
        serve_with(&endpoints::WRITE_DOCUMENT, api::write_document, api::tag),
        stream(&endpoints::EVENTS, api::events),
        serve(&endpoints::AUDIT, api::audit),
    ];
    all.extend(
        api::ACTIONS.iter().map(|action| serve(&action.endpoint, move |call| api::submit(action, call))),
    );
    all
}

/// The description of the API, made from the routes that are served.
static DESCRIPTION: LazyLock<Description> = LazyLock::new(|| {
    let mut description = OpenApi::new(ABOUT);
    all().iter().filter_map(|route| route.describe.as_ref()).for_each(|describe| describe(&mut description));
    description.finish::<moorline_api::Problem>(&json!({
        "token": { "type": "http", "scheme": "bearer" },
        "session": { "type": "apiKey", "in": "cookie", "name": session::COOKIE_NAME },
    }))
});

/// Method, path and access of every route.
#[must_use]
pub fn routes() -> Vec<(Method, &'static str, Access)> {
    all().into_iter().map(|route| (route.method, route.path, route.access)).collect()
}

pub(crate) fn router(app: Arc<App>) -> Router {
    let mut router = Router::new();
    for Route { path, access, handler, .. } in all() {
        let guard = Guard { app: Arc::clone(&app), access };
        router = router.route(path, handler.layer(from_fn_with_state(guard, access::guard)));
    }
    router
        .fallback(nothing_here)
        .method_not_allowed_fallback(wrong_method)
        .layer(from_fn_with_state(Arc::clone(&app), shield::shield))
        .with_state(app)
}

async fn nothing_here(uri: Uri) -> Response {
    let detail = if reader::is_for_people(uri.path()) {
        "nothing is at this address"
    } else {
        "nothing is at this address; the API is described at /api/v1/openapi.json"
    };
    Problem::not_found(detail).into_response()
}

async fn wrong_method() -> Response {
    Problem::method_not_allowed().into_response()
}
