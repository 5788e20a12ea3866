//! Tells people: Slack and email.
//!
//! In: one [`Notification`](moorline_model::notification::Notification) and the thread it belongs to. Out: the thread
//! that later messages of the same incident belong to, or why nobody was told. When to send, and that nothing is sent
//! twice, is the outbox's business; here is only the wording ([`wording`]) and the two ways out.
//!
//! Both ways say the same: five lines that answer what, where, since when and who, what happens next by itself, and
//! what one can do.

pub mod email;
pub mod slack;
pub mod wording;

pub use email::Email;
pub use slack::Slack;

/// Longest wait for one delivery.
pub const DELIVERY_TIMEOUT: std::time::Duration = std::time::Duration::from_secs(20);

/// Why nobody was told.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// The settings cannot be used.
    #[error("{channel} cannot be used: {detail}")]
    Settings {
        /// Which way.
        channel: &'static str,
        /// What is wrong; never a secret.
        detail: String,
    },
    /// The message is refused for good: sending it again would not help.
    #[error("{channel} refused the message: {detail}")]
    Refused {
        /// Which way.
        channel: &'static str,
        /// What it said.
        detail: String,
    },
    /// It may go better later.
    #[error("{channel} could not be reached: {detail}")]
    Unreachable {
        /// Which way.
        channel: &'static str,
        /// What happened.
        detail: String,
    },
}

impl SendError {
    /// Whether sending again later may help.
    #[must_use]
    pub const fn is_transient(&self) -> bool {
        matches!(self, Self::Unreachable { .. })
    }
}
