//! The command line of `moorline-gateway`; each flag can also be given as `MOORLINE_GATEWAY_…` in the environment.

use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::error::{ContextKind, ContextValue};
use clap::{Parser, ValueEnum};
use moorline_config::{Duration, Reference};

use crate::document_source::Place;
use crate::tls::Files;

use crate::access::Destination;

/// Exit code for a wrong command line, the same for all our programs (`EX_USAGE`).
pub const USAGE: u8 = 64;

/// What is wrong with a command line, beyond what its parser sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum WrongLine {
    /// There is no admin token.
    #[error(
        "--admin-token is needed, also on loopback: whoever reaches the admin API decides where requests and provider keys go.\n\
         For example: GATEWAY_ADMIN_TOKEN=$(openssl rand -hex 32) moorline-gateway --admin-token env:GATEWAY_ADMIN_TOKEN …"
    )]
    NoAdminToken,
}

/// Prints what the parser says, and how the process ends then: help and version are asked for, anything else is a
/// wrong command line.
#[must_use]
pub fn refused(error: clap::Error) -> ExitCode {
    let error = without_literal(error);
    // A closed pipe is nobody's error.
    drop(error.print());
    if error.use_stderr() { ExitCode::from(USAGE) } else { ExitCode::SUCCESS }
}

/// The parser repeats what it refuses, and a literal in a reference's place may be the secret itself.
fn without_literal(mut error: clap::Error) -> clap::Error {
    let is_reference = matches!(
        error.get(ContextKind::InvalidArg),
        Some(ContextValue::String(argument)) if argument.contains("<REFERENCE>")
    );
    if is_reference {
        error.insert(ContextKind::InvalidValue, ContextValue::String("…".to_owned()));
    }
    error
}

/// The AI gateway: OpenAI-compatible, many providers, serving exactly the document it attests.
#[derive(Debug, Clone, Parser)]
#[command(name = "moorline-gateway", version)]
pub struct CommandLine {
    /// Gateway document: a file, s3://BUCKET/KEY or https://…; repeat for layers, later wins. Without one the gateway
    /// waits for a document on the admin API. A document kept in --state for another owner wins over it.
    #[arg(long, value_name = "PLACE", env = "MOORLINE_GATEWAY_CONFIG", value_delimiter = ',')]
    pub config: Vec<Place>,

    /// Where a bearer token is found that is sent to every https:// place of --config.
    #[arg(long, value_name = "REFERENCE", env = "MOORLINE_GATEWAY_CONFIG_TOKEN")]
    pub config_token: Option<Reference>,

    /// How often s3:// and https:// places are asked whether they changed. Files are noticed when they change.
    #[arg(long, value_name = "DURATION", env = "MOORLINE_GATEWAY_CONFIG_POLL", default_value = "15s")]
    pub config_poll: Duration,

    /// Address for callers. Port 0: any free one.
    #[arg(long, value_name = "ADDRESS", env = "MOORLINE_GATEWAY_LISTEN", default_value = "0.0.0.0:8787")]
    pub listen: SocketAddr,

    /// Certificate for callers, in PEM, with those between it and its root. Read again when it changes. Absent: HTTP in
    /// clear.
    #[arg(long, value_name = "FILE", env = "MOORLINE_GATEWAY_TLS_CERT", requires = "tls_key")]
    pub tls_cert: Option<PathBuf>,

    /// Private key of --tls-cert, in PEM.
    #[arg(long, value_name = "FILE", env = "MOORLINE_GATEWAY_TLS_KEY", requires = "tls_cert")]
    pub tls_key: Option<PathBuf>,

    /// Address of the admin API. Port 0: any free one.
    #[arg(long, value_name = "ADDRESS", env = "MOORLINE_GATEWAY_ADMIN", default_value = "127.0.0.1:8788")]
    pub admin: SocketAddr,

    /// Certificate of the admin API, in PEM. Read again when it changes. Absent: HTTP in clear.
    #[arg(long, value_name = "FILE", env = "MOORLINE_GATEWAY_ADMIN_TLS_CERT", requires = "admin_tls_key")]
    pub admin_tls_cert: Option<PathBuf>,

    /// Private key of --admin-tls-cert, in PEM.
    #[arg(long, value_name = "FILE", env = "MOORLINE_GATEWAY_ADMIN_TLS_KEY", requires = "admin_tls_cert")]
    pub admin_tls_key: Option<PathBuf>,

    /// Roots of client certificates, in PEM: who shows one that is signed by them needs no bearer token.
    #[arg(long, value_name = "FILE", env = "MOORLINE_GATEWAY_ADMIN_CLIENT_CA", requires = "admin_tls_cert")]
    pub admin_client_ca: Option<PathBuf>,

    /// Directory for the last good document and the generation counter. Without one a restart forgets both.
    #[arg(long, value_name = "DIR", env = "MOORLINE_GATEWAY_STATE")]
    pub state: Option<PathBuf>,

    /// Where the admin API's bearer token is found: env:NAME or file:/path. Needed: there is no way to run the admin
    /// API without one.
    #[arg(long, value_name = "REFERENCE", env = "MOORLINE_GATEWAY_ADMIN_TOKEN")]
    pub admin_token: Option<Reference>,

    /// Where a token is found that opens /metrics and nothing else, for scrapers on other hosts.
    #[arg(long, value_name = "REFERENCE", env = "MOORLINE_GATEWAY_METRICS_TOKEN")]
    pub metrics_token: Option<Reference>,

    /// URL at which callers reach this gateway, for tools that ask. Default: the address listened on.
    #[arg(long, value_name = "URL", env = "MOORLINE_GATEWAY_ENDPOINT")]
    pub endpoint: Option<url::Url>,

    /// Threads that serve callers. Default: one for each processor.
    #[arg(long, value_name = "NUMBER", env = "MOORLINE_GATEWAY_WORKERS")]
    pub workers: Option<NonZeroUsize>,

    /// How often secrets are looked up again. Those in files are noticed when they change.
    #[arg(long, value_name = "DURATION", env = "MOORLINE_GATEWAY_SECRETS_REFRESH", default_value = "5m")]
    pub secrets_refresh: Duration,

    /// How long requests under way may take to finish once the gateway drains.
    #[arg(long, value_name = "DURATION", env = "MOORLINE_GATEWAY_DRAIN_TIMEOUT", default_value = "30s")]
    pub drain_timeout: Duration,

    /// How log lines are written, to stderr. RUST_LOG chooses which.
    #[arg(long, value_name = "FORMAT", env = "MOORLINE_GATEWAY_LOG_FORMAT", default_value = "text")]
    pub log_format: LogFormat,

    /// Where the access log goes, one line a request: `off`, `stderr`, or a file. A crash loses its last 100 ms.
    #[arg(long, value_name = "WHERE", env = "MOORLINE_GATEWAY_ACCESS_LOG", default_value = "stderr")]
    pub access_log: Destination,
}

impl CommandLine {
    /// The files of the data port's TLS.
    #[must_use]
    pub fn tls(&self) -> Option<Files> {
        files(self.tls_cert.as_ref(), self.tls_key.as_ref(), None)
    }

    /// The files of the admin port's TLS.
    #[must_use]
    pub fn admin_tls(&self) -> Option<Files> {
        files(self.admin_tls_cert.as_ref(), self.admin_tls_key.as_ref(), self.admin_client_ca.as_ref())
    }
}

fn files(certificate: Option<&PathBuf>, key: Option<&PathBuf>, client_ca: Option<&PathBuf>) -> Option<Files> {
    Some(Files { certificate: certificate?.clone(), key: key?.clone(), client_ca: client_ca.cloned() })
}

/// How log lines are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_flags_are_the_ones_that_scripts_use() {
        CommandLine::command().debug_assert();
        let line = CommandLine::parse_from([
            "moorline-gateway",
            "--config",
            "base.yaml",
            "--config",
            "s3://acme/prod.yaml",
            "--listen",
            "0.0.0.0:8787",
            "--admin",
            "127.0.0.1:8788",
            "--state",
            "/var/lib/gateway",
            "--admin-token",
            "env:TOKEN",
            "--drain-timeout",
            "5s",
            "--access-log",
            "/var/log/gateway/access.log",
        ]);
        assert_eq!(line.access_log, Destination::File("/var/log/gateway/access.log".into()));
        assert_eq!(
            line.config,
            [Place::File("base.yaml".into()), Place::S3 { bucket: "acme".into(), key: "prod.yaml".into() }]
        );
        assert_eq!(line.admin_token, Some(Reference::Env("TOKEN".to_owned())));
        assert_eq!(line.drain_timeout, Duration::from_seconds(5));
    }

    #[test]
    fn a_literal_token_is_refused_without_being_repeated() {
        for flag in ["--admin-token", "--metrics-token", "--config-token"] {
            let error = CommandLine::try_parse_from(["moorline-gateway", flag, "sk-marker"]).unwrap_err();
            let told = without_literal(error).to_string();
            assert!(told.contains("a literal stands where a reference belongs"), "{told}");
            assert!(told.contains(flag) && !told.contains("marker"), "{told}");
        }
    }
}
