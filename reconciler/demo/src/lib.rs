//! `moorline demo`: the main job on this machine, with real parts, step by step.
//!
//! A bare Git repository made from `examples/`, two gateways, a provider that speaks the OpenAI protocol, a mail
//! server, the daemon, Terraform with our provider, and callers that ask all the time. Then: a first sync, a limit
//! edited by hand on one replica, a merged change, a merged bad change. With `--once` the exit says whether all of it
//! happened.

#![expect(missing_docs, reason = "only this workspace uses the crate; a doc says what a name does not")]

mod narrator;
pub mod process;
pub mod provider;
pub mod repository;
mod setup;
pub mod smtp;
mod story;
pub mod traffic;

use std::path::PathBuf;

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub(crate) use moorline_config::chain;
use narrator::Narrator;
use setup::{Setup, SetupError};

/// How the demo ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// All of it happened.
    Happened,
    /// Something did not; the output says what.
    Failed,
    /// A person ended it.
    Interrupted,
}

/// Runs the demo in a folder, or in a new temporary one. `once`: ends when everything has happened. What happens is printed
/// with `print`, a line each.
pub async fn run(directory: Option<PathBuf>, once: bool, print: fn(&str)) -> End {
    let narrator = Narrator::begin(print);
    let scratch = match tempfile::Builder::new().prefix("moorline-demo-").tempdir() {
        Ok(scratch) => scratch,
        Err(error) => {
            narrator.failed(&format!("no temporary folder can be made: {error}"));
            return End::Failed;
        }
    };
    let directory = directory.unwrap_or_else(|| scratch.path().to_owned());
    let tasks = TaskTracker::new();
    let cancel = CancellationToken::new();
    let exit = tokio::select! {
        exit = Box::pin(play(&narrator, directory, once, &tasks, &cancel)) => exit,
        _ = tokio::signal::ctrl_c() => End::Interrupted,
    };
    cancel.cancel();
    tasks.close();
    tasks.wait().await;
    exit
}

async fn play(
    narrator: &Narrator,
    directory: PathBuf,
    once: bool,
    tasks: &TaskTracker,
    cancel: &CancellationToken,
) -> End {
    let setup = match Box::pin(Setup::make(narrator, directory, tasks, cancel)).await {
        Ok(setup) => setup,
        Err(error) => {
            narrator.failed(&chain::of(&error));
            if matches!(error, SetupError::Program { .. }) {
                narrator.say("Build everything first: make demo");
            }
            return End::Failed;
        }
    };
    let console = setup.console.clone();
    let mut story = story::Story::new(narrator, setup, tasks, cancel);
    let played = Box::pin(story.play()).await;
    let setup = story.into_setup();
    let exit = match played {
        Ok(()) => {
            narrator.say("All of it happened.");
            End::Happened
        }
        Err(missing) => {
            narrator.failed(&missing);
            narrator.say(&format!("Logs: {}", setup.directory.join("logs").display()));
            End::Failed
        }
    };
    if !once {
        narrator.say(&format!("The console is at {console} . Everything stays up; end it with Ctrl-C."));
        // Ends by the signal that the caller waits for.
        cancel.cancelled().await;
    }
    if exit == End::Failed {
        setup.print_logs(narrator);
    }
    setup.stop().await;
    exit
}
