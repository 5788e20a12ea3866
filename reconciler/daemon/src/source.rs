//! The source stage: what does the repository say now?
//!
//! One task fetches for all environments, when its bell is rung or a poll is due, and publishes a [`SourceStatus`]. A cycle
//! reads the latest report and never fetches itself, so that ten environments cost one fetch.

use std::path::Path;
use std::sync::Arc;

use jiff::Timestamp;
use moorline_cycle::{Head, SourceStatus};
use moorline_model::declaration::Declaration;
use moorline_model::{CommitId, Revision};
use moorline_source::Repository;
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

use crate::clock;

/// Reads the declaration at a commit.
///
/// # Errors
/// A sentence, or every mistake: the file is not there, is no text, or says something wrong.
pub async fn declaration(
    repository: &Repository,
    commit: &CommitId,
    path: &str,
) -> Result<Arc<Declaration>, String> {
    let bytes = repository.read(commit, path).await.map_err(|error| crate::chain::of(&error))?;
    moorline_cycle::declaration(path, commit, bytes)
}

/// The task that fetches.
#[derive(Debug)]
pub struct Watcher {
    /// The repository.
    pub repository: Repository,
    /// The declaration's path in it.
    pub path: String,
    /// Rung when something may have changed.
    pub bell: Arc<Notify>,
    /// How often to look without being rung.
    pub poll: std::time::Duration,
    /// Where reports go.
    pub reports: watch::Sender<Option<SourceStatus>>,
}

impl Watcher {
    /// Fetches until cancelled.
    pub async fn run(self, cancel: CancellationToken) {
        loop {
            let fetched = tokio::select! {
                // A fetch that is dropped leaves the mirror as it was.
                () = cancel.cancelled() => return,
                fetched = self.repository.fetch() => fetched,
            };
            let report = match fetched {
                Ok(fetched) => {
                    if fetched.rewritten {
                        tracing::warn!(commit = %fetched.head.commit, "the branch was rewritten (force push)");
                    }
                    self.succeeded(fetched.head).await
                }
                Err(error) => self.failed(&crate::chain::of(&error)),
            };
            self.reports.send_replace(Some(report));
            tokio::select! {
                () = cancel.cancelled() => return,
                () = self.bell.notified() => {}
                () = tokio::time::sleep(self.poll) => {}
            }
        }
    }

    async fn succeeded(&self, revision: Revision) -> SourceStatus {
        let known = self.reports.borrow().as_ref().and_then(|report| report.head.clone());
        let head = match known {
            // The same commit says the same; but what could not be read may be readable now.
            Some(head) if head.revision.commit == revision.commit && head.declaration.is_ok() => head,
            known => {
                let declaration = declaration(&self.repository, &revision.commit, &self.path).await;
                let head = Head { revision, declaration };
                name(&head, known.as_ref());
                head
            }
        };
        if self.reports.borrow().as_ref().is_some_and(|report| report.error.is_some()) {
            tracing::info!("the repository can be fetched again");
        }
        let trouble_since = head.declaration.is_err().then(|| self.trouble_since());
        SourceStatus { head: Some(head), error: None, trouble_since, checked_at: clock::now() }
    }

    /// Since when there is trouble, when there is some now.
    fn trouble_since(&self) -> Timestamp {
        self.reports.borrow().as_ref().and_then(|report| report.trouble_since).unwrap_or_else(clock::now)
    }

    fn failed(&self, error: &str) -> SourceStatus {
        // Each poll meets it again; the condition keeps its age.
        if self.reports.borrow().as_ref().and_then(|report| report.error.as_deref()) != Some(error) {
            tracing::warn!(error, "the repository cannot be fetched; what is in force serves on");
        }
        let head = self.reports.borrow().as_ref().and_then(|report| report.head.clone());
        let trouble_since = Some(self.trouble_since());
        SourceStatus { head, error: Some(error.to_owned()), trouble_since, checked_at: clock::now() }
    }
}

/// Names a new head, and mistakes in its declaration: once for a commit, unless others turn up.
fn name(head: &Head, known: Option<&Head>) {
    let Head { revision: Revision { commit, author, message: title, .. }, declaration } = head;
    let known = known.filter(|known| known.revision.commit == *commit);
    if known.is_none() {
        tracing::info!(commit = commit.short(), author, title, "the branch has a new head");
    }
    if let Err(mistakes) = declaration
        && known.and_then(|known| known.declaration.as_ref().err()) != Some(mistakes)
    {
        tracing::warn!(
            commit = commit.short(),
            author,
            mistakes,
            "the declaration has mistakes; what is in force serves on"
        );
    }
}

/// Rings the source's bell when refs of a local repository change, until the returned watcher is dropped.
///
/// # Errors
/// The operating system's, when the folder cannot be watched; polling still works then.
pub fn watch_files(folder: &Path, bell: Arc<Notify>) -> Result<notify::RecommendedWatcher, notify::Error> {
    use notify::Watcher as _;
    let mut watcher = notify::recommended_watcher(move |event: Result<notify::Event, notify::Error>| {
        // Reading the repository makes access events; answering those would never end.
        if event.is_ok_and(|event| !event.kind.is_access()) {
            bell.notify_one();
        }
    })?;
    // A push changes a file below `refs`, or `packed-refs` beside it; `objects` is large and says nothing.
    watcher.watch(folder, notify::RecursiveMode::NonRecursive)?;
    watcher.watch(&folder.join("refs"), notify::RecursiveMode::Recursive)?;
    Ok(watcher)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_declaration_that_could_not_be_read_is_read_again_at_the_same_commit() {
        let folder = tempfile::tempdir().unwrap();
        let text = "version: 1\nenvironments: [{name: prod, gateway: {document: [g.yaml], endpoints: ['http://a'], \
            admin_token: 'env:A'}}]";
        let (repository, revision) =
            crate::sample::repository(folder.path(), &[("moorline.yaml", text)]).await;
        let unread = Head { revision: revision.clone(), declaration: Err("the disk was slow".to_owned()) };
        let now = clock::now();
        let report =
            SourceStatus { head: Some(unread), error: None, trouble_since: Some(now), checked_at: now };
        let watcher = Watcher {
            repository,
            path: "moorline.yaml".to_owned(),
            bell: Arc::new(Notify::new()),
            poll: std::time::Duration::from_secs(30),
            reports: watch::Sender::new(Some(report)),
        };
        let report = watcher.succeeded(revision).await;
        assert_eq!(report.trouble_since, None);
        assert!(report.head.unwrap().declaration.is_ok());
    }
}
