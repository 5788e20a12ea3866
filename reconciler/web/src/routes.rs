//! Every address of the daemon, with what it asks of its caller. A route cannot be added without saying so.

use std::sync::Arc;

use axum::Router;
use axum::handler::Handler;
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodFilter, MethodRouter, on};
use http::{Method, Uri};

use crate::access::{self, Access, Guard};
use crate::problem::Problem;
use crate::{App, api, console, hooks, metrics, reader, session, shield};

struct Route {
    method: Method,
    path: &'static str,
    access: Access,
    handler: MethodRouter<Arc<App>>,
}

fn get<H: Handler<T, Arc<App>>, T: 'static>(path: &'static str, access: Access, handler: H) -> Route {
    Route { method: Method::GET, path, access, handler: on(MethodFilter::GET, handler) }
}

fn post<H: Handler<T, Arc<App>>, T: 'static>(path: &'static str, access: Access, handler: H) -> Route {
    Route { method: Method::POST, path, access, handler: on(MethodFilter::POST, handler) }
}

fn put<H: Handler<T, Arc<App>>, T: 'static>(path: &'static str, access: Access, handler: H) -> Route {
    Route { method: Method::PUT, path, access, handler: on(MethodFilter::PUT, handler) }
}

fn all() -> Vec<Route> {
    use Access::{Admin, DocumentRead, DocumentWrite, Open, Operator, Page, Viewer};
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
        get("/api/v1/openapi.json", Open, api::openapi),
        get("/api/v1/environments", Viewer, api::environments),
        get("/api/v1/environments/{name}", Viewer, api::environment),
        get("/api/v1/environments/{name}/drift", Viewer, api::drift),
        get("/api/v1/environments/{name}/rollouts", Viewer, api::rollouts),
        get("/api/v1/environments/{name}/history", Viewer, api::history),
        get("/api/v1/environments/{name}/why", Viewer, api::why),
        get("/api/v1/environments/{name}/intents/{id}", Viewer, api::intent),
        get("/api/v1/environments/{name}/document", DocumentRead, api::read_document),
        put("/api/v1/environments/{name}/document", DocumentWrite, api::write_document),
        get("/api/v1/events", Viewer, api::events),
        get("/api/v1/audit", Admin, api::audit),
    ];
    all.extend(api::ACTIONS.iter().map(|action| {
        post(action.path, Operator, move |app, name, who, body| api::ask(action, app, name, who, body))
    }));
    all
}

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
