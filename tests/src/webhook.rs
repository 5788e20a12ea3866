//! A receiver of signed webhooks: takes only what its key signed, and keeps it for the test.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::extract::State;
use axum::routing::post;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, Mac as _};
use http::{HeaderMap, StatusCode};
use serde_json::Value;
use sha2::Sha256;
use tokio::net::TcpListener;

use crate::tasks::Tasks;

/// The key that both sides know.
pub const KEY: &str = "webhook-key-of-tests";

#[derive(Debug, Default)]
struct Inside {
    taken: Mutex<Vec<Value>>,
    is_down: AtomicBool,
}

#[derive(Debug)]
pub struct Webhook {
    address: SocketAddr,
    inside: Arc<Inside>,
    _tasks: Tasks,
}

impl Webhook {
    /// Starts it on a free port.
    ///
    /// # Panics
    /// When there is none.
    pub async fn start() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let inside = Arc::new(Inside::default());
        let router = Router::new().route("/", post(answer)).with_state(Arc::clone(&inside));
        let tasks = Tasks::new();
        tasks.spawn(async move { drop(axum::serve(listener, router).await) });
        Self { address, inside, _tasks: tasks }
    }

    /// Where it takes messages.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}/", self.address)
    }

    /// From now on it answers that it cannot take anything.
    pub fn goes_down(&self) {
        self.inside.is_down.store(true, Ordering::Relaxed);
    }

    /// Every message so far, in order.
    #[must_use]
    pub fn taken(&self) -> Vec<Value> {
        self.inside.taken.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

async fn answer(State(inside): State<Arc<Inside>>, headers: HeaderMap, body: String) -> StatusCode {
    if inside.is_down.load(Ordering::Relaxed) {
        return StatusCode::SERVICE_UNAVAILABLE;
    }
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let mac = Hmac::<Sha256>::new_from_slice(KEY.as_bytes()).unwrap();
    let signed = format!("{}.{}.{body}", header("webhook-id"), header("webhook-timestamp"));
    let expected = STANDARD.encode(mac.chain_update(signed).finalize().into_bytes());
    if header("webhook-signature") != format!("v1,{expected}") {
        return StatusCode::UNAUTHORIZED;
    }
    let message = serde_json::from_str(&body).unwrap();
    inside.taken.lock().unwrap_or_else(PoisonError::into_inner).push(message);
    StatusCode::NO_CONTENT
}
