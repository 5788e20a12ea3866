//! The source's status, as last fetched. One task fetches for all environments; a cycle reads the latest status and
//! never fetches itself, so that ten environments cost one fetch.

use std::sync::Arc;

use jiff::Timestamp;
use moorline_model::Revision;
use moorline_model::declaration::Declaration;

/// What the repository declared when it was last fetched.
#[derive(Debug, Clone)]
pub struct SourceStatus {
    /// The head of the branch, as last fetched; kept when a later fetch fails.
    pub head: Option<Head>,
    /// Why the last fetch failed.
    pub error: Option<String>,
    /// Since when it cannot be fetched, or the head's declaration has mistakes.
    pub trouble_since: Option<Timestamp>,
    /// When the last fetch ended.
    pub checked_at: Timestamp,
}

/// The head of the branch and what it declares.
#[derive(Debug, Clone)]
pub struct Head {
    /// The commit.
    pub revision: Revision,
    /// Its `moorline.yaml`, or every mistake in it.
    pub declaration: Result<Arc<Declaration>, String>,
}
