//! What was asked of each provider, and what it came to: one [`TargetMeter`] a provider and upstream model.
//!
//! In: each request upstream, when it ends. Out: counts for the metrics page and for OpenTelemetry. These belong to
//! the process and outlive documents, so that they never go down. They are known by declared names only, so that no
//! caller can add to them; a target that is used keeps its meter, and counting touches only the thread's own shard.

mod buckets;

use std::collections::BTreeMap;
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Duration;

use moorline_admin::ErrorKind;
use moorline_config::document::ProviderKind;

use crate::recorder::{shard_of_this_thread, shards};
use crate::routing::{Operation, Target};

use buckets::Tokens;
pub use buckets::{Counts, Times};

/// The most targets counted apart over the life of a process; further ones are counted together.
pub const TARGETS_MAX: usize = 1024;
/// Stands for what is beyond [`TARGETS_MAX`].
const OTHER: &str = "other";
/// Ways an attempt ends: well, or with one of the kinds of error.
const ENDS: usize = 1 + ErrorKind::ALL.len();

/// All meters of a process.
#[derive(Debug, Default)]
pub struct Meters {
    targets: Mutex<BTreeMap<(String, String), &'static TargetMeter>>,
}

/// Whom a meter counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Labels {
    /// The provider's name in the document.
    pub provider: String,
    /// The protocol it speaks.
    pub kind: Option<ProviderKind>,
    /// The model's name there.
    pub model: String,
    /// Host and port.
    pub server: Option<(String, u16)>,
}

/// Counts of one target.
#[derive(Debug)]
pub struct TargetMeter {
    labels: Labels,
    shards: Box<[Shard]>,
}

/// A thread's own part. Aligned so that two of them never share a cache line.
#[derive(Debug)]
#[repr(align(128))]
struct Shard(Cells);

/// A cell for each operation and end, laid out at first use.
type Cells = Box<[OnceLock<Box<Cell>>]>;

impl Default for Shard {
    fn default() -> Self {
        Self((0..Operation::ALL.len() * ENDS).map(|_| OnceLock::new()).collect())
    }
}

#[derive(Debug, Default)]
struct Cell {
    duration: Times,
    first_chunk: Times,
    served: Times,
    served_first: Times,
    input: Tokens,
    output: Tokens,
    cost_micros: std::sync::atomic::AtomicU64,
}

/// A request upstream that has ended.
#[derive(Debug, Clone, Copy)]
pub struct Attempt {
    /// What was asked.
    pub operation: Operation,
    /// How long it took.
    pub duration: Duration,
    /// Why it did not end well.
    pub error: Option<ErrorKind>,
    /// What it came to, when it is the one that served its request.
    pub served: Option<Served>,
}

/// What a request came to that an attempt served.
#[derive(Debug, Clone, Copy, Default)]
pub struct Served {
    /// From the attempt's begin to the first byte of a stream.
    pub first_chunk: Option<Duration>,
    /// From the request's arrival to its last byte.
    pub latency: Duration,
    /// From the request's arrival to the first byte of a stream.
    pub first_token: Option<Duration>,
    /// Tokens in.
    pub input_tokens: u64,
    /// Tokens out.
    pub output_tokens: u64,
    /// Cost in millionths of a US dollar.
    pub cost_micros: u64,
}

/// What a target did for one operation, with one end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reading {
    /// What was asked.
    pub operation: Operation,
    /// Why it did not end well.
    pub error: Option<ErrorKind>,
    /// Attempts by how long they took, in microseconds.
    pub duration: Counts,
    /// Streams by their time to the first chunk.
    pub first_chunk: Counts,
    /// Requests served, by their latency for the caller.
    pub served: Counts,
    /// Streams served, by the caller's time to the first byte.
    pub served_first: Counts,
    /// Requests served, by their tokens in.
    pub input: Counts,
    /// Requests served, by their tokens out.
    pub output: Counts,
    /// Cost in millionths of a US dollar.
    pub cost_micros: u64,
}

impl Meters {
    /// The meter of a target. It stays for the life of the process: a request that holds it fights over no count of
    /// references with other cores.
    #[must_use]
    pub fn target(&self, target: &Target) -> &'static TargetMeter {
        let origin = target.upstream.origin().ok();
        let labels = Labels {
            provider: target.upstream.provider.to_string(),
            kind: Some(target.upstream.kind),
            model: target.model.to_string(),
            server: origin.map(|origin| (origin.host.clone(), origin.port)),
        };
        let mut targets = self.targets.lock().unwrap_or_else(PoisonError::into_inner);
        let name = (labels.provider.clone(), labels.model.clone());
        if let Some(meter) = targets.get(&name) {
            return meter;
        }
        let (name, labels) = if targets.len() < TARGETS_MAX { (name, labels) } else { other() };
        targets.entry(name).or_insert_with(|| Box::leak(Box::new(TargetMeter::new(labels))))
    }

    /// Every target that was ever asked, with what it did.
    #[must_use]
    pub fn read(&self) -> Vec<(Labels, Vec<Reading>)> {
        let targets: Vec<&TargetMeter> =
            self.targets.lock().unwrap_or_else(PoisonError::into_inner).values().copied().collect();
        targets.iter().map(|meter| (meter.labels.clone(), meter.read())).collect()
    }
}

fn other() -> ((String, String), Labels) {
    let labels = Labels { provider: OTHER.to_owned(), kind: None, model: OTHER.to_owned(), server: None };
    ((labels.provider.clone(), labels.model.clone()), labels)
}

impl TargetMeter {
    fn new(labels: Labels) -> Self {
        Self { labels, shards: (0..shards()).map(|_| Shard::default()).collect() }
    }

    /// Counts an attempt. Cheap, never waits, safe from any thread.
    pub fn record(&self, attempt: &Attempt) {
        let end = attempt.error.map_or(0, |kind| 1 + kind as usize);
        let index = attempt.operation as usize * ENDS + end;
        let shard = self.shards.get(shard_of_this_thread(self.shards.len()));
        if let Some(cell) = shard.and_then(|Shard(cells)| cells.get(index)) {
            cell.get_or_init(Box::default).record(attempt);
        }
    }

    /// Whom it counts.
    #[must_use]
    pub const fn labels(&self) -> &Labels {
        &self.labels
    }

    fn read(&self) -> Vec<Reading> {
        let mut readings = Vec::new();
        for operation in Operation::ALL {
            for end in 0..ENDS {
                let index = operation as usize * ENDS + end;
                let cells = self.shards.iter().filter_map(|Shard(cells)| cells.get(index)?.get());
                let error = end.checked_sub(1).and_then(|kind| ErrorKind::ALL.get(kind).copied());
                let mut reading = Reading::empty(operation, error);
                cells.for_each(|cell| cell.read_into(&mut reading));
                if reading.duration.count > 0 {
                    readings.push(reading);
                }
            }
        }
        readings
    }
}

impl Reading {
    fn empty(operation: Operation, error: Option<ErrorKind>) -> Self {
        let (times, tokens) = (Counts::times, Counts::tokens);
        Self {
            operation,
            error,
            duration: times(),
            first_chunk: times(),
            served: times(),
            served_first: times(),
            input: tokens(),
            output: tokens(),
            cost_micros: 0,
        }
    }
}

impl Cell {
    fn record(&self, attempt: &Attempt) {
        self.duration.record(attempt.duration);
        let Some(served) = attempt.served else { return };
        self.served.record(served.latency);
        if let Some(first) = served.first_chunk {
            self.first_chunk.record(first);
        }
        if let Some(first) = served.first_token {
            self.served_first.record(first);
        }
        // An answer without any use, such as a refusal's, says nothing of how many tokens answers have.
        if served.input_tokens + served.output_tokens > 0 {
            self.input.record(served.input_tokens);
            self.output.record(served.output_tokens);
        }
        if served.cost_micros > 0 {
            self.cost_micros.fetch_add(served.cost_micros, std::sync::atomic::Ordering::Relaxed);
        }
    }

    fn read_into(&self, reading: &mut Reading) {
        self.duration.read_into(&mut reading.duration);
        self.first_chunk.read_into(&mut reading.first_chunk);
        self.served.read_into(&mut reading.served);
        self.served_first.read_into(&mut reading.served_first);
        self.input.read_into(&mut reading.input);
        self.output.read_into(&mut reading.output);
        reading.cost_micros += self.cost_micros.load(std::sync::atomic::Ordering::Relaxed);
    }
}
