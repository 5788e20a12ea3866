//! Requests we send ourselves, through the candidate, to see that it serves before anybody else sees it.

use std::time::Duration;

use futures_util::future::join_all;
use moorline_admin::Client;
use moorline_config::{Config, Percent, Secret};
use moorline_model::declaration::Probe;
use moorline_model::rollout::Rollout;
use moorline_plan::gateway::ReplicaReading;
use moorline_plan::verify::ProbeResult;

use crate::act::staged_by;
use crate::fleet::Fleet;
use crate::secrets::Secrets;

/// Longest wait for a probe's answer.
const PROBE_TIMEOUT: Duration = Duration::from_secs(20);
/// The most tokens a probe asks for: it shall not cost.
const PROBE_TOKENS_MAX: u32 = 8;

/// Sends every declared probe to every replica that holds the document. Asking never puts it there: that is a step of
/// its own, written down before it is done.
pub(super) async fn all(
    rollout: &Rollout,
    document: &Config,
    fleet: &Fleet,
    attested: &[ReplicaReading],
    secrets: &Secrets,
) -> Vec<ProbeResult> {
    if rollout.verify.probes.is_empty() {
        return Vec::new();
    }
    let holding = fleet.replicas.iter().zip(attested).filter(|(_, reading)| reading.holds(document.digest()));
    let replicas = holding.map(|((endpoint, client), reading)| {
        // Where it serves already there is nothing to pin to; elsewhere asking leaves the candidate's share as it is.
        let share =
            reading.candidate().filter(|_| !reading.serves(document.digest())).map(|found| found.weight);
        async move { replica(rollout, document, endpoint, client, share, secrets).await }
    });
    join_all(replicas).await.into_iter().flatten().collect()
}

/// Sends every declared probe to one replica, one after the other.
async fn replica(
    rollout: &Rollout,
    document: &Config,
    endpoint: &str,
    client: &Client,
    share: Option<Percent>,
    secrets: &Secrets,
) -> Vec<ProbeResult> {
    let pin = match share {
        Some(share) => pin(client, document, share, rollout).await.map(Some),
        None => Ok(None),
    };
    let data = data_address(client).await;
    let mut results = Vec::new();
    for probe in &rollout.verify.probes {
        let outcome = match (&pin, &data) {
            (Ok(pin), Ok(data)) => send(probe, data, pin.as_ref(), secrets).await,
            (Err(error), _) | (_, Err(error)) => Err(error.clone()),
        };
        results.push(ProbeResult {
            model: probe.model.clone(),
            endpoint: endpoint.to_owned(),
            outcome,
            expected: probe.expect_status,
        });
    }
    results
}

/// The key that pins a request to the candidate. Staging again what is staged changes nothing and answers with it.
async fn pin(
    client: &Client,
    document: &Config,
    share: Percent,
    rollout: &Rollout,
) -> Result<Secret, String> {
    let staged = client.stage(document.value(), share, &staged_by(Some(rollout))).await;
    staged.map(|staged| Secret::new(staged.probe_key)).map_err(|error| crate::chain::of(&error))
}

/// Where callers reach the replica, as it says itself.
async fn data_address(client: &Client) -> Result<String, String> {
    let status = client.status().await.map_err(|error| crate::chain::of(&error))?;
    status.endpoint.ok_or_else(|| "the gateway does not say where callers reach it".to_owned())
}

async fn send(probe: &Probe, data: &str, pin: Option<&Secret>, secrets: &Secrets) -> Result<u16, String> {
    let http = reqwest::Client::builder()
        .timeout(PROBE_TIMEOUT)
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .map_err(|error| crate::chain::of(&error))?;
    let body = serde_json::json!({
        "model": probe.model,
        "messages": [{"role": "user", "content": probe.prompt}],
        "max_tokens": PROBE_TOKENS_MAX,
    });
    let mut request = http.post(format!("{}/v1/chat/completions", data.trim_end_matches('/'))).json(&body);
    if let Some(pin) = pin {
        request = request.header("x-moorline-probe", pin.expose());
    }
    if let Some(key) = &probe.key {
        let key = secrets.declared(key).map_err(|error| crate::chain::of(&error))?;
        request = request.bearer_auth(key.expose());
    }
    let answer = request.send().await.map_err(|error| match error.is_timeout() {
        true => format!("no answer within {} s", PROBE_TIMEOUT.as_secs()),
        false => crate::chain::of(&error.without_url()),
    })?;
    Ok(answer.status().as_u16())
}
