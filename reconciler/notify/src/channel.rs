//! One channel, ready to send, whatever its kind.

use jiff::Timestamp;
use moorline_model::config::{Reference, Secret};
use moorline_model::declaration::DeclaredChannel;
use moorline_model::notification::Notification;

use crate::DELIVERY_TIMEOUT;
use crate::kinds::{self, AnyKind};

/// A message on its way to one channel.
#[derive(Debug, Clone, Copy)]
pub struct Message<'a> {
    /// What is said.
    pub notification: &'a Notification,
    /// The same however often the delivery is tried: receivers can tell a message that reaches them twice.
    pub key: &'a str,
    /// The incident's thread on this channel, as the delivery of its first message returned it.
    pub thread: Option<&'a str>,
    /// The console's address, without a slash at its end.
    pub console: &'a str,
    /// The time of this try.
    pub at: Timestamp,
}

/// A declared channel.
pub struct Channel(Box<dyn AnyKind>);

impl std::fmt::Debug for Channel {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Channel").finish_non_exhaustive()
    }
}

impl Channel {
    /// Reads a channel's settings.
    ///
    /// # Errors
    /// [`SendError::Settings`]: this release does not know the kind, or reads the settings otherwise than the one that
    /// checked them.
    pub fn open(declared: &DeclaredChannel<'_>) -> Result<Self, SendError> {
        kinds::open(declared.kind, declared.settings).map(Self)
    }

    /// The secret that [`Channel::send`] needs.
    #[must_use]
    pub fn secret(&self) -> &Reference {
        self.0.secret()
    }

    /// Sends a message, and returns the incident's thread.
    ///
    /// # Errors
    /// [`SendError`]; transient unless sending again would not help.
    pub async fn send(&self, secret: &Secret, message: &Message<'_>) -> Result<String, SendError> {
        let sent = tokio::time::timeout(DELIVERY_TIMEOUT, self.0.send(secret, message)).await;
        sent.unwrap_or_else(|_| {
            Err(SendError::Unreachable(format!("no answer within {} s", DELIVERY_TIMEOUT.as_secs())))
        })
    }
}

/// Why a message was not delivered. The text is never a secret.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// The settings cannot be used.
    #[error("the channel cannot be used: {0}")]
    Settings(String),
    /// The message is refused for good: sending it again would not help.
    #[error("the message was refused: {0}")]
    Refused(String),
    /// It may go better later.
    #[error("the channel could not be reached: {0}")]
    Unreachable(String),
}

impl SendError {
    /// Whether sending again later may help.
    #[must_use]
    pub const fn is_transient(&self) -> bool {
        matches!(self, Self::Unreachable(_))
    }
}
