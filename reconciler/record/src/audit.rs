//! The audit: append-only, and chained by hashes so that a later change shows.
//!
//! Each row's hash is SHA-256 over the hash before it, its number and its text. The tables refuse to change or remove
//! rows; whoever edits the file behind their back breaks the chain at that row. A copy of the newest [`AuditHead`]
//! kept elsewhere also shows that rows were cut off at the end.

use futures_util::TryStreamExt as _;
use moorline_model::EnvironmentName;
use moorline_model::event::AuditEntry;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::Record;
use crate::error::{AuditError, StoreError};
use crate::number::Sequence;
use crate::store::{Connection, from_json, limit, to_json};

/// An audit entry as recorded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditRow {
    /// Its number, from 1, without gaps.
    pub seq: Sequence,
    #[serde(flatten)]
    pub entry: AuditEntry,
    /// Hash over it and all before it, hex.
    pub hash: String,
}

/// The end of the chain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditHead {
    /// How many entries there are.
    pub entries: u64,
    /// The last one's hash; of 64 zeros when there is none.
    pub hash: String,
}

/// What the first entry follows.
fn beginning() -> String {
    "0".repeat(64)
}

impl Record {
    /// Writes an entry that belongs to no journal step and no commit.
    ///
    /// # Errors
    /// The store could not be written; then the effect it announces must not happen.
    pub async fn audit(&self, entry: &AuditEntry) -> Result<Sequence, StoreError> {
        const ATTEMPT: &str = "write the audit";
        let mut transaction = self.store.begin(ATTEMPT).await?;
        let seq = append(&mut transaction, entry).await.map_err(self.store.failed(ATTEMPT))?;
        self.store.finish(ATTEMPT, transaction).await?;
        Ok(seq)
    }

    /// The newest entries, newest first; of one environment or of all. An entry belongs to the environment that its
    /// target names first.
    ///
    /// # Errors
    /// The store could not be read.
    pub async fn audit_log(
        &self,
        environment: Option<&EnvironmentName>,
        rows: usize,
    ) -> Result<Vec<AuditRow>, StoreError> {
        let attempt = "read the audit";
        let found: Vec<(i64, String, String)> = sqlx::query_as(
            "SELECT seq, body, hash FROM audit WHERE $1 IS NULL OR environment = $1 ORDER BY seq DESC LIMIT $2",
        )
        .bind(environment.map(EnvironmentName::as_str))
        .bind(limit(rows))
        .fetch_all(self.store.reader())
        .await
        .map_err(self.store.failed(attempt))?;
        let row = |(seq, body, hash): (i64, String, String)| {
            Ok(AuditRow { seq: Sequence::from_sql(seq), entry: from_json(&body)?, hash })
        };
        found.into_iter().map(row).collect::<Result<_, _>>().map_err(self.store.failed(attempt))
    }

    /// Reads the whole audit and checks the chain.
    ///
    /// # Errors
    /// [`AuditError::Broken`] names the first entry that does not follow from those before it.
    pub async fn verify_audit(&self) -> Result<AuditHead, AuditError> {
        let attempt = "check the audit";
        let mut head = AuditHead { entries: 0, hash: beginning() };
        let mut rows = sqlx::query_as::<_, (i64, String, String, String, String)>(
            "SELECT seq, environment, body, previous, hash FROM audit ORDER BY seq",
        )
        .fetch(self.store.reader());
        while let Some((seq, environment, body, previous, hash)) =
            rows.try_next().await.map_err(self.store.failed(attempt))?
        {
            let seq = Sequence::from_sql(seq);
            let follows = seq.0 == head.entries + 1
                && previous == head.hash
                && hash == chain(&previous, seq, &environment, &body);
            if !follows {
                return Err(AuditError::Broken { at: seq });
            }
            head = AuditHead { entries: seq.0, hash };
        }
        Ok(head)
    }
}

fn chain(previous: &str, seq: Sequence, environment: &str, body: &str) -> String {
    let hash = Sha256::new()
        .chain_update(previous)
        .chain_update(format!("\n{seq}\n{environment}\n"))
        .chain_update(body)
        .finalize();
    hex::encode(hash)
}

/// Appends an entry inside a transaction that holds the write lock, so that no other row comes between.
pub(crate) async fn append(connection: &mut Connection, entry: &AuditEntry) -> Result<Sequence, sqlx::Error> {
    let last: Option<(i64, String)> = sqlx::query_as("SELECT seq, hash FROM audit ORDER BY seq DESC LIMIT 1")
        .fetch_optional(&mut *connection)
        .await?;
    let (last, previous) = last.unwrap_or_else(|| (0, beginning()));
    let seq = Sequence::from_sql(last + 1);
    let environment = entry.target.split_whitespace().next().unwrap_or_default();
    let body = to_json(entry)?;
    let hash = chain(&previous, seq, environment, &body);
    sqlx::query("INSERT INTO audit (seq, environment, body, previous, hash) VALUES ($1, $2, $3, $4, $5)")
        .bind(seq.to_sql())
        .bind(environment)
        .bind(body)
        .bind(previous)
        .bind(hash)
        .execute(connection)
        .await?;
    Ok(seq)
}
