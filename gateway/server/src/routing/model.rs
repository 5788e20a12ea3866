//! Models and their targets.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use hashbrown::HashMap;
use moorline_config::document::{self, Strategy};
use moorline_config::{ModelName, ProviderName};
use tokio::sync::Semaphore;

use super::condition::Condition;
use super::order::{self, Occasion, Order, StickyBy};
use super::way::Ways;
use super::{ModelIndex, Price, Upstream};
use crate::health::{CredentialHealth, CredentialId, Health, Settings, TargetHealth, TargetId};
use crate::meters::{Meters, TargetMeter};

/// One upstream model of one provider.
#[derive(Debug)]
pub struct Target {
    /// Where it is.
    pub upstream: Arc<Upstream>,
    /// Its name there.
    pub model: ModelName,
    /// What it costs; nothing when no price is declared.
    pub price: Option<Price>,
    /// How it serves each operation.
    pub ways: Ways,
    pub(super) weight: u32,
    /// Its own number among all targets, for rendezvous hashing.
    pub(super) seed: u64,
    /// Tokens that it can hold, when that is declared.
    pub context_window: Option<u64>,
    condition: Option<Condition>,
    health: OnceLock<Arc<TargetHealth>>,
    meter: OnceLock<&'static TargetMeter>,
    credential: OnceLock<Arc<CredentialHealth>>,
}

/// A model as callers name it.
#[derive(Debug)]
pub struct Model {
    /// Its name.
    pub name: ModelName,
    /// Models to try when every target failed.
    pub fallback: Vec<ModelIndex>,
    /// Whether the order goes by how fast targets are, so that it must be measured.
    pub is_measured: bool,
    /// When a target that keeps failing is left alone.
    pub breaker: Settings,
    /// Who is sent copies of its requests.
    pub shadow: Option<Shadow>,
    /// When another target is asked beside one.
    pub hedge: Option<Hedge>,
    targets: Vec<Target>,
    strategy: Strategy,
    sticky: Option<StickyBy>,
}

/// Sends copies of requests to another model.
#[derive(Debug)]
pub struct Shadow {
    /// The model.
    pub model: ModelIndex,
    /// Of ten thousand requests, so many.
    pub share: u16,
    /// One permit for each copy under way.
    pub slots: Arc<Semaphore>,
}

impl Shadow {
    fn compile(shadow: &document::Shadow, by_name: &HashMap<ModelName, ModelIndex>) -> Option<Self> {
        let slots = usize::try_from(shadow.max_in_flight).unwrap_or(1).min(Semaphore::MAX_PERMITS);
        let (model, share) = (*by_name.get(&shadow.model)?, shadow.share.as_basis_points());
        Some(Self { model, share, slots: Arc::new(Semaphore::new(slots)) })
    }
}

/// Asks the next target beside one that keeps silent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hedge {
    /// For how long.
    pub after: Duration,
    /// Targets that one request asks beside the first.
    pub max: u32,
}

impl Target {
    fn compile(target: &document::Target, upstream: &Arc<Upstream>, of_model: &document::Model) -> Self {
        let identity = [target.provider.as_str(), target.model.as_str()].join("\n");
        Self {
            ways: upstream.ways(target.model.as_str()),
            upstream: Arc::clone(upstream),
            model: target.model.clone(),
            price: target.price.as_ref().or(of_model.price.as_ref()).map(Price::compile),
            weight: target.weight,
            seed: order::hash(identity.as_bytes()),
            context_window: target.context_window.or(of_model.context_window),
            condition: target.when.as_ref().map(Condition::compile),
            health: OnceLock::new(),
            meter: OnceLock::new(),
            credential: OnceLock::new(),
        }
    }

    /// Whether it serves such a request.
    pub(crate) fn serves(&self, occasion: &Occasion<'_>) -> bool {
        self.condition.as_ref().is_none_or(|condition| condition.holds(occasion))
    }

    /// Where requests to it are counted, whatever document it stands in.
    pub fn meter(&self, meters: &Meters) -> &'static TargetMeter {
        self.meter.get_or_init(|| meters.target(self))
    }

    /// What this process knows of it, whatever document it stands in.
    pub fn health(&self, health: &Health) -> &Arc<TargetHealth> {
        self.health.get_or_init(|| health.target(&self.id()))
    }

    /// Whether its provider still takes our credential.
    pub fn credential(&self, health: &Health) -> &Arc<CredentialHealth> {
        self.credential.get_or_init(|| health.credential(&self.credential_id()))
    }

    /// Whether it is left alone for now, by what is known of it and of its credential.
    #[must_use]
    pub fn is_left_alone(&self, health: &Health) -> bool {
        health.known_target(&self.id()).is_some_and(|target| target.is_broken())
            || health.known_credential(&self.credential_id()).is_some_and(|credential| credential.is_out())
    }

    fn credential_id(&self) -> CredentialId {
        CredentialId {
            provider: self.upstream.provider.clone(),
            origin: self.upstream.origin().ok().cloned(),
            fingerprint: self.upstream.fingerprint,
        }
    }

    /// What is left of it when documents change.
    #[must_use]
    pub fn id(&self) -> TargetId {
        TargetId {
            provider: self.upstream.provider.clone(),
            model: self.model.clone(),
            origin: self.upstream.origin().ok().cloned(),
        }
    }
}

impl Model {
    pub(super) fn compile(
        name: &ModelName,
        model: &document::Model,
        upstreams: &BTreeMap<&ProviderName, Arc<Upstream>>,
        by_name: &HashMap<ModelName, ModelIndex>,
    ) -> Self {
        let target = |target: &document::Target| {
            Some(Target::compile(target, upstreams.get(&target.provider)?, model))
        };
        Self {
            name: name.clone(),
            fallback: model.fallback.iter().filter_map(|name| by_name.get(name).copied()).collect(),
            is_measured: model.strategy == Strategy::Fastest,
            breaker: settings(model.breaker.unwrap_or_default()),
            shadow: model.shadow.as_ref().and_then(|shadow| Shadow::compile(shadow, by_name)),
            hedge: model.hedge.map(|hedge| Hedge { after: hedge.after.get(), max: hedge.max }),
            targets: model.targets.iter().filter_map(target).collect(),
            strategy: model.strategy,
            sticky: model.sticky.as_ref().and_then(StickyBy::compile),
        }
    }

    /// The targets that serve such a request, in the order to try them. `die` gives a number below its argument,
    /// evenly.
    pub fn in_order(
        &self,
        occasion: &Occasion<'_>,
        health: &Health,
        die: impl FnMut(u64) -> u64,
    ) -> Order<'_> {
        order::order(&self.targets, (self.strategy, self.sticky.as_ref()), occasion, health, die)
    }

    /// All its targets, as written.
    #[must_use]
    pub fn targets(&self) -> &[Target] {
        &self.targets
    }

    /// The price to estimate by before a target is chosen: the dearest.
    #[must_use]
    pub fn price_estimate(&self) -> Option<Price> {
        self.targets.iter().filter_map(|target| target.price).max_by_key(|price| price.rank())
    }
}

fn settings(breaker: document::Breaker) -> Settings {
    Settings {
        failures: breaker.failures,
        window: breaker.window.as_milliseconds(),
        cooldown: breaker.cooldown.as_milliseconds(),
    }
}
