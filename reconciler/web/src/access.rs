//! Who may do what. Every route names the access it requires; the guard in front of it lets nobody else through.

use std::sync::Arc;

use axum::extract::{FromRequestParts as _, RawPathParams, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::HeaderMap;
use http::header::AUTHORIZATION;
use http::request::Parts;
use moorline_api::Access;
use moorline_model::{EnvironmentName, Secret};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use crate::App;
use crate::problem::Problem;
use crate::session;

/// SHA-256 of a token: all that is kept of it.
#[derive(Clone, Copy)]
pub struct TokenHash([u8; 32]);

impl TokenHash {
    /// The hash of a token. An empty one is no token.
    #[must_use]
    pub fn of(token: &Secret) -> Option<Self> {
        (!token.expose().is_empty()).then(|| Self::of_text(token.expose()))
    }

    pub(crate) fn of_text(token: &str) -> Self {
        Self(Sha256::digest(token).into())
    }

    /// Compares in constant time.
    pub(crate) fn is(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl std::fmt::Debug for TokenHash {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("TokenHash(…)")
    }
}

/// What a token stands for; each may do what those before it may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// May look.
    Viewer,
    /// May sync, approve, roll back, hold and release.
    Operator,
    /// May do everything.
    Admin,
}

impl Role {
    /// The role as the audit names it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Operator => "operator",
            Self::Admin => "admin",
        }
    }
}

/// The roles' tokens. An absent role is closed.
#[derive(Debug, Clone, Copy, Default)]
pub struct Roles {
    /// Admin's.
    pub admin: Option<TokenHash>,
    /// Operator's.
    pub operator: Option<TokenHash>,
    /// Viewer's.
    pub viewer: Option<TokenHash>,
}

impl Roles {
    /// The role that a token stands for. All are compared, whichever matches.
    pub(crate) fn of(&self, token: &TokenHash) -> Option<Role> {
        [(Role::Admin, &self.admin), (Role::Operator, &self.operator), (Role::Viewer, &self.viewer)]
            .into_iter()
            .filter(|(_, hash)| hash.as_ref().is_some_and(|hash| hash.is(token)))
            .map(|(role, _)| role)
            .max()
    }
}

/// The role that an access requires.
const fn required_role(access: Access) -> Role {
    match access {
        Access::Open | Access::Viewer | Access::Page | Access::DocumentRead => Role::Viewer,
        Access::Operator | Access::DocumentWrite => Role::Operator,
        Access::Admin => Role::Admin,
    }
}

/// Who calls, as the audit names them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Caller(pub(crate) String);

/// What a guard stands in front of.
#[derive(Clone)]
pub(crate) struct Guard {
    pub(crate) app: Arc<App>,
    pub(crate) access: Access,
}

/// Lets a request through that may pass, with its [`Caller`].
pub(crate) async fn guard(State(guard): State<Guard>, request: Request, next: Next) -> Response {
    if guard.access == Access::Open {
        return next.run(request).await;
    }
    let (mut parts, body) = request.into_parts();
    match judge(&guard, &mut parts).await {
        Ok(caller) => {
            parts.extensions.insert(caller);
            next.run(Request::from_parts(parts, body)).await
        }
        Err(problem) => problem.into_response(),
    }
}

async fn judge(guard: &Guard, parts: &mut Parts) -> Result<Caller, Problem> {
    let Guard { app, access } = guard;
    let token = match bearer(&parts.headers)? {
        Some(token) => TokenHash::of_text(token),
        None => return without_token(app, *access, parts),
    };
    if let Some(role) = app.web.roles.of(&token) {
        let required = required_role(*access);
        return if role >= required {
            Ok(Caller(role.as_str().to_owned()))
        } else {
            Err(Problem::forbidden(format!(
                "this requires the role {}; the token has the role {}",
                required.as_str(),
                role.as_str()
            )))
        };
    }
    if !matches!(access, Access::DocumentRead | Access::DocumentWrite) {
        // A document token opens its document and nothing else; here it is as good as none.
        return Err(Problem::unauthorized("the token is unknown"));
    }
    let environment = environment(parts).await;
    let matching = environments_of(app, &token);
    if matching.is_empty() {
        return Err(Problem::unauthorized("the token is unknown"));
    }
    if environment.is_some_and(|environment| matching.contains(&environment)) {
        Ok(Caller("terraform".to_owned()))
    } else {
        Err(Problem::forbidden("the token is for another document"))
    }
}

fn without_token(app: &App, access: Access, parts: &Parts) -> Result<Caller, Problem> {
    let reads = matches!(access, Access::Viewer | Access::Page);
    if reads {
        if app.sessions.is_known(&parts.headers, (app.web.clock)()) {
            return Ok(Caller("viewer".to_owned()));
        }
        if app.reading_is_open() {
            return Ok(Caller("anybody".to_owned()));
        }
    }
    Err(Problem::unauthorized("this requires a token: Authorization: Bearer TOKEN"))
}

fn bearer(headers: &HeaderMap) -> Result<Option<&str>, Problem> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let Some(value) = values.next() else { return Ok(None) };
    let token = value
        .to_str()
        .ok()
        .and_then(|text| text.split_once(' '))
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
        .map(|(_, token)| token.trim())
        .filter(|token| !token.is_empty() && values.next().is_none());
    token.map(Some).ok_or_else(|| Problem::unauthorized("expected one header Authorization: Bearer TOKEN"))
}

async fn environment(parts: &mut Parts) -> Option<EnvironmentName> {
    let parameters = RawPathParams::from_request_parts(parts, &()).await.ok()?;
    parameters.iter().find(|(key, _)| *key == "name").and_then(|(_, name)| name.parse().ok())
}

/// The environments whose document the token may write.
fn environments_of(app: &App, token: &TokenHash) -> Vec<EnvironmentName> {
    let documents = app.web.documents.borrow();
    let documents = documents.iter().flat_map(|documents| documents.iter());
    documents
        .filter(|(_, document)| document.token.as_ref().is_some_and(|hash| hash.is(token)))
        .map(|(name, _)| name.clone())
        .collect()
}

/// The role a text typed into the sign-in form stands for.
pub(crate) fn role_of(app: &App, token: &str) -> Option<Role> {
    (!token.is_empty()).then(|| app.web.roles.of(&TokenHash::of_text(token))).flatten()
}

/// Kept here so that all that lets somebody in is in one place.
pub(crate) type Sessions = session::Sessions;
