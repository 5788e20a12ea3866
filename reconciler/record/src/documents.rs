//! Gateway documents by digest: those that rollouts delivered, so that a rollback finds them again, and the one that
//! `terraform apply` handed over last.

use jiff::Timestamp;
use moorline_model::EnvironmentName;
use moorline_model::config::Digest;
use moorline_model::environment::StoredDocument;
use moorline_model::event::AuditEntry;

use crate::Record;
use crate::audit;
use crate::error::{HandOverError, StoreError};
use crate::store::{Connection, from_json, to_json};

/// What a hand-over did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HandOver {
    /// The document is another one now.
    Changed,
    /// It was the same already.
    Unchanged,
}

impl Record {
    /// Takes the document that Terraform delivers, and writes the audit before it. With `if_match`, only when that
    /// digest is the one handed over last.
    ///
    /// # Errors
    /// [`HandOverError::Mismatch`] names both digests.
    pub async fn hand_over(
        &self,
        environment: &EnvironmentName,
        document: &StoredDocument,
        if_match: Option<Digest>,
        actor: &str,
    ) -> Result<HandOver, HandOverError> {
        const ATTEMPT: &str = "take a document over";
        let failed = || self.store.failed(ATTEMPT);
        let mut transaction = self.store.begin(ATTEMPT).await?;
        let found = handed_over_digest(&mut transaction, environment).await.map_err(failed())?;
        if let Some(expected) = if_match
            && found != Some(expected)
        {
            return Err(HandOverError::Mismatch { environment: environment.clone(), expected, found });
        }
        let entry = AuditEntry {
            at: document.at,
            actor: actor.to_owned(),
            action: "document.put".to_owned(),
            target: environment.to_string(),
            commit: None,
            detail: document.digest.to_string(),
        };
        audit::append(&mut transaction, &entry).await.map_err(failed())?;
        store(&mut transaction, environment, document).await.map_err(failed())?;
        sqlx::query(
            "INSERT INTO handed_over (environment, digest, actor, at_ms) VALUES ($1, $2, $3, $4)
             ON CONFLICT (environment) DO UPDATE SET digest = excluded.digest, actor = excluded.actor, at_ms = excluded.at_ms",
        )
        .bind(environment.as_str())
        .bind(document.digest.to_string())
        .bind(actor)
        .bind(document.at.as_millisecond())
        .execute(&mut *transaction)
        .await
        .map_err(failed())?;
        self.store.finish(ATTEMPT, transaction).await?;
        Ok(if found == Some(document.digest) { HandOver::Unchanged } else { HandOver::Changed })
    }

    /// The document that Terraform delivered last.
    ///
    /// # Errors
    /// The store could not be read.
    pub async fn handed_over(
        &self,
        environment: &EnvironmentName,
    ) -> Result<Option<StoredDocument>, StoreError> {
        let attempt = "read the document handed over";
        let row = sqlx::query_as(
            "SELECT d.digest, d.body, h.at_ms FROM handed_over h
             JOIN documents d ON d.environment = h.environment AND d.digest = h.digest WHERE h.environment = $1",
        )
        .bind(environment.as_str())
        .fetch_optional(self.store.reader())
        .await
        .map_err(self.store.failed(attempt))?;
        row.map(from_row).transpose().map_err(self.store.failed(attempt))
    }

    /// A stored document.
    ///
    /// # Errors
    /// The store could not be read.
    pub async fn document(
        &self,
        environment: &EnvironmentName,
        digest: Digest,
    ) -> Result<Option<StoredDocument>, StoreError> {
        let attempt = "read a stored document";
        let row = sqlx::query_as(
            "SELECT digest, body, at_ms FROM documents WHERE environment = $1 AND digest = $2",
        )
        .bind(environment.as_str())
        .bind(digest.to_string())
        .fetch_optional(self.store.reader())
        .await
        .map_err(self.store.failed(attempt))?;
        row.map(from_row).transpose().map_err(self.store.failed(attempt))
    }
}

fn from_row((digest, body, at_ms): (String, String, i64)) -> Result<StoredDocument, sqlx::Error> {
    Ok(StoredDocument {
        digest: digest.parse().map_err(|error| sqlx::Error::Decode(Box::new(error)))?,
        document: from_json(&body)?,
        at: Timestamp::from_millisecond(at_ms).unwrap_or(Timestamp::UNIX_EPOCH),
    })
}

async fn handed_over_digest(
    connection: &mut Connection,
    environment: &EnvironmentName,
) -> Result<Option<Digest>, sqlx::Error> {
    let row: Option<(String,)> = sqlx::query_as("SELECT digest FROM handed_over WHERE environment = $1")
        .bind(environment.as_str())
        .fetch_optional(connection)
        .await?;
    row.map(|(digest,)| digest.parse().map_err(|error| sqlx::Error::Decode(Box::new(error)))).transpose()
}

pub(crate) async fn store(
    connection: &mut Connection,
    environment: &EnvironmentName,
    document: &StoredDocument,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO documents (environment, digest, body, at_ms) VALUES ($1, $2, $3, $4)
         ON CONFLICT (environment, digest) DO UPDATE SET at_ms = excluded.at_ms",
    )
    .bind(environment.as_str())
    .bind(document.digest.to_string())
    .bind(to_json(&document.document)?)
    .bind(document.at.as_millisecond())
    .execute(connection)
    .await
    .map(drop)
}
