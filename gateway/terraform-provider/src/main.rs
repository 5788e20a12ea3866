//! `terraform-provider-moorline`: a plugin when Terraform starts it, an installer when a person does.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context as _;
use clap::{Parser, Subcommand};
use terraform_provider_moorline::connection::Connection;
use terraform_provider_moorline::plugin::handshake::{self, HandshakeError};
use terraform_provider_moorline::{Provider, mirror, plugin};
use tokio_util::sync::CancellationToken;

/// Exit code for a wrong command line, the same for all our programs (`EX_USAGE`).
const USAGE: u8 = 64;

/// Terraform and OpenTofu provider for the Moorline gateway. Both start it by themselves.
#[derive(Debug, Parser)]
#[command(version)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Lay the provider out as a filesystem mirror, and print the CLI configuration that uses it.
    Install {
        /// The mirror's folder; made when it is not there.
        #[arg(long, value_name = "DIR")]
        mirror: PathBuf,
    },
}

fn main() -> ExitCode {
    match run() {
        Ok(code) => code,
        Err(error) => {
            // A closed standard error leaves nobody to tell.
            drop(writeln!(std::io::stderr(), "Error: {error:#}"));
            match error.downcast_ref::<HandshakeError>() {
                Some(HandshakeError::NotAPlugin) => ExitCode::from(USAGE),
                _ => ExitCode::FAILURE,
            }
        }
    }
}

fn run() -> anyhow::Result<ExitCode> {
    let variable = |name: &str| std::env::var(name).ok();
    match handshake::read(variable) {
        Ok(said) => {
            plugin::log::start(variable);
            let provider = Arc::new(Provider::new(Connection::from_environment(variable)));
            let runtime =
                tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
            runtime.block_on(plugin::serve(provider, &said, CancellationToken::new()))?;
            Ok(ExitCode::SUCCESS)
        }
        Err(HandshakeError::NotAPlugin) => match Arguments::try_parse() {
            Ok(arguments) => by_hand(&arguments),
            Err(error) => Ok(refused(&error)),
        },
        Err(error) => Err(error.into()),
    }
}

/// Help and version are asked for; anything else is a wrong command line.
fn refused(error: &clap::Error) -> ExitCode {
    // A closed pipe is nobody's error.
    drop(error.print());
    if error.use_stderr() { ExitCode::from(USAGE) } else { ExitCode::SUCCESS }
}

fn by_hand(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let Some(Command::Install { mirror }) = &arguments.command else {
        anyhow::bail!(HandshakeError::NotAPlugin)
    };
    let program = std::env::current_exe().context("finding this program")?;
    let mirror = std::path::absolute(mirror).with_context(|| format!("resolving {}", mirror.display()))?;
    for path in mirror::install(&mirror, &program)? {
        writeln!(std::io::stderr(), "installed {}", path.display())?;
    }
    write!(std::io::stdout(), "{}", mirror::cli_configuration(&mirror))?;
    Ok(ExitCode::SUCCESS)
}
