//! Why an attempt failed, and what that means for the next one and for the caller.

use std::time::Duration;

use http::StatusCode;
use moorline_admin::ErrorKind;
use moorline_translate::chat::{BrokenStream, Unreadable, Untranslatable};
use moorline_translate::multipart::FormError;

use super::tried::TooLong;
use crate::data::pool::ConnectError;
use crate::data::upstream::ExchangeError;
use crate::health::Unavailable;
use crate::routing::Operation;
use crate::routing::upstream::{Unauthorized, Unusable};

/// Why an attempt failed.
#[derive(Debug, thiserror::Error)]
pub(in crate::data) enum Failure {
    /// No target serves such a request.
    #[error("no target serves such a request")]
    NoTarget,
    /// Every target that could serve it is left alone for now.
    #[error("no target is available now")]
    Unavailable(Unavailable),
    /// The request is longer than the target can hold.
    #[error("the request is longer than the target can hold")]
    TooLong(TooLong),
    /// The provider has no such endpoint.
    #[error("no provider of this model serves {}", .0.path())]
    Unsupported(Operation),
    /// The provider's protocol cannot say what is asked.
    #[error("{0}")]
    Untranslatable(#[from] Untranslatable),
    /// The model's name cannot stand in the caller's form.
    #[error("{0}")]
    Form(FormError),
    /// The provider's answer is none that its protocol knows.
    #[error("the upstream's answer cannot be read")]
    Unreadable(#[source] Unreadable),
    /// The provider's stream is none that its protocol knows, or has an event larger than any answer's.
    #[error("the upstream's stream cannot be read")]
    Stream(#[source] BrokenStream),
    /// The provider cannot be sent anything.
    #[error("the provider cannot be used")]
    Unusable(#[source] Unusable),
    /// There is no credential, or it was about to travel to another place.
    #[error("the request was not sent")]
    Unauthorized(#[source] Unauthorized),
    /// No connection.
    #[error("no connection to the upstream")]
    Connect(#[source] ConnectError),
    /// The connection broke off.
    #[error("the connection to the upstream broke off")]
    Broken(#[source] ExchangeError),
    /// One of the clocks ran out.
    #[error("the upstream was too slow: the {0} clock ran out")]
    Slow(Clock),
    /// The upstream refused our credential (401, 402, 403).
    #[error("the upstream refused the gateway's credential with {0}")]
    Credential(StatusCode),
    /// The upstream answered that it failed, or is overloaded.
    #[error("the upstream answered {status}")]
    Status {
        /// Its status.
        status: StatusCode,
        /// The wait it asked for.
        retry_after: Option<Duration>,
    },
    /// The upstream pointed elsewhere. We never follow.
    #[error("the upstream answered with a redirect ({0}), which is never followed")]
    Redirect(StatusCode),
    /// The upstream answered 200 and then said that it failed.
    #[error("the upstream reported an error in place of an answer")]
    InBand,
    /// The stream ended before its first event.
    #[error("the upstream's stream ended before it began")]
    Empty,
    /// One event is larger than any answer's.
    #[error("an event of the upstream's stream is too large")]
    Oversized,
    /// The answer is compressed, though we asked that it be not.
    #[error("the upstream's answer is in an encoding that was not asked for")]
    Encoded,
}

/// Who is at fault, for what is remembered of targets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// The target: counts against its breaker.
    Target,
    /// We ask too much: the target is left alone for as long as it says.
    Limit,
    /// The credential, whatever is asked with it.
    Credential,
    /// The credential, for what was asked.
    Permission,
    /// Nothing that would be told by a target.
    Nobody,
}

/// The clocks of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::data) enum Clock {
    Headers,
    FirstToken,
    Idle,
    Total,
}

impl std::fmt::Display for Clock {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(match self {
            Self::Headers => "headers",
            Self::FirstToken => "first_token",
            Self::Idle => "idle",
            Self::Total => "total",
        })
    }
}

impl Failure {
    /// How it is counted.
    pub(in crate::data) const fn kind(&self) -> ErrorKind {
        match self {
            Self::Slow(_)
            | Self::Connect(ConnectError::Timeout { .. })
            | Self::Status { status: StatusCode::REQUEST_TIMEOUT, .. } => ErrorKind::UpstreamTimeout,
            Self::NoTarget | Self::Unsupported(_) | Self::Untranslatable(_) | Self::Form(_) => {
                ErrorKind::BadRequest
            }
            Self::TooLong(_) => ErrorKind::UpstreamRefused,
            _ => ErrorKind::UpstreamFailed,
        }
    }

    /// Whether the same target may be asked again.
    pub(super) const fn may_pass(&self) -> bool {
        match self {
            Self::Connect(_) | Self::Broken(_) | Self::Status { .. } | Self::InBand | Self::Empty => true,
            Self::Slow(clock) => !matches!(clock, Clock::Total),
            Self::NoTarget
            | Self::Unavailable(_)
            | Self::TooLong(_)
            | Self::Unsupported(_)
            | Self::Untranslatable(_)
            | Self::Form(_)
            | Self::Unreadable(_)
            | Self::Stream(_)
            | Self::Unusable(_)
            | Self::Unauthorized(_)
            | Self::Credential(_)
            | Self::Redirect(_)
            | Self::Oversized
            | Self::Encoded => false,
        }
    }

    /// Who is at fault.
    pub(super) fn fault(&self) -> Fault {
        match self {
            Self::Status { status: StatusCode::TOO_MANY_REQUESTS, .. } => Fault::Limit,
            Self::Credential(StatusCode::FORBIDDEN) => Fault::Permission,
            Self::Credential(_) => Fault::Credential,
            Self::Connect(_)
            | Self::Broken(_)
            | Self::Slow(_)
            | Self::Status { .. }
            | Self::Redirect(_)
            | Self::InBand
            | Self::Empty
            | Self::Oversized
            | Self::Unreadable(_)
            | Self::Stream(_)
            | Self::Encoded => Fault::Target,
            Self::NoTarget
            | Self::Unavailable(_)
            | Self::TooLong(_)
            | Self::Unsupported(_)
            | Self::Untranslatable(_)
            | Self::Form(_)
            | Self::Unusable(_)
            | Self::Unauthorized(_) => Fault::Nobody,
        }
    }

    /// The wait that the upstream asked for.
    pub(in crate::data) const fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Status { retry_after, .. } => *retry_after,
            Self::Unavailable(unavailable) => Some(unavailable.wait),
            _ => None,
        }
    }

    /// The cause in words for callers: without addresses, names of providers, or words of the upstream's.
    pub(in crate::data) fn for_callers(&self) -> String {
        let cause = self.to_string();
        let mut letters = cause.chars();
        let first = letters.next().map(|first| first.to_ascii_uppercase());
        first.into_iter().chain(letters).chain(['.']).collect()
    }
}
