//! The daemon as the command line reaches it: its address and token from the arguments, and failures with what to do.

use std::error::Error;
use std::fmt;

use moorline_api::{Client, ClientError};
use moorline_model::Secret;

use super::{Exit, ServerArguments, output};

/// What says where the daemon is.
const WHERE: &str = "--server or MOORLINE_SERVER";

/// Why a command about a daemon failed.
#[derive(Debug)]
pub(super) enum ApiError {
    /// The call did not succeed.
    Call(ClientError),
    /// No plan and no document waits.
    NothingToApprove(String),
    /// Nothing that gateways serve waits to be adopted.
    NothingToAdopt(String),
    /// The commit is not known, or not the only one.
    Commit(String),
}

impl fmt::Display for ApiError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Call(error @ ClientError::Unreachable { .. }) => {
                write!(formatter, "{error}; the daemon's address is {WHERE}")
            }
            Self::Call(
                error @ (ClientError::Address(_)
                | ClientError::Misdirected { .. }
                | ClientError::Foreign { .. }),
            ) => write!(formatter, "{error}: give the daemon's address with {WHERE}"),
            Self::Call(error @ (ClientError::Refused(_) | ClientError::Unreadable { .. })) => {
                error.fmt(formatter)
            }
            Self::NothingToApprove(name) => write!(
                formatter,
                "nothing of {name} waits for approval; `moorline status {name}` shows how it stands"
            ),
            Self::NothingToAdopt(name) => write!(
                formatter,
                "no gateway of {name} serves anything that waits to be adopted; `moorline status {name}` shows how \
                 it stands"
            ),
            Self::Commit(message) => formatter.write_str(message),
        }
    }
}

impl Error for ApiError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            // Its message is part of ours.
            Self::Call(error) => error.source(),
            Self::NothingToApprove(_) | Self::NothingToAdopt(_) | Self::Commit(_) => None,
        }
    }
}

impl From<ClientError> for ApiError {
    fn from(error: ClientError) -> Self {
        Self::Call(error)
    }
}

impl ApiError {
    /// Prints it; the command's exit.
    pub(super) fn report(&self) -> Exit {
        output::failed(self.exit(), &crate::chain::after(&self.to_string(), self), self.next())
    }

    /// The command's exit.
    pub(super) fn exit(&self) -> Exit {
        match self {
            Self::Call(ClientError::Refused(problem)) => match (problem.status, &problem.gate) {
                (401 | 403, _) => Exit::SignIn,
                (423, _) | (_, Some(_)) => Exit::Blocked,
                _ => Exit::Error,
            },
            Self::Call(ClientError::Address(_)) => Exit::Usage,
            Self::Call(ClientError::Unreachable { .. }) => Exit::CannotCheck,
            Self::Call(
                ClientError::Misdirected { .. }
                | ClientError::Foreign { .. }
                | ClientError::Unreadable { .. },
            )
            | Self::NothingToApprove(_)
            | Self::NothingToAdopt(_)
            | Self::Commit(_) => Exit::Error,
        }
    }

    /// What to do, where that is not part of the message.
    fn next(&self) -> Option<&'static str> {
        let Self::Call(ClientError::Refused(problem)) = self else { return None };
        match problem.status {
            401 | 403 => {
                Some("Give one of the daemon's tokens, of a role that may, with --token or MOORLINE_TOKEN.")
            }
            404 => Some("`moorline status` lists what there is."),
            _ => None,
        }
    }
}

/// A client for the daemon that the arguments name.
pub(super) fn client(arguments: &ServerArguments) -> Result<Client, ClientError> {
    Client::new(&arguments.server, arguments.token.clone().map(Secret::new))
}
