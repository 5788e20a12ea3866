//! Commits, as Git has them.

use std::collections::BTreeSet;

use moorline_cycle::facilities::{Source, Unreadable};
use moorline_model::CommitId;
use moorline_model::declaration::{ChannelKind, Terraform};

use super::identity::Place;
use crate::chain;
use crate::shared::Shared;

fn unreadable(error: &(dyn std::error::Error + 'static)) -> Unreadable {
    Unreadable(chain::of(error))
}

impl Source for Shared {
    fn declaration_path(&self) -> &str {
        &self.declaration_path
    }

    fn channel_kinds(&self) -> &'static [ChannelKind] {
        &moorline_notify::KINDS
    }

    async fn file(&self, commit: &CommitId, path: &str) -> Result<Option<Vec<u8>>, Unreadable> {
        self.repository.read(commit, path).await.map_err(|error| unreadable(&error))
    }

    async fn files(&self, commit: &CommitId, folder: &str) -> Result<Vec<String>, Unreadable> {
        self.repository.files(commit, folder).await.map_err(|error| unreadable(&error))
    }

    async fn changed(&self, old: &CommitId, new: &CommitId) -> Result<BTreeSet<String>, Unreadable> {
        self.repository.changed(old, new).await.map_err(|error| unreadable(&error))
    }

    async fn terraform_identity(
        &self,
        commit: &CommitId,
        terraform: &Terraform,
    ) -> Result<String, Unreadable> {
        let place = Place { repository: &self.repository, work_dir: &self.work_dir };
        // One without a value is named by the gate that it closes.
        let variables = self.variables(terraform).ok();
        let identity = self.identities.of(place, commit, terraform, variables.as_ref()).await;
        identity.map_err(|error| unreadable(&error))
    }
}
