//! An HTTP server of a test's own, which ends with it.

use axum::Router;
use tokio::net::TcpListener;
use tokio_util::sync::{CancellationToken, DropGuard};

/// A running server.
pub(crate) struct Serving {
    /// `http://` and its address.
    pub(crate) url: String,
    _stop: DropGuard,
}

impl Serving {
    pub(crate) async fn start(router: Router) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let stop = CancellationToken::new();
        let ended = stop.clone().cancelled_owned();
        #[expect(clippy::disallowed_methods, reason = "it ends with the test")]
        drop(tokio::spawn(async move { axum::serve(listener, router).with_graceful_shutdown(ended).await }));
        Self { url, _stop: stop.drop_guard() }
    }
}
