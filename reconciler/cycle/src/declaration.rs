//! The declaration of a commit: read, parsed and kept. A commit never changes, so it is parsed once, however many
//! environments ask.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use moorline_model::declaration::{ChannelKind, Declaration};
use moorline_model::{CheckFailed, CommitId, FailureClass, masking};
use tokio::task::JoinError;

use crate::cycle::Cache;
use crate::facilities::Source;

/// Declarations that this process parsed.
static PARSED: AtomicU64 = AtomicU64::new(0);

/// How many declarations this process parsed: one a commit, however many environments it declares.
#[must_use]
pub fn declarations_parsed() -> u64 {
    PARSED.load(Ordering::Relaxed)
}

/// Why it is not known what a commit declares.
#[derive(Debug, thiserror::Error)]
pub enum DeclarationError {
    /// The commit could not be read.
    #[error(transparent)]
    Unread(#[from] CheckFailed),
    /// The commit has no such file.
    #[error("{path} is not in the repository at {}", commit.short())]
    Missing {
        /// The file.
        path: String,
        /// The commit.
        commit: CommitId,
    },
    /// The file is no text.
    #[error("{path} is not UTF-8 text")]
    NotText {
        /// The file.
        path: String,
    },
    /// Every mistake in it, a line each, without what looks like a secret: a mistake is named with what stands there.
    #[error("{0}")]
    Mistakes(String),
    /// Whoever parses it was stopped.
    #[error(transparent)]
    Parser(#[from] JoinError),
}

impl DeclarationError {
    /// Whether reading it again helps: a mistake stays in its commit.
    #[must_use]
    pub fn class(&self) -> FailureClass {
        match self {
            Self::Unread(failed) => failed.class.clone(),
            Self::Missing { .. } | Self::NotText { .. } | Self::Mistakes(_) => FailureClass::Stalled,
            Self::Parser(error) => parser_class(error),
        }
    }
}

impl From<DeclarationError> for CheckFailed {
    fn from(error: DeclarationError) -> Self {
        Self::new(error.class(), crate::chain::of(&error))
    }
}

/// A parser that panics does so again; one that the daemon's stop cut short does not.
pub(crate) fn parser_class(error: &JoinError) -> FailureClass {
    if error.is_panic() { FailureClass::Stalled } else { FailureClass::Transient }
}

/// The declaration at a commit.
pub(crate) async fn read_declaration(
    source: &impl Source,
    cache: &Cache,
    commit: &CommitId,
) -> Result<Arc<Declaration>, DeclarationError> {
    if let Some(known) = cache.commits.declaration(commit) {
        return Ok(known);
    }
    // One at a time: whoever asks for the same commit meanwhile finds it then.
    let _turn = cache.parsing.lock().await;
    if let Some(known) = cache.commits.declaration(commit) {
        return Ok(known);
    }
    let path = source.declaration_path();
    let bytes = source.file(commit, path).await?;
    let declaration = declaration(path, commit, bytes, source.channel_kinds()).await?;
    cache.commits.keep_declaration(commit, &declaration);
    Ok(declaration)
}

/// The declaration in a file that was read at a commit, its channels being of these kinds.
///
/// # Errors
/// See [`DeclarationError`].
pub async fn declaration(
    path: &str,
    commit: &CommitId,
    bytes: Option<Vec<u8>>,
    kinds: &'static [ChannelKind],
) -> Result<Arc<Declaration>, DeclarationError> {
    let path = path.to_owned();
    let Some(bytes) = bytes else {
        return Err(DeclarationError::Missing { path, commit: commit.clone() });
    };
    let Ok(text) = String::from_utf8(bytes) else { return Err(DeclarationError::NotText { path }) };
    PARSED.fetch_add(1, Ordering::Relaxed);
    // A thousand environments take a while, and others want to go on.
    tokio::task::spawn_blocking(move || parse(&path, &text, kinds)).await?
}

fn parse(path: &str, text: &str, kinds: &[ChannelKind]) -> Result<Arc<Declaration>, DeclarationError> {
    let decoded = Declaration::decode(path, text, kinds);
    decoded
        .map(|decoded| Arc::new(decoded.document))
        .map_err(|mistakes| DeclarationError::Mistakes(masking::masked(&mistakes.to_string())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_mistake_stays_in_its_commit_and_a_commit_that_was_not_read_may_be_read_yet() {
        let commit: CommitId = "1".repeat(40).parse().unwrap();
        let read = async |bytes: Option<&[u8]>| {
            let bytes = bytes.map(<[u8]>::to_vec);
            CheckFailed::from(declaration("moorline.yaml", &commit, bytes, &[]).await.unwrap_err())
        };
        for bytes in [None, Some(&[0xff][..]), Some(b"version: 7")] {
            let failed = read(bytes).await;
            assert_eq!(failed.class, FailureClass::Stalled, "{failed}");
            assert!(failed.because.contains("moorline.yaml"), "{failed}");
        }
        let unread = CheckFailed::transient("the disk was slow");
        assert_eq!(CheckFailed::from(DeclarationError::from(unread.clone())), unread);
    }
}
