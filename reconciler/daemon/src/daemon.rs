//! The daemon: settings → record → web → lease → repository → keepers → wait → drain.
//!
//! Tasks: the web; the lease's renewal; the source's watcher; one keeper an environment, started and stopped by the
//! [`manager`]; the outbox. All hang on one tracker and one token, but the lease, which outlives the others. Bells wake them, `watch` channels carry what the
//! repository says; nothing else passes between them but the record.

mod absent;
mod lease;
mod manager;
mod own_secrets;
mod start;

use std::path::Path;
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::cli::{Exit, tell_failure};
use crate::{chain, settings};

/// How long a stop waits for what has begun: a Terraform that was interrupted writes its state in this time.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(110);

/// Runs the daemon until it is told to stop.
pub async fn run(config: Option<&Path>) -> Exit {
    let bootstrap = match settings::load(config, std::env::vars()) {
        Ok(bootstrap) => bootstrap,
        Err(error) => {
            let message = chain::of(&error);
            tracing::error!("{message}");
            return tell_failure(Exit::Usage, &message);
        }
    };
    let cancel = CancellationToken::new();
    let tasks = TaskTracker::new();
    let leading = Leading::default();
    let exit = tokio::select! {
        // Starting is cut off by a signal; what has started by then is drained like the rest.
        result = Box::pin(start::start(bootstrap, &tasks, &cancel, &leading)) => match result {
            Ok(()) => wait(&cancel).await,
            Err(error) => {
                let message = chain::of(&error);
                tracing::error!("{message}");
                tell_failure(Exit::Error, &message)
            }
        },
        () = stop_signal() => Exit::Done,
    };
    cancel.cancel();
    tasks.close();
    let drained = async {
        tasks.wait().await;
        leading.end().await;
    };
    tokio::select! {
        () = drained => exit,
        // The second signal forces.
        () = stop_signal() => Exit::Interrupted,
        () = tokio::time::sleep(DRAIN_TIMEOUT) => Exit::Error,
    }
}

/// Leadership, which ends after everything that it allows: another daemon that led while an apply here is still being
/// interrupted would act beside it.
#[derive(Default)]
struct Leading {
    tasks: TaskTracker,
    drained: CancellationToken,
}

impl Leading {
    async fn end(&self) {
        self.drained.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }
}

/// Waits until the daemon is told to stop, or may not go on.
async fn wait(cancel: &CancellationToken) -> Exit {
    tokio::select! {
        () = stop_signal() => {
            tracing::info!("stopping: finishing what has begun");
            Exit::Done
        }
        () = cancel.cancelled() => {
            tracing::error!("stopping: this daemon leads no more");
            Exit::Error
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
