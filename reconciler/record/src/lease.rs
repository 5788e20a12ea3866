//! One leader: a lease with a fencing token.

use jiff::Timestamp;

use crate::Record;
use crate::error::{FencedError, StaleLease, StoreError};
use crate::number::Fence;
use crate::store::Connection;

/// Leadership, for a time. Whoever holds it may write; when it runs out, another may take it with a newer fence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    pub holder: String,
    /// What each write shows.
    pub token: Fence,
    /// Until when nobody else may take it.
    pub expires_at: Timestamp,
}

/// Who leads, as last written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leader {
    /// Who; absent: nobody.
    pub holder: Option<String>,
    /// The newest fence.
    pub fence: Fence,
    pub expires_at: Timestamp,
}

impl Record {
    /// Takes the lease when nobody holds it, when it ran out, or when `holder` is its holder already: a daemon that
    /// was killed and starts anew does not wait for itself, and the newer fence shuts out whatever is left of the
    /// old process. `None`: somebody else leads.
    ///
    /// # Errors
    /// The store could not be written.
    pub async fn lease(
        &self,
        holder: &str,
        ttl: std::time::Duration,
        now: Timestamp,
    ) -> Result<Option<Lease>, StoreError> {
        const ATTEMPT: &str = "take the leader's lease";
        let expires_at = now.checked_add(ttl).unwrap_or(Timestamp::MAX);
        let mut transaction = self.store.begin_lease(ATTEMPT).await?;
        let taken: Option<(i64,)> = sqlx::query_as(
            "UPDATE lease SET holder = $1, fence = fence + 1, expires_ms = $2
             WHERE name = 'leader' AND (expires_ms <= $3 OR holder = $1) RETURNING fence",
        )
        .bind(holder)
        .bind(expires_at.as_millisecond())
        .bind(now.as_millisecond())
        .fetch_optional(&mut *transaction)
        .await
        .map_err(self.store.failed(ATTEMPT))?;
        self.store.finish_quietly(ATTEMPT, transaction).await?;
        let lease = |(fence,)| Lease { holder: holder.to_owned(), token: Fence::from_sql(fence), expires_at };
        Ok(taken.map(lease))
    }

    /// Prolongs a lease, also one that ran out and that nobody took.
    ///
    /// # Errors
    /// [`FencedError::StaleLease`] when another took it.
    pub async fn renew(
        &self,
        lease: &Lease,
        ttl: std::time::Duration,
        now: Timestamp,
    ) -> Result<Lease, FencedError> {
        let expires_at = now.checked_add(ttl).unwrap_or(Timestamp::MAX);
        self.set_expiry("renew the leader's lease", lease.token, expires_at).await?;
        Ok(Lease { expires_at, ..lease.clone() })
    }

    /// Gives a lease back, so that the next leader need not wait.
    ///
    /// # Errors
    /// [`FencedError::StaleLease`] when another took it already.
    pub async fn release(&self, lease: &Lease) -> Result<(), FencedError> {
        self.set_expiry("give the leader's lease back", lease.token, Timestamp::UNIX_EPOCH).await
    }

    /// Who leads. Followers show it.
    ///
    /// # Errors
    /// The store could not be read.
    pub async fn leader(&self) -> Result<Leader, StoreError> {
        let (holder, fence, expires_ms): (String, i64, i64) =
            sqlx::query_as("SELECT holder, fence, expires_ms FROM lease WHERE name = 'leader'")
                .fetch_one(self.store.reader())
                .await
                .map_err(self.store.failed("read who leads"))?;
        Ok(Leader {
            holder: Some(holder).filter(|holder| !holder.is_empty() && expires_ms > 0),
            fence: Fence::from_sql(fence),
            expires_at: Timestamp::from_millisecond(expires_ms).unwrap_or(Timestamp::UNIX_EPOCH),
        })
    }

    async fn set_expiry(
        &self,
        attempt: &'static str,
        fence: Fence,
        expires_at: Timestamp,
    ) -> Result<(), FencedError> {
        let mut transaction = self.store.begin_lease(attempt).await?;
        self.check(attempt, fence, &mut transaction).await?;
        sqlx::query("UPDATE lease SET expires_ms = $1 WHERE name = 'leader'")
            .bind(expires_at.as_millisecond())
            .execute(&mut *transaction)
            .await
            .map_err(self.store.failed(attempt))?;
        Ok(self.store.finish_quietly(attempt, transaction).await?)
    }

    /// Refuses a fence that is not the newest. Inside the write's own transaction, so that no newer one can come
    /// between the check and the write.
    pub(crate) async fn check(
        &self,
        attempt: &'static str,
        held: Fence,
        connection: &mut Connection,
    ) -> Result<(), FencedError> {
        let (fence,): (i64,) = sqlx::query_as("SELECT fence FROM lease WHERE name = 'leader'")
            .fetch_one(connection)
            .await
            .map_err(self.store.failed(attempt))?;
        let newest = Fence::from_sql(fence);
        if newest == held { Ok(()) } else { Err(StaleLease { held, newest }.into()) }
    }
}
