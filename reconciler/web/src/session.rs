//! The console's sign-in: a token is traded for a cookie that lets its holder look, and nothing more.
//!
//! Sessions live in memory, at most [`SESSIONS_MAX`] of them, for [`SESSION_HOURS`]. Only the hash of each id is held.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use axum::extract::State;
use axum::extract::rejection::FormRejection;
use axum::response::{IntoResponse, Redirect, Response};
use axum::{Extension, Form};
use http::header::{COOKIE, SET_COOKIE};
use http::{HeaderMap, StatusCode};
use jiff::{Timestamp, ToSpan};
use serde::Deserialize;

use crate::App;
use crate::access::{TokenHash, role_of};
use crate::console;
use crate::landing::Landing;
use crate::problem::Problem;

/// Sessions held at once; one more ends the oldest.
const SESSIONS_MAX: usize = 1_000;
/// How long a session lasts.
const SESSION_HOURS: i64 = 12;
pub(crate) const COOKIE_NAME: &str = "moorline_session";

/// The open sessions, oldest first.
#[derive(Debug, Default)]
pub(crate) struct Sessions(Mutex<VecDeque<(TokenHash, Timestamp)>>);

impl Sessions {
    /// Opens a session and returns its id.
    fn open(&self, now: Timestamp) -> Result<String, getrandom::Error> {
        let mut bytes = [0; 32];
        getrandom::fill(&mut bytes)?;
        let id = hex::encode(bytes);
        let until = now.checked_add(SESSION_HOURS.hours()).unwrap_or(now);
        let mut open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        open.retain(|(_, until)| *until > now);
        while open.len() >= SESSIONS_MAX {
            open.pop_front();
        }
        open.push_back((TokenHash::of_text(&id), until));
        Ok(id)
    }

    /// Whether the request's cookie names an open session.
    pub(crate) fn is_known(&self, headers: &HeaderMap, now: Timestamp) -> bool {
        let Some(id) = cookie(headers) else { return false };
        let hash = TokenHash::of_text(id);
        let open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        open.iter().any(|(known, until)| known.is(&hash) && *until > now)
    }

    fn close(&self, headers: &HeaderMap) {
        let Some(hash) = cookie(headers).map(TokenHash::of_text) else { return };
        self.0.lock().unwrap_or_else(PoisonError::into_inner).retain(|(known, _)| !known.is(&hash));
    }
}

fn cookie(headers: &HeaderMap) -> Option<&str> {
    headers
        .get_all(COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .find_map(|pair| pair.trim().strip_prefix(COOKIE_NAME)?.strip_prefix('='))
}

/// What the sign-in form sends.
#[derive(Deserialize)]
pub(crate) struct SignIn {
    token: String,
    /// The page that one wanted.
    #[serde(default)]
    next: String,
}

/// Marks the answer to a sign-in that failed, so that the form is shown again with what was wanted.
#[derive(Debug, Clone)]
pub(crate) struct Refused {
    pub(crate) landing: Landing,
}

/// `GET /session`: the sign-in form.
pub(crate) async fn form(State(app): State<Arc<App>>) -> Response {
    console::sign_in_page(StatusCode::OK, None, &Landing::default(), (app.web.clock)())
}

/// `POST /session`.
pub(crate) async fn sign_in(
    State(app): State<Arc<App>>,
    form: Result<Form<SignIn>, FormRejection>,
) -> Response {
    let Ok(Form(form)) = form else {
        return Problem::malformed("expected the form of /session, with a token").into_response();
    };
    let landing = Landing::parse(&form.next).unwrap_or_default();
    if role_of(&app, form.token.trim()).is_none() {
        let refused =
            Problem::unauthorized("That token is unknown. Tokens are set in the daemon's settings.");
        return (Extension(Refused { landing }), refused).into_response();
    }
    let Ok(id) = app.sessions.open((app.web.clock)()) else {
        return Problem::unavailable("no random number could be drawn").into_response();
    };
    let age = SESSION_HOURS * 3600;
    ([(SET_COOKIE, app.cookie(&id, age))], Redirect::to(landing.as_str())).into_response()
}

/// `POST /session/end`.
pub(crate) async fn sign_out(State(app): State<Arc<App>>, headers: HeaderMap) -> Response {
    app.sessions.close(&headers);
    ([(SET_COOKIE, app.cookie("", 0))], Redirect::to("/session")).into_response()
}

impl App {
    fn cookie(&self, id: &str, seconds: i64) -> String {
        // Not `Strict`: with that, a link in a mail leads to the sign-in form though one is signed in. What the cookie
        // opens only reads.
        let secure = if self.is_https() { "; Secure" } else { "" };
        format!("{COOKIE_NAME}={id}; Path=/; HttpOnly; SameSite=Lax; Max-Age={seconds}{secure}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(id: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(COOKIE, format!("other=1; {COOKIE_NAME}={id}").parse().unwrap());
        headers
    }

    #[test]
    fn a_session_ends_by_itself_by_hand_and_when_there_are_too_many() {
        let sessions = Sessions::default();
        let now = Timestamp::UNIX_EPOCH;
        let first = sessions.open(now).unwrap();
        assert!(sessions.is_known(&with(&first), now + 11.hours()));
        assert!(!sessions.is_known(&with(&first), now + 12.hours()));
        assert!(!sessions.is_known(&with(""), now));
        for _ in 0..SESSIONS_MAX {
            sessions.open(now).unwrap();
        }
        assert!(!sessions.is_known(&with(&first), now), "the oldest made room");
        let last = sessions.open(now).unwrap();
        sessions.close(&with(&last));
        assert!(!sessions.is_known(&with(&last), now));
    }
}
