//! What makes the process a plugin: Terraform starts it, reads one line from its standard output, and calls it over
//! mutual TLS on a Unix socket until it says that it is done.
//!
//! In: the environment Terraform set. Out: a served provider. Tasks: the gRPC server, and a watch on the parent
//! process; both end when the token is cancelled.

pub mod controller;
pub mod handshake;
pub mod log;
pub mod tls;

use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use tokio::net::UnixListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio_rustls::TlsAcceptor;
use tokio_stream::wrappers::UnixListenerStream;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tonic::transport::Server;

use self::controller::{ControllerServer, HealthServer};
use self::handshake::Handshake;
use crate::protocol::{ProviderRpc, ProviderServer};

/// Longest TLS handshake with Terraform.
pub const TLS_TIMEOUT: Duration = Duration::from_secs(10);
/// Longest wait for calls under way once Terraform said that it is done. Terraform itself kills us after 2 s.
pub const DRAIN_TIMEOUT: Duration = Duration::from_millis(1500);
/// How often the parent process is looked at.
pub const PARENT_CHECK_INTERVAL: Duration = Duration::from_secs(2);

/// Why the plugin could not serve.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// No place for the socket.
    #[error("making a private directory for the socket")]
    Directory(#[source] std::io::Error),
    /// The socket could not be opened.
    #[error("listening on {}", path.display())]
    Listen {
        /// The socket.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// TLS could not be set up.
    #[error("setting up mutual TLS with Terraform")]
    Tls(#[source] tls::TlsError),
    /// The line could not be written.
    #[error("telling Terraform where we listen")]
    Announce(#[source] std::io::Error),
    /// Signals could not be watched.
    #[error("watching for interrupts")]
    Signal(#[source] std::io::Error),
    /// The server failed.
    #[error("serving Terraform's calls")]
    Serve(#[source] tonic::transport::Error),
}

/// Serves the provider until Terraform says that it is done, or is gone.
///
/// # Errors
/// [`ServeError`].
pub async fn serve<P: ProviderRpc>(
    provider: Arc<P>,
    handshake: &Handshake,
    stop: CancellationToken,
) -> Result<(), ServeError> {
    // Ctrl-C reaches the whole process group. Terraform decides what becomes of the work under way and tells us
    // through StopProvider; dying here would break a write off in the middle.
    let _interrupts = signal(SignalKind::interrupt()).map_err(ServeError::Signal)?;

    // Before anything is announced: who reads the line may be gone a moment later.
    let parent = rustix::process::getppid();
    let directory = socket_directory(handshake)?;
    let path = directory.path().join("plugin.sock");
    let listener =
        UnixListener::bind(&path).map_err(|source| ServeError::Listen { path: path.clone(), source })?;
    let identity = tls::Identity::new(&handshake.client_certificate).map_err(ServeError::Tls)?;
    announce(&handshake::line(&path, &identity.certificate)).map_err(ServeError::Announce)?;

    let tasks = TaskTracker::new();
    tasks.spawn(watch_parent(parent, stop.clone()));
    let connections = connections(listener, TlsAcceptor::from(identity.config));
    let server = Server::builder()
        .add_service(ProviderServer::new(provider))
        .add_service(ControllerServer::new(stop.clone()))
        .add_service(HealthServer)
        .serve_with_incoming_shutdown(connections, stop.clone().cancelled_owned());
    let drained = async {
        stop.cancelled().await;
        tokio::time::sleep(DRAIN_TIMEOUT).await;
    };
    let served = tokio::select! {
        served = server => served.map_err(ServeError::Serve),
        // Cancel safe: what is still under way is cut off, as Terraform would cut it off.
        () = drained => Ok(()),
    };
    stop.cancel();
    tasks.close();
    tasks.wait().await;
    served
}

/// A directory that only this user can enter.
fn socket_directory(handshake: &Handshake) -> Result<tempfile::TempDir, ServeError> {
    let mut builder = tempfile::Builder::new();
    let builder = builder.prefix("moorline").permissions(std::fs::Permissions::from_mode(0o700));
    match &handshake.socket_directory {
        Some(place) => builder.tempdir_in(place),
        None => builder.tempdir(),
    }
    .map_err(ServeError::Directory)
}

/// Writes the one line Terraform waits for.
fn announce(line: &str) -> std::io::Result<()> {
    let mut stdout = std::io::stdout().lock();
    writeln!(stdout, "{line}")?;
    stdout.flush()
}

/// Accepted and authenticated connections. One that fails its handshake is dropped, and the next is awaited.
fn connections(
    listener: UnixListener,
    acceptor: TlsAcceptor,
) -> impl futures_util::Stream<Item = std::io::Result<tokio_rustls::server::TlsStream<tokio::net::UnixStream>>>
{
    UnixListenerStream::new(listener).filter_map(move |stream| {
        let acceptor = acceptor.clone();
        async move {
            let stream = match stream {
                Ok(stream) => stream,
                Err(error) => return Some(Err(error)),
            };
            match tokio::time::timeout(TLS_TIMEOUT, acceptor.accept(stream)).await {
                Ok(Ok(stream)) => Some(Ok(stream)),
                Ok(Err(error)) => {
                    tracing::warn!(%error, "a connection was refused");
                    None
                }
                Err(_) => {
                    tracing::warn!("a connection did not finish its TLS handshake");
                    None
                }
            }
        }
    })
}

/// Stops the plugin once its parent is another: a Terraform that was killed cannot say that it is done.
async fn watch_parent(parent: Option<rustix::process::Pid>, stop: CancellationToken) {
    let mut ticks = tokio::time::interval(PARENT_CHECK_INTERVAL);
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = ticks.tick() => {}
        }
        if rustix::process::getppid() != parent {
            stop.cancel();
            return;
        }
    }
}
