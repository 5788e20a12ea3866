//! Errors as the API says them: RFC 9457 problem details. All are made here, so that no cause reaches a caller
//! unless it was written for one.

use axum::Json;
use axum::response::{IntoResponse, Response};
use http::header::{CONTENT_TYPE, WWW_AUTHENTICATE};
use http::{HeaderValue, StatusCode};
use moorline_api::problem::MEDIA_TYPE;
use moorline_model::EnvironmentName;
use moorline_model::config::Mistake;
use moorline_model::intent::Refusal;
use moorline_record::{HandOverError, IntentError, StoreError};

/// A problem that is answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Problem(Box<moorline_api::Problem>);

impl Problem {
    fn new(status: StatusCode, kind: &str, title: &str, detail: impl Into<String>) -> Self {
        Self(Box::new(moorline_api::Problem {
            kind: format!("urn:moorline:problem:{kind}"),
            title: title.to_owned(),
            status: status.as_u16(),
            detail: detail.into(),
            mistakes: Vec::new(),
            gate: None,
        }))
    }

    pub(crate) fn unauthorized(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "unauthorized", "Not signed in", detail)
    }

    pub(crate) fn forbidden(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, "forbidden", "Not allowed", detail)
    }

    pub(crate) fn not_found(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not-found", "Not there", detail)
    }

    /// What a status says without words of ours.
    pub(crate) fn of_status(status: StatusCode) -> Self {
        let detail = "the request was not understood as it came";
        match status {
            StatusCode::NOT_FOUND => Self::not_found("nothing is at this address"),
            status if status.is_server_error() => Self::unavailable("this cannot be shown at the moment"),
            status => Self::new(status, "malformed", "Not understood", detail),
        }
    }

    /// The title, for people.
    pub(crate) fn title(&self) -> &str {
        &self.0.title
    }

    /// The cause and the way on, for people.
    pub(crate) fn detail(&self) -> &str {
        &self.0.detail
    }

    pub(crate) fn method_not_allowed() -> Self {
        let detail = "this address takes other methods; see /api/v1/openapi.json";
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "method-not-allowed", "Wrong method", detail)
    }

    pub(crate) fn malformed(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "malformed", "Not understood", detail)
    }

    pub(crate) fn too_slow() -> Self {
        let detail = "the body did not arrive in time";
        Self::new(StatusCode::REQUEST_TIMEOUT, "malformed", "Not understood", detail)
    }

    pub(crate) fn too_large(max: usize) -> Self {
        let detail = format!("the body is larger than {max} bytes");
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "too-large", "Too large", detail)
    }

    /// A request that makes no sense as things stand, or that a gate refuses.
    pub(crate) fn refused(environment: &EnvironmentName, refusal: &Refusal) -> Self {
        let detail = format!(
            "{environment}: {}; `moorline status {environment}` shows how it stands",
            refusal.message
        );
        let mut problem = Self::new(StatusCode::CONFLICT, refusal.kind, "Refused", detail);
        problem.0.gate = refusal.gate.map(str::to_owned);
        problem
    }

    pub(crate) fn owned_by_another(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, "owned-by-another", "Owned by another", detail)
    }

    pub(crate) fn precondition_failed(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::PRECONDITION_FAILED, "precondition-failed", "Changed meanwhile", detail)
    }

    pub(crate) fn reason_required() -> Self {
        let detail = "a reason is required: people will read it in the history";
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, "reason-required", "No reason given", detail)
    }

    pub(crate) fn invalid_document(mistakes: Vec<Mistake>) -> Self {
        let detail = match mistakes.len() {
            1 => "the document has a mistake; nothing was changed".to_owned(),
            count => format!("the document has {count} mistakes; nothing was changed"),
        };
        let mut problem =
            Self::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid-document", "Invalid document", detail);
        problem.0.mistakes = mistakes;
        problem
    }

    pub(crate) fn too_many(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::TOO_MANY_REQUESTS, "too-many", "Too many", detail)
    }

    pub(crate) fn unavailable(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", "Not now", detail)
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.0.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = (status, Json(&self.0)).into_response();
        response.extensions_mut().insert(self);
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        // Paths and the database's words are for the log.
        tracing::error!(error = &error as &dyn std::error::Error, "the record failed a request");
        Self::unavailable("the record cannot be used at the moment; the daemon's log says why")
    }
}

impl From<IntentError> for Problem {
    fn from(error: IntentError) -> Self {
        match error {
            IntentError::TooMany { .. } => Self::too_many(error.to_string()),
            IntentError::Store(error) => error.into(),
        }
    }
}

impl From<HandOverError> for Problem {
    fn from(error: HandOverError) -> Self {
        match error {
            HandOverError::Mismatch { .. } => Self::precondition_failed(error.to_string()),
            HandOverError::Store(error) => error.into(),
        }
    }
}
