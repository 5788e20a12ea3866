//! Watches the environment through the daemon's API, and prints its history as it happens.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tokio::sync::Mutex;
use tokio::time::{Instant, MissedTickBehavior};

use super::super::narrator::Narrator;
use super::super::setup::Setup;
use super::super::smtp::Mail;
use super::Seen;
use crate::chain;

/// How often the environment is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(100);

pub(super) struct Watch<'a> {
    narrator: &'a Narrator,
    http: reqwest::Client,
    api: String,
    token: moorline_config::Secret,
    mails: Arc<Mutex<tokio::sync::mpsc::Receiver<Mail>>>,
    last_seq: Mutex<u64>,
}

impl<'a> Watch<'a> {
    pub(super) fn new(narrator: &'a Narrator, setup: &Setup) -> Result<Self, String> {
        let http = reqwest::Client::builder().timeout(Duration::from_secs(10)).build();
        Ok(Self {
            narrator,
            http: http.map_err(|error| chain::of(&error))?,
            api: format!("{}/api/v1/environments/demo", setup.console),
            token: setup.secrets.operator.clone(),
            mails: Arc::clone(&setup.mails),
            last_seq: Mutex::new(0),
        })
    }

    /// Looks until what is awaited is so.
    pub(super) async fn until(
        &self,
        what: &str,
        patience: Duration,
        is_so: impl Fn(&Seen) -> bool,
    ) -> Result<(), String> {
        let deadline = Instant::now() + patience;
        let mut ticks = tokio::time::interval(LOOK_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut last = String::from("the daemon never answered");
        while Instant::now() < deadline {
            ticks.tick().await;
            match self.look().await {
                Ok(seen) if is_so(&seen) => {
                    self.narrator.happened(&format!("✓ {what}"));
                    return Ok(());
                }
                Ok(seen) => last = format!("the environment is {}", seen.word()),
                Err(error) => last = error,
            }
        }
        Err(format!("{what}: not within {} s; {last}", patience.as_secs()))
    }

    /// Waits for a mail on this topic that says this, and prints every mail that comes before it.
    pub(super) async fn mail(&self, topic: &str, says: &str, patience: Duration) -> Result<(), String> {
        let mut mails = self.mails.lock().await;
        let wait = async {
            while let Some(mail) = mails.recv().await {
                let subject = mail.lines().find_map(|line| line.strip_prefix("Subject: ")).unwrap_or("");
                // Long lines are folded with `=` at their end (quoted-printable, RFC 2045).
                let body = mail.split_once("\n\n").map_or("", |(_, body)| body).replace("=\n", "");
                self.narrator.happened(&format!("✉ {subject}: {}", body.lines().next().unwrap_or("")));
                if subject.contains(topic) && body.starts_with(says) {
                    return true;
                }
            }
            false
        };
        match tokio::time::timeout(patience, wait).await {
            Ok(true) => Ok(()),
            _ => Err(format!("no mail about the {topic} said {says} within {} s", patience.as_secs())),
        }
    }

    /// Looks once, and prints what is new in the history.
    pub(super) async fn look(&self) -> Result<Seen, String> {
        let environment = self.get("").await?;
        let history = self.get("/history?limit=200").await?;
        let mut history = history.get("events").and_then(Value::as_array).cloned().unwrap_or_default();
        history.reverse();
        let mut last_seq = self.last_seq.lock().await;
        for event in &history {
            let seq = event.get("seq").and_then(Value::as_u64).unwrap_or_default();
            if seq > *last_seq {
                *last_seq = seq;
                self.narrator.happened(event.get("message").and_then(Value::as_str).unwrap_or(""));
            }
        }
        Ok(Seen { environment, history })
    }

    async fn get(&self, path: &str) -> Result<Value, String> {
        let request = self.http.get(format!("{}{path}", self.api)).bearer_auth(self.token.expose());
        let answer = request.send().await.map_err(|error| chain::of(&error))?;
        let status = answer.status();
        let body = answer.json().await.map_err(|error| chain::of(&error))?;
        if status.is_success() { Ok(body) } else { Err(format!("the daemon answered {status}")) }
    }
}

impl Seen {
    /// The environment's word.
    pub(super) fn word(&self) -> &str {
        self.text("/status/word")
    }

    /// Whether the commit verified, every replica serves its document, and all is in sync.
    pub(super) fn is_verified(&self, commit: &str) -> bool {
        let digest = self.text("/verified/digest");
        self.is_verified_commit(commit) && self.all_serve(digest) && self.word() == "in sync"
    }

    /// Whether this is the verified commit.
    pub(super) fn is_verified_commit(&self, commit: &str) -> bool {
        self.text("/verified/revision/commit") == commit
    }

    /// Whether the commit's candidate has a share of requests.
    pub(super) fn is_shifting(&self, commit: &str) -> bool {
        self.text("/rollout/revision/commit") == commit && self.text("/rollout/phase/phase") == "shifting"
    }

    /// Whether the commit was rolled back.
    pub(super) fn is_rolled_back(&self, commit: &str) -> bool {
        self.text("/rollout/revision/commit") == commit && self.text("/rollout/phase/phase") == "rolled_back"
    }

    /// Whether the commit is held.
    pub(super) fn is_held(&self, commit: &str) -> bool {
        let holds = self.environment.get("holds").and_then(Value::as_array);
        holds.is_some_and(|holds| {
            holds.iter().any(|hold| hold.get("commit").and_then(Value::as_str) == Some(commit))
        })
    }

    /// Whether every replica serves this document.
    pub(super) fn all_serve(&self, digest: &str) -> bool {
        let replicas = self.replicas();
        !replicas.is_empty() && replicas.iter().all(|served| *served == digest)
    }

    /// The document that every replica serves.
    pub(super) fn served_digest(&self) -> Option<String> {
        let first = (*self.replicas().first()?).to_owned();
        self.all_serve(&first).then_some(first)
    }

    /// Whether something of this kind happened.
    pub(super) fn has_history(&self, kind: &str) -> bool {
        self.history.iter().any(|event| event.get("kind").and_then(Value::as_str) == Some(kind))
    }

    fn replicas(&self) -> Vec<&str> {
        let replicas =
            self.environment.get("replicas").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        replicas.iter().map(|replica| replica.get("digest").and_then(Value::as_str).unwrap_or("")).collect()
    }

    fn text(&self, pointer: &str) -> &str {
        self.environment.pointer(pointer).and_then(Value::as_str).unwrap_or("")
    }
}
