//! From a proposed document to a generation that is ready to serve, or every reason why not.

use std::sync::Arc;

use jiff::Timestamp;
use moorline_admin::{Attestation, Generation as Number};
use moorline_config::decode::Source;
use moorline_config::{Config, Mistake, Mistakes};
use serde_json::Value;

use super::Author;
use crate::generation::{Generation, Snapshot};
use crate::recorder::Recorder;
use crate::routing::Routing;
use crate::secrets::held::Held;
use crate::secrets::{Lacking, Resolved, Resolver};

/// What mistakes call a document that came through the admin API.
const POSTED: &str = "document";

/// A document somebody wants served, not checked yet.
#[derive(Debug, Clone, PartialEq)]
pub enum Proposal {
    /// One value, from the admin API.
    Posted(Value),
    /// Layered files: name and text, later wins.
    Files(Vec<(String, String)>),
}

/// Why a document cannot serve.
#[derive(Debug)]
pub(super) enum Unfit {
    /// It has mistakes.
    Document(Mistakes),
    /// It has none, but references without values.
    Secrets(Lacking),
}

impl From<Mistakes> for Unfit {
    fn from(mistakes: Mistakes) -> Self {
        Self::Document(mistakes)
    }
}

impl From<Lacking> for Unfit {
    fn from(lacking: Lacking) -> Self {
        Self::Secrets(lacking)
    }
}

impl Unfit {
    /// Everything that is wrong.
    pub(super) fn mistakes(&self) -> &[Mistake] {
        match self {
            Self::Document(Mistakes(mistakes)) | Self::Secrets(Lacking { mistakes, .. }) => mistakes,
        }
    }
}

/// A checked document whose references all have values here.
pub(super) struct Checked {
    pub(super) config: Config,
    pub(super) secrets: Resolved,
}

impl Proposal {
    /// Reads and checks the document, and resolves its references.
    pub(super) fn check(&self, resolver: &Resolver, held: &Held) -> Result<Checked, Unfit> {
        let (name, config) = match self {
            Self::Posted(value) => (POSTED, Config::from_value(POSTED, value)?),
            Self::Files(files) => {
                let sources: Vec<Source<'_>> =
                    files.iter().map(|(name, text)| Source { name, text }).collect();
                let name = files.first().map_or("", |(name, _)| name.as_str());
                (name, Config::parse(&sources)?)
            }
        };
        let secrets = resolver.resolve(name, &config, held)?;
        Ok(Checked { config, secrets })
    }
}

impl Checked {
    /// Compiles the document for the hot path. What is known of issuers of tokens is taken over from `before`.
    pub(super) fn compile(
        self,
        number: Number,
        author: &Author,
        since: Timestamp,
        before: &Snapshot,
    ) -> Generation {
        let Self { config, secrets } = self;
        let mut routing = Routing::compile(&config, &|reference| secrets.get(reference));
        before.generations().for_each(|generation| routing.adopt(&generation.routing));
        let attestation = author.attest(&config, number, since);
        warn_of_words(&config, since);
        let recorder = Recorder::new(&config, since);
        Generation {
            number,
            attestation,
            routing: Arc::new(routing),
            recorder,
            fingerprints: secrets.fingerprints(),
            config,
        }
    }
}

/// Says where words are logged, and where that has ended.
fn warn_of_words(config: &Config, now: Timestamp) {
    for route in &config.routes {
        let Some(words) = &route.log_bodies else { continue };
        let (path, owner, expires) = (route.path.as_str(), words.owner.as_str(), words.expires);
        if u64::try_from(now.as_millisecond()).unwrap_or(0) < expires.as_milliseconds() {
            tracing::warn!(path, owner, %expires, "the words of requests and answers are logged on this route");
        } else {
            tracing::warn!(path, owner, %expires, "log_bodies has expired: nothing is logged, take it out");
        }
    }
}

impl Author {
    fn attest(&self, config: &Config, number: Number, since: Timestamp) -> Attestation {
        Attestation {
            digest: config.digest(),
            commit: self.commit.clone(),
            generation: number,
            since,
            origin: self.origin,
            actor: self.actor.clone(),
            reason: self.reason.clone(),
        }
    }
}

/// The same document said to come from another author: the same number, routing and counts.
pub(super) fn attest_again(generation: &Generation, author: &Author) -> Generation {
    Generation {
        number: generation.number,
        attestation: author.attest(&generation.config, generation.number, generation.attestation.since),
        config: generation.config.clone(),
        routing: Arc::clone(&generation.routing),
        recorder: generation.recorder.clone(),
        fingerprints: generation.fingerprints.clone(),
    }
}

/// The same document with other values behind its references: the same number and counts. `None` when they are not
/// others.
pub(super) fn renew(generation: &Generation, secrets: &Resolved) -> Option<Generation> {
    let fingerprints = secrets.fingerprints();
    if fingerprints == generation.fingerprints {
        return None;
    }
    let mut routing = Routing::compile(&generation.config, &|reference| secrets.get(reference));
    routing.adopt(&generation.routing);
    Some(Generation {
        number: generation.number,
        attestation: generation.attestation.clone(),
        config: generation.config.clone(),
        routing: Arc::new(routing),
        recorder: generation.recorder.clone(),
        fingerprints,
    })
}
