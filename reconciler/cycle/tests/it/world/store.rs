//! The record, in memory. A script's crash is here: before an effect the journal has it and the daemon dies, after it the
//! daemon dies before the outcome is committed.

use std::sync::Arc;

use moorline_cycle::facilities::Store;
use moorline_model::config::Digest;
use moorline_model::environment::{EnvironmentState, StoredDocument};
use moorline_model::event::AuditEntry;
use moorline_model::{EnvironmentName, RolloutId};
use moorline_record::{
    CommitError, Fence, FencedError, JournalId, OpenStep, StaleLease, StoreError, Unfinished, Version, Write,
};

use super::{Around, Crash};

const DEATH: StaleLease = StaleLease { held: Fence(1), newest: Fence(2) };

impl Store for Around {
    async fn load(
        &self,
        _name: &EnvironmentName,
    ) -> Result<Option<(Arc<EnvironmentState>, Version)>, StoreError> {
        let world = self.world();
        Ok((world.version > 0).then(|| (Arc::new(world.state.clone()), Version(world.version))))
    }

    async fn unfinished(&self, _name: &EnvironmentName) -> Result<Unfinished, StoreError> {
        let world = self.world();
        Ok(Unfinished {
            steps: world.journal.clone(),
            intents: world.intents.clone(),
            handed_over: world.handed_over.as_ref().map(|document| document.digest),
        })
    }

    async fn journal_begin(
        &self,
        _name: &EnvironmentName,
        rollout: Option<RolloutId>,
        step: &str,
        audit: AuditEntry,
    ) -> Result<JournalId, FencedError> {
        let mut world = self.world();
        world.journaled += 1;
        world.has_begun = true;
        let id = JournalId(world.journaled);
        let step = OpenStep { id, rollout, step: step.to_owned(), fence: Fence(1), began_at: audit.at };
        world.journal.push(step);
        match world.crash.take_if(|crash| *crash == Crash::BeforeEffect) {
            Some(_) => Err(DEATH.into()),
            None => Ok(id),
        }
    }

    async fn document(
        &self,
        _name: &EnvironmentName,
        digest: Digest,
    ) -> Result<Option<StoredDocument>, StoreError> {
        let world = self.world();
        let handed_over = world.handed_over.as_ref().filter(|document| document.digest == digest);
        Ok(handed_over.or(world.kept.get(&digest)).cloned())
    }

    async fn commit(&self, write: Write<'_>) -> Result<Version, CommitError> {
        let mut world = self.world();
        if world.has_begun && world.crash.take_if(|crash| *crash == Crash::AfterEffect).is_some() {
            return Err(DEATH.into());
        }
        assert_eq!(write.expected, Version(world.version), "nobody else writes here");
        let begun = |state: &EnvironmentState| state.rollout.as_ref().map(|rollout| rollout.id);
        if begun(write.state) != begun(&world.state)
            && let Some(rollout) = &write.state.rollout
        {
            world.begun.push(rollout.revision.commit.clone());
        }
        world.version += 1;
        world.state = write.state.clone();
        world.written = write.state.clone();
        world.told.extend(write.notifications.into_iter().map(|message| message.notification));
        world.kept.extend(write.documents.into_iter().map(|kept| (kept.digest, kept)));
        let applied_intents: Vec<_> = write.applied_intents.into_iter().map(|(id, _)| id).collect();
        world.intents.retain(|(id, _)| !applied_intents.contains(id));
        let ended: Vec<_> = write.journal_end.into_iter().chain(write.left_open).collect();
        world.journal.retain(|step| !ended.contains(&step.id));
        Ok(Version(world.version))
    }

    async fn defer(&self, state: Arc<EnvironmentState>, version: Version) -> Result<bool, StoreError> {
        let mut world = self.world();
        assert_eq!(version, Version(world.version), "nobody else writes here");
        world.state = (*state).clone();
        Ok(version.0 > 0)
    }

    async fn amend(
        &self,
        _name: &EnvironmentName,
        version: Version,
        change: impl FnOnce(&mut EnvironmentState) -> bool + Send,
    ) -> Result<bool, StoreError> {
        let mut world = self.world();
        Ok(version.0 > 0 && version == Version(world.version) && change(&mut world.state))
    }
}
