//! The admin API: who may see and change what is served, over HTTP on a port of its own.
//!
//! In: HTTP/1.1 requests, over TLS where there is a certificate, with a bearer token or a client certificate. Out: JSON, or a problem document (RFC 9457). Every path asks for the
//! token before it says whether it exists; `GET /metrics` alone is also given to a caller on the same host and to
//! the holder of the metrics token (`gate`). Requests from web pages are refused. Connections, headers, bodies
//! and event listeners are bounded in number, size and time.

mod call;
mod candidate;
mod document;
mod gate;
mod observe;
mod refusal;
mod request;
mod routes;
mod touched;

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use http::header::SERVER;
use http::{HeaderValue, Request};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use moorline_admin::Status;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub use gate::Token;
pub use routes::routes;

use crate::gauges::Gauges;
use crate::health::Health;
use crate::state::State;
use crate::tls::subject::subject;
use crate::tls::{Acceptor, HANDSHAKE_TIMEOUT};
use refusal::Refusal;

/// What we call ourselves in every answer.
const NAME: &str = moorline_admin::Server::GatewayAdmin.as_str();
/// The most bytes of a document.
pub const BODY_BYTES_MAX: usize = moorline_admin::endpoints::DOCUMENT_BYTES_MAX;
/// The longest wait for a request's head, and for the next request on a connection.
const HEAD_TIMEOUT: Duration = Duration::from_secs(30);
/// The longest wait for a request's body.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);
/// The longest wait for the head of an answer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);
/// The longest wait for connections to end once the server stops.
const STOP_TIMEOUT: Duration = Duration::from_secs(2);
/// The most connections at once.
const CONNECTIONS_MAX: usize = 256;
/// The most event listeners at once.
const LISTENERS_MAX: usize = 32;

/// Everything a handler may need.
pub struct Admin {
    /// What is served.
    pub state: Arc<State>,
    /// Numbers of the data plane, for the metrics page.
    pub gauges: Arc<Gauges>,
    /// How targets do, for the metrics page.
    pub health: Arc<Health>,
    /// Opens every path.
    pub token: Token,
    /// Opens the metrics page only.
    pub metrics_token: Option<Token>,
    /// Where callers reach the data plane.
    pub endpoint: Endpoint,
}

/// Where callers reach the data plane.
#[derive(Debug, Clone)]
pub enum Endpoint {
    /// At this URL, as the operator says.
    Declared(String),
    /// At the address the data plane listens on. When that is every address of the host, the one on which the admin
    /// API was asked stands in.
    Listener {
        /// `http` or `https`.
        scheme: &'static str,
        /// The address.
        address: SocketAddr,
    },
}

/// A running admin API and the limits its connections share.
struct Server {
    admin: Admin,
    listeners: Arc<Semaphore>,
    stop: CancellationToken,
}

impl Server {
    /// What the gateway attests, told to one caller.
    fn status(&self, ends: &Ends) -> Status {
        Status { endpoint: Some(self.admin.endpoint.url(ends)), ..self.admin.state.status() }
    }
}

/// The two ends of a connection.
#[derive(Debug, Clone)]
struct Ends {
    local: SocketAddr,
    peer: SocketAddr,
    /// Who a client certificate says it is, when one was shown and verified.
    client: Option<Arc<str>>,
}

/// Serves the admin API on `listener` until `stop` is cancelled.
pub async fn serve(admin: Admin, listener: TcpListener, tls: Option<Acceptor>, stop: CancellationToken) {
    let server = Server { admin, listeners: Arc::new(Semaphore::new(LISTENERS_MAX)), stop: stop.clone() };
    let router = routes::router(Arc::new(server));
    let connections = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let tracker = TaskTracker::new();
    loop {
        let Ok(permit) = Arc::clone(&connections).acquire_owned().await else { break };
        let accepted = tokio::select! {
            // Cancel safe: nothing is accepted that is not answered.
            accepted = listener.accept() => accepted,
            () = stop.cancelled() => break,
        };
        match accepted {
            Ok((stream, peer)) => {
                let (router, tls, stop) = (router.clone(), tls.clone(), stop.clone());
                tracker.spawn(async move {
                    open(router, tls, stream, peer, stop).await;
                    drop(permit);
                });
            }
            Err(error) => {
                // Out of descriptors, mostly: wait for some to be given back instead of spinning.
                tracing::warn!(%error, "admin connection not accepted");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
    tracker.close();
    if tokio::time::timeout(STOP_TIMEOUT, tracker.wait()).await.is_err() {
        tracing::warn!(connections = tracker.len(), "admin connections were cut");
    }
}

async fn open(
    router: Router,
    tls: Option<Acceptor>,
    stream: TcpStream,
    peer: SocketAddr,
    stop: CancellationToken,
) {
    let Ok(local) = stream.local_addr() else { return };
    let ends = Ends { local, peer, client: None };
    let Some(tls) = tls else { return connection(router, stream, ends, stop).await };
    match stop.run_until_cancelled(tls.accept(stream, HANDSHAKE_TIMEOUT)).await {
        Some(Ok(stream)) => {
            let (_, session) = stream.get_ref();
            let shown = session.peer_certificates().and_then(<[_]>::first);
            let ends = Ends { client: shown.and_then(subject).map(Arc::from), ..ends };
            connection(router, stream, ends, stop).await;
        }
        Some(Err(error)) => tracing::debug!(%error, %peer, "no TLS handshake on the admin port"),
        None => {}
    }
}

async fn connection<S>(router: Router, stream: S, ends: Ends, stop: CancellationToken)
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let peer = ends.peer;
    let routes = TowerToHyperService::new(router);
    let service = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(ends.clone());
        let answer = routes.call(request);
        async move {
            let answer = tokio::time::timeout(ANSWER_TIMEOUT, answer).await;
            let slow = |_| Ok(Refusal::unavailable("the gateway took too long to answer").into());
            let mut answer = answer.unwrap_or_else(slow)?;
            answer.headers_mut().insert(SERVER, HeaderValue::from_static(NAME));
            Ok::<_, Infallible>(answer)
        }
    });
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(HEAD_TIMEOUT).max_buf_size(64 << 10);
    let mut connection = std::pin::pin!(builder.serve_connection(TokioIo::new(stream), service));
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = stop.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, %peer, "admin connection broke off");
    }
}
