//! Who reads an answer: a person with a browser, or a program. The one place where a refusal becomes a page.
//!
//! In: what a route is and what `Accept` says, and the answer as the route gave it. Out: the same answer; or, when it
//! refuses a person who looks at a page, a page that says so and leads on; or, when a library refused a program, a problem.

use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use http::header::{ACCEPT, CONTENT_TYPE, WWW_AUTHENTICATE};
use http::{HeaderMap, Method, StatusCode};
use jiff::Timestamp;

use crate::console;
use crate::landing::Landing;
use crate::problem::Problem;
use crate::session::Refused;

/// What only programs read, with all that is below it. They get problems, whatever they say that they accept.
const PROGRAMS: [&str; 6] = ["/api", "/hooks", "/metrics", "/healthz", "/readyz", "/assets"];

/// What answers probes in plain text.
const PROBES: [&str; 3] = ["/healthz", "/readyz", "/metrics"];

/// Whether people look at what is at a path.
pub(crate) fn is_for_people(path: &str) -> bool {
    !PROGRAMS.iter().any(|program| {
        path.strip_prefix(program).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    })
}

/// Who asks.
#[derive(Debug)]
pub(crate) enum Reader {
    Program,
    /// A program that asks how we are, and has its answer in the status.
    Probe,
    /// A person, and what they want to see: where signing in leads them.
    Person(Landing),
}

impl Reader {
    pub(crate) fn of(request: &Request) -> Self {
        let path = request.uri().path();
        if PROBES.contains(&path) {
            return Self::Probe;
        }
        if !is_for_people(path) || !takes_pages(request.headers()) {
            return Self::Program;
        }
        let wanted = request.uri().path_and_query().filter(|_| *request.method() == Method::GET);
        Self::Person(wanted.and_then(|wanted| Landing::parse(wanted.as_str())).unwrap_or_default())
    }

    /// The answer as this reader understands it.
    pub(crate) fn served(self, answer: Response, now: Timestamp) -> Response {
        let Some(problem) = problem_in(&answer) else { return answer };
        let wanted = match self {
            Self::Probe => return answer,
            Self::Program if answer.extensions().get::<Problem>().is_some() => return answer,
            // A refusal in the words of a library: what is below `/api` says it as everything there.
            Self::Program => return problem.into_response(),
            Self::Person(wanted) => wanted,
        };
        let status = answer.status();
        let mut page = if status == StatusCode::UNAUTHORIZED {
            match answer.extensions().get::<Refused>() {
                Some(refused) => console::sign_in_page(status, Some(problem.detail()), &refused.landing, now),
                None => console::sign_in_page(status, None, &wanted, now),
            }
        } else {
            console::refusal_page(status, &problem, now)
        };
        if let Some(challenge) = answer.headers().get(WWW_AUTHENTICATE) {
            page.headers_mut().insert(WWW_AUTHENTICATE, challenge.clone());
        }
        page
    }
}

/// What an answer refuses, also when it was not us who put it into words.
fn problem_in(answer: &Response) -> Option<Problem> {
    if let Some(problem) = answer.extensions().get::<Problem>() {
        return Some(problem.clone());
    }
    let is_page =
        answer.headers().get(CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(b"text/html"));
    let status = answer.status();
    ((status.is_client_error() || status.is_server_error()) && !is_page).then(|| Problem::of_status(status))
}

/// Whether `text/html` is asked for by name: browsers do, programs that take anything do not mean pages.
fn takes_pages(headers: &HeaderMap) -> bool {
    let values = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).any(|range| {
        let mut parts = range.split(';').map(str::trim);
        let is_html = parts.next().is_some_and(|kind| kind.eq_ignore_ascii_case("text/html"));
        let is_refused = parts.any(|parameter| {
            let weight = parameter.strip_prefix("q=").or_else(|| parameter.strip_prefix("Q="));
            weight.is_some_and(|weight| weight.parse().is_ok_and(|weight: f32| weight <= 0.0))
        });
        is_html && !is_refused
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_are_for_who_asks_for_them_by_name() {
        for (accept, expected) in [
            ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", true),
            ("application/json, Text/HTML;q=0.1", true),
            ("text/html;q=0", false),
            ("text/html; q=0.000", false),
            ("*/*", false),
            ("text/*", false),
            ("application/json", false),
            ("text/htmlx", false),
            ("", false),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(ACCEPT, accept.parse().unwrap());
            assert_eq!(takes_pages(&headers), expected, "{accept}");
        }
        assert!(!takes_pages(&HeaderMap::new()));
    }

    #[test]
    fn programs_have_their_own_addresses() {
        for (path, expected) in [
            ("/", true),
            ("/environments/prod", true),
            ("/apiary", true),
            ("/session", true),
            ("/api", false),
            ("/api/v1/nothing", false),
            ("/hooks/github", false),
            ("/metrics", false),
        ] {
            assert_eq!(is_for_people(path), expected, "{path}");
        }
    }
}
