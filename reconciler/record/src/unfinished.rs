//! What waits for an environment's next cycle, in one look: most cycles find nothing.

use moorline_model::EnvironmentName;
use moorline_model::config::Digest;
use moorline_model::intent::Intent;

use crate::Record;
use crate::error::StoreError;
use crate::journal::OpenStep;
use crate::number::IntentId;

/// What a cycle begins with beside the state.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Unfinished {
    /// Steps without an outcome, oldest first.
    pub steps: Vec<OpenStep>,
    /// Intents that no commit has applied, oldest first.
    pub intents: Vec<(IntentId, Intent)>,
    /// The document that Terraform handed over last.
    pub handed_over: Option<Digest>,
}

impl Record {
    /// What waits for an environment's next cycle. Where nothing waits, that is one question to the store.
    ///
    /// # Errors
    /// The store could not be read.
    pub async fn unfinished(&self, environment: &EnvironmentName) -> Result<Unfinished, StoreError> {
        let attempt = "read what waits for a cycle";
        let (has_steps, has_intents, handed_over): (bool, bool, Option<String>) = sqlx::query_as(
            "SELECT EXISTS (SELECT 1 FROM journal WHERE environment = $1 AND outcome IS NULL),
                    EXISTS (SELECT 1 FROM intents WHERE environment = $1 AND consumed IS NULL),
                    (SELECT digest FROM handed_over WHERE environment = $1)",
        )
        .bind(environment.as_str())
        .fetch_one(self.store.reader())
        .await
        .map_err(self.store.failed(attempt))?;
        let handed_over = handed_over.map(|digest| digest.parse()).transpose();
        let handed_over =
            handed_over.map_err(|error| self.store.failed(attempt)(sqlx::Error::Decode(Box::new(error))))?;
        let steps = if has_steps { self.journal_open(environment).await? } else { Vec::new() };
        let intents = if has_intents { self.pending_intents(environment).await? } else { Vec::new() };
        Ok(Unfinished { steps, intents, handed_over })
    }
}
