//! Starting: each part in the order in which the next one needs it.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use moorline_config::Secret;
use moorline_cycle::{Cache, SourceStatus};
use moorline_model::bootstrap::{Bootstrap, Repository as RepositorySettings, Tokens};
use moorline_record::Record;
use moorline_source::{
    HttpsOptions, Limits, RemoteUrl, Repository, RepositoryConfig, SshEnvironment, SshFile, SshOptions,
};
use moorline_terraform::EmbeddedRunner;
use moorline_web::Web;
use tokio::net::TcpListener;
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::event_streams::EventStreams;
use crate::explanations::Explanations;
use crate::facilities::{AwsMemory, Checkouts, Connections, Identities};
use crate::manager::Manager;
use crate::metrics::Metrics;
use crate::outbox::Outbox;
use crate::own_secrets::{OwnSecrets, UnusableSecrets};
use crate::run::Leading;
use crate::secrets::Secrets;
use crate::shared::Shared;
use crate::source::{Reader, Watcher, watch_files};
use crate::turns::Turns;
use crate::wakeups::WakeUps;
use crate::{chain, clock, lease, upkeep};

/// Why the daemon could not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Secrets of the settings have no value, or can be guessed.
    #[error(transparent)]
    Secrets(#[from] UnusableSecrets),
    /// The working folder cannot be made.
    #[error("the working folder {} cannot be made", path.display())]
    WorkDir {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    /// The address cannot be listened on.
    #[error("cannot listen on {address}, which `listen` in the settings, or MOORLINE_LISTEN, changes")]
    Listen {
        address: String,
        #[source]
        source: std::io::Error,
    },
    /// Listening beyond this machine needs tokens.
    #[error("listen is {0}, which others can reach: set tokens.viewer, tokens.operator or tokens.admin")]
    Exposed(SocketAddr),
    /// The record cannot be opened.
    #[error(transparent)]
    Record(#[from] moorline_record::OpenError),
    /// The record cannot be used.
    #[error(transparent)]
    Store(#[from] moorline_record::StoreError),
    /// The repository's settings cannot be used.
    #[error("repository: {0}")]
    Repository(String),
}

/// Starts everything; returns once it runs.
pub(crate) async fn start(
    bootstrap: Bootstrap,
    tasks: &TaskTracker,
    cancel: &CancellationToken,
    leading: &Leading,
    listening: impl Fn(SocketAddr),
) -> Result<(), StartError> {
    let own = OwnSecrets::read(&bootstrap)?;
    let work_dir = PathBuf::from(&bootstrap.work_dir);
    make_private(&work_dir)?;
    let record = Record::open(&bootstrap.store).await?;
    let secrets = Secrets::new(&bootstrap);
    let wake_ups = WakeUps::default();
    let metrics = Arc::new(Metrics::default());
    let explanations = Arc::new(Explanations::default());
    let (documents, documents_seen) = watch::channel(None);
    let listener = listen(&bootstrap).await?;
    let address = listener
        .local_addr()
        .map_err(|source| StartError::Listen { address: bootstrap.listen.clone(), source })?;
    let console = bootstrap.public_url.clone().unwrap_or_else(|| format!("http://{address}"));
    let web = Web {
        record: record.clone(),
        cycles: Arc::new(wake_ups.clone()),
        gates: Arc::clone(&explanations) as Arc<dyn moorline_web::Gates>,
        metrics: Arc::clone(&metrics) as Arc<dyn moorline_web::MetricsSource>,
        ready: ready(&metrics),
        roles: own.roles,
        webhook_secret: own.webhook_secret,
        documents: documents_seen,
        public_url: bootstrap.public_url.clone(),
        clock: clock::now,
    };
    let served = cancel.clone();
    tasks.spawn(async move {
        if let Err(error) = moorline_web::serve(listener, web, served).await {
            tracing::error!(error = &error as &dyn std::error::Error, "console and API stopped");
        }
    });
    listening(address);

    let repository = open_repository(&bootstrap.repository, own.repository_token, &work_dir).await?;
    explanations.show_fetch(repository.progress());
    let lease = lease::lead(&record, &holder(&work_dir)).await?;
    let fence = lease.token;
    tracing::info!(%fence, "this daemon leads");
    leading.tasks.spawn(lease::keep(record.clone(), lease, cancel.clone(), leading.drained.clone()));

    let (statuses, source) = watch::channel::<Option<SourceStatus>>(None);
    let outbox_wake_up = Arc::new(Notify::new());
    let known = record.environments().await?.into_iter();
    let known =
        known.filter(|state| state.undeclared_since.is_none()).map(|state| state.name.clone()).collect();
    let shared = Arc::new(Shared {
        record: record.clone(),
        fence,
        repository: repository.clone(),
        declaration_path: bootstrap.repository.path.clone(),
        runner: Arc::new(EmbeddedRunner::default()),
        connections: Connections::default(),
        event_streams: EventStreams::new(wake_ups.clone(), tasks.clone(), cancel.clone()),
        secrets: secrets.clone(),
        work_dir,
        mirror: bootstrap.terraform.mirror.as_ref().map(PathBuf::from),
        metrics,
        identities: Identities::default(),
        aws: AwsMemory::default(),
        checkouts: Checkouts::default(),
        explanations,
        cache: Cache::default(),
        turns: Turns::default(),
        outbox: Arc::clone(&outbox_wake_up),
        stopping: cancel.clone(),
    });
    tasks.spawn(upkeep::run(record.clone(), fence, cancel.clone()));
    let outbox = Outbox {
        record,
        fence,
        secrets,
        source: source.clone(),
        repository,
        declaration_path: bootstrap.repository.path.clone(),
        parsed: shared.cache.parsed.clone(),
        wake_up: outbox_wake_up,
        metrics: Arc::clone(&shared.metrics),
        console,
    };
    tasks.spawn(outbox.run(cancel.clone()));
    let manager = Manager {
        shared: Arc::clone(&shared),
        wake_ups: wake_ups.clone(),
        source,
        documents,
        tasks: tasks.clone(),
    };
    tasks.spawn(manager.run(known, cancel.clone()));
    watch_repository(shared, bootstrap.repository.poll.get(), &wake_ups, statuses, tasks, cancel);
    Ok(())
}

/// Starts the source's watcher, and for a local repository the watch on its files.
fn watch_repository(
    shared: Arc<Shared>,
    poll: std::time::Duration,
    wake_ups: &WakeUps,
    statuses: watch::Sender<Option<SourceStatus>>,
    tasks: &TaskTracker,
    cancel: &CancellationToken,
) {
    let wake_up = wake_ups.source();
    let files = shared.repository.watch_path().and_then(|folder| {
        watch_files(&folder, Arc::clone(&wake_up))
            .inspect_err(|error| {
                tracing::warn!("{} cannot be watched, polling only: {error}", folder.display());
            })
            .ok()
    });
    let reader = Reader {
        repository: shared.repository.clone(),
        path: shared.declaration_path.clone(),
        parsed: shared.cache.parsed.clone(),
    };
    let watcher = Watcher { reader, shared, wake_up, poll, statuses };
    let cancel = cancel.clone();
    tasks.spawn(async move {
        watcher.run(cancel).await;
        // Kept until here: dropping it ends the watch.
        drop(files);
    });
}

fn make_private(path: &Path) -> Result<(), StartError> {
    use std::os::unix::fs::DirBuilderExt;
    let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(path);
    made.map_err(|source| StartError::WorkDir { path: path.to_owned(), source })
}

/// Listening where others can reach it needs tokens: an empty configuration is a safe one.
async fn listen(bootstrap: &Bootstrap) -> Result<TcpListener, StartError> {
    let failed = |source| StartError::Listen { address: bootstrap.listen.clone(), source };
    let listener = TcpListener::bind(&bootstrap.listen).await.map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    let Tokens { admin, operator, viewer } = &bootstrap.tokens;
    if !address.ip().is_loopback() && [admin, operator, viewer].into_iter().all(Option::is_none) {
        return Err(StartError::Exposed(address));
    }
    Ok(listener)
}

/// Ready once a cycle has succeeded.
fn ready(metrics: &Arc<Metrics>) -> Arc<dyn Fn() -> bool + Send + Sync> {
    let metrics = Arc::clone(metrics);
    Arc::new(move || metrics.has_succeeded())
}

/// Who this daemon is, the same after a restart on the same machine: it does not wait for its own old lease.
fn holder(work_dir: &Path) -> String {
    let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
    format!("{host}:{}", work_dir.display())
}

async fn open_repository(
    settings: &RepositorySettings,
    token: Option<Secret>,
    work_dir: &Path,
) -> Result<Repository, StartError> {
    let wrong = |error: &(dyn std::error::Error + 'static)| StartError::Repository(chain::of(error));
    let file = |path: &Option<String>| {
        path.as_ref()
            .map(|path| SshFile::try_from(PathBuf::from(path)))
            .transpose()
            .map_err(|error| wrong(&error))
    };
    let config = RepositoryConfig {
        url: settings.url.parse::<RemoteUrl>().map_err(|error| wrong(&error))?,
        branch: settings.branch.clone(),
        token,
        https: HttpsOptions::default(),
        ssh: SshOptions {
            identity: file(&settings.ssh_identity)?,
            known_hosts: file(&settings.ssh_known_hosts)?,
            environment: SshEnvironment::inherited(),
        },
        work_dir: work_dir.to_owned(),
        limits: Limits {
            fetch: settings.fetch_timeout.get(),
            ..Limits::with_pack_bytes(settings.max_size.as_bytes())
        },
    };
    Repository::open(config).await.map_err(|error| wrong(&error))
}
