//! What requests came to, counted per generation.
//!
//! In: one [`Outcome`] a request, from any thread. Out: [`moorline_admin::Stats`] since a moment, and totals for the
//! metrics page. Counting touches nothing but the calling thread's own shard: relaxed additions to counters that were
//! laid out when the document was compiled, so its cost does not depend on traffic and its size is bounded by the
//! declared models and routes. History is kept apart ([`timeline`]): a [`Recorder::tick`] every [`SLICE`] notes what
//! was added since the last one.

mod cells;
pub mod ledger;
mod timeline;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hashbrown::HashMap;
use jiff::Timestamp;
use moorline_admin::{ErrorKind, Generation, Stats, Usage};
use moorline_config::{Config, ModelName};

use cells::{Authentications, Shard};
pub(crate) use cells::{shard_of_this_thread, shards};
use timeline::{Timeline, Window};

/// How often history is noted, and so how finely `since` can be told apart.
pub const SLICE: Duration = Duration::from_secs(2);

/// How a caller's proof was judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Authentication {
    /// A declared key.
    Accepted,
    /// No key at all.
    Missing,
    /// A key that is not declared.
    Unknown,
    /// A declared key, or a token, after its time.
    Expired,
    /// More than one proof.
    Ambiguous,
    /// A token that proves nothing.
    Invalid,
    /// A token that could not be checked: no keys of its issuer are known.
    Unverifiable,
}

impl Authentication {
    /// All results, in order.
    pub const ALL: [Self; 7] = [
        Self::Accepted,
        Self::Missing,
        Self::Unknown,
        Self::Expired,
        Self::Ambiguous,
        Self::Invalid,
        Self::Unverifiable,
    ];

    /// The result as a label.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Missing => "missing",
            Self::Unknown => "unknown",
            Self::Expired => "expired",
            Self::Ambiguous => "ambiguous",
            Self::Invalid => "invalid",
            Self::Unverifiable => "unverifiable",
        }
    }
}

/// How one request ended.
#[derive(Debug, Clone)]
pub struct Outcome<'a> {
    /// Index of the route in the document; `None` when none matched.
    pub route: Option<usize>,
    /// The model as the caller named it, when it is declared.
    pub model: Option<&'a ModelName>,
    /// Why it did not end well.
    pub error: Option<ErrorKind>,
    /// HTTP status sent.
    pub status: u16,
    /// From arrival to the last byte.
    pub latency_micros: u64,
    /// From arrival to the first byte of a stream.
    pub first_token_micros: Option<u64>,
    /// Tokens in.
    pub input_tokens: u64,
    /// Tokens out.
    pub output_tokens: u64,
    /// Cost in millionths of a US dollar.
    pub cost_micros: u64,
    /// Whether the answer came from the cache.
    pub is_kept: bool,
    /// How the caller's proof was judged.
    pub authentication: Authentication,
}

/// Counts the requests of one generation. Cloning gives another handle to the same counts.
#[derive(Clone)]
pub struct Recorder(Arc<Counts>);

/// The counts behind every handle.
struct Counts {
    /// Cell of each declared model; the cell after the last is for requests that named none.
    models: HashMap<ModelName, usize>,
    model_names: Vec<String>,
    /// Path of each route, in order; one more cell for requests that matched none.
    route_paths: Vec<String>,
    shards: Box<[Shard]>,
    timeline: Mutex<Timeline>,
    /// Counts copies of requests apart, where a model declares them.
    shadows: Option<Recorder>,
}

impl Recorder {
    /// A recorder for the models and routes a document declares.
    #[must_use]
    pub fn new(config: &Config, started: Timestamp) -> Self {
        let has_shadows = config.models.values().any(|model| model.shadow.is_some());
        let shadows = has_shadows.then(|| Self::laid_out(config, started, None));
        Self::laid_out(config, started, shadows)
    }

    fn laid_out(config: &Config, started: Timestamp, shadows: Option<Self>) -> Self {
        let names = || config.models.keys().cloned();
        let route_paths: Vec<String> = config.routes.iter().map(|route| route.path.clone()).collect();
        let cells = config.models.len() + 1 + route_paths.len() + 1;
        Self(Arc::new(Counts {
            models: names().zip(0..).collect(),
            model_names: names().map(String::from).collect(),
            route_paths,
            shards: (0..shards()).map(|_| Shard::new(cells)).collect(),
            timeline: Mutex::new(Timeline::new(started, cells)),
            shadows,
        }))
    }

    /// Counts one request. Cheap, never waits, safe from any thread.
    pub fn record(&self, outcome: &Outcome<'_>) {
        let counts = &*self.0;
        let unnamed = counts.model_names.len();
        let model = outcome.model.and_then(|name| counts.models.get(name).copied()).unwrap_or(unnamed);
        let unrouted = counts.route_paths.len();
        let route = outcome.route.filter(|route| *route < unrouted).unwrap_or(unrouted);
        let shard = &counts.shards[shard_of_this_thread(counts.shards.len())];
        shard.record([model, unnamed + 1 + route], outcome);
    }

    /// What counts copies of requests, by the model that is sent them.
    #[must_use]
    pub fn shadows(&self) -> Option<&Self> {
        self.0.shadows.as_ref()
    }

    /// Notes history; called every [`SLICE`].
    pub fn tick(&self, now: Timestamp) {
        let counts = &*self.0;
        counts.timeline.lock().unwrap_or_else(PoisonError::into_inner).note(now, counts);
        if let Some(shadows) = &counts.shadows {
            shadows.tick(now);
        }
    }

    /// What was counted since a moment, up to `now`.
    #[must_use]
    pub fn stats(&self, generation: Generation, since: Option<Timestamp>, now: Timestamp) -> Stats {
        let counts = &*self.0;
        let window = counts.window(since, now);
        let (models, routes) = counts.by_kind(&window);
        let mut total = Usage::default();
        models.iter().for_each(|usage| total.merge(usage));
        let labels = Authentication::ALL.map(|result| result.as_str().to_owned());
        Stats {
            generation,
            since: window.since,
            until: window.until,
            total,
            models: named(&counts.model_names, models),
            routes: named(&counts.route_paths, routes),
            shadows: counts
                .shadows
                .as_ref()
                .map(|shadows| shadows.stats(generation, since, now).models)
                .unwrap_or_default(),
            authentication: labels.into_iter().zip(window.authentications).collect(),
        }
    }

    /// Whether no other handle to these counts is left.
    fn is_last(&self) -> bool {
        Arc::strong_count(&self.0) == 1
    }
}

impl Counts {
    fn window(&self, since: Option<Timestamp>, now: Timestamp) -> Window {
        let mut timeline = self.timeline.lock().unwrap_or_else(PoisonError::into_inner);
        timeline.note(now, self);
        timeline.since(since)
    }

    /// The cells of models and those of routes, each with the one for requests that named or matched none at its end.
    fn by_kind<'a>(&self, window: &'a Window) -> (&'a [Usage], &'a [Usage]) {
        window.cells.split_at(self.model_names.len() + 1)
    }
}

/// Usage by name; two routes with one path add up. Names that were never asked for are left out.
fn named(names: &[String], cells: &[Usage]) -> std::collections::BTreeMap<String, Usage> {
    let mut by_name = std::collections::BTreeMap::<String, Usage>::new();
    for (name, usage) in names.iter().zip(cells).filter(|(_, usage)| usage.requests > 0) {
        by_name.entry(name.clone()).or_default().merge(usage);
    }
    by_name
}

impl timeline::Totals for Counts {
    fn usage_unless(&self, cell: usize, known: u64) -> Option<Usage> {
        let requests: u64 = self.shards.iter().map(|shard| shard.requests(cell)).sum();
        (requests != known).then(|| {
            let mut usage = Usage::default();
            self.shards.iter().for_each(|shard| shard.read_into(cell, &mut usage));
            usage
        })
    }

    fn authentications(&self) -> Authentications<u64> {
        let mut sums = Authentications::default();
        for shard in &self.shards {
            for (sum, count) in sums.iter_mut().zip(shard.authentications()) {
                *sum += count;
            }
        }
        sums
    }
}

#[cfg(test)]
mod tests;
