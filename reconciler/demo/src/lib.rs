//! `moorline demo`: the main job on this machine, with real parts, told step by step.
//!
//! A bare Git repository made from `examples/`, two gateways, a provider that speaks the OpenAI protocol, a mail
//! server, the daemon, Terraform with our provider, and callers that ask all the time. Then: a first sync, a limit
//! edited by hand on one replica, a merged change, a merged bad change. With `--once` the exit says whether all of it
//! happened.

pub mod process;
pub mod provider;
pub mod repository;
mod setup;
pub mod smtp;
mod story;
mod teller;
pub mod traffic;

use std::path::PathBuf;

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub(crate) use moorline_config::chain;
use setup::{Setup, SetupError};
use teller::Teller;

/// How the demo ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// All of it happened.
    Happened,
    /// Something did not, and that was said.
    Failed,
    /// A person ended it.
    Interrupted,
}

/// Runs the demo in a folder, or in a new temporary one. `once`: ends when everything has happened. What happens is told
/// with `print`, a line each.
pub async fn run(directory: Option<PathBuf>, once: bool, print: fn(&str)) -> End {
    let teller = Teller::begin(print);
    let scratch = match tempfile::Builder::new().prefix("moorline-demo-").tempdir() {
        Ok(scratch) => scratch,
        Err(error) => {
            teller.failed(&format!("no temporary folder can be made: {error}"));
            return End::Failed;
        }
    };
    let directory = directory.unwrap_or_else(|| scratch.path().to_owned());
    let tasks = TaskTracker::new();
    let cancel = CancellationToken::new();
    let exit = tokio::select! {
        exit = Box::pin(tell(&teller, directory, once, &tasks, &cancel)) => exit,
        _ = tokio::signal::ctrl_c() => End::Interrupted,
    };
    cancel.cancel();
    tasks.close();
    tasks.wait().await;
    exit
}

async fn tell(
    teller: &Teller,
    directory: PathBuf,
    once: bool,
    tasks: &TaskTracker,
    cancel: &CancellationToken,
) -> End {
    let setup = match Box::pin(Setup::make(teller, directory, tasks, cancel)).await {
        Ok(setup) => setup,
        Err(error) => {
            teller.failed(&chain::of(&error));
            if matches!(error, SetupError::Program { .. }) {
                teller.say("Build everything first: make demo");
            }
            return End::Failed;
        }
    };
    let console = setup.console.clone();
    let mut story = story::Story::new(teller, setup, tasks, cancel);
    let told = Box::pin(story.tell()).await;
    let setup = story.into_setup();
    let exit = match told {
        Ok(()) => {
            teller.say("All of it happened.");
            End::Happened
        }
        Err(missing) => {
            teller.failed(&missing);
            teller.say(&format!("Logs: {}", setup.directory.join("logs").display()));
            End::Failed
        }
    };
    if !once {
        teller.say(&format!("The console is at {console} . Everything stays up; end it with Ctrl-C."));
        // Ends by the signal that the caller waits for.
        cancel.cancelled().await;
    }
    if exit == End::Failed {
        setup.print_logs(teller);
    }
    setup.stop().await;
    exit
}
