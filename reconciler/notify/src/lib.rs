//! Notifies people: Slack, email, webhooks.
//!
//! In: a channel as declared, its secret, and one [`Notification`](moorline_model::notification::Notification) with the
//! thread it belongs to. Out: the thread that later messages of the same incident belong to, or why the message was not
//! delivered. When to send, and that nothing is sent twice, is the outbox's business.
//!
//! Reading order: [`wording`] is what every channel says: five lines that answer what, where, since when and who, what
//! happens next by itself, and what one can do. [`kinds`] has a file for each kind of channel, and the table of them.

#![expect(missing_docs, reason = "only this workspace uses the crate; a doc says what a name does not")]

mod address;
mod channel;
pub mod kinds;
pub mod wording;

pub use channel::{Channel, Message, SendError};
pub use kinds::KINDS;

/// Longest wait for one delivery.
pub const DELIVERY_TIMEOUT: std::time::Duration = std::time::Duration::from_secs(20);
