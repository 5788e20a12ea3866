//! The source stage: what does the repository say now?
//!
//! One task fetches for all environments, when it is woken or a poll is due, and publishes a [`SourceStatus`]. A cycle
//! reads the latest report and never fetches itself, so that ten environments cost one fetch.

use std::path::Path;
use std::sync::Arc;

use jiff::Timestamp;
use moorline_cycle::fast_forward::fast_forward_all;
use moorline_cycle::{DeclarationError, Head, News, ParsedDeclarations, SourceStatus};
use moorline_model::declaration::Declaration;
use moorline_model::{CheckFailed, CommitId, Revision};
use moorline_source::{FetchError, Fetched, Repository};
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

use crate::shared::Shared;
use crate::{chain, clock};

/// Reads the declaration at a commit.
///
/// # Errors
/// See [`DeclarationError`].
pub async fn declaration(
    parsed: &ParsedDeclarations,
    repository: &Repository,
    commit: &CommitId,
    path: &str,
) -> Result<Arc<Declaration>, DeclarationError> {
    let read = repository.read(commit, path).await;
    let bytes = read.map_err(|error| CheckFailed::new(error.class(), chain::of(&error)))?;
    parsed.declaration(path, commit, bytes, &moorline_notify::KINDS).await
}

/// The task that fetches.
pub struct Watcher {
    /// Reads what was fetched.
    pub reader: Reader,
    /// Where environments are remembered.
    pub shared: Arc<Shared>,
    /// Notified when something may have changed.
    pub wake_up: Arc<Notify>,
    /// How often to look without being woken.
    pub poll: std::time::Duration,
    /// Where the status goes.
    pub statuses: watch::Sender<Option<SourceStatus>>,
}

impl Watcher {
    /// Fetches until cancelled.
    pub async fn run(self, cancel: CancellationToken) {
        loop {
            let fetched = tokio::select! {
                // A fetch that is dropped leaves the mirror as it was.
                () = cancel.cancelled() => return,
                fetched = self.reader.repository.fetch() => fetched,
            };
            let before = self.statuses.borrow().clone();
            let mut status = self.reader.read(fetched, before.as_ref()).await;
            if let Some(Head { revision, declaration: Ok(declaration) }) = &status.head {
                // The cycles parse it no second time, nor does the next comparison.
                self.shared.cache.commits.keep_declaration(&revision.commit, declaration);
            }
            status.compare(&*self.shared, before.as_ref()).await;
            self.fast_forward(before.as_ref(), &status).await;
            self.statuses.send_replace(Some(status));
            tokio::select! {
                () = cancel.cancelled() => return,
                () = self.wake_up.notified() => {}
                () = tokio::time::sleep(self.poll) => {}
            }
        }
    }

    /// Moves what a new head changes nothing for, before anybody hears of it.
    async fn fast_forward(&self, before: Option<&SourceStatus>, status: &SourceStatus) {
        let commit = |status: &SourceStatus| status.head.as_ref().map(|head| head.revision.commit.clone());
        let Some(head) = status.head.as_ref().filter(|_| before.and_then(commit) != commit(status)) else {
            return;
        };
        match fast_forward_all(&*self.shared, &self.shared.cache, head).await {
            Ok(0) => {}
            Ok(environments) => tracing::info!(
                environments,
                commit = head.revision.commit.short(),
                "the commit declares what is in force: the revision moves, and nothing is rolled out"
            ),
            // Each environment's own cycle does it then.
            Err(error) => {
                tracing::warn!(error = chain::of(&error), "the record cannot be read");
            }
        }
    }
}

/// Reads what was fetched.
#[derive(Debug)]
pub struct Reader {
    /// The repository.
    pub repository: Repository,
    /// The declaration's path in it.
    pub path: String,
    /// Declarations that are known.
    pub parsed: ParsedDeclarations,
}

impl Reader {
    async fn read(
        &self,
        fetched: Result<Fetched, FetchError>,
        before: Option<&SourceStatus>,
    ) -> SourceStatus {
        match fetched {
            Ok(fetched) => {
                if fetched.rewritten {
                    tracing::warn!(commit = %fetched.head.commit, "the branch was rewritten (force push)");
                }
                self.succeeded(fetched.head, before).await
            }
            Err(error) => failed(CheckFailed::new(error.class(), chain::of(&error)), before),
        }
    }

    async fn succeeded(&self, revision: Revision, before: Option<&SourceStatus>) -> SourceStatus {
        let known = before.and_then(|before| before.head.clone());
        let head = match known {
            // The same commit says the same, mistakes included; but what could not be read may be readable now.
            Some(head) if head.revision.commit == revision.commit && is_final(&head) => head,
            known => {
                let declaration =
                    declaration(&self.parsed, &self.repository, &revision.commit, &self.path).await;
                let head = Head { revision, declaration: declaration.map_err(CheckFailed::from) };
                name(&head, known.as_ref());
                head
            }
        };
        if before.is_some_and(|before| before.error.is_some()) {
            tracing::info!("the repository can be fetched again");
        }
        let trouble_since = head.declaration.is_err().then(|| trouble_since(before));
        SourceStatus {
            head: Some(head),
            error: None,
            trouble_since,
            checked_at: clock::now(),
            news: News::default(),
        }
    }
}

/// Whether reading it again would say the same.
fn is_final(head: &Head) -> bool {
    head.declaration.as_ref().err().is_none_or(|failed| !failed.class.may_pass())
}

fn failed(failed: CheckFailed, before: Option<&SourceStatus>) -> SourceStatus {
    // Each poll meets it again; the condition keeps its age.
    if before.and_then(|before| before.error.as_ref()) != Some(&failed) {
        let error = failed.to_string();
        tracing::warn!(error, "the repository cannot be fetched; what is in force serves on");
    }
    SourceStatus {
        head: before.and_then(|before| before.head.clone()),
        error: Some(failed),
        trouble_since: Some(trouble_since(before)),
        checked_at: clock::now(),
        news: News::default(),
    }
}

/// Since when there is trouble, when there is some now.
fn trouble_since(before: Option<&SourceStatus>) -> Timestamp {
    before.and_then(|before| before.trouble_since).unwrap_or_else(clock::now)
}

/// Names a new head, and mistakes in its declaration: once for a commit, unless others turn up.
fn name(head: &Head, known: Option<&Head>) {
    let Head { revision: Revision { commit, author, message: title, .. }, declaration } = head;
    let known = known.filter(|known| known.revision.commit == *commit);
    if known.is_none() {
        tracing::info!(commit = commit.short(), author, title, "the branch has a new head");
    }
    let Err(failed) = declaration else { return };
    if known.and_then(|known| known.declaration.as_ref().err()) == Some(failed) {
        return;
    }
    let (commit, because) = (commit.short(), &failed.because);
    if failed.class.may_pass() {
        tracing::warn!(commit, error = because, "the declaration cannot be read; what is in force serves on");
    } else {
        tracing::warn!(
            commit,
            author,
            mistakes = because,
            "the declaration has mistakes; what is in force serves on"
        );
    }
}

/// Wakes the watcher when refs of a local repository change, until the returned watcher is dropped.
///
/// # Errors
/// The operating system's, when the folder cannot be watched; polling still works then.
pub fn watch_files(folder: &Path, wake_up: Arc<Notify>) -> Result<notify::RecommendedWatcher, notify::Error> {
    use notify::Watcher as _;
    let mut watcher = notify::recommended_watcher(move |event: Result<notify::Event, notify::Error>| {
        // Reading the repository makes access events; answering those would never end.
        if event.is_ok_and(|event| !event.kind.is_access()) {
            wake_up.notify_one();
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
    async fn a_declaration_that_could_not_be_read_is_read_again_at_the_same_commit_and_its_mistakes_are_not()
    {
        let folder = tempfile::tempdir().unwrap();
        let text = "version: 1\nenvironments: [{name: prod, gateway: {document: [g.yaml], endpoints: ['http://a'], \
            admin_token: 'env:A'}}]";
        let (repository, revision) =
            crate::sample::repository(folder.path(), &[("moorline.yaml", text)]).await;
        let now = clock::now();
        let reader =
            Reader { repository, path: "moorline.yaml".to_owned(), parsed: ParsedDeclarations::default() };
        let with = |failed| SourceStatus {
            head: Some(Head { revision: revision.clone(), declaration: Err(failed) }),
            error: None,
            trouble_since: Some(now),
            checked_at: now,
            news: News::default(),
        };
        let before = with(CheckFailed::transient("the disk was slow"));
        let status = reader.succeeded(revision.clone(), Some(&before)).await;
        assert_eq!(status.trouble_since, None);
        assert!(status.head.unwrap().declaration.is_ok());
        let before = with(CheckFailed::stalled("line 3"));
        let status = reader.succeeded(revision.clone(), Some(&before)).await;
        assert_eq!(status.head.unwrap().declaration.unwrap_err().because, "line 3");
    }
}
