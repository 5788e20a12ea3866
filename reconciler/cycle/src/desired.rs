//! The desired stage: what the commits in question declare, and the documents in question.

use std::sync::Arc;

use moorline_config::{Config, Digest};
use moorline_model::declaration::{Declaration, Document};
use moorline_model::rollout::{Phase, Rollout};
use moorline_model::{CheckFailed, CommitId, Revision, masking};
use moorline_plan::decide::{Decision, Situation, foreign};
use moorline_plan::desired::{Desired, DesiredError, desired};
use moorline_plan::gateway::ReplicaReading;
use moorline_plan::policy::Denial;
use moorline_record::StoreError;
use serde_json::Value;
use tokio::task::JoinError;

use crate::cycle::{Cycle, CycleError};
use crate::declaration::{DeclarationError, parser_class, read_declaration};
use crate::facilities::Facilities;
use crate::observe::Observed;
use crate::source_status::SourceStatus;
use crate::working_state::WorkingState;

/// What the commits in question declare.
pub(crate) struct Declared {
    /// The branch's head.
    pub(crate) head: Option<Result<Desired, CheckFailed>>,
    /// The commit of the rollout under way.
    pub(crate) current: Option<Desired>,
    /// The commit of a rollback that a person just asked for.
    pub(crate) rollback_target: Option<Desired>,
    /// The commit in force, unless a rollout says what is declared: its Terraform is what the scheduled lanes look at,
    /// and a mistake in the head must not end the watch on what serves.
    pub(crate) in_force: Option<Desired>,
    /// The commit that the rollout under way goes back to. Its gateways are asked too: the commit that is taken back may
    /// name none that answers.
    pub(crate) from: Option<Desired>,
    pub(crate) documents: Documents,
    /// What the policies say of the rollout's commit, or why they could not be asked.
    pub(crate) denials: Result<Vec<Denial>, CheckFailed>,
}

/// The documents in question, as far as they are known.
pub(crate) struct Documents {
    /// What the rollout under way brings.
    pub(crate) incoming: Option<Config>,
    pub(crate) in_force: Option<Config>,
    /// What the rollout goes back to when it fails.
    pub(crate) verified: Option<Config>,
}

/// Why nothing that a commit declares for an environment can be brought in.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReadDesiredError {
    /// Its declaration is not known.
    #[error(transparent)]
    Declaration(#[from] DeclarationError),
    /// A file or folder that the declaration names could not be read.
    #[error(transparent)]
    Unread(#[from] CheckFailed),
    #[error("{path} is not in the repository")]
    Missing { path: String },
    #[error("{path} is not UTF-8 text")]
    NotText { path: String },
    /// The environment is not declared, or its document has mistakes.
    #[error(transparent)]
    Desired(#[from] DesiredError),
    /// What can never come to a good end, a line each.
    #[error("{0}")]
    Rejected(String),
    /// The document that Terraform handed over could not be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Whoever parses the document was stopped.
    #[error(transparent)]
    Parser(#[from] JoinError),
}

impl From<ReadDesiredError> for CheckFailed {
    fn from(error: ReadDesiredError) -> Self {
        let because = crate::chain::of(&error);
        match error {
            ReadDesiredError::Declaration(error) => error.into(),
            ReadDesiredError::Unread(failed) => failed,
            // A mistake is named with what stands there.
            ReadDesiredError::Desired(_) => Self::stalled(masking::masked(&because)),
            ReadDesiredError::Missing { .. }
            | ReadDesiredError::NotText { .. }
            | ReadDesiredError::Rejected(_) => Self::stalled(because),
            ReadDesiredError::Store(_) => Self::transient(because),
            ReadDesiredError::Parser(error) => Self::new(parser_class(&error), because),
        }
    }
}

impl Declared {
    /// What the decision needs to see.
    pub(crate) fn situation<'a, G>(
        &'a self,
        working: &'a WorkingState,
        observed: &'a Observed<G>,
    ) -> Situation<'a> {
        // While the head says nothing, what is in force says what is healed; a rollout is never judged by another commit.
        let in_force = self.in_force.as_ref().filter(|_| working.state.rollout_under_way().is_none());
        Situation {
            head: self.head.as_ref().map(Result::as_ref),
            current: self.current.as_ref().or(in_force),
            replicas: &observed.replicas,
            denials: self.denials.as_ref().map(Vec::as_slice),
            interrupted: working.interrupted.as_deref(),
            blocked: observed.blocked.as_deref(),
        }
    }

    /// Replicas that the rollout may not write over.
    pub(crate) fn foreign<G>(&self, working: &WorkingState, observed: &Observed<G>) -> Vec<String> {
        let Some(rollout) = working.state.rollout_under_way() else { return Vec::new() };
        let situation = self.situation(working, observed);
        let is_foreign =
            |reading: &&ReplicaReading| foreign(&working.state, rollout, &situation, reading).is_some();
        observed.replicas.iter().filter(is_foreign).map(|reading| reading.endpoint.clone()).collect()
    }

    /// The document that a decision is about.
    pub(crate) fn document_for(&self, decision: &Decision) -> Option<&Config> {
        let documents = &self.documents;
        match decision {
            Decision::Heal { .. } => documents.in_force.as_ref(),
            Decision::UndoDocument { restore: Some(digest) } => [&documents.verified, &documents.in_force]
                .into_iter()
                .flatten()
                .find(|document| document.digest() == *digest),
            _ => documents.incoming.as_ref(),
        }
    }

    /// What the commit declares that a decision is about: the one begun, or the rollout's.
    pub(crate) fn desired_for(&self, decision: &Decision) -> Option<&Desired> {
        let Decision::Begin { revision, .. } = decision else { return self.current.as_ref() };
        self.desired_at(&revision.commit)
    }

    /// What a commit declares, when it is one of those in question.
    pub(crate) fn desired_at(&self, commit: &CommitId) -> Option<&Desired> {
        let head = self.head.as_ref().and_then(|head| head.as_ref().ok());
        [head, self.current.as_ref(), self.rollback_target.as_ref(), self.in_force.as_ref()]
            .into_iter()
            .flatten()
            .find(|desired| desired.revision.commit == *commit)
    }

    /// What the environment declares now: at the commit being brought, else at the head, else at the commit in force.
    pub(crate) fn effective(&self) -> Option<&Desired> {
        let head = self.head.as_ref().and_then(|head| head.as_ref().ok());
        self.current.as_ref().or(head).or(self.in_force.as_ref())
    }
}

impl<W: Facilities> Cycle<'_, W> {
    /// Reads what the commits in question declare.
    pub(crate) async fn desired(
        &self,
        working: &WorkingState,
        source: Option<&SourceStatus>,
    ) -> Result<Declared, CycleError> {
        let handed_over = working.handed_over;
        let head = source.and_then(|report| report.head.as_ref());
        let head = match head {
            None => None,
            Some(head) => Some(match &head.declaration {
                Ok(declaration) => {
                    let declared = self.at(&head.revision, declaration, handed_over).await;
                    let declared = declared.and_then(|declared| match &declared.rejection {
                        Some(mistakes) => Err(ReadDesiredError::Rejected(mistakes.clone())),
                        None => Ok(declared),
                    });
                    let declared = declared.map_err(CheckFailed::from);
                    declared.inspect_err(|failed| self.name_mistakes(&head.revision, failed))
                }
                // The source named them.
                Err(mistakes) => Err(mistakes.clone()),
            }),
        };
        let rollout = working.state.rollout_under_way();
        let current = match rollout {
            Some(rollout) => self.at_commit(&rollout.revision, head.as_ref(), handed_over).await,
            None => None,
        };
        let rollback_target = match &working.begin {
            Some(Decision::Begin { revision, .. }) => {
                self.at_commit(revision, head.as_ref(), handed_over).await
            }
            _ => None,
        };
        let in_force = match (&current, &working.state.applied) {
            (None, Some(applied)) => self.at_commit(&applied.revision, head.as_ref(), handed_over).await,
            _ => None,
        };
        let from = match rollout.filter(|rollout| matches!(rollout.phase, Phase::RollingBack { .. })) {
            Some(Rollout { from: Some(from), .. }) => {
                self.at_commit(&from.revision, head.as_ref(), handed_over).await
            }
            _ => None,
        };
        let incoming = self.incoming(rollout, current.as_ref()).await?;
        let denials = self.denials(rollout, current.as_ref(), incoming.as_ref()).await;
        let applied = working.state.applied.as_ref().map(|applied| applied.digest);
        let verified = rollout.and_then(|rollout| rollout.from.as_ref()).map(|from| from.digest);
        let known = in_force.as_ref().and_then(|in_force| in_force.document.config());
        let documents = Documents {
            in_force: self.document(applied, &[incoming.as_ref(), known]).await?,
            verified: self.document(verified, &[incoming.as_ref()]).await?,
            incoming,
        };
        Ok(Declared { head, current, rollback_target, in_force, from, documents, denials })
    }

    /// What a commit that is not the head declares. `None` when it cannot be read.
    async fn at_commit(
        &self,
        revision: &Revision,
        head: Option<&Result<Desired, CheckFailed>>,
        handed_over: Option<Digest>,
    ) -> Option<Desired> {
        if let Some(Ok(head)) = head
            && head.revision.commit == revision.commit
        {
            return Some(head.clone());
        }
        let declared = match self.declaration(&revision.commit).await {
            Ok(declaration) => self.at(revision, &declaration, handed_over).await,
            Err(error) => Err(error.into()),
        };
        declared.map_err(CheckFailed::from).inspect_err(|failed| self.name_mistakes(revision, failed)).ok()
    }

    /// Mistakes stay in a commit, and each cycle meets them: the log names them once.
    fn name_mistakes(&self, revision: &Revision, failed: &CheckFailed) {
        let (Revision { commit, author, .. }, because) = (revision, &failed.because);
        if !self.cache.log_once.is_new(&format!("{} {commit}", self.name), because) {
            return;
        }
        if failed.class.may_pass() {
            tracing::warn!(
                environment = %self.name, commit = commit.short(), error = because,
                "what the commit declares here cannot be read, and it is tried again"
            );
        } else {
            tracing::warn!(
                environment = %self.name, commit = commit.short(), author, mistakes = because,
                "what the commit declares here has mistakes and is not rolled out"
            );
        }
    }

    /// The declaration at a commit.
    pub(crate) async fn declaration(&self, commit: &CommitId) -> Result<Arc<Declaration>, DeclarationError> {
        read_declaration(self.world, self.cache, commit).await
    }

    /// What a commit declares for this environment.
    async fn at(
        &self,
        revision: &Revision,
        declaration: &Arc<Declaration>,
        handed_over: Option<Digest>,
    ) -> Result<Desired, ReadDesiredError> {
        let place = (self.name.clone(), revision.commit.clone(), handed_over);
        if let Some(known) = self.cache.commits.desired(&place) {
            return Ok(known);
        }
        let environment = declaration.environment(self.name);
        let mut files = Vec::new();
        if let Some(Document::Files(paths)) = environment.map(|environment| &environment.gateway.document) {
            for path in paths {
                let bytes = self.world.file(&revision.commit, path).await?;
                let bytes = bytes.ok_or_else(|| ReadDesiredError::Missing { path: path.clone() })?;
                let text = String::from_utf8(bytes);
                let text = text.map_err(|_| ReadDesiredError::NotText { path: path.clone() })?;
                files.push((path.clone(), text));
            }
        }
        let mut tree = None;
        if let Some(terraform) = environment.and_then(|environment| environment.terraform.as_ref()) {
            tree = Some(self.world.terraform_identity(&revision.commit, terraform).await?);
        }
        let (revision, name) = (revision.clone(), self.name.clone());
        let from_terraform = environment
            .is_some_and(|environment| matches!(environment.gateway.document, Document::Terraform { .. }));
        let handed_over = match handed_over.filter(|_| from_terraform) {
            Some(digest) => self.world.document(self.name, digest).await?,
            None => None,
        };
        let declaration = Arc::clone(declaration);
        let parsed = tokio::task::spawn_blocking(move || {
            desired(
                revision,
                &name,
                &declaration,
                &files,
                handed_over.map(|kept| kept.document).as_ref(),
                tree,
            )
        });
        let desired = parsed.await??;
        self.cache.commits.keep_desired(place, &desired);
        Ok(desired)
    }

    /// The document that the rollout under way brings, once its digest is known.
    async fn incoming(
        &self,
        rollout: Option<&Rollout>,
        current: Option<&Desired>,
    ) -> Result<Option<Config>, CycleError> {
        let Some(digest) = rollout.and_then(|rollout| rollout.digest) else { return Ok(None) };
        self.document(Some(digest), &[current.and_then(|current| current.document.config())]).await
    }

    /// The document with this digest: one of those at hand, or the one in the record.
    async fn document(
        &self,
        digest: Option<Digest>,
        at_hand: &[Option<&Config>],
    ) -> Result<Option<Config>, CycleError> {
        let Some(digest) = digest else { return Ok(None) };
        if let Some(config) = at_hand.iter().flatten().find(|config| config.digest() == digest) {
            return Ok(Some((*config).clone()));
        }
        if let Some(known) = self.cache.commits.document(digest) {
            return Ok(Some(known));
        }
        let kept = self.world.document(self.name, digest).await?;
        Ok(kept.and_then(|kept| self.parse_kept(digest, &kept.document)))
    }

    /// Asks the policies where the decision needs their word.
    async fn denials(
        &self,
        rollout: Option<&Rollout>,
        current: Option<&Desired>,
        document: Option<&Config>,
    ) -> Result<Vec<Denial>, CheckFailed> {
        let (Some(rollout), Some(current)) = (rollout, current) else { return Ok(Vec::new()) };
        if !matches!(rollout.phase, Phase::Pending | Phase::Planning | Phase::Staging) {
            return Ok(Vec::new());
        }
        let document = document.or(current.document.config());
        let asked = crate::policies::denials(self.world, rollout, current, document, self.world.now()).await;
        asked.map_err(CheckFailed::from)
    }

    /// A kept document was valid when it was kept; a release with stricter rules may see it otherwise.
    pub(crate) fn parse_kept(&self, digest: Digest, document: &Value) -> Option<Config> {
        let parsed = Config::from_value("kept document", document);
        let named = parsed.inspect_err(|mistakes| {
            let mistakes = masking::masked(&mistakes.to_string());
            if self.cache.log_once.is_new(&format!("{} {digest}", self.name), &mistakes) {
                tracing::error!(environment = %self.name, %digest, mistakes, "a document that was valid when it was kept is not valid in this release");
            }
        });
        named.ok().inspect(|document| self.cache.commits.keep_document(document))
    }
}
