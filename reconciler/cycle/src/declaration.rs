//! The declaration of a commit: read, parsed and kept. A commit never changes, so it is parsed once, however many
//! environments ask; and a text that another commit had too is not parsed again.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use moorline_model::declaration::{ChannelKind, Declaration};
use moorline_model::{CheckFailed, CommitId, FailureClass, masking};
use tokio::task::JoinError;

use crate::cycle::Cache;
use crate::facilities::Source;

/// Most texts that are kept: what is in force and what is on its way.
const TEXTS_MAX: usize = 2;

/// Declarations that this process parsed.
static PARSED: AtomicU64 = AtomicU64::new(0);

/// How many declarations this process parsed: at most one a commit, however many environments it declares.
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
    let declaration = cache.parsed.declaration(path, commit, bytes, source.channel_kinds()).await?;
    cache.commits.keep_declaration(commit, &declaration);
    Ok(declaration)
}

/// Texts of declarations that were parsed last. A commit that leaves `moorline.yaml` as it was declares what the one before it
/// did, and most commits of a fleet change a document. Clones are one.
#[derive(Debug, Clone, Default)]
pub struct ParsedDeclarations(Arc<Mutex<VecDeque<ParsedText>>>);

#[derive(Debug)]
struct ParsedText {
    text: Vec<u8>,
    declaration: Arc<Declaration>,
}

impl ParsedDeclarations {
    /// The declaration in a file that was read at a commit, its channels being of these kinds.
    ///
    /// # Errors
    /// See [`DeclarationError`].
    pub async fn declaration(
        &self,
        path: &str,
        commit: &CommitId,
        bytes: Option<Vec<u8>>,
        kinds: &'static [ChannelKind],
    ) -> Result<Arc<Declaration>, DeclarationError> {
        let path = path.to_owned();
        let Some(bytes) = bytes else {
            return Err(DeclarationError::Missing { path, commit: commit.clone() });
        };
        if let Some(known) = self.known(&bytes) {
            return Ok(known);
        }
        let Ok(text) = String::from_utf8(bytes) else { return Err(DeclarationError::NotText { path }) };
        PARSED.fetch_add(1, Ordering::Relaxed);
        // A thousand environments take a while, and others want to go on.
        let parsing = tokio::task::spawn_blocking(move || {
            parse(&path, &text, kinds).map(|declaration| ParsedText { text: text.into_bytes(), declaration })
        });
        let parsed = parsing.await??;
        let declaration = Arc::clone(&parsed.declaration);
        self.keep(parsed);
        Ok(declaration)
    }

    fn known(&self, bytes: &[u8]) -> Option<Arc<Declaration>> {
        let texts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        texts.iter().find(|parsed| parsed.text == bytes).map(|parsed| Arc::clone(&parsed.declaration))
    }

    fn keep(&self, parsed: ParsedText) {
        let mut texts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if texts.len() >= TEXTS_MAX {
            texts.pop_front();
        }
        texts.push_back(parsed);
    }
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
        let parsed = ParsedDeclarations::default();
        let read = async |bytes: Option<&[u8]>| {
            let bytes = bytes.map(<[u8]>::to_vec);
            let declaration = parsed.declaration("moorline.yaml", &commit, bytes, &[]).await;
            CheckFailed::from(declaration.unwrap_err())
        };
        for bytes in [None, Some(&[0xff][..]), Some(b"version: 7")] {
            let failed = read(bytes).await;
            assert_eq!(failed.class, FailureClass::Stalled, "{failed}");
            assert!(failed.because.contains("moorline.yaml"), "{failed}");
        }
        let unread = CheckFailed::transient("the disk was slow");
        assert_eq!(CheckFailed::from(DeclarationError::from(unread.clone())), unread);
    }

    #[tokio::test]
    async fn a_text_that_another_commit_had_too_is_parsed_once() {
        let parsed = ParsedDeclarations::default();
        let read = async |commit: char, name: &str| {
            let commit: CommitId = commit.to_string().repeat(40).parse().unwrap();
            let text = format!(
                "version: 1\nenvironments: [{{name: {name}, gateway: {{document: [g.yaml], endpoints: ['http://a'], \
                 admin_token: 'env:A'}}}}]"
            );
            let bytes = Some(text.into_bytes());
            parsed.declaration("moorline.yaml", &commit, bytes, &[]).await.unwrap()
        };
        let first = read('1', "dev").await;
        assert!(Arc::ptr_eq(&first, &read('2', "dev").await));
        let other = read('3', "prod").await;
        assert_eq!(other.environments[0].name.as_str(), "prod");
        assert!(Arc::ptr_eq(&first, &read('4', "dev").await), "a revert is known as well");
        read('5', "test").await;
        assert!(!Arc::ptr_eq(&first, &read('6', "dev").await), "not everything is kept");
    }
}
