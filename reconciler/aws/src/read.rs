//! Why AWS could not be read. No permission is not absence, and neither is silence.

use std::error::Error;

use aws_config::Region;
use aws_sdk_ecs::config::http::HttpResponse;
use aws_sdk_ecs::error::{ProvideErrorMetadata, SdkError};

/// Most characters of AWS's message that a note repeats.
const MESSAGE_CHARACTERS_MAX: usize = 300;

/// Why a call has no answer, and for which of the resources requested.
#[derive(Debug)]
pub(crate) enum Refused {
    /// One of them is not there, and AWS does not say which.
    OneIsMissing,
    /// None of them is there: what they would be in does not exist.
    AllAreMissing,
    /// It may be the fault of one of them, and the others can perhaps be read.
    PerhapsOne(ReadError),
    /// It is about the call, whatever it requested.
    Failed(ReadError),
}

impl From<ReadError> for Refused {
    fn from(error: ReadError) -> Self {
        match error {
            // An ARN of another region, for one.
            ReadError::Invalid { .. } => Self::PerhapsOne(error),
            _ => Self::Failed(error),
        }
    }
}

/// Why something could not be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReadError {
    /// No permission, or credentials that AWS does not accept.
    #[error("{operation} is not permitted: {code}: {message}")]
    Denied { operation: &'static str, code: String, message: String },
    /// Too many calls.
    #[error("{operation} was throttled: {code}")]
    Throttled { operation: &'static str, code: String },
    /// No answer in time.
    #[error("{operation} did not answer in time")]
    TimedOut { operation: &'static str },
    /// No way there: the network, a name, TLS, or no credentials to sign with.
    #[error("{operation} could not be sent")]
    Unreachable {
        operation: &'static str,
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
    /// AWS answered with an error.
    #[error("{operation} failed: {code}: {message}")]
    Failed { operation: &'static str, code: String, message: String },
    /// AWS calls the request a mistake.
    #[error("{operation} failed: {code}: {message}")]
    Invalid { operation: &'static str, code: String, message: String },
    /// An answer of a form that is not known, or without what was requested.
    #[error("{operation} gave an answer that cannot be read")]
    Unreadable {
        operation: &'static str,
        #[source]
        source: Option<Box<dyn Error + Send + Sync>>,
    },
}

impl ReadError {
    /// Sorts an SDK's error.
    pub(crate) fn new<E>(operation: &'static str, error: SdkError<E, HttpResponse>) -> Self
    where
        E: ProvideErrorMetadata + Error + Send + Sync + 'static,
    {
        match &error {
            SdkError::TimeoutError(_) => Self::TimedOut { operation },
            SdkError::DispatchFailure(failure) if failure.is_timeout() => Self::TimedOut { operation },
            SdkError::ServiceError(refusal) if !refusal.raw().status().is_success() => {
                let status = refusal.raw().status().as_u16();
                Self::refused(operation, status, refusal.err().code(), refusal.err().message())
            }
            // A success whose body is no answer counts as the service's error too.
            SdkError::ServiceError(_) | SdkError::ResponseError(_) => {
                Self::Unreadable { operation, source: Some(Box::new(error)) }
            }
            _ => Self::Unreachable { operation, source: Box::new(error) },
        }
    }

    /// Sorts by status and code.
    fn refused(operation: &'static str, status: u16, code: Option<&str>, message: Option<&str>) -> Self {
        let message: String = message.unwrap_or("no message").chars().take(MESSAGE_CHARACTERS_MAX).collect();
        let code = code.map_or_else(|| format!("HTTP {status}"), str::to_owned);
        if is_throttle(&code) || status == 429 {
            Self::Throttled { operation, code }
        } else if is_denial(&code) || matches!(status, 401 | 403) {
            Self::Denied { operation, code, message }
        } else if (400..500).contains(&status) {
            Self::Invalid { operation, code, message }
        } else {
            Self::Failed { operation, code, message }
        }
    }
}

/// The region to ask: the one that the state names, else the environment's.
pub(crate) fn region(named: Option<&str>, default: Option<&Region>) -> Option<Region> {
    named.map(|name| Region::new(name.to_owned())).or_else(|| default.cloned())
}

fn is_throttle(code: &str) -> bool {
    matches!(
        code,
        "Throttling"
            | "ThrottlingException"
            | "ThrottledException"
            | "RequestThrottled"
            | "RequestThrottledException"
            | "TooManyRequestsException"
            | "RequestLimitExceeded"
            | "BandwidthLimitExceeded"
            | "SlowDown"
            | "EC2ThrottledException"
    )
}

fn is_denial(code: &str) -> bool {
    matches!(
        code,
        "AccessDenied"
            | "AccessDeniedException"
            | "UnauthorizedOperation"
            | "NotAuthorized"
            | "AuthFailure"
            | "OptInRequired"
            | "InvalidClientTokenId"
            | "UnrecognizedClientException"
            | "InvalidSignatureException"
            | "SignatureDoesNotMatch"
            | "IncompleteSignature"
            | "MissingAuthenticationToken"
            | "ExpiredToken"
            | "ExpiredTokenException"
    )
}

#[cfg(test)]
mod tests {
    use moorline_model::config::chain;

    use super::*;

    #[test]
    fn codes_are_sorted_and_statuses_fill_in_for_unknown_codes() {
        let sorted = |status, code| ReadError::refused("ecs:DescribeServices", status, code, Some("why"));
        assert!(matches!(sorted(400, Some("ThrottlingException")), ReadError::Throttled { .. }));
        assert!(matches!(sorted(429, Some("New")), ReadError::Throttled { .. }));
        assert!(matches!(sorted(400, Some("ExpiredTokenException")), ReadError::Denied { .. }));
        assert!(matches!(sorted(403, None), ReadError::Denied { .. }));
        assert!(matches!(sorted(400, Some("ValidationError")), ReadError::Invalid { .. }));
        assert!(matches!(sorted(503, Some("ServiceUnavailable")), ReadError::Failed { .. }));
        assert_eq!(chain::of(&sorted(500, None)), "ecs:DescribeServices failed: HTTP 500: why");
    }

    #[test]
    fn a_note_says_the_whole_chain() {
        let error =
            ReadError::Unreachable { operation: "wafv2:GetWebACL", source: "connection refused".into() };
        assert_eq!(chain::of(&error), "wafv2:GetWebACL could not be sent: connection refused");
    }
}
