//! The record, and that this daemon leads.

use std::sync::Arc;

use moorline_config::Digest;
use moorline_cycle::facilities::Store;
use moorline_model::environment::{EnvironmentState, StoredDocument};
use moorline_model::event::AuditEntry;
use moorline_model::{EnvironmentName, RolloutId};
use moorline_record::{CommitError, FencedError, JournalId, StoreError, Unfinished, Version, Write};

use crate::shared::Shared;

impl Store for Shared {
    async fn load(
        &self,
        name: &EnvironmentName,
    ) -> Result<Option<(Arc<EnvironmentState>, Version)>, StoreError> {
        self.record.load(name).await
    }

    async fn unfinished(&self, name: &EnvironmentName) -> Result<Unfinished, StoreError> {
        self.record.unfinished(name).await
    }

    async fn journal_begin(
        &self,
        name: &EnvironmentName,
        rollout: Option<RolloutId>,
        step: &str,
        audit: AuditEntry,
    ) -> Result<JournalId, FencedError> {
        self.record.journal_begin(self.fence, name, rollout, step, audit).await
    }

    async fn document(
        &self,
        name: &EnvironmentName,
        digest: Digest,
    ) -> Result<Option<StoredDocument>, StoreError> {
        self.record.document(name, digest).await
    }

    async fn commit(&self, write: Write<'_>) -> Result<Version, CommitError> {
        self.record.commit(self.fence, write).await
    }

    async fn defer(&self, state: Arc<EnvironmentState>, version: Version) -> Result<bool, StoreError> {
        self.record.defer(state, version).await
    }

    async fn amend(
        &self,
        name: &EnvironmentName,
        version: Version,
        change: impl FnOnce(&mut EnvironmentState) -> bool + Send,
    ) -> Result<bool, StoreError> {
        self.record.amend(name, version, change).await
    }
}
