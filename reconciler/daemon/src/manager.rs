//! Starts and stops keepers, as the repository declares environments.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use moorline_cycle::SourceStatus;
use moorline_model::EnvironmentName;
use moorline_model::declaration::{Declaration, Document};
use moorline_model::intent::Intent;
use moorline_plan::retire::retire;
use moorline_record::{CommitError, IntentId, Write};
use moorline_web::{DeclaredDocument, Delivery, Documents, TokenHash};
use tokio::sync::{Mutex, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::absent;
use crate::keeper::Keeper;
use crate::shared::Shared;
use crate::wakeups::WakeUps;
use crate::{chain, clock};

/// The task that starts and stops keepers.
pub(crate) struct Manager {
    /// What keepers share.
    pub(crate) shared: Arc<Shared>,
    /// What wakes them.
    pub(crate) wake_ups: WakeUps,
    /// What the repository says.
    pub(crate) source: watch::Receiver<Option<SourceStatus>>,
    /// What the web needs to know of documents.
    pub(crate) documents: watch::Sender<Option<Documents>>,
    /// Where keepers run.
    pub(crate) tasks: TaskTracker,
}

/// The keepers that were started.
#[derive(Default)]
struct Keepers {
    /// What stops each that runs.
    running: BTreeMap<EnvironmentName, CancellationToken>,
    /// What each holds while it runs, also after it was stopped.
    turns: BTreeMap<EnvironmentName, Arc<Mutex<()>>>,
}

impl Manager {
    /// Follows the repository until cancelled. Environments that the record knows are kept from the start, so that a
    /// repository which cannot be read does not make drift invisible.
    pub(crate) async fn run(mut self, known: Vec<EnvironmentName>, cancel: CancellationToken) {
        let mut keepers = Keepers::default();
        for name in known {
            self.start(&mut keepers, name, &cancel);
        }
        loop {
            let declaration = self.declaration();
            if let Some(declaration) = declaration {
                absent::warn(&declaration, &self.shared.secrets, &self.shared.cache.log_once);
                self.documents.send_replace(Some(self.documents_of(&declaration)));
                let names: BTreeSet<_> =
                    declaration.environments.iter().map(|found| found.name.clone()).collect();
                keepers.running.retain(|name, keeper| {
                    let is_declared = names.contains(name);
                    if !is_declared {
                        tracing::info!(
                            environment = %name,
                            "the environment is not declared any more; what runs there is left as it is"
                        );
                        keeper.cancel();
                        self.wake_ups.forget(name);
                        self.shared.aws.forget(name);
                        self.shared.event_streams.forget(name);
                        self.shared.cache.shared_alerts.lock().leave(name);
                        self.retire(name, keepers.turns.get(name).cloned().unwrap_or_default());
                    }
                    is_declared
                });
                for name in names {
                    self.start(&mut keepers, name, &cancel);
                }
            }
            tokio::select! {
                () = cancel.cancelled() => return,
                changed = self.source.changed() => if changed.is_err() { return },
            }
        }
    }

    /// The head's declaration, when it has a valid one.
    fn declaration(&mut self) -> Option<Arc<Declaration>> {
        let report = self.source.borrow_and_update();
        self.shared.explanations.waits_for(waits_for(report.as_ref()));
        report.as_ref()?.head.as_ref()?.declaration.as_ref().ok().map(Arc::clone)
    }

    fn start(&self, keepers: &mut Keepers, name: EnvironmentName, cancel: &CancellationToken) {
        if keepers.running.contains_key(&name) {
            return;
        }
        self.shared.cache.shared_alerts.lock().join(&name);
        let token = cancel.child_token();
        let keeper = Keeper {
            name: name.clone(),
            shared: Arc::clone(&self.shared),
            wake_up: self.wake_ups.environment(&name),
            source: self.source.clone(),
            turn: Arc::clone(keepers.turns.entry(name.clone()).or_default()),
        };
        self.tasks.spawn(keeper.run(token.clone()));
        keepers.running.insert(name, token);
    }

    /// Remembers that the environment is not declared any more, once its last cycle is over.
    fn retire(&self, name: &EnvironmentName, turn: Arc<Mutex<()>>) {
        let (name, shared) = (name.clone(), Arc::clone(&self.shared));
        self.tasks.spawn(async move {
            let _turn = turn.lock().await;
            if let Err(error) = retired(&shared, &name).await {
                let error = chain::of(&error);
                tracing::warn!(environment = %name, error, "that it is not declared any more is not recorded");
            }
        });
    }

    fn documents_of(&self, declaration: &Declaration) -> Documents {
        let documents = declaration.environments.iter().map(|environment| {
            let delivery = match environment.gateway.document {
                Document::Files(_) => Delivery::Git,
                Document::Terraform { .. } => Delivery::Terraform,
            };
            let token = environment.gateway.document_token.as_ref().and_then(|reference| {
                // Why there is none was logged when the declaration was read.
                let token = self.shared.secrets.declared(reference).ok()?;
                token.as_token().ok()?;
                TokenHash::of(&token)
            });
            (environment.name.clone(), DeclaredDocument { delivery, token, endpoint: None })
        });
        documents.collect()
    }
}

/// Records that nothing declares the environment. Intents for it are refused.
async fn retired(shared: &Shared, name: &EnvironmentName) -> Result<(), CommitError> {
    let Some((mut state, version)) = shared.record.load(name).await? else { return Ok(()) };
    let Some(event) = retire(Arc::make_mut(&mut state), clock::now()) else { return Ok(()) };
    let waiting = shared.record.pending_intents(name).await?;
    let refused = |(id, intent): (IntentId, Intent)| Some((id, intent.operation.refused(&state)?.into()));
    let applied_intents = waiting.into_iter().filter_map(refused).collect();
    let write = Write { events: vec![event], applied_intents, ..Write::of(&state, version) };
    shared.record.commit(shared.fence, write).await.map(drop)
}

/// Why no declaration is known; `None` when one is.
fn waits_for(report: Option<&SourceStatus>) -> Option<String> {
    let Some(report) = report else { return Some("The repository is being fetched.".to_owned()) };
    match (&report.head, &report.error) {
        (Some(head), _) => head.declaration.as_ref().err().map(|failed| {
            let what = if failed.class.may_pass() { "cannot be read" } else { "has mistakes" };
            format!("The declaration at {} {what}:\n{failed}", head.revision.commit.short())
        }),
        (None, Some(error)) => Some(format!("The repository cannot be fetched: {error}")),
        (None, None) => Some("The repository has no commit yet.".to_owned()),
    }
}
