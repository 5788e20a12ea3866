//! From command line to exit: what starts, in which order, and how it ends.
//!
//! State first (what serves is decided before anybody can ask), then the data plane, then the admin API, then one
//! line on stdout that says where both listen. SIGTERM, SIGINT or `POST /admin/v1/drain` begin the end: new
//! connections are refused, requests under way finish up to the deadline, and the process exits with 0. A second
//! signal ends it at once.

use std::io::Write;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use moorline_config::{Reference, Secret};
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::access::AccessLog;
use crate::admin::{self, Admin, Endpoint, Token};
use crate::clock;
use crate::command_line::{CommandLine, WrongLine};
use crate::data::{DataConfig, DataPlane, Serving};
use crate::document_source::{Follower, Layers};
use crate::gauges::Gauges;
use crate::generation::Snapshot;
use crate::health::Health;
use crate::jwt;
use crate::limits::{Limits, WindowClock};
use crate::recorder::SLICE;
use crate::secrets::Resolver;
use crate::secrets::refresh::keep_fresh;
use crate::state::{Setup, State};
use crate::telemetry::{Settings, Telemetry};
use crate::tls::{Acceptor, Files, TlsError};

/// How long the last lines of the access log may take to be written.
const ACCESS_LOG_DEADLINE: Duration = Duration::from_secs(2);
/// Exit code after a second signal, as of a process that the signal had ended.
const FORCED: u8 = 130;

impl Serving for State {
    fn snapshot(&self) -> Arc<Snapshot> {
        Arc::clone(&self.snapshot())
    }
}

/// Runs the gateway to its end.
///
/// # Errors
/// What kept it from starting.
pub async fn run(line: CommandLine) -> anyhow::Result<ExitCode> {
    let mut signals = Signals::listen()?;
    let resolver = Resolver::of_this_process();
    let token = admin_token(&line, &resolver)?;
    let metrics_token = line
        .metrics_token
        .as_ref()
        .map(|reference| read_token(&resolver, reference, "--metrics-token"))
        .transpose()?;
    if metrics_token.as_ref().is_some_and(|metrics| metrics.is(&token)) {
        anyhow::bail!(
            "--metrics-token and --admin-token are the same token: whoever reads metrics could change what is served"
        );
    }
    let tracker = TaskTracker::new();
    let stop = CancellationToken::new();
    let mut layers = Layers::new(&line.config, line.config_token.as_ref(), &resolver, &tracker);
    let state = open_state(&line, resolver, &mut layers, &tracker).await?;
    let gauges = Arc::new(Gauges::default());
    let (access_log, access_end) =
        AccessLog::start(line.access_log.clone(), line.log_format, &gauges).context("--access-log")?;
    let limits = Arc::new(Limits::new(WindowClock::system()));
    gauges.watch(limits.health());
    let telemetry = start_telemetry(&state, &gauges, &tracker, &stop)?;
    let health = health(&state);
    let tls = open_tls(line.tls(), &tracker, &stop).context("--tls-cert")?;
    let admin_tls = open_tls(line.admin_tls(), &tracker, &stop).context("--admin-tls-cert")?;
    let scheme = if tls.is_some() { "https" } else { "http" };
    let config = DataConfig { access_log, telemetry, tls, ..DataConfig::new(line.listen) };
    let data = start_data_plane(&line, &state, &health, &gauges, &limits, config)?;
    let data_address = data.address();
    let listener = TcpListener::bind(line.admin)
        .await
        .with_context(|| format!("--admin: cannot listen on {}", line.admin))?;
    let admin_address = listener.local_addr()?;
    let endpoint = line
        .endpoint
        .map_or(Endpoint::Listener { scheme, address: data_address }, |url| Endpoint::Declared(url.into()));
    let admin = Admin { state: Arc::clone(&state), gauges, health, token, metrics_token, endpoint };
    tracker.spawn(admin::serve(admin, listener, admin_tls, stop.clone()));
    tracker.spawn(keep_history(Arc::clone(&state), stop.clone()));
    tracker.spawn(keep_fresh(Arc::clone(&state), line.secrets_refresh.get(), stop.clone()));
    let serving: Arc<dyn Serving> = Arc::clone(&state) as _;
    tracker.spawn(jwt::Fetcher::new(serving, jwt::Pace::default()).run(stop.clone()));
    if !line.config.is_empty() {
        let follower = Follower::new(Arc::clone(&state), layers, line.config_poll.get());
        tracker.spawn(follower.run(stop.clone()));
    }
    announce(data_address, admin_address)?;
    tracing::info!(data = %data_address, admin = %admin_address, "listening");
    let exit = wait_and_drain(&state, data, &mut signals).await;
    // What other replicas may use now; a store that does not answer is not waited for long.
    drop(tokio::task::spawn_blocking(move || limits.close()).await);
    if !access_end.finish(ACCESS_LOG_DEADLINE).await {
        tracing::warn!("nobody takes the access log: its last lines are lost");
    }
    stop.cancel();
    tracker.close();
    tokio::select! {
        () = tracker.wait() => Ok(exit),
        () = signals.next() => Ok(ExitCode::from(FORCED)),
    }
}

fn admin_token(line: &CommandLine, resolver: &Resolver) -> anyhow::Result<Token> {
    let reference = line.admin_token.as_ref().ok_or(WrongLine::NoAdminToken)?;
    read_token(resolver, reference, "--admin-token")
}

fn read_token(resolver: &Resolver, reference: &Reference, flag: &str) -> anyhow::Result<Token> {
    let secret: Secret = resolver.on_this_host(reference).with_context(|| format!("{flag} {reference}"))?;
    Token::new(&secret).with_context(|| format!("{flag} {reference}: the value is no token"))
}

/// The state, with what serves at first.
async fn open_state(
    line: &CommandLine,
    resolver: Resolver,
    layers: &mut Layers,
    tracker: &TaskTracker,
) -> anyhow::Result<Arc<State>> {
    layers.read().await;
    let file = layers.proposal();
    if line.state.is_none() {
        tracing::warn!(
            "no --state: a restart forgets the last good document and counts generations from 1 again"
        );
    }
    let setup = Setup {
        directory: line.state.clone(),
        resolver,
        instance: uuid::Uuid::now_v7().to_string(),
        tracker: tracker.clone(),
    };
    let start = move || State::start(setup, file.as_ref(), clock::now());
    let state = tracker.spawn_blocking(start).await.context("the start broke off")??;
    state.note_sources(layers.sources());
    if let Some(missing) = layers.missing_file().filter(|_| state.owner().is_none()) {
        anyhow::bail!("--config {missing}");
    }
    if state.snapshot().stable.is_none() {
        tracing::warn!("no document: requests are answered with 503 until there is one");
    }
    Ok(Arc::new(state))
}

/// What the environment declares of OpenTelemetry. `None`: no request is to be traced.
fn start_telemetry(
    state: &State,
    gauges: &Arc<Gauges>,
    tracker: &TaskTracker,
    stop: &CancellationToken,
) -> anyhow::Result<Option<Arc<Telemetry>>> {
    let status = state.status();
    let environment = |name: &str| std::env::var(name).ok();
    match Settings::read(&environment, &status.version, &status.instance)? {
        Some(settings) => Ok(Telemetry::start(settings, gauges, tracker, stop)?),
        None => Ok(None),
    }
}

/// How targets do, with those told who listen on the admin API.
fn health(state: &Arc<State>) -> Arc<Health> {
    let state = Arc::clone(state);
    Arc::new(Health::telling(move |event| state.announce(event)))
}

/// TLS of a listener, followed while we run.
fn open_tls(
    files: Option<Files>,
    tracker: &TaskTracker,
    stop: &CancellationToken,
) -> Result<Option<Acceptor>, TlsError> {
    let Some(files) = files else { return Ok(None) };
    let acceptor = Acceptor::open(&files)?;
    tracker.spawn(acceptor.clone().follow(files, stop.clone()));
    Ok(Some(acceptor))
}

fn start_data_plane(
    line: &CommandLine,
    state: &Arc<State>,
    health: &Arc<Health>,
    gauges: &Arc<Gauges>,
    limits: &Arc<Limits>,
    config: DataConfig,
) -> anyhow::Result<DataPlane> {
    let config = DataConfig {
        workers: line.workers.map(usize::from),
        drain_deadline: line.drain_timeout.get(),
        gauges: Arc::clone(gauges),
        health: Arc::clone(health),
        ..config
    };
    let serving: Arc<dyn Serving> = Arc::clone(state) as _;
    DataPlane::start(&config, &serving, limits, state.draining()).context("the data plane does not start")
}

/// One line on stdout, for whoever started us with port 0.
fn announce(data: SocketAddr, admin: SocketAddr) -> anyhow::Result<()> {
    let line = serde_json::json!({"listening": {"data": data, "admin": admin}});
    let mut stdout = std::io::stdout().lock();
    writeln!(stdout, "{line}").and_then(|()| stdout.flush()).context("stdout cannot be written")
}

async fn keep_history(state: Arc<State>, stop: CancellationToken) {
    let mut slices = tokio::time::interval(SLICE);
    slices.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    while stop.run_until_cancelled(slices.tick()).await.is_some() {
        state.tick(clock::now());
    }
}

/// Waits for the end to begin, then for the data plane to end.
async fn wait_and_drain(state: &State, data: DataPlane, signals: &mut Signals) -> ExitCode {
    tokio::select! {
        () = signals.next() => {}
        () = state.draining().cancelled() => {}
    }
    state.drain();
    // The workers have their own deadline, so that this ends.
    let ended = tokio::task::spawn_blocking(move || data.join());
    tokio::select! {
        _ = ended => ExitCode::SUCCESS,
        () = signals.next() => {
            tracing::warn!("second signal: requests under way are cut");
            ExitCode::from(FORCED)
        }
    }
}

/// SIGTERM and SIGINT.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn listen() -> anyhow::Result<Self> {
        let listen = |kind| signal(kind).context("signals cannot be listened for");
        Ok(Self { terminate: listen(SignalKind::terminate())?, interrupt: listen(SignalKind::interrupt())? })
    }

    /// Cancel safe.
    async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => tracing::info!("SIGTERM"),
            _ = self.interrupt.recv() => tracing::info!("SIGINT"),
        }
    }
}
