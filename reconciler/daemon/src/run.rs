//! Starts the daemon, waits until it is stopped, and lets what has begun come to its end.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::settings::SettingsError;
use crate::start::StartError;
use crate::{chain, settings, start};

/// How long a stop waits for what has begun: a Terraform that was interrupted writes its state in this time.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(110);

/// How the daemon ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// It was stopped, and what had begun came to its end.
    Stopped,
    /// It may not go on: another daemon leads.
    LeadsNoMore,
    /// It was stopped a second time.
    Forced,
    /// What had begun did not end in time.
    NotDrained,
}

/// Why the daemon does not run. Its log says it too.
#[derive(Debug, thiserror::Error)]
pub enum DaemonError {
    /// Its settings cannot be used.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// It could not start.
    #[error(transparent)]
    Start(#[from] StartError),
}

/// Runs the daemon until it is stopped. `listening` is called with its address.
///
/// # Errors
/// See [`DaemonError`].
pub async fn run(config: Option<&Path>, listening: impl Fn(SocketAddr)) -> Result<End, DaemonError> {
    let bootstrap = settings::load(config, std::env::vars()).inspect_err(|error| {
        tracing::error!("{}", chain::of(error));
    })?;
    raise_descriptors();
    let cancel = CancellationToken::new();
    let tasks = TaskTracker::new();
    let leading = Leading::default();
    let end = tokio::select! {
        // Starting is cut off by a signal; what has started by then is drained like the rest.
        started = Box::pin(start::start(bootstrap, &tasks, &cancel, &leading, listening)) => match started {
            Ok(()) => Ok(wait(&cancel).await),
            Err(error) => {
                tracing::error!("{}", chain::of(&error));
                Err(error)
            }
        },
        () = stop_signal() => Ok(End::Stopped),
    };
    cancel.cancel();
    tasks.close();
    let drained = async {
        tasks.wait().await;
        leading.end().await;
    };
    tokio::select! {
        () = drained => Ok(end?),
        // The second signal forces.
        () = stop_signal() => Ok(End::Forced),
        () = tokio::time::sleep(DRAIN_TIMEOUT) => Ok(End::NotDrained),
    }
}

/// Raises the soft limit of open files to the hard one: a fleet's connections may need more than the customary 1,024.
fn raise_descriptors() {
    let limits = rustix::process::getrlimit(rustix::process::Resource::Nofile);
    let raised = rustix::process::Rlimit { current: limits.maximum, maximum: limits.maximum };
    if let Err(error) = rustix::process::setrlimit(rustix::process::Resource::Nofile, raised) {
        tracing::warn!(%error, "the limit of open files stays at {:?}", limits.current);
    }
}

/// Leadership, which ends after everything that it allows: another daemon that led while an apply here is still being
/// interrupted would act beside it.
#[derive(Default)]
pub(crate) struct Leading {
    pub(crate) tasks: TaskTracker,
    pub(crate) drained: CancellationToken,
}

impl Leading {
    async fn end(&self) {
        self.drained.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }
}

/// Waits until the daemon is stopped, or may not go on.
async fn wait(cancel: &CancellationToken) -> End {
    tokio::select! {
        () = stop_signal() => {
            tracing::info!("stopping: finishing what has begun");
            End::Stopped
        }
        () = cancel.cancelled() => {
            tracing::error!("stopping: this daemon leads no more");
            End::LeadsNoMore
        }
    }
}

/// Waits for SIGTERM or SIGINT.
async fn stop_signal() {
    let (Ok(mut terminate), Ok(mut interrupt)) =
        (signal(SignalKind::terminate()), signal(SignalKind::interrupt()))
    else {
        // Without signals there is no stopping but by force.
        return std::future::pending().await;
    };
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
}
