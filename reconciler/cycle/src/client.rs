//! The client of a gateway's admin API is a [`Gateway`].

use jiff::Timestamp;
use moorline_admin::{
    AdminError, Candidate, CandidateStaged, Client, EffectiveConfig, Failure, Generation, Stats, Status,
    Weight, WriteOptions,
};
use moorline_config::Digest;
use serde_json::Value;

use crate::facilities::Gateway;

impl Gateway for Client {
    async fn status(&self) -> Result<Status, AdminError> {
        Self::status(self).await
    }

    async fn status_with_recent(&self, seconds: u32) -> Result<Status, AdminError> {
        Self::status_with_recent(self, seconds).await
    }

    async fn config(&self) -> Result<EffectiveConfig, AdminError> {
        Self::config(self).await
    }

    async fn put_config(&self, document: &Value, options: &WriteOptions) -> Result<Status, AdminError> {
        Self::put_config(self, document, options).await
    }

    async fn stage(
        &self,
        document: &Value,
        weight: Weight,
        options: &WriteOptions,
    ) -> Result<CandidateStaged, AdminError> {
        Self::stage(self, document, weight, options).await
    }

    async fn set_weight(&self, candidate: Digest, weight: Weight) -> Result<Candidate, AdminError> {
        Self::set_weight(self, candidate, weight).await
    }

    async fn promote(&self, candidate: Digest) -> Result<Status, AdminError> {
        Self::promote(self, candidate).await
    }

    async fn discard(&self) -> Result<Status, AdminError> {
        Self::discard(self).await
    }

    async fn stats(&self, generation: Generation, since: Option<Timestamp>) -> Result<Stats, AdminError> {
        Self::stats(self, generation, since).await
    }

    async fn failure(&self, request: &str) -> Result<Option<Failure>, AdminError> {
        Self::failure(self, request).await
    }
}
