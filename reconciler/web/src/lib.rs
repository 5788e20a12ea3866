//! The daemon's HTTP server: API, console, webhooks and metrics.
//!
//! In: the [`Record`] and a few seams of the daemon ([`Wake`], [`Gates`], [`MetricsSource`]). Out: answers, and cycles that
//! are woken. Nothing here decides anything; an intent of a person is recorded, audit first, and the next cycle reads it
//! there.
//!
//! Reading order: `routes` lists every address with the [`Access`] it requires; `access` is the guard in front of
//! each; `shield` stands in front of them all; `reader` makes a page of a refusal that a person gets to see.

mod access;
mod api;
mod body;
mod call;
mod console;
mod exposition;
mod hooks;
mod landing;
mod metrics;
mod problem;
mod reader;
mod routes;
mod seam;
mod server;
mod session;
mod shield;

use std::sync::Arc;

use jiff::Timestamp;
use moorline_model::Secret;
use moorline_record::Record;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};
use tokio_util::sync::CancellationToken;

pub use access::{Role, Roles, TokenHash};
pub use exposition::{Exposition, Kind, as_float};
pub use metrics::described as described_metrics;
pub use metrics::registry::{Described, Metric, Samples, write as write_metrics};
pub use moorline_api::Access;
pub use routes::routes;
pub use seam::{DeclaredDocument, Delivery, Documents, Explanation, Gates, MetricsSource, Wake};
pub use server::ServeError;

/// What the web is made of.
pub struct Web {
    /// What is shown, and where intents are recorded.
    pub record: Record,
    /// Woken by webhooks, intents and documents.
    pub cycles: Arc<dyn Wake>,
    /// Answers `why`.
    pub gates: Arc<dyn Gates>,
    /// Adds to `/metrics`.
    pub metrics: Arc<dyn MetricsSource>,
    /// Answers `/readyz`.
    pub ready: Arc<dyn Fn() -> bool + Send + Sync>,
    /// The roles' tokens.
    pub roles: Roles,
    /// Secret of webhooks. Absent or empty: all are refused.
    pub webhook_secret: Option<Secret>,
    /// What the newest declaration says of documents. `None`: none was read yet.
    pub documents: watch::Receiver<Option<Documents>>,
    /// The console's address as people reach it.
    pub public_url: Option<String>,
    /// Reads the clock.
    pub clock: fn() -> Timestamp,
}

/// The web as it runs.
pub(crate) struct App {
    web: Web,
    is_loopback: bool,
    sessions: access::Sessions,
    deliveries: hooks::Deliveries,
    streams: Arc<Semaphore>,
    cancel: CancellationToken,
}

impl App {
    /// Whether anybody may look: on this machine alone, as long as no viewer's token was set. A public
    /// address that was set says that a proxy in front lets others in, so then it is not.
    fn reading_is_open(&self) -> bool {
        self.is_loopback
            && self.web.roles.viewer.is_none()
            && self.public_host().is_none_or(shield::is_this_machine)
    }
}

/// Serves until cancelled.
///
/// # Errors
/// The listener is of no use.
pub async fn serve(listener: TcpListener, web: Web, cancel: CancellationToken) -> Result<(), ServeError> {
    let address = listener.local_addr().map_err(ServeError::Address)?;
    let app = App {
        web,
        is_loopback: address.ip().is_loopback(),
        sessions: access::Sessions::default(),
        deliveries: hooks::Deliveries::default(),
        streams: Arc::new(Semaphore::new(api::STREAMS_MAX)),
        cancel: cancel.clone(),
    };
    server::accept(listener, routes::router(Arc::new(app)), cancel).await;
    Ok(())
}
