//! Follows the event streams of the gateways, so that a document which somebody changes there is noticed at once.
//!
//! In: what a cycle reads gateways by. Out: the environment's keeper wakes when one of them says that its documents changed;
//! what changed the cycle reads itself. The schedule stays the backstop: a stream that cannot be followed costs promptness
//! and nothing else.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use moorline_admin::{AdminError, Client, Event};
use moorline_config::Reference;
use moorline_cycle::facilities::Fleet as _;
use moorline_model::EnvironmentName;
use moorline_model::declaration::{Endpoints, Environment};
use tokio::sync::Notify;
use tokio::time::Instant;
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

use crate::chain;
use crate::shared::Shared;
use crate::spread::spread;
use crate::wakeups::WakeUps;

/// The first pause before a stream that ended is opened again; doubled for each that follows soon.
const PAUSE_MIN: Duration = Duration::from_secs(1);
/// The longest.
const PAUSE_MAX: Duration = Duration::from_secs(30);
/// The pause after an event: what else changes in it is looked at together, and a gateway that says a thousand things a
/// second does not cause a thousand cycles.
const FOLD: Duration = Duration::from_secs(1);

/// The event streams of gateways that are followed.
pub struct EventStreams {
    wake_ups: WakeUps,
    tasks: TaskTracker,
    stop: CancellationToken,
    streams: Mutex<BTreeMap<EnvironmentName, Streams>>,
}

/// The streams of one environment's gateways. Dropping it ends them.
struct Streams {
    endpoints: Endpoints,
    admin_token: Reference,
    /// Cancelled too when a gateway refuses the token: the next cycle reads the token anew.
    ended: CancellationToken,
    _ends: DropGuard,
}

impl EventStreams {
    /// Follows nothing yet. Its tasks run until `stop`.
    #[must_use]
    pub const fn new(wake_ups: WakeUps, tasks: TaskTracker, stop: CancellationToken) -> Self {
        Self { wake_ups, tasks, stop, streams: Mutex::new(BTreeMap::new()) }
    }

    /// Follows the environment's gateways as they are declared here, if it does not already.
    pub fn follow(&self, name: &EnvironmentName, declared: &Environment, shared: &Shared) {
        let mut streams = self.streams.lock().unwrap_or_else(PoisonError::into_inner);
        let (endpoints, admin_token) = (&declared.gateway.endpoints, &declared.gateway.admin_token);
        if streams.get(name).is_some_and(|streams| {
            streams.endpoints == *endpoints
                && streams.admin_token == *admin_token
                && !streams.ended.is_cancelled()
        }) {
            return;
        }
        // That they cannot be reached is reported where the cycle reads them.
        let Ok(gateways) = shared.gateways(declared) else { return };
        let ended = self.stop.child_token();
        for (_, client) in gateways {
            let (wake_up, ended) = (self.wake_ups.environment(name), ended.clone());
            let name = name.clone();
            self.tasks.spawn(async move {
                tokio::select! {
                    () = ended.cancelled() => {}
                    () = follow(&name, &client, &wake_up) => ended.cancel(),
                }
            });
        }
        let (endpoints, admin_token) = (endpoints.clone(), admin_token.clone());
        let ends = ended.clone().drop_guard();
        streams.insert(name.clone(), Streams { endpoints, admin_token, ended, _ends: ends });
    }

    /// Follows the environment's gateways no more.
    pub fn forget(&self, name: &EnvironmentName) {
        self.streams.lock().unwrap_or_else(PoisonError::into_inner).remove(name);
    }
}

/// Follows one gateway until it refuses the token.
async fn follow(name: &EnvironmentName, client: &Client, wake_up: &Arc<Notify>) {
    let (mut pause, mut is_known) = (PAUSE_MIN, false);
    loop {
        let began = Instant::now();
        match client.events().await {
            Ok(mut events) => {
                // What happened while nobody listened is not told.
                if is_known {
                    wake_up.notify_one();
                }
                is_known = true;
                while let Ok(Some(event)) = events.next().await {
                    if matches!(event, Event::ConfigChanged { .. }) {
                        wake_up.notify_one();
                        tokio::time::sleep(FOLD).await;
                    }
                }
            }
            Err(error) if error.is_token_refused() => return,
            Err(error) => log(name, client, &error),
        }
        if began.elapsed() > PAUSE_MAX {
            pause = PAUSE_MIN;
        }
        tokio::time::sleep(spread(pause)).await;
        pause = (pause * 2).min(PAUSE_MAX);
    }
}

/// A gateway that cannot be reached is named by the cycle that asks it.
fn log(name: &EnvironmentName, client: &Client, error: &AdminError) {
    if matches!(error, AdminError::Unreachable { .. }) {
        return;
    }
    let (endpoint, error) = (client.endpoint().as_str(), chain::of(error));
    tracing::debug!(environment = %name, endpoint, error, "the gateway's events are not followed; its schedule is");
}
