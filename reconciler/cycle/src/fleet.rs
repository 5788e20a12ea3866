//! The gateway replicas of one environment, read through their admin APIs.

use std::time::Duration;

use futures_util::future::join_all;
use moorline_admin::{AdminError, ConnectionFault, Status};
use moorline_config::{Digest, Reference};
use moorline_model::rollout::RequestCounts;
use moorline_model::{CheckFailed, masking};
use moorline_plan::gateway::{CandidateServing, ReplicaReading, ReplicaStatus, Serving};

use crate::admin_class;
use crate::facilities::Gateway;

/// Longest wait for one replica's status. A replica that is slower than this cannot be checked.
const STATUS_TIMEOUT: Duration = Duration::from_secs(3);
/// The seconds over which callers are counted.
const RECENT_SECONDS: u32 = 60;

/// The replicas of one environment.
#[derive(Debug, Clone)]
pub(crate) struct Replicas<G> {
    /// Admin URL and admin API.
    pub replicas: Vec<(String, G)>,
    /// What the clients' token was read from.
    pub token: Option<Reference>,
}

impl<G> Replicas<G> {
    /// None at all.
    pub(crate) const fn none() -> Self {
        Self { replicas: Vec::new(), token: None }
    }

    /// What a call came to that did not succeed: the rest of a sentence that begins with the replica's address.
    pub(crate) fn failed(&self, error: &AdminError) -> CheckFailed {
        CheckFailed::new(admin_class::of_call(error), self.told(error))
    }

    /// What an error of a replica means, as the rest of a sentence that begins with its address.
    #[must_use]
    pub(crate) fn told(&self, error: &AdminError) -> String {
        match &self.token {
            Some(token) if error.is_token_refused() => format!(
                "refuses the admin token (401): the daemon read it from {token}, the gateway takes the one of its \
                 --admin-token; give both the same"
            ),
            // A gateway says what is wrong with a document, and that may be what stands in it.
            _ => masking::masked(&crate::chain::after(&error.predicate(), error)),
        }
    }
}

/// Why a replica's status is not known.
#[derive(Debug, thiserror::Error)]
enum ReadStatusError {
    /// It refuses, or cannot be reached.
    #[error(transparent)]
    Call(#[from] AdminError),
    #[error("does not answer within {} s: {}", STATUS_TIMEOUT.as_secs(), ConnectionFault::TimedOut.next_step())]
    TimedOut,
}

impl<G: Gateway> Replicas<G> {
    /// Reads every replica at once. One that serves another document than `expected` is asked for it, so that the
    /// difference can be named.
    pub(crate) async fn read(&self, expected: Option<Digest>) -> Vec<ReplicaReading> {
        let reads = self.replicas.iter().map(|(endpoint, client)| self.read_one(endpoint, client, expected));
        join_all(reads).await
    }

    /// Fetches the document that a replica serves, where it was not: it is shown before it may be replaced.
    pub(crate) async fn fetch(&self, reading: &mut ReplicaReading) {
        let Ok(status) = &mut reading.result else { return };
        let Some((_, client)) = self.replicas.iter().find(|(endpoint, _)| *endpoint == reading.endpoint)
        else {
            return;
        };
        if status.document.is_none()
            && let Ok(Ok(config)) = tokio::time::timeout(STATUS_TIMEOUT, client.config()).await
        {
            status.document = Some(config.document);
        }
    }

    async fn read_one(&self, endpoint: &str, client: &G, expected: Option<Digest>) -> ReplicaReading {
        let asked = tokio::time::timeout(STATUS_TIMEOUT, async {
            let status = client.status_with_recent(RECENT_SECONDS).await?;
            let mut reading = reading(status);
            let differs = reading.stable.as_ref().is_some_and(|stable| Some(stable.digest) != expected);
            // What is not Git's is kept when it is met for the first time; nothing is expected then.
            let is_strange = reading.stable.as_ref().is_some_and(|stable| stable.origin != "git");
            if differs && (expected.is_some() || is_strange) {
                reading.document = Some(client.config().await?.document);
            }
            Ok(reading)
        });
        let read = asked.await.unwrap_or(Err(ReadStatusError::TimedOut));
        let result = read.map_err(|error| match error {
            ReadStatusError::Call(error) => self.failed(&error),
            ReadStatusError::TimedOut => CheckFailed::transient(error.to_string()),
        });
        ReplicaReading { endpoint: endpoint.to_owned(), result }
    }
}

fn reading(status: Status) -> ReplicaStatus {
    ReplicaStatus {
        instance: status.instance,
        stable: status.stable.map(|stable| Serving {
            digest: stable.digest,
            commit: stable.commit,
            generation: stable.generation.0,
            origin: stable.origin.to_string(),
            // Whoever wrote there by hand wrote that too.
            actor: stable.actor.as_deref().map(masking::masked),
            reason: stable.reason.as_deref().map(masking::masked),
            since: stable.since,
        }),
        candidate: status.candidate.map(|candidate| CandidateServing {
            digest: candidate.attestation.digest,
            generation: candidate.attestation.generation.0,
            weight: candidate.weight,
        }),
        document: None,
        recent: status.recent.map(|recent| RequestCounts { requests: recent.asked, failed: recent.faults }),
    }
}
