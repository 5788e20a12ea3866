//! The command line: one place for its arguments, exits and printing. The daemon and the demo are crates of their own.

mod api;
mod commit;
mod environment;
mod local;
mod output;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use clap::{Args, Parser, Subcommand, ValueEnum};
pub(crate) use moorline_config::chain;
use moorline_daemon::{DaemonError, End};
use moorline_model::EnvironmentName;

pub use commit::Prefix;
use environment::Requested;
use moorline_api::endpoints;
pub use moorline_model::Exit;

/// Keeps an AI gateway moored to what Git declares.
#[derive(Debug, Parser)]
#[command(name = "moorline", version, propagate_version = true, max_term_width = 110)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
    /// How results are printed on stdout. Words for people go to stderr either way.
    #[arg(long, global = true, value_enum, default_value_t = Output::Text)]
    pub output: Output,
}

/// How results are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// For people.
    Text,
    /// For scripts: one JSON object with a `version`, and with an `error` when the command failed.
    Json,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the reconciler.
    Daemon {
        /// Settings file; each key also as a variable (MOORLINE_REPOSITORY__URL).
        #[arg(long, env = "MOORLINE_CONFIG")]
        config: Option<PathBuf>,
    },
    /// Show the main job on this machine: a repository, two gateways, traffic, drift, a canary, a rollback.
    Demo(DemoArguments),
    /// Write what is needed to begin with: moorline.yaml, gateway.yaml, moorlined.yaml and their schemas.
    ///
    /// Prints the secrets they refer to as lines for a shell, this once: eval "$(moorline init)". The provider is taken
    /// from OPENAI_BASE_URL and OPENAI_API_KEY, as by the official SDKs. Files that are there are left alone.
    Init(InitArguments),
    /// Check moorline.yaml and every document it names, in a checkout. Reports every mistake.
    Validate(CheckoutArguments),
    /// Show what merging the checkout would change: Terraform's plan and the document's difference.
    Plan(PlanArguments),
    /// Show open drift.
    Drift(EnvironmentArguments),
    /// Look and act now; try a failed commit again. One that is held is tried after `moorline release`.
    Sync(ActionArguments),
    /// Approve the waiting plan.
    Approve(ActionArguments),
    /// Go back to a verified commit, and hold the present one.
    #[command(
        mut_arg("reason", needed),
        override_usage = "moorline rollback <ENVIRONMENT> --reason <REASON> [OPTIONS]"
    )]
    Rollback {
        /// Which environment, where, and why.
        #[command(flatten)]
        action: ActionArguments,
        /// The commit to go to; its first digits are enough. Default: the last verified before the present one.
        #[arg(long)]
        to: Option<Prefix>,
    },
    /// Apply nothing until released.
    #[command(
        mut_arg("reason", needed),
        override_usage = "moorline hold <ENVIRONMENT> --reason <REASON> [OPTIONS]"
    )]
    Hold {
        /// Which environment, where, and why.
        #[command(flatten)]
        action: ActionArguments,
        /// Hold this commit only; its first digits are enough.
        #[arg(long)]
        commit: Option<Prefix>,
    },
    /// Lift holds and a freeze.
    Release(ActionArguments),
    /// Restore the declared state where it drifts.
    Heal {
        /// Which environment, where, and why.
        #[command(flatten)]
        action: ActionArguments,
        /// Only this replica's admin URL, or this Terraform address. Default: wherever it drifts.
        #[arg(long, value_name = "ADDRESS")]
        only: Option<String>,
    },
    /// Show what gateways served when they were first met, and let it be replaced.
    Adopt(ActionArguments),
    /// What happened.
    History {
        /// Which environment and where.
        #[command(flatten)]
        environment: EnvironmentArguments,
        /// How many lines.
        #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..))]
        limit: u32,
    },
    /// How every environment, or one, stands.
    Status(StatusArguments),
    /// What does it wait for? Who must do what, whether callers are affected, and the gates. Exits as status does.
    Why(EnvironmentArguments),
    /// Policies.
    Policy {
        /// What to do with them.
        #[command(subcommand)]
        command: PolicyCommand,
    },
    /// Print the JSON Schema of a document.
    Schema {
        /// Which document.
        #[arg(value_enum)]
        document: SchemaDocument,
    },
    /// Print a shell's completions.
    Completions {
        /// Which shell.
        #[arg(value_enum)]
        shell: clap_complete::Shell,
    },
}

/// What to do with policies.
#[derive(Debug, Subcommand)]
pub enum PolicyCommand {
    /// Run the test_ rules in a folder.
    Test {
        /// The folder.
        #[arg(default_value = "policies")]
        directory: PathBuf,
    },
}

/// Arguments of `init`.
#[derive(Debug, Args)]
pub struct InitArguments {
    /// The checkout to write into.
    #[arg(default_value = ".")]
    pub directory: PathBuf,
    /// The model to declare, as the provider names it. Default: gpt-4o-mini.
    #[arg(long)]
    pub model: Option<String>,
}

/// Arguments of `demo`.
#[derive(Debug, Args)]
pub struct DemoArguments {
    /// Stop when everything has happened; exit 0 if it did, 1 if not.
    #[arg(long)]
    pub once: bool,
    /// Where to put the demo's files. Default: a new temporary folder.
    #[arg(long)]
    pub directory: Option<PathBuf>,
}

/// Arguments of commands that read a checkout.
#[derive(Debug, Args)]
pub struct CheckoutArguments {
    /// The checkout.
    #[arg(default_value = ".")]
    pub directory: PathBuf,
    /// The declaration in it.
    #[arg(long, default_value = "moorline.yaml")]
    pub file: String,
}

/// Arguments of `plan`.
#[derive(Debug, Args)]
pub struct PlanArguments {
    /// The environment.
    pub environment: EnvironmentName,
    /// The checkout.
    #[command(flatten)]
    pub checkout: CheckoutArguments,
    /// A provider mirror on disk; with it nothing is fetched from a registry.
    #[arg(long)]
    pub mirror: Option<PathBuf>,
}

/// Where the daemon is.
#[derive(Debug, Args)]
pub struct ServerArguments {
    /// The daemon's address.
    #[arg(long, env = "MOORLINE_SERVER", default_value = "http://127.0.0.1:8080")]
    pub server: String,
    /// A token of the daemon's.
    #[arg(long, env = "MOORLINE_TOKEN", hide_env_values = true)]
    pub token: Option<String>,
}

/// One environment of a daemon.
#[derive(Debug, Args)]
pub struct EnvironmentArguments {
    /// The environment.
    pub environment: EnvironmentName,
    /// Where the daemon is.
    #[command(flatten)]
    pub server: ServerArguments,
}

/// Arguments of `status`.
#[derive(Debug, Args)]
pub struct StatusArguments {
    /// The environment, with its details. Default: all, a line each, the worst first.
    pub environment: Option<EnvironmentName>,
    /// Show changes as they happen, until interrupted.
    #[arg(long)]
    pub watch: bool,
    /// Where the daemon is.
    #[command(flatten)]
    pub server: ServerArguments,
}

/// An operation on one environment.
#[derive(Debug, Args)]
pub struct ActionArguments {
    /// The environment.
    pub environment: EnvironmentName,
    /// Where the daemon is.
    #[command(flatten)]
    pub server: ServerArguments,
    /// Why; kept in the audit and read in the history.
    #[arg(long, default_value = "", hide_default_value = true)]
    pub reason: String,
    /// Wait for the end of what it begins, at most so many seconds; the exit code says how that ended. Without it the
    /// command waits 3 s for the outcome of the operation itself.
    #[arg(long, value_name = "SECONDS")]
    pub wait: Option<u64>,
}

/// What keeps others from going on needs a reason. The command itself refuses without one; the help says so before.
fn needed(reason: clap::Arg) -> clap::Arg {
    reason.help("Why: needed; kept in the audit and read in the history")
}

/// Documents that have a schema.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum SchemaDocument {
    /// gateway.yaml
    Gateway,
    /// moorline.yaml
    Repository,
    /// moorlined.yaml
    Daemon,
}

/// Runs a command.
pub async fn run(cli: Cli) -> Exit {
    let output = cli.output;
    output::choose(output);
    match cli.command {
        Command::Daemon { config } => daemon(config.as_deref()).await,
        Command::Demo(arguments) => demo(arguments).await,
        Command::Init(arguments) => local::init(&arguments, output),
        Command::Validate(arguments) => local::validate(&arguments, output),
        Command::Plan(arguments) => Box::pin(local::plan(&arguments, output)).await,
        Command::Policy { command: PolicyCommand::Test { directory } } => {
            local::policy_test(&directory, output)
        }
        Command::Schema { document } => local::schema(document),
        Command::Completions { shell } => local::completions(shell),
        Command::Drift(arguments) => environment::drift(&arguments, output).await,
        Command::History { environment, limit } => {
            let limit = usize::try_from(limit).unwrap_or(usize::MAX);
            environment::history(&environment, limit, output).await
        }
        Command::Status(arguments) => environment::status(&arguments, output).await,
        Command::Why(arguments) => environment::why(&arguments, output).await,
        Command::Sync(action) => environment::act(Requested::plain(&endpoints::SYNC), &action, output).await,
        Command::Approve(action) => {
            environment::act(Requested::plain(&endpoints::APPROVE), &action, output).await
        }
        Command::Rollback { action, to } => {
            environment::act(
                Requested { commit: to, ..Requested::plain(&endpoints::ROLLBACK) },
                &action,
                output,
            )
            .await
        }
        Command::Hold { action, commit } => {
            environment::act(Requested { commit, ..Requested::plain(&endpoints::HOLD) }, &action, output)
                .await
        }
        Command::Adopt(action) => {
            environment::act(Requested::plain(&endpoints::ADOPT), &action, output).await
        }
        Command::Heal { action, only } => {
            environment::act(Requested { only, ..Requested::plain(&endpoints::HEAL) }, &action, output).await
        }
        Command::Release(action) => {
            environment::act(Requested::plain(&endpoints::RELEASE), &action, output).await
        }
    }
}

/// How much is logged without RUST_LOG: the daemon logs what it does, other commands only what goes wrong.
#[must_use]
pub const fn log_level(cli: &Cli) -> &'static str {
    match cli.command {
        Command::Daemon { .. } => "info",
        _ => "warn",
    }
}

/// Reports a wrong command line as JSON where it asks for that: it could not be parsed, so the words are searched.
/// For people the parser has printed it.
pub fn wrong_usage(error: &clap::Error) -> Exit {
    let words: Vec<String> = std::env::args_os().filter_map(|word| word.into_string().ok()).collect();
    let is_json = words.windows(2).any(|pair| pair[0] == "--output" && pair[1] == "json")
        || words.iter().any(|word| word == "--output=json");
    if is_json {
        output::json(&output::error(Exit::Usage, &usage_message(error), Some("moorline --help")));
    }
    Exit::Usage
}

/// What is wrong, without the help that follows it, on one line.
fn usage_message(error: &clap::Error) -> String {
    if error.kind() == clap::error::ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
        return "no command is given".to_owned();
    }
    let text = error.to_string();
    let message = text.split("\n\n").next().unwrap_or_default();
    let message = message.strip_prefix("error: ").unwrap_or(message);
    message.lines().map(str::trim).collect::<Vec<_>>().join(" ")
}

/// Runs the daemon. People read in its log why it did not start; scripts get JSON as from any command.
async fn daemon(config: Option<&Path>) -> Exit {
    // One line of JSON, for whoever started it on port 0.
    let listening = |address: SocketAddr| {
        output::line(serde_json::json!({ "listening": address.to_string() }).to_string());
    };
    match moorline_daemon::run(config, listening).await {
        Ok(End::Stopped) => Exit::Done,
        Ok(End::Forced) => Exit::Interrupted,
        Ok(End::NotDrained | End::LeadsNoMore) => Exit::Error,
        Err(error) => {
            let exit = if matches!(error, DaemonError::Settings(_)) { Exit::Usage } else { Exit::Error };
            output::failed_with(&serde_json::Value::Null, exit, &chain::of(&error), None)
        }
    }
}

async fn demo(arguments: DemoArguments) -> Exit {
    match moorline_demo::run(arguments.directory, arguments.once, |text| output::line(text)).await {
        moorline_demo::End::Happened => Exit::Done,
        moorline_demo::End::Failed => Exit::Error,
        moorline_demo::End::Interrupted => Exit::Interrupted,
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;
    use moorline_model::intent::needs_reason;

    use super::*;

    #[test]
    fn a_wrong_command_line_is_reported_on_one_line_without_a_prefix() {
        let message = |words: &[&str]| {
            let words = std::iter::once("moorline").chain(words.iter().copied());
            usage_message(&Cli::try_parse_from(words).unwrap_err())
        };
        assert_eq!(message(&["status", "--no-such-flag"]), "unexpected argument '--no-such-flag' found");
        assert_eq!(message(&["why"]), "the following required arguments were not provided: <ENVIRONMENT>");
        assert_eq!(message(&[]), "no command is given");
        assert_eq!(message(&["policy"]), "no command is given");
        let limit = message(&["history", "dev", "--limit", "0"]);
        assert!(limit.starts_with("invalid value '0' for '--limit <LIMIT>'"), "{limit}");
    }

    #[test]
    fn the_help_shows_the_reason_that_a_command_requires() {
        Cli::command().debug_assert();
        let help = |name: &str| {
            let mut all = Cli::command();
            all.build();
            all.find_subcommand_mut(name).unwrap().render_long_help().to_string()
        };
        for name in ["hold", "rollback", "sync", "heal"] {
            let shown = help(name);
            let usage = shown.lines().find(|line| line.starts_with("Usage:")).unwrap();
            assert_eq!(usage.contains("--reason <REASON>"), needs_reason(name), "{usage}");
            assert_eq!(shown.contains("Why: needed"), needs_reason(name), "{shown}");
            assert!(!shown.contains("[default: \"\"]"), "{shown}");
        }
        assert!(help("sync").contains("`moorline release`"), "a held commit is not tried again by it");
    }
}
