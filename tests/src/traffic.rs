//! Callers that ask all the time, JSON and streams, and count what they get.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::{Value, json};

use crate::declared::CALLER_KEY;
use crate::tasks::Tasks;
use crate::wait::until;

/// Longest wait for one answer.
const TIMEOUT: Duration = Duration::from_secs(20);

/// One caller's request, as the gateway answered it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Served {
    /// The generation that the gateway says it used.
    pub generation: u64,
    /// The model that the provider was asked for.
    pub model: String,
}

/// A way to ask a gateway.
#[derive(Debug, Clone)]
pub struct Caller {
    http: reqwest::Client,
    url: String,
}

impl Caller {
    /// A caller of the gateway at this data address.
    ///
    /// # Panics
    /// When the HTTP client cannot be made.
    #[must_use]
    pub fn new(data: &str) -> Self {
        let http = reqwest::Client::builder().timeout(TIMEOUT).no_proxy().build().unwrap();
        Self { http, url: format!("{data}/v1/chat/completions") }
    }

    /// Asks once, for a measurement: the answer is read whole and not looked into.
    ///
    /// # Panics
    /// When it is not answered with 200.
    pub async fn post(&self) {
        let body = r#"{"model": "small", "messages": [{"role": "user", "content": "How is the mooring?"}]}"#;
        let request = self.http.post(&self.url).bearer_auth(CALLER_KEY).body(body);
        let answer = request.header(http::header::CONTENT_TYPE, "application/json").send().await.unwrap();
        assert!(answer.status().is_success(), "{}", answer.status());
        answer.bytes().await.unwrap();
    }

    /// Asks once.
    ///
    /// # Errors
    /// What went wrong: no answer, another status than 200, an answer that is cut off.
    pub async fn ask(&self, is_stream: bool) -> Result<Served, String> {
        let body = json!({
            "model": "small", "stream": is_stream, "messages": [{"role": "user", "content": "How is the mooring?"}],
        });
        let request = self.http.post(&self.url).bearer_auth(CALLER_KEY).json(&body);
        let answer = request.send().await.map_err(|error| format!("no answer: {error:?}"))?;
        let status = answer.status();
        let generation = answer.headers().get("x-moorline-generation").and_then(|text| text.to_str().ok());
        let generation = generation.and_then(|text| text.parse().ok());
        let text = answer.text().await.map_err(|error| format!("cut off: {error:?}"))?;
        if !status.is_success() {
            return Err(format!("{status}: {text}"));
        }
        let first = match is_stream {
            true if !text.ends_with("data: [DONE]\n\n") => return Err(format!("cut off: {text}")),
            true => text.lines().find_map(|line| line.strip_prefix("data: ")).unwrap_or_default(),
            false => text.as_str(),
        };
        let answer: Value = serde_json::from_str(first).map_err(|error| format!("{error}: {text}"))?;
        let model = answer["model"].as_str().ok_or_else(|| format!("no model: {text}"))?.to_owned();
        let generation = generation.ok_or_else(|| "no x-moorline-generation".to_owned())?;
        Ok(Served { generation, model })
    }
}

/// What the callers got.
#[derive(Debug, Default)]
struct Tally {
    /// By model.
    served: BTreeMap<String, u64>,
    failures: BTreeMap<String, u64>,
}

/// Callers under way.
#[derive(Debug)]
pub struct Traffic {
    tally: Arc<Mutex<Tally>>,
    tasks: Tasks,
}

impl Traffic {
    /// Starts callers: `each` on every gateway, every second of them streaming, with a short pause after each answer.
    #[must_use]
    pub fn start(gateways: &[&str], each: usize) -> Self {
        let tally = Arc::new(Mutex::new(Tally::default()));
        let tasks = Tasks::new();
        for data in gateways {
            for number in 0..each {
                let (caller, tally) = (Caller::new(data), Arc::clone(&tally));
                tasks.spawn(async move {
                    let mut pace = tokio::time::interval(Duration::from_millis(20));
                    pace.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
                    loop {
                        pace.tick().await;
                        let outcome = caller.ask(number % 2 == 1).await;
                        let mut tally = tally.lock().unwrap_or_else(PoisonError::into_inner);
                        match outcome {
                            Ok(served) => *tally.served.entry(served.model).or_default() += 1,
                            Err(failure) => *tally.failures.entry(failure).or_default() += 1,
                        }
                    }
                });
            }
        }
        Self { tally, tasks }
    }

    /// Requests that one model at the provider served.
    #[must_use]
    pub fn served_by(&self, model: &str) -> u64 {
        self.tally.lock().unwrap_or_else(PoisonError::into_inner).served.get(model).copied().unwrap_or(0)
    }

    /// Waits until a model served so many requests more than now.
    pub async fn serves(&self, model: &str, more: u64) {
        let before = self.served_by(model);
        let what = format!("{model} serves {more} requests more");
        until(&what, || async move { (self.served_by(model) >= before + more).then_some(()) }).await;
    }

    /// What went wrong so far.
    #[must_use]
    pub fn failures(&self) -> Vec<String> {
        let tally = self.tally.lock().unwrap_or_else(PoisonError::into_inner);
        tally.failures.iter().map(|(failure, count)| format!("{count} × {failure}")).collect()
    }

    /// Stops the callers.
    ///
    /// # Panics
    /// When any request failed.
    pub async fn stop_without_failures(self) {
        self.tasks.stop().await;
        assert_eq!(self.failures(), Vec::<String>::new());
    }
}
