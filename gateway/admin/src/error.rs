//! Why a call of an admin API or a document endpoint did not succeed, in a sentence: who was called, what is wrong, what
//! to do.

use reqwest::Method;
use url::Url;

use crate::{ConnectionFault, Problem, Server};

/// Mistakes of a refused document that are named; the detail counts them all.
const MISTAKES_MAX: usize = 3;

/// Why a call did not succeed.
#[derive(Debug, thiserror::Error)]
pub enum AdminError {
    /// The service could not be reached, or broke off.
    #[error("{} {}", origin(url), self.predicate())]
    Unreachable {
        /// Method of the call.
        method: Method,
        /// Address of the call.
        url: Box<Url>,
        /// Why.
        #[source]
        source: reqwest::Error,
    },
    /// The service answered with a problem.
    #[error("{method} {url}: {} {}: {}", problem.status, problem.title, problem.detail)]
    Refused {
        /// Method of the call.
        method: Method,
        /// Address of the call.
        url: Box<Url>,
        /// What it said.
        problem: Box<Problem>,
    },
    /// Another server of ours is there than the one that was meant.
    #[error("{} {}", origin(url), self.predicate())]
    Misdirected {
        /// Address of the call.
        url: Box<Url>,
        /// Who is there.
        found: Server,
    },
    /// Whoever is there is none of ours, or one that cannot be told to be.
    #[error("{} {}", origin(url), self.predicate())]
    Foreign {
        /// Address of the call.
        url: Box<Url>,
        /// The status of its answer.
        status: u16,
    },
    /// The answer is not what the API promises.
    #[error("{} {}", origin(url), self.predicate())]
    Unreadable {
        /// Method of the call.
        method: Method,
        /// Address of the call.
        url: Box<Url>,
        /// What is wrong with the answer.
        detail: String,
    },
    /// The client could not be made.
    #[error("`{endpoint}` cannot be used as an endpoint: {detail}")]
    Endpoint {
        /// The address given.
        endpoint: String,
        /// What is wrong with it.
        detail: String,
    },
}

impl AdminError {
    /// The problem the service answered with, when it answered with one.
    #[must_use]
    pub fn problem(&self) -> Option<&Problem> {
        match self {
            Self::Refused { problem, .. } => Some(problem),
            Self::Unreachable { .. }
            | Self::Misdirected { .. }
            | Self::Foreign { .. }
            | Self::Unreadable { .. }
            | Self::Endpoint { .. } => None,
        }
    }

    /// Whether the token was refused: none was given, or another one is taken.
    #[must_use]
    pub fn is_token_refused(&self) -> bool {
        self.problem().is_some_and(|problem| problem.status == 401 && problem.is("unauthorized"))
    }

    /// What is wrong and what to do, as the rest of a sentence that begins with whom was called.
    #[must_use]
    pub fn predicate(&self) -> String {
        match self {
            Self::Unreachable { source, .. } => {
                let fault = ConnectionFault::of(source);
                format!("{fault}: {}", fault.next_step())
            }
            Self::Refused { problem, .. } if self.is_token_refused() => {
                format!("refuses the token (401): {}", problem.detail)
            }
            Self::Refused { method, url, problem } => {
                let Problem { status, title, detail, .. } = &**problem;
                let mistakes: Vec<_> =
                    problem.mistakes.iter().take(MISTAKES_MAX).map(ToString::to_string).collect();
                let mistakes =
                    if mistakes.is_empty() { String::new() } else { format!(": {}", mistakes.join("; ")) };
                format!("refuses {method} {} ({status} {title}): {detail}{mistakes}", url.path())
            }
            Self::Misdirected { found: Server::GatewayCallers, .. } => {
                "is a gateway's caller port, not its admin port: give the address of its --admin".to_owned()
            }
            Self::Misdirected { found, .. } => {
                format!("is {found}, not a gateway's admin port: give the address of a gateway's --admin")
            }
            Self::Foreign { status, .. } => {
                format!(
                    "answers {status}, but not as a gateway's admin port does: give the address of a gateway's --admin"
                )
            }
            Self::Unreadable { method, url, detail } => {
                format!("gives an answer to {method} {} that cannot be read: {detail}", url.path())
            }
            Self::Endpoint { detail, .. } => format!("cannot be used as an endpoint: {detail}"),
        }
    }
}

/// Scheme, host and port: people look for the service, not for the path.
fn origin(url: &Url) -> String {
    url.origin().ascii_serialization()
}
