//! The notify stage: messages that cycles left in the outbox are sent, each once.
//!
//! One task for all environments. A message that could not be delivered is tried again with a growing pause, and delays
//! only those of its own incident on its own channel. One that is refused for good, or whose channel is not declared any
//! more, is given up: the log says so, and a metric counts it.

use std::sync::Arc;
use std::time::Duration;

use moorline_cycle::facilities::ResolveError;
use moorline_cycle::{ParsedDeclarations, SourceStatus};
use moorline_model::EnvironmentName;
use moorline_model::declaration::Notifications;
use moorline_notify::{Channel, Message, SendError};
use moorline_record::{Fence, FencedError, OutboxItem, Record, StoreError};
use moorline_source::Repository;
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

use crate::clock;
use crate::metrics::Metrics;
use crate::secrets::Secrets;
use crate::source::declaration;

/// The pause after the first failed try; doubled for each further one.
const PAUSE_MIN: Duration = Duration::from_secs(5);
/// The longest pause between two tries.
const PAUSE_MAX: Duration = Duration::from_secs(600);
/// Tries after which a message is given up: at the pauses above, about half a day.
const ATTEMPTS_MAX: u32 = 80;
/// How often the outbox is looked at without being woken.
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
    /// Says, in the head's declaration, where people are notified.
    pub source: watch::Receiver<Option<SourceStatus>>,
    /// Says the same at the commit in force, while the head is not valid.
    pub repository: Repository,
    /// The declaration's path in it.
    pub declaration_path: String,
    /// Declarations that are known.
    pub parsed: ParsedDeclarations,
    /// Notified when a message waits.
    pub wake_up: Arc<Notify>,
    /// Where given-up messages are counted.
    pub metrics: Arc<Metrics>,
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
                () = self.wake_up.notified() => {}
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
            let Some(declared) = self.declared(&item.notification.environment).await? else { continue };
            self.deliver(item, &declared).await?;
            delivered += 1;
        }
        Ok(delivered)
    }

    /// Where people are notified: by the head's declaration, or while that is not valid by the one in force. The message
    /// that the head is not valid is sent that way.
    async fn declared(&self, environment: &EnvironmentName) -> Result<Option<Notifications>, StoreError> {
        let head = self.source.borrow().as_ref().and_then(|report| report.head.clone());
        if let Some(Ok(declaration)) = head.map(|head| head.declaration) {
            return Ok(Some(declaration.notifications.clone()));
        }
        let state = self.record.load(environment).await?.map(|(state, _)| state);
        let Some(applied) = state.and_then(|state| state.applied.clone()) else { return Ok(None) };
        let in_force =
            declaration(&self.parsed, &self.repository, &applied.revision.commit, &self.declaration_path)
                .await;
        Ok(in_force.ok().map(|declaration| declaration.notifications.clone()))
    }

    async fn deliver(&self, item: &OutboxItem, declared: &Notifications) -> Result<(), FencedError> {
        let thread = self.record.thread(&item.notification.incident, &item.channel).await?;
        self.record.outbox_begin(self.fence, item.id).await?;
        match self.send(item, declared, thread.as_deref()).await {
            Ok(new_thread) => {
                if thread.as_ref() != Some(&new_thread) {
                    self.record.set_thread(&item.notification.incident, &item.channel, &new_thread).await?;
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
                self.metrics.given_up(&item.channel);
            }
        }
        Ok(())
    }

    async fn send(
        &self,
        item: &OutboxItem,
        declared: &Notifications,
        thread: Option<&str>,
    ) -> Result<String, SendError> {
        let channel = declared.channel(&item.channel).ok_or_else(undeclared)?;
        let channel = Channel::open(&channel)?;
        let secret = self.secrets.declared(channel.secret()).map_err(|error| unresolved(&error))?;
        let message = Message {
            notification: &item.notification,
            key: &item.key,
            thread,
            console: &self.console,
            at: clock::now(),
        };
        channel.send(&secret, &message).await
    }
}

fn undeclared() -> SendError {
    SendError::Settings("it is not declared any more".to_owned())
}

/// A secret that is missing now may be there after the next deployment, so the message waits.
fn unresolved(error: &ResolveError) -> SendError {
    SendError::Unreachable(crate::chain::of(error))
}
