//! OpenTelemetry: spans of sampled requests, and metrics, to a collector over OTLP (HTTP, protobuf).
//!
//! In: what the environment declares as everywhere (`OTEL_…`, [`Settings`]), and each sampled request when it ends.
//! Out: batches, posted from the control plane's thread. A request that is not sampled costs a branch; one that is
//! costs a move into a bounded queue. When the collector is slow or gone, spans are dropped and counted: nobody waits.
//! No prompt, no answer, no key and no header stands in a span, and names are bounded.
//!
//! Tasks: [`export`] posts spans, [`measure`] posts metrics every interval. Both end with a last post.

mod context;
mod encode;
mod export;
mod measure;
mod names;
mod sampler;
mod settings;
mod trace;

use std::sync::Arc;

use http::HeaderMap;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::clock;
use crate::gauges::Gauges;

pub(crate) use context::TRACEPARENT;
pub use export::StartError;
pub use settings::{InvalidSettings, Settings};
pub use trace::{Finished, Trace};

/// Decides which requests are traced, and takes the traces of those that have ended.
#[derive(Debug)]
pub struct Telemetry {
    sampler: sampler::Sampler,
    queue: mpsc::Sender<Finished>,
    gauges: Arc<Gauges>,
}

impl Telemetry {
    /// Starts the tasks that post. `None`: no request is to be traced.
    ///
    /// # Errors
    /// When no client can be made to post with.
    pub fn start(
        settings: Settings,
        gauges: &Arc<Gauges>,
        tracker: &TaskTracker,
        stop: &CancellationToken,
    ) -> Result<Option<Arc<Self>>, StartError> {
        let Settings { traces, metrics, resource, sampler, batch, interval } = settings;
        let resource = encode::resource(&resource);
        if let Some(endpoint) = metrics {
            let post = export::Post::new("metrics", endpoint)?;
            let measure = measure::Measure::new(post, resource.clone(), Arc::clone(gauges), interval);
            tracker.spawn(measure.run(stop.clone()));
        }
        let Some(endpoint) = traces else { return Ok(None) };
        let (queue, waiting) = mpsc::channel(batch.queue_max);
        let post = export::Post::new("traces", endpoint)?;
        let export = export::Export::new(post, resource, waiting, batch, Arc::clone(gauges));
        tracker.spawn(export.run(stop.clone()));
        Ok(Some(Arc::new(Self { sampler, queue, gauges: Arc::clone(gauges) })))
    }

    /// The trace of a request that begins now, when it is sampled. `draw` gives random numbers.
    pub fn begin(&self, headers: &HeaderMap, mut draw: impl FnMut() -> u64) -> Option<Box<Trace>> {
        let caller = context::read(headers);
        let trace_id = caller.map_or_else(|| context::trace_id(&mut draw), |caller| caller.trace_id);
        self.sampler.takes(trace_id, caller.map(|caller| caller.is_sampled)).then(|| {
            let parent = caller.map(|caller| caller.span_id);
            Box::new(Trace::begin(trace_id, context::span_id(&mut draw), parent, clock::now()))
        })
    }

    /// Takes the trace of a request that has ended. Never waits.
    pub fn offer(&self, finished: Finished) {
        if self.queue.try_send(finished).is_err() {
            self.gauges.count_dropped_spans(1);
        }
    }
}
