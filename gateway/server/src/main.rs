//! `moorline-gateway`: command line, log, run.

use std::io::IsTerminal;
use std::process::ExitCode;

use clap::Parser;
use moorline_gateway::command_line::{self, CommandLine, LogFormat, WrongLine};
use moorline_gateway::lifecycle;
use tracing_subscriber::EnvFilter;

/// Gives memory back after a burst.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    let line = match CommandLine::try_parse() {
        Ok(line) => line,
        Err(error) => return command_line::refused(error),
    };
    log(line.log_format);
    // One thread for the control plane; the data plane brings its own.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let ran = runtime.map_err(anyhow::Error::from).and_then(|runtime| {
        let ran = runtime.block_on(lifecycle::run(line));
        // After a second signal the workers' threads are not waited for.
        runtime.shutdown_background();
        ran
    });
    ran.unwrap_or_else(|error| {
        tracing::error!("moorline-gateway does not start: {error:#}");
        if error.is::<WrongLine>() { ExitCode::from(command_line::USAGE) } else { ExitCode::FAILURE }
    })
}

fn log(format: LogFormat) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    let is_for_people = std::io::stderr().is_terminal();
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(is_for_people)
        .with_writer(std::io::stderr);
    match format {
        LogFormat::Text => log.init(),
        LogFormat::Json => log.json().flatten_event(true).init(),
    }
}
