//! Every error answer of the admin API, made from its cause in this one file.

use std::error::Error;

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::header::{CONTENT_TYPE, WWW_AUTHENTICATE};
use http::{HeaderValue, StatusCode};
use moorline_admin::{Problem, problem};
use moorline_config::{Mistake, Mistakes};

use crate::state::ChangeError;

/// A call that was refused, and what the caller is told.
#[derive(Debug)]
pub(super) struct Refusal(Problem);

impl Refusal {
    pub(super) fn new(status: StatusCode, kind: &str, title: &str, detail: impl Into<String>) -> Self {
        Self(Problem::new(status.as_u16(), kind, title, detail))
    }

    pub(super) fn unauthorized() -> Self {
        Self::new(
            StatusCode::UNAUTHORIZED,
            "unauthorized",
            "Unauthorized",
            "send `Authorization: Bearer` with the admin token, or a client certificate where one is asked for",
        )
    }

    pub(super) fn forbidden(detail: &str) -> Self {
        Self::new(StatusCode::FORBIDDEN, "unauthorized", "Forbidden", detail)
    }

    pub(super) fn not_found(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not-found", "Not found", detail)
    }

    pub(super) fn malformed(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "malformed", "Malformed request", detail)
    }

    pub(super) fn too_large(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "too-large", "Too large", detail)
    }

    pub(super) fn unavailable(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", "Unavailable", detail)
    }

    fn invalid(mistakes: Vec<Mistake>) -> Self {
        let noun = if mistakes.len() == 1 { "mistake" } else { "mistakes" };
        let detail = format!("the document has {} {noun}; what served before keeps serving", mistakes.len());
        let mut refusal =
            Self::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid-document", "Invalid document", detail);
        refusal.0.mistakes = mistakes;
        refusal
    }
}

impl From<ChangeError> for Refusal {
    fn from(error: ChangeError) -> Self {
        let text = error.to_string();
        match error {
            ChangeError::Invalid(Mistakes(mistakes)) => Self::invalid(mistakes),
            // Nothing is wrong with the document: the same write may be taken in a while.
            ChangeError::Secrets(lacking) if lacking.is_passing => {
                let mut refusal = Self::unavailable(format!("{text}; what served before keeps serving"));
                refusal.0.mistakes = lacking.mistakes;
                refusal
            }
            ChangeError::Secrets(lacking) => Self::invalid(lacking.mistakes),
            ChangeError::Precondition { .. } => Self::new(
                StatusCode::PRECONDITION_FAILED,
                "precondition-failed",
                "Another document is there",
                text,
            ),
            ChangeError::Owned { .. } => {
                let detail = format!("{text} (`Moorline-Take-Over: true`)");
                Self::new(StatusCode::CONFLICT, "owned-by-another", "Owned by another", detail)
            }
            ChangeError::NoCandidate => {
                Self::new(StatusCode::NOT_FOUND, "no-candidate", "No candidate", text)
            }
            ChangeError::NotKept(_) | ChangeError::NoRandomness | ChangeError::Stopped => {
                // The cause names files of this host: for its log, not for callers.
                tracing::error!(cause = error.source().map(tracing::field::display), "{text}");
                Self::unavailable(text)
            }
        }
    }
}

impl From<Refusal> for Response {
    fn from(Refusal(problem): Refusal) -> Self {
        let mut response = Self::new(Body::from(serde_json::to_vec(&problem).unwrap_or_default()));
        *response.status_mut() =
            StatusCode::from_u16(problem.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(problem::MEDIA_TYPE));
        if problem.status == StatusCode::UNAUTHORIZED.as_u16() {
            response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        self.into()
    }
}
