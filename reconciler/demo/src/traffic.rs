//! The demo's callers: they ask all the time, on every replica, JSON and streams, and count what they get.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::json;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Callers on each replica.
const CALLERS: usize = 2;
/// The pause between two requests of one caller.
const PAUSE: Duration = Duration::from_millis(40);
/// Longest wait for one answer.
const TIMEOUT: Duration = Duration::from_secs(15);
/// Most different failures that are kept by name.
const FAILURES_KEPT: usize = 16;

/// What the callers got.
#[derive(Debug, Default)]
pub struct Tally {
    served: AtomicU64,
    failed: AtomicU64,
    failures: Mutex<BTreeMap<String, u64>>,
}

impl Tally {
    /// Requests that were answered as they should be.
    #[must_use]
    pub fn served(&self) -> u64 {
        self.served.load(Ordering::Relaxed)
    }

    /// Requests that were not.
    #[must_use]
    pub fn failed(&self) -> u64 {
        self.failed.load(Ordering::Relaxed)
    }

    /// What went wrong, and how often.
    #[must_use]
    pub fn failures(&self) -> Vec<String> {
        let failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        failures.iter().map(|(failure, count)| format!("{count} × {failure}")).collect()
    }

    fn count(&self, outcome: Result<(), String>) {
        let Err(failure) = outcome else {
            self.served.fetch_add(1, Ordering::Relaxed);
            return;
        };
        self.failed.fetch_add(1, Ordering::Relaxed);
        let mut failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        if failures.len() < FAILURES_KEPT || failures.contains_key(&failure) {
            *failures.entry(failure).or_default() += 1;
        }
    }
}

/// Starts callers on every data address until cancelled.
///
/// # Errors
/// The HTTP client could not be made.
pub fn start(
    addresses: &[String],
    key: &str,
    model: &'static str,
    tasks: &TaskTracker,
    cancel: &CancellationToken,
) -> Result<Arc<Tally>, reqwest::Error> {
    let tally = Arc::new(Tally::default());
    let http = reqwest::Client::builder().timeout(TIMEOUT).build()?;
    for address in addresses {
        for caller in 0..CALLERS {
            let (http, tally, cancel) = (http.clone(), Arc::clone(&tally), cancel.clone());
            let (url, key) = (format!("{address}/v1/chat/completions"), key.to_owned());
            let is_stream = caller % 2 == 1;
            tasks.spawn(async move {
                while !cancel.is_cancelled() {
                    // A request under way when the demo ends is not counted.
                    let outcome = tokio::select! {
                        () = cancel.cancelled() => return,
                        outcome = ask(&http, &url, &key, model, is_stream) => outcome,
                    };
                    tally.count(outcome);
                    tokio::time::sleep(PAUSE).await;
                }
            });
        }
    }
    Ok(tally)
}

async fn ask(
    http: &reqwest::Client,
    url: &str,
    key: &str,
    model: &str,
    is_stream: bool,
) -> Result<(), String> {
    let body = json!({"model": model, "stream": is_stream, "messages": [{"role": "user", "content": "How is the mooring?"}]});
    let answer =
        http.post(url).bearer_auth(key).json(&body).send().await.map_err(|error| crate::chain::of(&error))?;
    let status = answer.status();
    let text = answer.text().await.map_err(|error| crate::chain::of(&error))?;
    let is_whole =
        if is_stream { text.ends_with("data: [DONE]\n\n") } else { text.contains("\"finish_reason\"") };
    match (status.is_success(), is_whole) {
        (true, true) => Ok(()),
        (true, false) => Err(format!("{status}, but the answer is cut off")),
        (false, _) => Err(status.to_string()),
    }
}
