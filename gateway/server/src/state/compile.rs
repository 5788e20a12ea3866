//! From a proposed document to a generation that is ready to serve, or every reason why not.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use moorline_admin::{Attestation, Generation as Number};
use moorline_config::decode::Source;
use moorline_config::{Config, Mistakes};
use serde_json::Value;

use super::Author;
use crate::generation::{Generation, Snapshot};
use crate::recorder::Recorder;
use crate::routing::Routing;
use crate::secrets::{Resolved, Resolver};

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

/// A checked document whose references all have values here.
pub(super) struct Checked {
    pub(super) config: Config,
    secrets: Resolved,
}

impl Proposal {
    /// Reads and checks the document, and resolves its references.
    pub(super) fn check(&self, resolver: &Resolver) -> Result<Checked, Mistakes> {
        let (name, config) = match self {
            Self::Posted(value) => (POSTED, Config::from_value(POSTED, value)?),
            Self::Files(files) => {
                let sources: Vec<Source<'_>> =
                    files.iter().map(|(name, text)| Source { name, text }).collect();
                let name = files.first().map_or("", |(name, _)| name.as_str());
                (name, Config::parse(&sources)?)
            }
        };
        let secrets = resolver.resolve(name, &config).map_err(Mistakes)?;
        Ok(Checked { config, secrets })
    }
}

impl Checked {
    pub(super) fn fingerprints(&self) -> BTreeMap<String, Option<String>> {
        self.secrets.fingerprints()
    }

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
