//! What tests ask of an environment's view.

use moorline_api::views::EnvironmentView;
use moorline_model::CommitId;
use moorline_model::condition::ConditionType;
use moorline_model::rollout::{Phase, Rollout};

/// Questions about what the API shows of an environment.
pub trait Shown {
    /// The commit that was last applied.
    fn applied_commit(&self) -> Option<&CommitId>;
    /// The commit that verified last.
    fn verified_commit(&self) -> Option<&CommitId>;
    /// The last rollout, if it brings this commit.
    fn rollout_of(&self, commit: &CommitId) -> Option<&Rollout>;
    /// Where the last rollout is.
    fn phase(&self) -> Option<&Phase>;
    /// Why a condition is as it is; empty when it was never checked.
    fn because(&self, of: ConditionType) -> String;
}

impl Shown for EnvironmentView {
    fn applied_commit(&self) -> Option<&CommitId> {
        self.applied.as_ref().map(|applied| &applied.revision.commit)
    }

    fn verified_commit(&self) -> Option<&CommitId> {
        self.verified.as_ref().map(|verified| &verified.revision.commit)
    }

    fn rollout_of(&self, commit: &CommitId) -> Option<&Rollout> {
        self.rollout.as_ref().filter(|rollout| rollout.revision.commit == *commit)
    }

    fn phase(&self) -> Option<&Phase> {
        self.rollout.as_ref().map(|rollout| &rollout.phase)
    }

    fn because(&self, of: ConditionType) -> String {
        self.condition(of).because.unwrap_or_default()
    }
}
