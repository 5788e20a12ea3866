//! What is served: generations of the document, and the snapshot of them that each request picks from once.
//!
//! A [`Generation`] is built whole before anybody sees it and never changes afterwards. A [`Snapshot`] holds the
//! stable one, at most one candidate beside it, and the last ones retired (their counts can still be read).

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use moorline_admin::Attestation;
use moorline_config::{Config, Percent};
use subtle::ConstantTimeEq;

use crate::recorder::Recorder;
use crate::routing::Routing;

/// One document, compiled and counted.
pub struct Generation {
    /// Its number on this gateway.
    pub number: moorline_admin::Generation,
    /// The document.
    pub config: Config,
    /// What this gateway says of it.
    pub attestation: Attestation,
    /// The document compiled for the hot path. Shared by re-attestations of the same document.
    pub routing: Arc<Routing>,
    /// What its requests came to. Shared by re-attestations of the same document.
    pub recorder: Recorder,
    /// The fingerprint of each reference's value, as compiled in.
    pub fingerprints: BTreeMap<String, Option<String>>,
}

impl fmt::Debug for Generation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Generation").field("attestation", &self.attestation).finish_non_exhaustive()
    }
}

/// A secret that pins a request to the candidate: 64 hex digits.
#[derive(Clone)]
pub struct ProbeKey(Arc<str>);

impl ProbeKey {
    /// Wraps a key that was just drawn.
    #[must_use]
    pub fn new(random: [u8; 32]) -> Self {
        Self(hex::encode(random).into())
    }

    /// The key, for the answer to whoever staged the candidate.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Whether a caller's header is this key, in the same time whatever the header holds.
    #[must_use]
    pub fn matches(&self, header: &[u8]) -> bool {
        self.0.as_bytes().ct_eq(header).into()
    }
}

impl fmt::Debug for ProbeKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("ProbeKey(…)")
    }
}

/// A candidate and its share of requests.
#[derive(Debug, Clone)]
pub struct Staged {
    /// The candidate.
    pub generation: Arc<Generation>,
    /// Its share.
    pub weight: Percent,
    /// Pins a request to it.
    pub probe_key: ProbeKey,
}

/// Everything that is served at one moment. Requests load it once and keep what they picked.
#[derive(Debug, Clone, Default)]
pub struct Snapshot {
    /// What serves.
    pub stable: Option<Arc<Generation>>,
    /// What is tried beside it.
    pub candidate: Option<Staged>,
    /// Generations that were served until lately, newest first, kept for their counts.
    pub retired: Vec<Arc<Generation>>,
}

impl Snapshot {
    /// The generation for one request, or `None` when nothing is served to it. `die` is drawn evenly from 0..10,000
    /// by the caller; a probe key that is not the candidate's is ignored.
    #[must_use]
    pub fn pick(&self, probe_key: Option<&[u8]>, die: u16) -> Option<&Arc<Generation>> {
        let Some(staged) = &self.candidate else { return self.stable.as_ref() };
        let is_probe = probe_key.is_some_and(|header| staged.probe_key.matches(header));
        if is_probe || die < staged.weight.as_basis_points() {
            return Some(&staged.generation);
        }
        self.stable.as_ref()
    }

    /// All that are held, the one that serves last.
    pub fn generations(&self) -> impl Iterator<Item = &Arc<Generation>> {
        let candidate = self.candidate.iter().map(|staged| &staged.generation);
        self.retired.iter().chain(candidate).chain(&self.stable)
    }

    /// The generation with this number, if it is still held.
    #[must_use]
    pub fn find(&self, number: moorline_admin::Generation) -> Option<&Arc<Generation>> {
        let candidate = self.candidate.as_ref().map(|staged| &staged.generation);
        self.stable
            .iter()
            .chain(candidate)
            .chain(&self.retired)
            .find(|generation| generation.number == number)
    }
}

#[cfg(test)]
mod tests;
