//! Refusals: the one place that turns a cause into a status and an error in the caller's dialect.

use std::borrow::Cow;
use std::time::Duration;

use http::header::{ALLOW, CONTENT_TYPE, RETRY_AFTER, SERVER, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use moorline_admin::ErrorKind;
use moorline_translate::chat::Untranslatable;
use moorline_translate::multipart::FormError;
use moorline_translate::{Caller as Dialect, ErrorBody, ScanError, error};

use super::attempts::Failure;
use super::body::ReadError;
use super::marks::standing_headers;
use crate::guardrails::{Blocked, Cause};
use crate::health::{Reason, Unavailable};
use crate::limits::{Denied, Refused};
use crate::recorder::Authentication;
use crate::routing::limit::Kind;

/// A refused request.
#[derive(Debug)]
pub(super) struct Refusal {
    pub(super) status: StatusCode,
    pub(super) kind: ErrorKind,
    class: &'static str,
    code: Option<&'static str>,
    param: Option<&'static str>,
    message: Cow<'static, str>,
    headers: Vec<(HeaderName, HeaderValue)>,
}

/// What we call ourselves in answers that are our own.
pub(super) const NAME: &str = moorline_admin::Server::GatewayCallers.as_str();
const INVALID: &str = "invalid_request_error";

impl Refusal {
    fn new(
        status: StatusCode,
        kind: ErrorKind,
        class: &'static str,
        code: impl Into<Option<&'static str>>,
        message: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self {
            status,
            kind,
            class,
            code: code.into(),
            param: None,
            message: message.into(),
            headers: Vec::new(),
        }
    }

    fn invalid(
        status: StatusCode,
        code: impl Into<Option<&'static str>>,
        message: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self::new(status, ErrorKind::BadRequest, INVALID, code, message)
    }

    fn with(mut self, name: HeaderName, value: impl TryInto<HeaderValue>) -> Self {
        if let Ok(value) = value.try_into() {
            self.headers.push((name, value));
        }
        self
    }

    const fn about(mut self, param: &'static str) -> Self {
        self.param = Some(param);
        self
    }

    /// Nothing was declared yet.
    pub(super) fn nothing_served() -> Self {
        let message = "This gateway has no document to serve yet.";
        Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            ErrorKind::UpstreamFailed,
            "server_error",
            "no_document",
            message,
        )
    }

    /// The head can be read in two ways.
    pub(super) fn doubtful() -> Self {
        let message = "The request's head can be read in more than one way (lengths, hosts or line ends).";
        Self::invalid(StatusCode::BAD_REQUEST, "ambiguous_request", message)
    }

    /// No such path.
    pub(super) fn unknown_path(method: &http::Method, path: &str) -> Self {
        let path: String = path.chars().take(128).collect();
        Self::invalid(StatusCode::NOT_FOUND, "unknown_url", format!("Unknown request URL: {method} {path}."))
    }

    /// The path has no such method.
    pub(super) fn wrong_method(method: &http::Method, allowed: &'static str) -> Self {
        let message = format!("Not allowed to {method} here: expected {allowed}.");
        Self::invalid(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", message)
            .with(ALLOW, HeaderValue::from_static(allowed))
    }

    /// The caller did not prove who it is.
    pub(super) fn unauthenticated(authentication: Authentication) -> Self {
        match authentication {
            Authentication::Missing => Self::no_key(),
            Authentication::Expired => Self::expired_key(),
            Authentication::Ambiguous => Self::ambiguous_credentials(),
            Authentication::Invalid => Self::invalid_token(),
            Authentication::Unverifiable => Self::unverifiable_token(),
            Authentication::Unknown | Authentication::Accepted => Self::unknown_key(),
        }
    }

    /// No key was given.
    fn no_key() -> Self {
        let message = "You didn't provide an API key. Send it as `Authorization: Bearer YOUR_KEY`.";
        Self::new(StatusCode::UNAUTHORIZED, ErrorKind::Unauthorized, INVALID, None, message)
            .with(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"))
    }

    /// The key given is not declared.
    fn unknown_key() -> Self {
        let message = "Incorrect API key provided.";
        Self::new(StatusCode::UNAUTHORIZED, ErrorKind::Unauthorized, INVALID, "invalid_api_key", message)
            .with(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"))
    }

    /// The key given was accepted until lately.
    fn expired_key() -> Self {
        let message = "The key or token provided has expired.";
        Self::new(StatusCode::UNAUTHORIZED, ErrorKind::Unauthorized, INVALID, "expired_key", message)
            .with(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"))
    }

    /// The token given proves nothing. Which of the checks it failed is not told.
    fn invalid_token() -> Self {
        let message = "The token provided is not accepted.";
        Self::new(StatusCode::UNAUTHORIZED, ErrorKind::Unauthorized, INVALID, "invalid_token", message)
            .with(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer error=\"invalid_token\""))
    }

    /// The token given cannot be checked now.
    fn unverifiable_token() -> Self {
        let message = "The token provided cannot be checked now: its issuer's keys are not known yet.";
        let (status, kind) = (StatusCode::SERVICE_UNAVAILABLE, ErrorKind::Unauthorized);
        Self::new(status, kind, "server_error", "unverifiable_token", message)
            .with(RETRY_AFTER, HeaderValue::from_static("1"))
    }

    /// More than one proof was given, and they differ.
    fn ambiguous_credentials() -> Self {
        let message = "Send one API key, once: more than one was provided.";
        Self::invalid(StatusCode::BAD_REQUEST, "ambiguous_credentials", message)
    }

    /// A guardrail stopped the request, or its answer.
    pub(super) fn blocked(blocked: &Blocked) -> Self {
        if blocked.cause == Cause::Unavailable {
            let (status, kind) = (StatusCode::SERVICE_UNAVAILABLE, ErrorKind::StoreLost);
            let code = "guardrail_unavailable";
            return Self::new(status, kind, "server_error", code, blocked.to_string())
                .with(RETRY_AFTER, HeaderValue::from(1));
        }
        Self::invalid(StatusCode::BAD_REQUEST, "guardrail_blocked", blocked.to_string())
    }

    /// No route serves the path.
    pub(super) fn no_route() -> Self {
        Self::invalid(StatusCode::NOT_FOUND, "unknown_url", "No route of this gateway serves this path.")
    }

    /// The body is in an encoding that cannot be read.
    pub(super) fn encoded_body() -> Self {
        let message = "The request's body must not be compressed.";
        Self::invalid(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_encoding", message)
    }

    /// The request names no model.
    pub(super) fn no_model() -> Self {
        Self::invalid(StatusCode::BAD_REQUEST, None, "You must provide a model parameter.").about("model")
    }

    /// The model is not declared, or not on this route.
    pub(super) fn unknown_model(name: &str) -> Self {
        let name: String = name.chars().take(128).collect();
        let message = format!("The model `{name}` does not exist or you do not have access to it.");
        Self::invalid(StatusCode::NOT_FOUND, "model_not_found", message).about("model")
    }

    /// The key may not use the model.
    pub(super) fn forbidden_model(name: &str) -> Self {
        let name: String = name.chars().take(128).collect();
        let message = format!("This key may not use the model `{name}`.");
        Self::new(StatusCode::FORBIDDEN, ErrorKind::Unauthorized, INVALID, "model_not_allowed", message)
            .about("model")
    }

    /// What the caller is told.
    pub(super) fn message(&self) -> &str {
        &self.message
    }

    /// The headers and the body of the answer, for a caller's protocol.
    pub(super) fn into_parts(self, dialect: Dialect, request_id: &str) -> (StatusCode, HeaderMap, Vec<u8>) {
        let said = ErrorBody { message: &self.message, kind: self.class, param: self.param, code: self.code };
        let body = error::body(dialect, self.status.as_u16(), &said, request_id);
        let mut headers: HeaderMap = self.headers.into_iter().collect();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(SERVER, HeaderValue::from_static(NAME));
        (self.status, headers, body)
    }
}

impl From<FormError> for Refusal {
    fn from(error: FormError) -> Self {
        let refusal = Self::invalid(StatusCode::BAD_REQUEST, "invalid_form", format!("{error}."));
        if error == FormError::NoModel { refusal.about("model") } else { refusal }
    }
}

impl From<ReadError> for Refusal {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::TooLarge(most) => {
                let message = format!("The request's body is larger than {most} bytes.");
                Self::invalid(StatusCode::PAYLOAD_TOO_LARGE, "request_too_large", message)
            }
            ReadError::Timeout => Self::invalid(
                StatusCode::REQUEST_TIMEOUT,
                "request_timeout",
                "The request's body did not arrive in time.",
            ),
            ReadError::Broken(_) => Self::invalid(
                StatusCode::BAD_REQUEST,
                "incomplete_body",
                "The request's body is incomplete or malformed.",
            ),
        }
    }
}

impl From<ScanError> for Refusal {
    fn from(error: ScanError) -> Self {
        let refusal = Self::invalid(
            StatusCode::BAD_REQUEST,
            "invalid_json",
            format!("We could not use the request: {error}."),
        );
        match error {
            ScanError::Duplicate(field)
            | ScanError::Ambiguous(field)
            | ScanError::WrongType { field, .. } => refusal.about(field),
            _ => refusal,
        }
    }
}

impl From<Denied> for Refusal {
    fn from(denied: Denied) -> Self {
        match denied {
            Denied::Limited(refused) => refused.into(),
            Denied::StoreLost => Self::new(
                StatusCode::SERVICE_UNAVAILABLE,
                ErrorKind::StoreLost,
                "server_error",
                "limit_store_unavailable",
                "The store that this gateway counts limits in (Redis) cannot be reached. Try again in 1s.",
            )
            .with(RETRY_AFTER, HeaderValue::from(1)),
        }
    }
}

impl From<Refused> for Refusal {
    fn from(refused: Refused) -> Self {
        let Refused { scope, kind, window, needed, standing } = refused;
        let stretch = window.map(|window| format!(" in {window}")).unwrap_or_default();
        let numbers = match kind {
            Kind::Requests => format!("{} requests{stretch}", standing.most),
            Kind::Tokens => format!(
                "{} tokens{stretch}, {} left, about {needed} needed",
                standing.most, standing.remaining
            ),
            Kind::Budget => {
                format!("{}{stretch}, {} left", dollars(standing.most), dollars(standing.remaining))
            }
            Kind::Concurrency => format!("{} requests at the same time", standing.most),
        };
        let (class, code) = match kind {
            Kind::Requests | Kind::Concurrency => ("requests", "rate_limit_exceeded"),
            Kind::Tokens => ("tokens", "rate_limit_exceeded"),
            Kind::Budget => ("insufficient_quota", "budget_exceeded"),
        };
        let seconds = standing.reset.div_ceil(1_000).max(1);
        let message =
            format!("The {} limit {scope} is reached: {numbers}. Try again in {seconds}s.", kind.as_str());
        let mut refusal = Self::new(StatusCode::TOO_MANY_REQUESTS, ErrorKind::Limited, class, code, message)
            .with(RETRY_AFTER, HeaderValue::from(seconds));
        refusal.headers.extend(standing_headers(kind, standing));
        refusal
    }
}

fn dollars(micros: u64) -> String {
    format!("{}.{:02} USD", micros / 1_000_000, micros % 1_000_000 / 10_000)
}

impl From<&Failure> for Refusal {
    fn from(failure: &Failure) -> Self {
        let kind = failure.kind();
        if matches!(failure, Failure::NoTarget) {
            let message = "No target of the model serves a request like this one.";
            return Self::invalid(StatusCode::NOT_FOUND, "no_target", message).about("model");
        }
        let status = match failure {
            Failure::Unavailable(Unavailable { reason: Reason::Limited, .. }) => {
                StatusCode::TOO_MANY_REQUESTS
            }
            Failure::Unavailable(_) => StatusCode::SERVICE_UNAVAILABLE,
            Failure::Status { status, .. } if *status == StatusCode::TOO_MANY_REQUESTS => *status,
            Failure::Status { status, .. } if *status == StatusCode::SERVICE_UNAVAILABLE => *status,
            _ if kind == ErrorKind::UpstreamTimeout => StatusCode::GATEWAY_TIMEOUT,
            _ => StatusCode::BAD_GATEWAY,
        };
        let code = match failure {
            Failure::Unsupported(_) => Some("unsupported_endpoint"),
            Failure::Untranslatable(Untranslatable::Unsupported { .. }) => Some("unsupported_parameter"),
            Failure::Untranslatable(_) | Failure::Form(_) => Some("invalid_body"),
            _ => None,
        };
        if let Some(code) = code {
            return Self::invalid(StatusCode::BAD_REQUEST, code, failure.for_callers());
        }
        // The cause in words of our own: an upstream's text may hold an address or a part of a key.
        let refusal = Self::new(status, kind, "upstream_error", kind.as_str(), failure.for_callers());
        match failure.retry_after() {
            Some(wait) => refusal.with(RETRY_AFTER, HeaderValue::from(seconds(wait))),
            None => refusal,
        }
    }
}

const fn seconds(wait: Duration) -> u64 {
    wait.as_secs() + (wait.subsec_nanos() > 0) as u64
}
