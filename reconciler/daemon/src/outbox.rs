//! The notify stage: messages that cycles left in the outbox go out, each once.
//!
//! One task for all environments. A message that could not go out is tried again with a growing pause and holds up
//! only those of its own incident; one that is refused for good is given up and said so in the log.

use std::sync::Arc;
use std::time::Duration;

use moorline_cycle::SourceStatus;
use moorline_cycle::facilities::ResolveError;
use moorline_model::EnvironmentName;
use moorline_model::declaration::Notifications;
use moorline_notify::{Email, SendError, Slack};
use moorline_record::{Channel, Fence, FencedError, OutboxItem, Record, StoreError};
use moorline_source::Repository;
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

use crate::clock;
use crate::secrets::Secrets;
use crate::source::declaration;

/// The pause after the first failed try; doubled for each further one.
const PAUSE_MIN: Duration = Duration::from_secs(5);
/// The longest pause between two tries.
const PAUSE_MAX: Duration = Duration::from_secs(600);
/// Tries after which a message is given up: at the pauses above, about half a day.
const ATTEMPTS_MAX: u32 = 80;
/// How often the outbox is looked at without being rung.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// Messages taken out at a time.
const BATCH: usize = 32;

/// The task that delivers.
pub struct Outbox {
    /// Where messages wait.
    pub record: Record,
    /// Shown before each delivery: this daemon leads.
    pub fence: Fence,
    /// Who resolves references.
    pub secrets: Secrets,
    /// Says, in the head's declaration, where people are told.
    pub source: watch::Receiver<Option<SourceStatus>>,
    /// Says the same at the commit in force, while the head is not valid.
    pub repository: Repository,
    /// The declaration's path in it.
    pub declaration_path: String,
    /// Rung when a message waits.
    pub bell: Arc<Notify>,
    /// The console's address, for links.
    pub console: String,
}

impl Outbox {
    /// Delivers until cancelled. A delivery that has begun is finished or times out.
    pub async fn run(self, cancel: CancellationToken) {
        while !cancel.is_cancelled() {
            match self.deliver_due(&cancel).await {
                Ok(delivered) if delivered == BATCH => continue,
                Ok(_) => {}
                Err(error) => {
                    tracing::error!(
                        error = &error as &dyn std::error::Error,
                        "the outbox cannot be read or written"
                    );
                }
            }
            tokio::select! {
                () = cancel.cancelled() => return,
                () = self.bell.notified() => {}
                () = tokio::time::sleep(LOOK_EVERY) => {}
            }
        }
    }

    async fn deliver_due(&self, cancel: &CancellationToken) -> Result<usize, FencedError> {
        let due = self.record.outbox_due(clock::now(), BATCH).await?;
        let mut delivered = 0;
        for item in &due {
            if cancel.is_cancelled() {
                break;
            }
            let Some(told) = self.declared(&item.notification.environment).await? else { continue };
            self.deliver(item, &told).await?;
            delivered += 1;
        }
        Ok(delivered)
    }

    /// Where people are told: by the head's declaration, or while that is not valid by the one in force. The message
    /// that the head is not valid goes out that way.
    async fn declared(&self, environment: &EnvironmentName) -> Result<Option<Notifications>, StoreError> {
        let head = self.source.borrow().as_ref().and_then(|report| report.head.clone());
        if let Some(Ok(declaration)) = head.map(|head| head.declaration) {
            return Ok(Some(declaration.notifications.clone()));
        }
        let state = self.record.load(environment).await?.map(|(state, _)| state);
        let Some(applied) = state.and_then(|state| state.applied) else { return Ok(None) };
        let in_force = declaration(&self.repository, &applied.revision.commit, &self.declaration_path).await;
        Ok(in_force.ok().map(|declaration| declaration.notifications.clone()))
    }

    async fn deliver(&self, item: &OutboxItem, told: &Notifications) -> Result<(), FencedError> {
        let thread = self.record.thread(&item.notification.incident, item.channel).await?;
        self.record.outbox_begin(self.fence, item.id).await?;
        match self.send(item, told, thread.as_deref()).await {
            Ok(new_thread) => {
                if thread.as_ref() != Some(&new_thread) {
                    self.record.set_thread(&item.notification.incident, item.channel, &new_thread).await?;
                }
                self.record.outbox_delivered(item.id).await?;
            }
            Err(error) if error.is_transient() && item.attempt < ATTEMPTS_MAX => {
                let pause = PAUSE_MIN.saturating_mul(1 << item.attempt.min(10)).min(PAUSE_MAX);
                let text = crate::chain::of(&error);
                tracing::warn!(
                    channel = item.channel.as_str(),
                    environment = %item.notification.environment,
                    error = text,
                    "a message was not delivered; trying again in {pause:?}"
                );
                let retry_at = clock::now().checked_add(pause).unwrap_or(jiff::Timestamp::MAX);
                self.record.outbox_failed(item.id, retry_at, &text).await?;
            }
            Err(error) => {
                let text = crate::chain::of(&error);
                tracing::error!(
                    channel = item.channel.as_str(),
                    environment = %item.notification.environment,
                    error = text,
                    "a message was not delivered and is not tried again: {}",
                    item.notification.headline
                );
                self.record.outbox_given_up(item.id, &text).await?;
            }
        }
        Ok(())
    }

    async fn send(
        &self,
        item: &OutboxItem,
        told: &Notifications,
        thread: Option<&str>,
    ) -> Result<String, SendError> {
        match item.channel {
            Channel::Slack => {
                let declared = told.slack.as_ref().ok_or_else(|| undeclared("slack"))?;
                let token =
                    self.secrets.declared(&declared.token).map_err(|error| unresolved("slack", &error))?;
                let slack = Slack::new(declared, &token)?;
                slack.send(&item.notification, thread, &self.console).await
            }
            Channel::Email => {
                let declared = told.email.as_ref().ok_or_else(|| undeclared("email"))?;
                let smtp =
                    self.secrets.declared(&declared.smtp).map_err(|error| unresolved("email", &error))?;
                let email = Email::new(declared, &smtp)?;
                email.send(&item.notification, &item.key, thread, &self.console).await
            }
        }
    }
}

fn undeclared(channel: &'static str) -> SendError {
    SendError::Settings { channel, detail: "it is not declared any more".to_owned() }
}

/// A secret that is missing now may be there after the next deployment, so the message waits.
fn unresolved(channel: &'static str, error: &ResolveError) -> SendError {
    SendError::Unreachable { channel, detail: crate::chain::of(error) }
}
