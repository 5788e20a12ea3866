//! Messages on their way to people: queued in the commit that caused them, delivered afterwards, so that a crash
//! neither loses nor doubles one. Each row names its channel as it was declared then.
//!
//! A message is due when its time has come and every earlier one of the same incident on the same channel has gone:
//! the first makes the thread that the others belong to.

use jiff::Timestamp;
use moorline_model::IncidentKey;
use moorline_model::declaration::ChannelName;
use moorline_model::notification::Notification;

use crate::Record;
use crate::error::{FencedError, StoreError};
use crate::number::{Fence, OutboxId, Version};
use crate::store::{Connection, from_json, limit, to_json};

/// A message and the channels it goes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Addressed {
    pub notification: Notification,
    /// Its channels; one row each.
    pub channels: Vec<ChannelName>,
    /// Other channels: the message goes there too when its incident was reported there before.
    pub others: Vec<ChannelName>,
}

/// A message on one channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutboxItem {
    pub id: OutboxId,
    /// Says which transition of which incident on which channel it is; the same after a replay. Good for a
    /// Message-ID.
    pub key: String,
    /// Its channel. It may not be declared any more.
    pub channel: ChannelName,
    pub notification: Notification,
    /// Tries so far that failed.
    pub attempt: u32,
    /// A delivery began and its end was never noted: it may have gone out. Look before sending again.
    pub unsettled: bool,
}

impl Record {
    /// Messages that are due, oldest first.
    ///
    /// # Errors
    /// The store could not be read.
    pub async fn outbox_due(&self, now: Timestamp, rows: usize) -> Result<Vec<OutboxItem>, StoreError> {
        let attempt = "read the outbox";
        let found: Vec<(i64, String, String, String, i64, i64)> = sqlx::query_as(
            "SELECT id, key, channel, body, attempt, unsettled FROM outbox o
             WHERE state = 'waiting' AND due_ms <= $1 AND NOT EXISTS (
                 SELECT 1 FROM outbox e WHERE e.state = 'waiting' AND e.incident = o.incident
                 AND e.channel = o.channel AND e.id < o.id)
             ORDER BY id LIMIT $2",
        )
        .bind(now.as_millisecond())
        .bind(limit(rows))
        .fetch_all(self.store.reader())
        .await
        .map_err(self.store.failed(attempt))?;
        found
            .into_iter()
            .map(|(id, key, channel, body, tries, unsettled)| {
                Ok(OutboxItem {
                    id: OutboxId::from_sql(id),
                    key,
                    channel: named(&channel)?,
                    notification: from_json(&body)?,
                    attempt: u32::try_from(tries).unwrap_or(u32::MAX),
                    unsettled: unsettled != 0,
                })
            })
            .collect::<Result<_, _>>()
            .map_err(self.store.failed(attempt))
    }

    /// When the next message that waits becomes due, as far as times go.
    ///
    /// # Errors
    /// The store could not be read.
    pub async fn outbox_next(&self) -> Result<Option<Timestamp>, StoreError> {
        let (next,): (Option<i64>,) =
            sqlx::query_as("SELECT min(due_ms) FROM outbox WHERE state = 'waiting'")
                .fetch_one(self.store.reader())
                .await
                .map_err(self.store.failed("read the outbox"))?;
        Ok(next.and_then(|ms| Timestamp::from_millisecond(ms).ok()))
    }

    /// How many messages wait on each channel.
    ///
    /// # Errors
    /// The store could not be read.
    pub async fn outbox_pending(&self) -> Result<Vec<(ChannelName, u64)>, StoreError> {
        let attempt = "count the outbox";
        let rows: Vec<(String, i64)> = sqlx::query_as(
            "SELECT channel, count(*) FROM outbox WHERE state = 'waiting' GROUP BY channel ORDER BY channel",
        )
        .fetch_all(self.store.reader())
        .await
        .map_err(self.store.failed(attempt))?;
        rows.iter()
            .map(|(channel, count)| Ok((named(channel)?, count.unsigned_abs())))
            .collect::<Result<_, _>>()
            .map_err(self.store.failed(attempt))
    }

    /// Notes that a delivery begins; until its end is noted, [`OutboxItem::unsettled`] says so. Only after this returns
    /// may the delivery begin: a leader that slept through its lease would send what its successor sends.
    ///
    /// # Errors
    /// [`FencedError::StaleLease`] when another leads.
    pub async fn outbox_begin(&self, fence: Fence, id: OutboxId) -> Result<(), FencedError> {
        const ATTEMPT: &str = "note that a message's delivery begins";
        let mut transaction = self.store.begin(ATTEMPT).await?;
        self.check(ATTEMPT, fence, &mut transaction).await?;
        sqlx::query("UPDATE outbox SET unsettled = 1 WHERE id = $1")
            .bind(id.to_sql())
            .execute(&mut *transaction)
            .await
            .map_err(self.store.failed(ATTEMPT))?;
        Ok(self.store.finish(ATTEMPT, transaction).await?)
    }

    /// Notes that a message has gone out.
    ///
    /// # Errors
    /// The store could not be written.
    pub async fn outbox_delivered(&self, id: OutboxId) -> Result<(), StoreError> {
        self.settle(
            id,
            "UPDATE outbox SET state = 'delivered', unsettled = 0 WHERE id = $1 AND $2 IS NULL AND $3 IS NULL",
            None,
            None,
        )
        .await
    }

    /// Notes that a message surely did not go out, and when to try again.
    ///
    /// # Errors
    /// The store could not be written.
    pub async fn outbox_failed(
        &self,
        id: OutboxId,
        retry_at: Timestamp,
        error: &str,
    ) -> Result<(), StoreError> {
        self.settle(
            id,
            "UPDATE outbox SET attempt = attempt + 1, unsettled = 0, due_ms = $2, error = $3 WHERE id = $1",
            Some(retry_at),
            Some(error),
        )
        .await
    }

    /// Notes that a message is not tried any more, so that it does not hold up those after it.
    ///
    /// # Errors
    /// The store could not be written.
    pub async fn outbox_given_up(&self, id: OutboxId, error: &str) -> Result<(), StoreError> {
        self.settle(
            id,
            "UPDATE outbox SET state = 'given_up', unsettled = 0, error = $3 WHERE id = $1 AND $2 IS NULL",
            None,
            Some(error),
        )
        .await
    }

    async fn settle(
        &self,
        id: OutboxId,
        sql: &'static str,
        due: Option<Timestamp>,
        error: Option<&str>,
    ) -> Result<(), StoreError> {
        const ATTEMPT: &str = "note a message's delivery";
        let mut transaction = self.store.begin(ATTEMPT).await?;
        sqlx::query(sql)
            .bind(id.to_sql())
            .bind(due.map(Timestamp::as_millisecond))
            .bind(error)
            .execute(&mut *transaction)
            .await
            .map_err(self.store.failed(ATTEMPT))?;
        self.store.finish(ATTEMPT, transaction).await
    }

    /// Where an incident's conversation on a channel goes on.
    ///
    /// # Errors
    /// The store could not be read.
    pub async fn thread(
        &self,
        incident: &IncidentKey,
        channel: &ChannelName,
    ) -> Result<Option<String>, StoreError> {
        let row: Option<(String,)> =
            sqlx::query_as("SELECT reference FROM threads WHERE incident = $1 AND channel = $2")
                .bind(incident.0.as_str())
                .bind(channel.as_str())
                .fetch_optional(self.store.reader())
                .await
                .map_err(self.store.failed("read an incident's thread"))?;
        Ok(row.map(|(reference,)| reference))
    }

    /// Notes where an incident's conversation on a channel goes on: Slack's ts, a mail's Message-ID.
    ///
    /// # Errors
    /// The store could not be written.
    pub async fn set_thread(
        &self,
        incident: &IncidentKey,
        channel: &ChannelName,
        reference: &str,
    ) -> Result<(), StoreError> {
        const ATTEMPT: &str = "note an incident's thread";
        let mut transaction = self.store.begin(ATTEMPT).await?;
        sqlx::query(
            "INSERT INTO threads (incident, channel, reference) VALUES ($1, $2, $3)
             ON CONFLICT (incident, channel) DO UPDATE SET reference = excluded.reference",
        )
        .bind(incident.0.as_str())
        .bind(channel.as_str())
        .bind(reference)
        .execute(&mut *transaction)
        .await
        .map_err(self.store.failed(ATTEMPT))?;
        self.store.finish(ATTEMPT, transaction).await
    }
}

fn named(channel: &str) -> Result<ChannelName, sqlx::Error> {
    channel.parse().map_err(|error| sqlx::Error::Decode(Box::new(error)))
}

/// Whether a channel was given an earlier message of an incident.
async fn has_heard(
    connection: &mut Connection,
    incident: &IncidentKey,
    channel: &ChannelName,
) -> Result<bool, sqlx::Error> {
    let (has_heard,): (bool,) = sqlx::query_as(
        "SELECT EXISTS (SELECT 1 FROM threads WHERE incident = $1 AND channel = $2)
             OR EXISTS (SELECT 1 FROM outbox WHERE incident = $1 AND channel = $2)",
    )
    .bind(incident.0.as_str())
    .bind(channel.as_str())
    .fetch_one(&mut *connection)
    .await?;
    Ok(has_heard)
}

/// Queues a message for each of its channels. A message with the same key is queued already.
pub(crate) async fn queue(
    connection: &mut Connection,
    message: &Addressed,
    version: Version,
) -> Result<(), sqlx::Error> {
    let Addressed { notification, channels, others } = message;
    let body = to_json(notification)?;
    let transition = to_json(&notification.transition)?;
    let mut channels = channels.clone();
    for other in others {
        if has_heard(connection, &notification.incident, other).await? {
            channels.push(other.clone());
        }
    }
    for channel in &channels {
        let key = format!(
            "{}#{}#{version}#{}",
            notification.incident,
            transition.trim_matches('"'),
            channel.as_str()
        );
        sqlx::query(
            "INSERT INTO outbox (key, channel, incident, body, due_ms) VALUES ($1, $2, $3, $4, $5)
             ON CONFLICT (key) DO NOTHING",
        )
        .bind(key)
        .bind(channel.as_str())
        .bind(notification.incident.0.as_str())
        .bind(&body)
        .bind(notification.at.as_millisecond())
        .execute(&mut *connection)
        .await?;
    }
    Ok(())
}
