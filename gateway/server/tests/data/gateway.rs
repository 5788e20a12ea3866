//! A gateway in this process.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use moorline_admin::{Attestation, Generation as Number, Origin, Stats};
use moorline_config::{Config, Percent, Reference, Secret};
use moorline_gateway::data::{DataConfig, DataPlane, Serving, StartError};
use moorline_gateway::generation::{Generation, ProbeKey, Snapshot, Staged};
use moorline_gateway::health::Health;
use moorline_gateway::limits::{Limits, WindowClock};
use moorline_gateway::recorder::Recorder;
use moorline_gateway::routing::Routing;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tokio_util::sync::CancellationToken;

use super::provider::Provider;

/// The key of callers, and the key of the gateway at its providers.
pub(crate) const KEY: &str = "vk-caller";
pub(crate) const OTHER_KEY: &str = "vk-other";
pub(crate) const UPSTREAM_KEY: &str = "sk-upstream-secret";

pub(crate) struct Gateway {
    pub(crate) address: SocketAddr,
    pub(crate) drain: CancellationToken,
    snapshot: Arc<ArcSwap<Snapshot>>,
    now: Arc<AtomicU64>,
    number: AtomicU64,
    plane: Option<DataPlane>,
}

impl Gateway {
    pub(crate) fn start(document: &Value) -> Self {
        Self::start_with(document, |_| {})
    }

    pub(crate) fn start_with(document: &Value, change: impl FnOnce(&mut DataConfig)) -> Self {
        let snapshot = Snapshot { stable: Some(generation(1, document)), ..Snapshot::default() };
        Self::start_serving(snapshot, change)
    }

    pub(crate) fn start_empty() -> Self {
        Self::start_serving(Snapshot::default(), |_| {})
    }

    fn start_serving(snapshot: Snapshot, change: impl FnOnce(&mut DataConfig)) -> Self {
        let mut config = DataConfig::new("127.0.0.1:0".parse().unwrap());
        config.workers = Some(2);
        config.drain_deadline = Duration::from_secs(5);
        change(&mut config);
        let snapshot = Arc::new(ArcSwap::from_pointee(snapshot));
        let serving: Arc<dyn Serving> = Arc::clone(&snapshot) as _;
        let now = Arc::new(AtomicU64::new(0));
        let clock = Arc::clone(&now);
        let limits = Arc::new(Limits::new(WindowClock::new(move || clock.load(Ordering::SeqCst))));
        let drain = CancellationToken::new();
        let plane = DataPlane::start(&config, &serving, &limits, &drain).unwrap();
        Self { address: plane.address(), drain, snapshot, now, number: AtomicU64::new(1), plane: Some(plane) }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Starts a second data plane on the same address.
    pub(crate) fn start_again(&self) -> Result<DataPlane, StartError> {
        let serving: Arc<dyn Serving> = Arc::clone(&self.snapshot) as _;
        DataPlane::start(&DataConfig::new(self.address), &serving, &Arc::new(Limits::default()), &self.drain)
    }

    /// What is served, for whatever else looks at it.
    pub(crate) fn serving(&self) -> Arc<dyn Serving> {
        Arc::clone(&self.snapshot) as _
    }

    /// Sets the time that limits go by, in milliseconds.
    pub(crate) fn set_now(&self, now: u64) {
        self.now.store(now, Ordering::SeqCst);
    }

    /// A clock for the health of targets that stands still until it is moved, in milliseconds.
    pub(crate) fn start_with_clock(document: &Value) -> (Self, Arc<AtomicU64>) {
        let now = Arc::new(AtomicU64::new(0));
        let clock = Arc::clone(&now);
        let health = Arc::new(Health::new(move || clock.load(Ordering::SeqCst), drop));
        (Self::start_with(document, |config| config.health = health), now)
    }

    /// The time that limits go by.
    pub(crate) fn now(&self) -> u64 {
        self.now.load(Ordering::SeqCst)
    }

    /// Serves another document from now on.
    pub(crate) fn swap(&self, document: &Value) -> u64 {
        let number = self.number.fetch_add(1, Ordering::SeqCst) + 1;
        let stable = Some(generation_after(&self.snapshot.load(), number, document));
        self.snapshot.store(Arc::new(Snapshot { stable, ..Snapshot::default() }));
        number
    }

    /// Puts a candidate beside what serves.
    pub(crate) fn stage(&self, document: &Value, weight: u16) -> (u64, String) {
        let number = self.number.fetch_add(1, Ordering::SeqCst) + 1;
        let probe_key = ProbeKey::new([7; 32]);
        let exposed = probe_key.expose().to_owned();
        let staged = Staged {
            generation: generation_after(&self.snapshot.load(), number, document),
            weight: Percent::whole(weight),
            probe_key,
        };
        let mut snapshot = Snapshot::clone(&self.snapshot.load());
        snapshot.candidate = Some(staged);
        self.snapshot.store(Arc::new(snapshot));
        (number, exposed)
    }

    /// What was counted under the document that serves.
    pub(crate) fn stats(&self) -> Stats {
        let snapshot = self.snapshot.load();
        let stable = snapshot.stable.as_ref().unwrap();
        stable.recorder.stats(stable.number, None, started() + Duration::from_secs(3_600))
    }

    /// Waits until so many requests were counted.
    pub(crate) async fn counted(&self, requests: u64) -> Stats {
        super::provider::soon(async {
            loop {
                let stats = self.stats();
                if stats.total.requests >= requests {
                    return stats;
                }
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        })
        .await
    }

    /// Waits until all workers have ended.
    pub(crate) async fn ended(mut self) {
        let plane = self.plane.take().unwrap();
        super::provider::soon(tokio::task::spawn_blocking(move || plane.join())).await.unwrap();
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        self.drain.cancel();
    }
}

/// The value of a variable whose name begins with `OWN_`: a secret that no other variable has.
pub(crate) fn own_secret(name: &str) -> String {
    format!("sk-{}-secret", name.to_lowercase().replace('_', "-"))
}

fn started() -> jiff::Timestamp {
    "2026-11-21T00:00:00Z".parse().unwrap()
}

fn generation(number: u64, document: &Value) -> Arc<Generation> {
    generation_after(&Snapshot::default(), number, document)
}

fn generation_after(before: &Snapshot, number: u64, document: &Value) -> Arc<Generation> {
    let config = Config::from_value("test", document).unwrap();
    let resolve = |reference: &Reference| {
        let name = reference.to_string();
        Some(Secret::new(match name.strip_prefix("env:") {
            Some(name) if name.starts_with("OWN_") => own_secret(name),
            Some(name) if name.ends_with("ROTATED") => format!("{UPSTREAM_KEY}-2"),
            _ => UPSTREAM_KEY.to_owned(),
        }))
    };
    let mut routing = Routing::compile(&config, &resolve);
    before.generations().for_each(|generation| routing.adopt(&generation.routing));
    Arc::new(Generation {
        number: Number(number),
        attestation: Attestation {
            digest: config.digest(),
            commit: None,
            generation: Number(number),
            since: started(),
            origin: Origin::Git,
            actor: None,
            reason: None,
        },
        routing: Arc::new(routing),
        recorder: Recorder::new(&config, started()),
        fingerprints: BTreeMap::new(),
        config,
    })
}

/// A document with one provider, one model `m` (there: `m`), one route for everything and two keys.
pub(crate) fn document(provider: &Provider) -> Value {
    json!({
        "version": 1, "name": "test",
        "providers": {"p": {"kind": "openai_compatible", "base_url": provider.base_url(), "api_key": "env:UPSTREAM_KEY"}},
        "models": {"m": {"targets": [{"provider": "p", "model": "m"}], "price": {"input": 1, "output": 2, "cached_input": 0.5}}},
        "routes": [{"path": "/v1/*", "retry": {"attempts": 1, "backoff": "1ms"}}],
        "keys": [
            {"name": "caller", "sha256": hex::encode(Sha256::digest(KEY))},
            {"name": "other", "sha256": hex::encode(Sha256::digest(OTHER_KEY))},
        ],
    })
}
