//! The gateway replicas of one environment, as clients of their admin APIs.
//!
//! Clients are kept between cycles: making one reads the machine's certificates.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use futures_util::future::join_all;
use moorline_admin::{AdminError, Client, ConnectionFault, Status};
use moorline_config::{Digest, Reference, Secret};
use moorline_model::declaration::{Endpoints, Environment};
use moorline_model::smell;
use moorline_plan::gateway::{CandidateServing, ReplicaReading, ReplicaStatus, Serving};

use crate::secrets::{ResolveError, Secrets};

/// Longest wait for one replica's status. A replica that is slower than this cannot be checked.
const STATUS_TIMEOUT: Duration = Duration::from_secs(3);

/// Why the replicas cannot even be asked.
#[derive(Debug, thiserror::Error)]
pub enum FleetError {
    /// The admin token has no value.
    #[error("there is no admin token for it")]
    Token(#[source] ResolveError),
    /// An address cannot be used.
    #[error("a gateway's address cannot be used")]
    Endpoint(#[source] AdminError),
    /// The replicas are found in a way that this release does not know.
    #[error("endpoints of an ECS service are not looked up by this release: list the admin URLs")]
    Ecs,
}

/// Clients made so far, by address and token.
#[derive(Debug, Default)]
pub struct Clients {
    made: Mutex<BTreeMap<(String, String), Client>>,
}

impl Clients {
    /// The replicas that an environment declares.
    ///
    /// # Errors
    /// See [`FleetError`].
    pub fn fleet(&self, environment: &Environment, secrets: &Secrets) -> Result<Fleet, FleetError> {
        let Endpoints::Urls(urls) = &environment.gateway.endpoints else { return Err(FleetError::Ecs) };
        let token = secrets.declared(&environment.gateway.admin_token).map_err(FleetError::Token)?;
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        let mut replicas = Vec::new();
        for url in urls {
            let key = (url.clone(), token.fingerprint());
            let client = match made.get(&key) {
                Some(client) => client.clone(),
                None => client(url, &token)?,
            };
            made.insert(key, client.clone());
            replicas.push((url.clone(), client));
        }
        Ok(Fleet { replicas, token: Some(environment.gateway.admin_token.clone()) })
    }
}

fn client(url: &str, token: &Secret) -> Result<Client, FleetError> {
    Client::new(url, Some(token.clone())).map_err(FleetError::Endpoint)
}

/// The replicas of one environment.
#[derive(Debug, Clone, Default)]
pub struct Fleet {
    /// Admin URL and client.
    pub replicas: Vec<(String, Client)>,
    /// What the clients' token was read from.
    pub token: Option<Reference>,
}

impl Fleet {
    /// Reads every replica at once. One that serves another document than `expected` is asked for it, so that the
    /// difference can be named.
    pub async fn read(&self, expected: Option<Digest>) -> Vec<ReplicaReading> {
        let reads = self.replicas.iter().map(|(endpoint, client)| self.read_one(endpoint, client, expected));
        join_all(reads).await
    }

    /// What an error of a replica means, as the rest of a sentence that begins with its address.
    #[must_use]
    pub fn told(&self, error: &AdminError) -> String {
        match &self.token {
            Some(token) if error.is_token_refused() => format!(
                "refuses the admin token (401): the daemon read it from {token}, the gateway takes the one of its \
                 --admin-token; give both the same"
            ),
            // A gateway says what is wrong with a document, and that may be what stands in it.
            _ => smell::masked(&crate::chain::after(&error.predicate(), error)),
        }
    }

    async fn read_one(&self, endpoint: &str, client: &Client, expected: Option<Digest>) -> ReplicaReading {
        let asked = tokio::time::timeout(STATUS_TIMEOUT, async {
            let status = client.status().await.map_err(|error| self.told(&error))?;
            let mut reading = reading(status);
            let differs = reading.stable.as_ref().is_some_and(|stable| Some(stable.digest) != expected);
            // What is not Git's is kept when it is met for the first time; nothing is expected then.
            let is_strange = reading.stable.as_ref().is_some_and(|stable| stable.origin != "git");
            if differs && (expected.is_some() || is_strange) {
                let config = client.config().await.map_err(|error| self.told(&error))?;
                reading.document = Some(config.document);
            }
            Ok(reading)
        });
        let result = match asked.await {
            Ok(result) => result,
            Err(_) => {
                let (seconds, fault) = (STATUS_TIMEOUT.as_secs(), ConnectionFault::TimedOut);
                Err(format!("does not answer within {seconds} s: {}", fault.next_step()))
            }
        };
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
            actor: stable.actor.as_deref().map(smell::masked),
            reason: stable.reason.as_deref().map(smell::masked),
            since: stable.since,
        }),
        candidate: status.candidate.map(|candidate| CandidateServing {
            digest: candidate.attestation.digest,
            generation: candidate.attestation.generation.0,
            weight: candidate.weight,
        }),
        document: None,
    }
}
