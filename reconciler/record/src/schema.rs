//! Migrations: embedded SQL files, applied in order, each once, in one transaction.
//!
//! A file that was ever released is never edited; a change is a new file. What was applied is remembered with a
//! checksum, so that an edited file or a record of a newer release is refused instead of misread.

use sha2::{Digest as _, Sha256};
use sqlx::SqliteConnection;

/// Name and SQL of each migration, oldest first.
const MIGRATIONS: [(&str, &str); 2] = [
    ("0001_record", include_str!("../migrations/0001_record.sql")),
    ("0002_outcomes", include_str!("../migrations/0002_outcomes.sql")),
];

/// Why the tables could not be brought up to date.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SchemaError {
    #[error("it was written by a newer release: it knows `{name}`, this release does not")]
    Newer { name: String },
    #[error("`{name}` was applied in another form than this release knows")]
    Edited { name: String },
    #[error(transparent)]
    Database(#[from] sqlx::Error),
}

/// Brings the tables up to date. The caller holds a write transaction, so two processes that start at once take turns.
pub(crate) async fn migrate(connection: &mut SqliteConnection) -> Result<(), SchemaError> {
    sqlx::query(
        "CREATE TABLE IF NOT EXISTS migrations (position BIGINT NOT NULL PRIMARY KEY, name TEXT NOT NULL, sha256 TEXT NOT NULL)",
    )
    .execute(&mut *connection)
    .await?;
    let applied: Vec<(String, String)> =
        sqlx::query_as("SELECT name, sha256 FROM migrations ORDER BY position")
            .fetch_all(&mut *connection)
            .await?;
    if let Some((name, _)) = applied.get(MIGRATIONS.len()) {
        return Err(SchemaError::Newer { name: name.clone() });
    }
    for (position, (name, sql)) in (0_i64..).zip(MIGRATIONS) {
        let sha256 = hex::encode(Sha256::digest(sql));
        match usize::try_from(position).ok().and_then(|index| applied.get(index)) {
            Some((was, checksum)) if was == name && *checksum == sha256 => {}
            Some((was, _)) => return Err(SchemaError::Edited { name: was.clone() }),
            None => {
                sqlx::raw_sql(sql).execute(&mut *connection).await?;
                sqlx::query("INSERT INTO migrations (position, name, sha256) VALUES ($1, $2, $3)")
                    .bind(position)
                    .bind(name)
                    .bind(sha256)
                    .execute(&mut *connection)
                    .await?;
            }
        }
    }
    Ok(())
}
