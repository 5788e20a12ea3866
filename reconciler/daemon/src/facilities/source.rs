//! Commits, as Git has them.

use std::collections::BTreeSet;

use moorline_cycle::facilities::Source;
use moorline_model::declaration::{ChannelKind, Terraform};
use moorline_model::{CheckFailed, CommitId};
use moorline_source::ReadError;

use super::identity::Place;
use crate::chain;
use crate::shared::Shared;

fn unread(error: &ReadError) -> CheckFailed {
    CheckFailed::new(error.class(), chain::of(error))
}

impl Source for Shared {
    fn declaration_path(&self) -> &str {
        &self.declaration_path
    }

    fn channel_kinds(&self) -> &'static [ChannelKind] {
        &moorline_notify::KINDS
    }

    async fn file(&self, commit: &CommitId, path: &str) -> Result<Option<Vec<u8>>, CheckFailed> {
        self.repository.read(commit, path).await.map_err(|error| unread(&error))
    }

    async fn files(&self, commit: &CommitId, folder: &str) -> Result<Vec<String>, CheckFailed> {
        self.repository.files(commit, folder).await.map_err(|error| unread(&error))
    }

    async fn changed(&self, old: &CommitId, new: &CommitId) -> Result<BTreeSet<String>, CheckFailed> {
        self.repository.changed(old, new).await.map_err(|error| unread(&error))
    }

    async fn terraform_identity(
        &self,
        commit: &CommitId,
        terraform: &Terraform,
    ) -> Result<String, CheckFailed> {
        let place = Place { repository: &self.repository, work_dir: &self.work_dir };
        // One without a value is named by the gate that it closes.
        let variables = self.variables(terraform).ok();
        let identity = self.identities.of(place, commit, terraform, variables.as_ref()).await;
        identity.map_err(|error| CheckFailed::new(error.class(), chain::of(&error)))
    }
}
