//! The console: pages made on the server, readable without any script, on a phone and in the dark.
//!
//! A small script follows the event stream, loads the page's main part anew when something happened, and says so when
//! the daemon falls silent. There is no
//! inline script or style, and nothing comes from elsewhere.

mod adoption_part;
mod drift_part;
mod environment_part;
mod html;
mod intents_part;
mod overview_part;
mod rollout_part;
mod wording;

use std::sync::Arc;

use axum::extract::{Path, Query, State};
use axum::response::{Html as HtmlResponse, IntoResponse, Response};
use http::StatusCode;
use http::header::CONTENT_TYPE;
use jiff::Timestamp;
use moorline_model::{EnvironmentName, RolloutId};

use crate::App;
use crate::api::{DeclaredPage, state};
use crate::landing::Landing;
use crate::problem::Problem;
use html::Html;
use serde::Deserialize;

/// Environments shown in full on the first page; the others are rows of its table.
const IN_FULL_MAX: usize = 10;
/// Lines of history shown below each environment.
const HISTORY_ROWS: usize = 20;
/// Lines of history on an environment's own page.
const HISTORY_ROWS_ALONE: usize = 100;

/// Intents on an environment's own page.
const INTENT_ROWS: usize = 10;

/// `GET /assets/console.css`
pub(crate) async fn style() -> Response {
    ([(CONTENT_TYPE, "text/css; charset=utf-8")], include_str!("assets/console.css")).into_response()
}

/// `GET /assets/live.js`
pub(crate) async fn script() -> Response {
    ([(CONTENT_TYPE, "text/javascript; charset=utf-8")], include_str!("assets/live.js")).into_response()
}

/// `GET /assets/icon.svg`
pub(crate) async fn icon() -> Response {
    ([(CONTENT_TYPE, "image/svg+xml")], include_str!("assets/icon.svg")).into_response()
}

/// `GET /`
pub(crate) async fn overview(
    State(app): State<Arc<App>>,
    Query(Overview { after, filter }): Query<Overview>,
) -> Result<Response, Problem> {
    let now = (app.web.clock)();
    let filter = filter.trim();
    let holding = Some(filter).filter(|filter| !filter.is_empty());
    // A name that is none comes from a link that somebody changed: the list begins where it begins.
    let after: Option<EnvironmentName> = after.parse().ok();
    let is_whole = after.is_none() && holding.is_none();
    let DeclaredPage { states, next } =
        crate::api::declared_page(&app, after, holding, crate::api::ENVIRONMENTS).await?;
    let mut html = Html::default();
    html.raw("<h1>Environments</h1>");
    if states.is_empty() && is_whole {
        html.raw("<p class=\"empty\">No environment is known yet.");
        if let Some(waits_for) = app.web.gates.waits_for() {
            html.raw(" ").text(waits_for);
        }
        html.raw(
            "</p><p class=\"hint\">The first cycle begins as soon as the repository can be fetched and its \
             declaration is valid. <code>moorline init</code> writes one, <code>moorline validate</code> checks it.</p>",
        );
        return Ok(page(&app, "Moorline", &html));
    }
    if !is_whole || next.is_some() {
        overview_part::form(&mut html, filter);
    }
    if states.is_empty() {
        html.raw(
            "<p class=\"empty\">No environment is called like that. <a href=\"/\">All environments</a></p>",
        );
    } else {
        overview_part::table(&mut html, &states, now);
    }
    if let Some(next) = &next {
        overview_part::next(&mut html, next, filter);
    }
    for state in states.iter().take(IN_FULL_MAX) {
        let events = app.web.record.history(&state.name, HISTORY_ROWS, None).await?;
        environment_part::write(&mut html, state, &events, now);
    }
    Ok(page(&app, "Moorline", &html))
}

/// Which environments the first page shows.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Overview {
    /// Those whose name comes after this one.
    after: String,
    /// Those whose name holds this text.
    filter: String,
}

/// `GET /environments/{name}`
pub(crate) async fn environment(
    State(app): State<Arc<App>>,
    Path(name): Path<String>,
) -> Result<Response, Problem> {
    let now = (app.web.clock)();
    let state = state(&app, &name).await?;
    let events = app.web.record.history(&state.name, HISTORY_ROWS_ALONE, None).await?;
    let rollouts = app.web.record.rollouts(&state.name, HISTORY_ROWS).await?;
    let mut html = Html::default();
    html.raw("<h1><a href=\"/\">Environments</a> <span class=\"soft\">›</span> ")
        .text(&state.name)
        .raw("</h1>");
    environment_part::write(&mut html, &state, &events, now);
    intents_part::write(&mut html, &app.web.record.last_intents(&state.name, INTENT_ROWS).await?, now);
    rollout_part::list(&mut html, &state.name, &rollouts, now);
    Ok(page(&app, &format!("{} · Moorline", state.name), &html))
}

/// `GET /environments/{name}/drift`
pub(crate) async fn drift(
    State(app): State<Arc<App>>,
    Path(name): Path<String>,
) -> Result<Response, Problem> {
    let state = state(&app, &name).await?;
    let mut html = Html::default();
    below(&mut html, &state.name, "drift");
    drift_part::page(&mut html, &state, (app.web.clock)());
    Ok(page(&app, &format!("Drift · {} · Moorline", state.name), &html))
}

/// `GET /environments/{name}/rollouts/{id}`
pub(crate) async fn rollout(
    State(app): State<Arc<App>>,
    Path((name, id)): Path<(String, String)>,
) -> Result<Response, Problem> {
    let state = state(&app, &name).await?;
    let unknown = || Problem::not_found(format!("no rollout of `{}` has this id", state.name));
    let id: RolloutId = id.parse().map_err(|_| unknown())?;
    let rollout = app.web.record.rollout(&state.name, id).await?.ok_or_else(unknown)?;
    let mut html = Html::default();
    below(&mut html, &state.name, "rollout");
    html.raw("<article class=\"environment\">");
    rollout_part::write(&mut html, &state.name, &rollout, (app.web.clock)());
    html.raw("</article>");
    Ok(page(&app, &format!("Rollout · {} · Moorline", state.name), &html))
}

/// The heading of a page below an environment's.
fn below(html: &mut Html, environment: &EnvironmentName, what: &'static str) {
    html.raw("<h1><a href=\"/\">Environments</a> <span class=\"soft\">›</span> <a href=\"/environments/");
    html.segment(environment.as_str()).raw("\">").text(environment);
    html.raw("</a> <span class=\"soft\">›</span> ").raw(what).raw("</h1>");
}

/// The sign-in form, which leads to a page.
pub(crate) fn sign_in_page(
    status: StatusCode,
    trouble: Option<&str>,
    landing: &Landing,
    now: Timestamp,
) -> Response {
    let mut html = Html::default();
    html.raw("<section class=\"sign-in\"><h1>Sign in</h1>");
    if let Some(trouble) = trouble {
        html.raw("<p class=\"notice bad\" role=\"alert\">").text(trouble).raw("</p>");
    }
    html.raw("<form method=\"post\" action=\"/session\"><input type=\"hidden\" name=\"next\" value=\"");
    html.text(landing).raw(
        "\"><label for=\"token\">Token</label>\
         <input id=\"token\" name=\"token\" type=\"password\" autocomplete=\"current-password\" required autofocus>\
         <button type=\"submit\">Sign in</button></form>\
         <p class=\"hint\">A viewer's, operator's or admin's token of this daemon. Signing in lets you look; \
         to act, use <code>moorline</code> with a token.</p></section>",
    );
    still("Sign in", status, &html, now)
}

/// A refusal, with a way on.
pub(crate) fn refusal_page(status: StatusCode, problem: &Problem, now: Timestamp) -> Response {
    let mut html = Html::default();
    html.raw("<section class=\"refusal\"><h1>").text(problem.title()).raw("</h1><p>");
    html.text(sentence(problem.detail())).raw("</p><p><a href=\"/\">All environments</a></p></section>");
    still(problem.title(), status, &html, now)
}

/// A problem's detail as a sentence.
fn sentence(detail: &str) -> String {
    let mut chars = detail.chars();
    let first = chars.next().map(|first| first.to_uppercase().to_string()).unwrap_or_default();
    format!("{first}{}.", chars.as_str().trim_end_matches('.'))
}

/// A page that does not change by itself.
fn still(title: &str, status: StatusCode, main: &Html, now: Timestamp) -> Response {
    let title = format!("{title} · Moorline");
    let still = Frame { is_live: false, may_sign_out: false, now };
    (status, HtmlResponse(frame(&title, main, &still))).into_response()
}

/// A text that came with a request, cut for an error message.
pub(crate) fn short(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(64).collect()
}

struct Frame {
    is_live: bool,
    may_sign_out: bool,
    now: Timestamp,
}

fn page(app: &App, title: &str, main: &Html) -> Response {
    let may_sign_out = !app.reading_is_open();
    HtmlResponse(frame(title, main, &Frame { is_live: true, may_sign_out, now: (app.web.clock)() }))
        .into_response()
}

fn frame(title: &str, main: &Html, frame: &Frame) -> String {
    let mut html = Html::default();
    html.raw(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
         <meta name=\"color-scheme\" content=\"light dark\"><meta name=\"moorline-now\" content=\"",
    );
    // By this the script counts ages on, and knows a page that a browser kept for later.
    html.text(frame.now).raw("\"><title>").text(title);
    html.raw(
        "</title><link rel=\"stylesheet\" href=\"/assets/console.css\">\
         <link rel=\"icon\" id=\"icon\" type=\"image/svg+xml\" href=\"/assets/icon.svg\">",
    );
    if frame.is_live {
        html.raw("<script src=\"/assets/live.js\" defer></script>");
    }
    html.raw("</head><body>");
    if frame.is_live {
        html.raw("<p id=\"silence\" role=\"alert\" hidden></p>");
    }
    html.raw("<header class=\"top\"><a class=\"brand\" href=\"/\">Moorline</a>");
    if frame.is_live {
        html.raw("<p id=\"live\" role=\"status\"><noscript>As of ");
        html.text(wording::exact(frame.now)).raw(". Reload to see news.</noscript></p>");
    }
    if frame.may_sign_out {
        html.raw(
            "<form method=\"post\" action=\"/session/end\"><button type=\"submit\">Sign out</button></form>",
        );
    }
    html.raw("</header><main id=\"main\">").append(main);
    html.raw("</main><footer>Moorline ").text(env!("CARGO_PKG_VERSION"));
    html.raw(" · <a href=\"/api/v1/openapi.json\">API</a> · <a href=\"/metrics\">metrics</a></footer></body></html>");
    html.finish()
}
