//! A service outside that is asked what it thinks of a text.
//!
//! In: a text, and whose it is. Out: a [`Verdict`]. The question is a small JSON object sent with POST, the answer
//! `{"verdict": "allow"}` or `{"verdict": "block"}`; whatever else comes back, or nothing in time, is [`Verdict::Unavailable`]
//! and goes by what the document says. The address comes from the document only; redirects are not followed, no proxy
//! of the environment is asked, and at most [`ANSWER_BYTES_MAX`] are read. Dropping the question closes its connection.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use moorline_config::document::{self, WhenUnavailable};
use moorline_config::{Reference, Secret};
use reqwest::redirect::Policy;
use reqwest::{Client, StatusCode};
use serde::{Deserialize, Serialize};
use tokio::sync::Semaphore;
use tokio_util::task::TaskTracker;

use super::tally::Stage;

/// The longest text that is sent. A longer one cannot be judged.
pub const TEXT_BYTES_MAX: usize = 1024 * 1024;
/// The longest answer that is read.
const ANSWER_BYTES_MAX: usize = 64 * 1024;
/// The longest wait for a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// Idle connections to one service, for each worker.
const IDLE_MAX: usize = 32;
/// How long an idle connection is kept.
const IDLE_FOR: Duration = Duration::from_secs(30);
/// Questions of one worker that nobody waits for. What comes beyond is not asked.
const ASIDE_MAX: usize = 64;

/// A declared service.
#[derive(Debug)]
pub(super) struct Webhook {
    url: String,
    /// `Some(None)`: one is declared and has no value here.
    token: Option<Option<Secret>>,
    timeout: Duration,
    pub(super) when_unavailable: WhenUnavailable,
    /// Whether the last question went unanswered. Told once.
    is_lost: AtomicBool,
}

/// What a service says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    Allow,
    Block,
    /// Nothing that counts.
    Unavailable,
}

/// What a service is told beside the text.
#[derive(Debug, Clone, Default, Serialize)]
pub struct About {
    /// The request's id.
    pub request_id: String,
    /// The name of the caller's key.
    pub key: String,
    /// The model asked for.
    pub model: String,
    /// The path asked.
    pub endpoint: &'static str,
}

/// A question, as it is sent.
#[derive(Serialize)]
struct Question<'a> {
    version: u8,
    guardrail: &'a str,
    stage: &'static str,
    #[serde(flatten)]
    about: &'a About,
    text: &'a str,
}

#[derive(Deserialize)]
struct Answer {
    verdict: Said,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Said {
    Allow,
    Block,
}

/// Why a service gave no answer that counts.
#[derive(Debug, thiserror::Error)]
enum AskError {
    #[error("its token has no value on this gateway")]
    NoToken,
    #[error("there is no HTTP client")]
    NoClient,
    #[error("it cannot be asked")]
    Http(#[source] reqwest::Error),
    #[error("it answered {0}")]
    Status(StatusCode),
    #[error("its answer is larger than {ANSWER_BYTES_MAX} bytes")]
    TooLarge,
    #[error("its answer is no verdict")]
    NoVerdict,
    #[error("it took longer than {0:?}")]
    Slow(Duration),
}

/// How a worker asks: with connections of its own, and for what nobody waits for a bounded number of tasks.
pub struct Judges {
    client: OnceLock<Option<Client>>,
    aside: TaskTracker,
    slots: Arc<Semaphore>,
}

impl Default for Judges {
    fn default() -> Self {
        let slots = Arc::new(Semaphore::new(ASIDE_MAX));
        Self { client: OnceLock::new(), aside: TaskTracker::new(), slots }
    }
}

impl Judges {
    /// Made at the first use: most gateways have no such service.
    fn client(&self) -> Option<&Client> {
        let build = || {
            let client = Client::builder()
                .redirect(Policy::none())
                .no_proxy()
                .connect_timeout(CONNECT_TIMEOUT)
                .pool_max_idle_per_host(IDLE_MAX)
                .pool_idle_timeout(IDLE_FOR)
                .build();
            client.inspect_err(|error| tracing::error!(%error, "no HTTP client for guardrails")).ok()
        };
        self.client.get_or_init(build).as_ref()
    }

    /// Asks without anybody waiting for it. Gives back `ask` when too much is asked so already.
    pub(super) fn aside<F: Future<Output = ()> + Send + 'static>(&self, ask: F) -> Result<(), F> {
        let Ok(slot) = Arc::clone(&self.slots).try_acquire_owned() else { return Err(ask) };
        self.aside.spawn(async move {
            let _slot = slot;
            ask.await;
        });
        Ok(())
    }
}

impl Webhook {
    pub(super) fn compile(
        declared: &document::Webhook,
        resolve: &dyn Fn(&Reference) -> Option<Secret>,
    ) -> Self {
        Self {
            url: declared.url.clone(),
            token: declared.token.as_ref().map(resolve),
            timeout: declared.timeout.get(),
            when_unavailable: declared.when_unavailable,
            is_lost: AtomicBool::new(false),
        }
    }

    /// Asks what it thinks of a text.
    pub(super) async fn ask(
        &self,
        judges: &Judges,
        guardrail: &str,
        stage: Stage,
        about: &About,
        text: &str,
    ) -> Verdict {
        let question = Question { version: 1, guardrail, stage: stage.as_str(), about, text };
        let asked = tokio::time::timeout(self.timeout, self.exchange(judges, &question)).await;
        match asked.unwrap_or(Err(AskError::Slow(self.timeout))) {
            Ok(verdict) => {
                self.is_lost.store(false, Ordering::Relaxed);
                verdict
            }
            Err(error) => {
                let cause = std::error::Error::source(&error).map(ToString::to_string);
                if self.is_lost.swap(true, Ordering::Relaxed) {
                    tracing::debug!(guardrail, %error, cause, "a guardrail's service gave no verdict");
                } else {
                    tracing::warn!(guardrail, %error, cause, "a guardrail's service gave no verdict");
                }
                Verdict::Unavailable
            }
        }
    }

    async fn exchange(&self, judges: &Judges, question: &Question<'_>) -> Result<Verdict, AskError> {
        let client = judges.client().ok_or(AskError::NoClient)?;
        let http = |error: reqwest::Error| AskError::Http(error.without_url());
        let mut request = client.post(&self.url).json(question);
        if let Some(token) = &self.token {
            request = request.bearer_auth(token.as_ref().ok_or(AskError::NoToken)?.expose());
        }
        let mut answer = request.send().await.map_err(http)?;
        if answer.status() != StatusCode::OK {
            return Err(AskError::Status(answer.status()));
        }
        let mut body = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(http)? {
            if body.len() + chunk.len() > ANSWER_BYTES_MAX {
                return Err(AskError::TooLarge);
            }
            body.extend_from_slice(&chunk);
        }
        match serde_json::from_slice(&body) {
            Ok(Answer { verdict: Said::Allow }) => Ok(Verdict::Allow),
            Ok(Answer { verdict: Said::Block }) => Ok(Verdict::Block),
            Err(_) => Err(AskError::NoVerdict),
        }
    }
}
