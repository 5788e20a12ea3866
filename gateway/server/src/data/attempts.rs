//! Retry, failover and fallback, all before the first byte reaches the caller.
//!
//! In: an admitted request. Out: an answer that has begun well, or the failure that ended the last attempt. A failure
//! says what may follow it: an overloaded target is asked again after a wait, one that refuses our credential is not,
//! and a fault of the caller's own is no failure at all but an answer.

use std::time::Duration;

use http::{HeaderMap, StatusCode};
use moorline_admin::ErrorKind;
use moorline_translate::chat::{Unreadable, Untranslatable};
use moorline_translate::multipart::FormError;
use tokio::time::Instant;

use super::account::Account;
use super::answer::Answer;
use super::ask::Ask;
use super::dice::Dice;
use super::outbound;
use super::pool::ConnectError;
use super::worker::Worker;
use crate::routing::upstream::{Unauthorized, Unusable};
use crate::routing::{Key, ModelIndex, Operation, Route, Routing, Target};

/// The longest wait before another attempt. An upstream that asks for more is left alone.
const WAIT_MAX: Duration = Duration::from_secs(10);

/// Why an attempt failed.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    /// The document lists no target that could be asked.
    #[error("no target could be asked")]
    NoTarget,
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
    Broken(#[source] hyper::Error),
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

/// The clocks of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Clock {
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
    pub(super) const fn kind(&self) -> ErrorKind {
        match self {
            Self::Slow(_) | Self::Connect(ConnectError::Timeout { .. }) => ErrorKind::UpstreamTimeout,
            Self::Unsupported(_) | Self::Untranslatable(_) | Self::Form(_) => ErrorKind::BadRequest,
            _ => ErrorKind::UpstreamFailed,
        }
    }

    /// Whether the same target may be asked again.
    const fn may_pass(&self) -> bool {
        match self {
            Self::Connect(_) | Self::Broken(_) | Self::Status { .. } | Self::InBand | Self::Empty => true,
            Self::Slow(clock) => !matches!(clock, Clock::Total),
            Self::NoTarget
            | Self::Unsupported(_)
            | Self::Untranslatable(_)
            | Self::Form(_)
            | Self::Unreadable(_)
            | Self::Unusable(_)
            | Self::Unauthorized(_)
            | Self::Credential(_)
            | Self::Redirect(_)
            | Self::Oversized
            | Self::Encoded => false,
        }
    }

    /// The wait that the upstream asked for.
    pub(super) const fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Status { retry_after, .. } => *retry_after,
            _ => None,
        }
    }

    /// The cause in words for callers: without addresses, names of providers, or words of the upstream's.
    pub(super) fn for_callers(&self) -> String {
        let cause = self.to_string();
        let mut letters = cause.chars();
        let first = letters.next().map(|first| first.to_ascii_uppercase());
        first.into_iter().chain(letters).chain(['.']).collect()
    }
}

/// An admitted request.
pub(super) struct Call<'a> {
    pub(super) worker: &'a Worker,
    pub(super) routing: &'a Routing,
    pub(super) route: &'a Route,
    pub(super) key: &'a Key,
    pub(super) model: ModelIndex,
    pub(super) headers: &'a HeaderMap,
    pub(super) ask: &'a Ask,
    pub(super) deadline: Instant,
}

/// Asks target after target until one begins to answer.
pub(super) async fn run(call: &Call<'_>, account: &mut Account) -> Result<Answer, Failure> {
    let all = async {
        let mut last = Failure::NoTarget;
        for model in call.chain() {
            for target in model.in_order(|sides| call.worker.dice.below(sides)) {
                match ask(call, target, account).await {
                    Ok(answer) => return Ok(answer),
                    Err(failure) => last = failure,
                }
            }
        }
        Err(last)
    };
    match tokio::time::timeout_at(call.deadline, all).await {
        Ok(ended) => ended,
        Err(_) => Err(Failure::Slow(Clock::Total)),
    }
}

impl Call<'_> {
    /// The model asked for, then those it falls back to that this caller may use here.
    fn chain(&self) -> impl Iterator<Item = &crate::routing::Model> {
        let asked = self.routing.model(self.model);
        let fallback = asked.map_or(&[][..], |model| &model.fallback);
        let allowed = |model: &&ModelIndex| self.route.allows(**model) && self.key.allows(**model);
        asked
            .into_iter()
            .chain(fallback.iter().filter(allowed).filter_map(|model| self.routing.model(*model)))
    }
}

/// Asks one target, as often as the route says.
async fn ask(call: &Call<'_>, target: &Target, account: &mut Account) -> Result<Answer, Failure> {
    let retry = call.route.retry;
    let outgoing = call.ask.for_target(target)?;
    let mut attempt = 1;
    loop {
        account.asks(target);
        let failure = match outbound::send(call, target, &outgoing, &account.request_id).await {
            Ok(answer) => return Ok(answer),
            Err(failure) => failure,
        };
        tracing::debug!(
            id = %account.request_id,
            provider = %target.upstream.provider,
            model = %target.model,
            attempt,
            error = %failure,
            cause = std::error::Error::source(&failure).map(tracing::field::display),
            "an attempt failed"
        );
        let wait = wait_before(attempt, retry.backoff, failure.retry_after(), &call.worker.dice);
        let has_time = wait.is_some_and(|wait| Instant::now() + wait < call.deadline);
        let Some(wait) = wait.filter(|_| has_time && attempt < retry.attempts && failure.may_pass()) else {
            return Err(failure);
        };
        tokio::time::sleep(wait).await;
        attempt += 1;
    }
}

/// The wait after a failed attempt: doubled each time, spread over its upper half so that callers who failed together
/// do not return together, and never shorter than the upstream asks. `None`: the upstream asks for too much.
fn wait_before(attempt: u32, backoff: Duration, asked: Option<Duration>, dice: &Dice) -> Option<Duration> {
    let doubled = backoff.saturating_mul(1 << attempt.saturating_sub(1).min(16)).min(WAIT_MAX);
    let half = doubled / 2;
    let spread = u64::try_from(half.as_micros()).unwrap_or(u64::MAX);
    let wait = half + Duration::from_micros(dice.below(spread.saturating_add(1)));
    let wait = asked.map_or(wait, |asked| wait.max(asked));
    (wait <= WAIT_MAX).then_some(wait)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_spread_and_stay_below_the_most() {
        let dice = Dice::new();
        for (attempt, low, high) in [(1, 50, 100), (2, 100, 200), (3, 200, 400), (60, 5_000, 10_000)] {
            let wait = wait_before(attempt, Duration::from_millis(100), None, &dice).unwrap();
            assert!((low..=high).contains(&wait.as_millis()), "{attempt}: {wait:?}");
        }
    }

    #[test]
    fn an_upstream_s_own_wait_is_kept_or_the_upstream_is_left_alone() {
        let dice = Dice::new();
        let wait =
            |asked| wait_before(1, Duration::from_millis(100), Some(Duration::from_secs(asked)), &dice);
        assert_eq!(wait(3), Some(Duration::from_secs(3)));
        assert_eq!(wait(11), None);
        assert!(wait(0).unwrap() <= Duration::from_millis(100));
    }
}
