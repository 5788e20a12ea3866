//! The steps of the demo: what is done, and what must happen then.

mod watch;

use std::sync::Arc;
use std::time::Duration;

use moorline_admin::{Client, Origin, WriteOptions};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::narrator::Narrator;
use super::setup::Setup;
use super::traffic::{self, Tally};
use crate::chain;
use watch::Watch;

/// Longest wait for one thing to happen.
const PATIENCE: Duration = Duration::from_secs(90);
/// The model that callers ask for.
const MODEL: &str = "demo-small";
/// The limit in the example, and what it becomes.
const LIMITS: [&str; 3] = ["1000000", "999999", "2000000"];
/// A provider where nobody listens: port 9 is discard (RFC 863), which no machine serves any more.
const DEAD_PROVIDER: &str = "http://127.0.0.1:9/v1";

/// The demo's steps.
pub(super) struct Story<'a> {
    narrator: &'a Narrator,
    setup: Setup,
    tasks: &'a TaskTracker,
    cancel: CancellationToken,
}

impl<'a> Story<'a> {
    pub(super) fn new(
        narrator: &'a Narrator,
        setup: Setup,
        tasks: &'a TaskTracker,
        cancel: &CancellationToken,
    ) -> Self {
        Self { narrator, setup, tasks, cancel: cancel.child_token() }
    }

    pub(super) fn into_setup(self) -> Setup {
        self.setup
    }

    /// Runs all steps.
    ///
    /// # Errors
    /// What did not happen.
    pub(super) async fn play(&mut self) -> Result<(), String> {
        let watch = Watch::new(self.narrator, &self.setup)?;
        let first = self.first_sync(&watch).await?;
        let data: Vec<String> = self.setup.gateways.iter().map(|gateway| gateway.data.clone()).collect();
        let key = self.setup.secrets.caller.expose();
        let tally =
            traffic::start(&data, key, MODEL, self.tasks, &self.cancel).map_err(|error| chain::of(&error))?;
        self.hand_edit(&watch).await?;
        let second = self.merged_change(&watch, &first).await?;
        self.bad_change(&watch, &second).await?;
        self.count_requests(&tally)
    }

    async fn first_sync(&self, watch: &Watch<'_>) -> Result<String, String> {
        self.narrator.step("1. First sync: a repository is declared, and the gateways follow");
        let commit = self.push("maria", "first deployment")?;
        watch
            .until("the first commit verified on every replica", PATIENCE, |seen| seen.is_verified(&commit))
            .await?;
        Ok(commit)
    }

    async fn hand_edit(&self, watch: &Watch<'_>) -> Result<(), String> {
        self.narrator.step("2. Somebody edits a limit by hand, on one replica");
        let gateway = self.setup.gateways.last().ok_or("there is no gateway")?;
        let client = Client::new(&gateway.admin, Some(self.setup.secrets.gateway.clone()));
        let client = client.map_err(|error| chain::of(&error))?;
        let live = client.config().await.map_err(|error| chain::of(&error))?;
        let mut document = live.document;
        let limit =
            document.pointer_mut("/routes/0/limits/0/requests").ok_or("the document has no such limit")?;
        *limit = json!(LIMITS[1].parse::<u64>().unwrap_or_default());
        let options = WriteOptions {
            origin: Some(Origin::Manual),
            take_over: true,
            actor: Some("jane".to_owned()),
            reason: Some("quick fix at night".to_owned()),
            ..WriteOptions::default()
        };
        client.put_config(&document, &options).await.map_err(|error| chain::of(&error))?;
        self.narrator.happened(&format!("jane set the limit to {} on {}", LIMITS[1], gateway.admin));
        watch.until("the drift found and alerted", PATIENCE, |seen| seen.has_history("drift")).await?;
        let declared = live.digest.to_string();
        watch
            .until("the replica healed", PATIENCE, |seen| {
                seen.all_serve(&declared) && seen.word() == "in sync"
            })
            .await?;
        watch.mail("drift", "RESOLVED", PATIENCE).await
    }

    async fn merged_change(&mut self, watch: &Watch<'_>, first: &str) -> Result<String, String> {
        self.narrator.step("3. A change is merged: planned, applied, canary, verified");
        self.change(
            "infra/main.tf",
            &format!("requests = {}", LIMITS[0]),
            &format!("requests = {}", LIMITS[2]),
        )?;
        let commit = self.push("maria", "raise the limit")?;
        watch.until("a canary with a share of requests", PATIENCE, |seen| seen.is_shifting(&commit)).await?;
        watch
            .until("the change verified on every replica", PATIENCE, |seen| seen.is_verified(&commit))
            .await?;
        if first == commit { Err("the second commit is the first".to_owned()) } else { Ok(commit) }
    }

    async fn bad_change(&mut self, watch: &Watch<'_>, good: &str) -> Result<(), String> {
        self.narrator.step("4. A bad change is merged: a route to a provider that does not answer");
        let served = watch.look().await?.served_digest().ok_or("the replicas serve different documents")?;
        let written = self.setup.files.get("infra/main.tf").cloned().unwrap_or_default();
        let base =
            written.split("base_url = \"").nth(1).and_then(|rest| rest.split('"').next()).unwrap_or_default();
        self.change("infra/main.tf", base, DEAD_PROVIDER)?;
        let commit = self.push("tom", "try another provider")?;
        watch
            .until("the change rolled back and held", PATIENCE, |seen| {
                seen.is_rolled_back(&commit) && seen.is_held(&commit) && seen.is_verified_commit(good)
            })
            .await?;
        watch.until("the good document on every replica", PATIENCE, |seen| seen.all_serve(&served)).await?;
        watch.mail(&commit[..10], "ROLLED BACK", PATIENCE).await
    }

    fn count_requests(&self, tally: &Arc<Tally>) -> Result<(), String> {
        self.narrator.step("5. And the callers?");
        self.cancel.cancel();
        self.narrator.happened(&format!("{} requests answered, {} failed", tally.served(), tally.failed()));
        match (tally.served(), tally.failed()) {
            (0, _) => Err("no request was answered".to_owned()),
            (_, 0) => Ok(()),
            (_, failed) => Err(format!("{failed} request(s) failed: {}", tally.failures().join(", "))),
        }
    }

    fn push(&self, author: &str, message: &str) -> Result<String, String> {
        let pushed = self.setup.remote.push(&self.setup.files, author, message);
        let commit = pushed.map_err(|error| error.message().to_owned())?;
        self.narrator.happened(&format!("{author} pushed {} \"{message}\"", &commit[..10]));
        Ok(commit)
    }

    fn change(&mut self, path: &str, from: &str, to: &str) -> Result<(), String> {
        let text =
            self.setup.files.get_mut(path).ok_or_else(|| format!("{path} is not in the repository"))?;
        if from.is_empty() || !text.contains(from) {
            return Err(format!("`{from}` is not in {path}"));
        }
        *text = text.replace(from, to);
        Ok(())
    }
}

/// One look at the environment, as the API shows it.
struct Seen {
    environment: Value,
    history: Vec<Value>,
}
