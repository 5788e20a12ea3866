//! What is remembered of a request that asked to be explained when it fails: each target and its fault.
//!
//! In: failures of attempts, as they happen. Out: a [`moorline_admin::Failure`] among the last ones, when the request
//! ends badly. In words of our own: an upstream's text may hold an address or a part of a key.

use std::sync::Arc;

use http::{HeaderMap, StatusCode};
use moorline_admin::{ConnectionFault, ErrorKind, Failure, Fault, TargetFailure};
use moorline_config::Config;
use moorline_config::document::Provider;

use super::attempts;
use super::pool::ConnectError;
use super::service::PROBE;
use super::upstream::ExchangeError;
use crate::gauges::Gauges;
use crate::health::Health;
use crate::routing::upstream::{Unauthorized, Unusable};
use crate::routing::{Target, Upstream};

/// The most targets that are told.
const TARGETS_MAX: usize = 16;

/// A request that asked to be explained.
pub(super) struct Explained {
    gauges: Arc<Gauges>,
    message: Option<String>,
    targets: Vec<TargetFailure>,
}

impl Explained {
    /// Whether a request asks.
    pub(super) fn asked(headers: &HeaderMap, gauges: &Arc<Gauges>) -> Option<Box<Self>> {
        headers
            .contains_key(PROBE)
            .then(|| Box::new(Self { gauges: Arc::clone(gauges), message: None, targets: Vec::new() }))
    }

    /// What the caller is told.
    pub(super) fn told(&mut self, message: &str) {
        self.message = Some(message.to_owned());
    }

    /// A target did not serve the request.
    pub(super) fn failed(&mut self, target: &Target, failure: &attempts::Failure, health: &Health) {
        let left_alone = matches!(failure, attempts::Failure::Unavailable(_));
        let fault = if left_alone { fault_before(target, health) } else { fault(failure) };
        self.note(&target.upstream, target.model.as_str(), fault, left_alone);
    }

    /// A target refused the request, and its answer goes to the caller.
    pub(super) fn refused(&mut self, provider: &str, model: &str, status: StatusCode) {
        // The address is found by the provider's name, at the end.
        self.push(TargetFailure {
            provider: provider.to_owned(),
            model: model.to_owned(),
            address: None,
            credential: Vec::new(),
            fault: Fault::Answered { status: status.as_u16() },
            left_alone: false,
        });
    }

    fn note(&mut self, upstream: &Upstream, model: &str, fault: Fault, left_alone: bool) {
        self.push(TargetFailure {
            provider: upstream.provider.to_string(),
            model: model.to_owned(),
            address: upstream.base(),
            credential: Vec::new(),
            fault,
            left_alone,
        });
    }

    fn push(&mut self, target: TargetFailure) {
        if self.targets.len() < TARGETS_MAX {
            self.targets.push(target);
        }
    }

    /// The request ended badly.
    pub(super) fn end(self, request: &str, status: u16, kind: ErrorKind, config: Option<&Config>) {
        let Self { gauges, message, mut targets } = self;
        for target in &mut targets {
            let is_about_it = matches!(target.fault, Fault::CredentialRefused { .. } | Fault::NoCredential);
            let providers = config.map(|config| &config.providers);
            let declared = providers.and_then(|providers| providers.get(target.provider.as_str()));
            if let Some(provider) = declared.filter(|_| is_about_it) {
                target.credential = references(provider);
            }
        }
        gauges.failures().note(Failure { request: request.to_owned(), status, kind, message, targets });
    }
}

/// Where a provider's credential is found.
fn references(provider: &Provider) -> Vec<String> {
    let entra = provider.entra.iter().map(|entra| &entra.client_secret);
    let aws = provider
        .aws
        .iter()
        .flat_map(|aws| [&aws.access_key_id, &aws.secret_access_key].into_iter().chain(&aws.session_token));
    provider.api_key.iter().chain(entra).chain(aws).map(ToString::to_string).collect()
}

/// How a target failed that is not asked any more for that.
fn fault_before(target: &Target, health: &Health) -> Fault {
    let before = target.health(health).last_fault();
    if target.credential(health).is_out() {
        let of_it = before.filter(|fault| matches!(fault, Fault::CredentialRefused { .. }));
        return of_it.unwrap_or(Fault::CredentialRefused { status: None });
    }
    before.unwrap_or(Fault::Other)
}

/// A failure in the words of the admin API.
pub(super) fn fault(failure: &attempts::Failure) -> Fault {
    use attempts::Failure as Why;
    match failure {
        Why::Connect(ConnectError::Timeout { .. }) => Fault::Connection { how: ConnectionFault::TimedOut },
        Why::Connect(ConnectError::Failed { source, .. }) => {
            Fault::Connection { how: ConnectionFault::of(source) }
        }
        Why::Broken(error) => Fault::Connection { how: broken(error) },
        Why::Slow(_) => Fault::TooSlow,
        Why::Credential(status) => Fault::CredentialRefused { status: Some(status.as_u16()) },
        Why::Unauthorized(Unauthorized::Credential(_)) | Why::Unusable(Unusable::Credential) => {
            Fault::NoCredential
        }
        Why::Status { status, .. } => Fault::Answered { status: status.as_u16() },
        Why::Redirect(_) => Fault::Redirected,
        Why::Unreadable(_) | Why::Stream(_) | Why::InBand | Why::Empty | Why::Oversized | Why::Encoded => {
            Fault::Unreadable
        }
        Why::NoTarget | Why::TooLong(_) | Why::Unsupported(_) | Why::Untranslatable(_) | Why::Form(_) => {
            Fault::Unsupported
        }
        Why::Unavailable(_)
        | Why::Unauthorized(Unauthorized::Foreign(_))
        | Why::Unusable(Unusable::Address) => Fault::Other,
    }
}

fn broken(error: &ExchangeError) -> ConnectionFault {
    match error {
        ExchangeError::Closed | ExchangeError::Truncated => ConnectionFault::BrokeOff,
        ExchangeError::Io(error) => ConnectionFault::of(error),
        ExchangeError::Head(_) | ExchangeError::HeadTooLarge | ExchangeError::Framing => {
            ConnectionFault::NotHttp
        }
    }
}
