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

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use moorline_admin::{ErrorKind, Generation, Stats, Usage};
use moorline_config::{Config, ModelName};

use cells::{Authentications, Shard, shard_of_this_thread};
use timeline::Timeline;

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
}

impl Authentication {
    /// All results, in order.
    pub const ALL: [Self; 3] = [Self::Accepted, Self::Missing, Self::Unknown];

    /// The result as a label.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Missing => "missing",
            Self::Unknown => "unknown",
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
}
