//! Fetches the keys of issuers, on the control plane's threads.
//!
//! One task for all issuers of everything that is served. Fetches are bounded in time, size and number; what was good
//! last is kept however long the issuer is down. An address comes from the document only, redirects are not followed,
//! and no proxy of the environment is asked.

use std::sync::Arc;
use std::time::Duration;

use reqwest::redirect::Policy;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::key_set::KeySet;
use super::keys::{KEYS_BYTES_MAX, Keys, NoKeySet};
use crate::data::Serving;
use crate::generation::Snapshot;

/// How often keys are fetched.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    /// In any case, after a success.
    pub refresh: Duration,
    /// At the soonest, when somebody shows a key that is not known.
    pub pause: Duration,
    /// The longest time a fetch may take.
    pub timeout: Duration,
    /// Until the next attempt after the first failure when nothing is known yet; doubled up to `pause`.
    pub retry: Duration,
    /// How often it is looked at whether anything is due.
    pub look: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            refresh: Duration::from_secs(600),
            pause: Duration::from_secs(30),
            timeout: Duration::from_secs(5),
            retry: Duration::from_secs(1),
            look: Duration::from_millis(200),
        }
    }
}

/// Fetches keys for as long as it runs.
pub struct Fetcher {
    serving: Arc<dyn Serving>,
    pace: Pace,
    client: Option<reqwest::Client>,
}

/// Why there are no new keys.
#[derive(Debug, thiserror::Error)]
enum FetchError {
    #[error("the issuer's keys cannot be fetched")]
    Http(#[source] reqwest::Error),
    #[error("the issuer answered {0}")]
    Status(reqwest::StatusCode),
    #[error("the issuer's answer is larger than {KEYS_BYTES_MAX} bytes")]
    TooLarge,
    #[error("the issuer's answer is no key set")]
    NoKeySet(#[source] NoKeySet),
    #[error("the issuer took longer than {0:?}")]
    Slow(Duration),
}

impl Fetcher {
    /// For whatever is served.
    #[must_use]
    pub fn new(serving: Arc<dyn Serving>, pace: Pace) -> Self {
        Self { serving, pace, client: None }
    }

    /// Fetches what is due until it is stopped.
    pub async fn run(mut self, stop: CancellationToken) {
        let mut looks = tokio::time::interval(self.pace.look);
        looks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        while stop.run_until_cancelled(looks.tick()).await.is_some() {
            let due: Vec<Arc<KeySet>> =
                key_sets(&self.serving.snapshot()).into_iter().filter(|keys| keys.is_due()).collect();
            if due.is_empty() {
                continue;
            }
            let Some(client) = self.client() else { continue };
            let fetches = due.iter().map(|keys| refresh(&client, self.pace, keys));
            // A fetch may be dropped at any point: nothing is noted before it is whole.
            if stop.run_until_cancelled(futures_util::future::join_all(fetches)).await.is_none() {
                return;
            }
        }
    }

    /// Made at the first use: most gateways have no issuer.
    fn client(&mut self) -> Option<reqwest::Client> {
        if self.client.is_none() {
            let built = reqwest::Client::builder()
                .redirect(Policy::none())
                .no_proxy()
                .timeout(self.pace.timeout)
                .connect_timeout(self.pace.timeout)
                .pool_max_idle_per_host(0)
                .build();
            match built {
                Ok(client) => self.client = Some(client),
                Err(error) => tracing::warn!(%error, "no HTTP client for the keys of issuers"),
            }
        }
        self.client.clone()
    }
}

/// The key sets of everything that is served, each once.
fn key_sets(snapshot: &Snapshot) -> Vec<Arc<KeySet>> {
    let candidate = snapshot.candidate.iter().map(|staged| &staged.generation);
    let mut found: Vec<Arc<KeySet>> = Vec::new();
    for generation in snapshot.stable.iter().chain(candidate) {
        if let Some(verifier) = generation.routing.tokens()
            && !found.iter().any(|known| Arc::ptr_eq(known, verifier.key_set()))
        {
            found.push(Arc::clone(verifier.key_set()));
        }
    }
    found
}

async fn refresh(client: &reqwest::Client, pace: Pace, keys: &KeySet) {
    // The whole of it, however slowly the bytes drip.
    let fetched = match tokio::time::timeout(pace.timeout, fetch(client, keys)).await {
        Ok(fetched) => fetched,
        Err(_) => Err(FetchError::Slow(pace.timeout)),
    };
    let fetched = match fetched {
        Ok(fetched) => Some(fetched),
        Err(error) => {
            let cause = std::error::Error::source(&error).map(tracing::field::display);
            tracing::warn!(url = %keys.url(), %error, cause, "an issuer's keys stay as they are");
            None
        }
    };
    keys.note(fetched, |failures, known| {
        let now = Instant::now();
        let again = if failures == 0 {
            pace.refresh
        } else if known {
            pace.pause
        } else {
            pace.retry.saturating_mul(1 << failures.saturating_sub(1).min(16)).min(pace.pause)
        };
        (now + again.min(pace.pause), now + again)
    });
}

async fn fetch(client: &reqwest::Client, keys: &KeySet) -> Result<Keys, FetchError> {
    let request = client.get(keys.url().clone()).header("accept", "application/json");
    let mut answer = request.send().await.map_err(FetchError::Http)?;
    if !answer.status().is_success() {
        return Err(FetchError::Status(answer.status()));
    }
    let mut body = Vec::new();
    while let Some(chunk) = answer.chunk().await.map_err(FetchError::Http)? {
        if body.len() + chunk.len() > KEYS_BYTES_MAX {
            return Err(FetchError::TooLarge);
        }
        body.extend_from_slice(&chunk);
    }
    Keys::read(&body).map_err(FetchError::NoKeySet)
}
