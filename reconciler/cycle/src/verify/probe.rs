//! Requests we send ourselves, through the candidate, to see that it serves before anybody else sees it.

use std::time::Duration;

use futures_util::future::join_all;
use moorline_config::{Config, Percent, Secret};
use moorline_model::declaration::Probe;
use moorline_model::rollout::Rollout;
use moorline_model::{CheckFailed, masking};
use moorline_plan::gateway::ReplicaReading;
use moorline_plan::verify::{ProbeOutcome, ProbeResult};

use crate::act::staged_by;
use crate::facilities::{Facilities, Gateway, ProbeRequest, ProbeResponse};
use crate::fleet::Replicas;

/// Longest wait for why an answer was wrong.
const FAULT_TIMEOUT: Duration = Duration::from_secs(2);
/// The most tokens a probe asks for: it shall not cost.
const PROBE_TOKENS_MAX: u32 = 8;

/// Sends every declared probe to every replica that holds the document. Asking never puts it there: that is a step of
/// its own, written down before it is done.
pub(super) async fn all<W: Facilities>(
    world: &W,
    rollout: &Rollout,
    document: &Config,
    fleet: &Replicas<W::Gateway>,
    attested: &[ReplicaReading],
) -> Vec<ProbeResult> {
    if rollout.verify.probes.is_empty() {
        return Vec::new();
    }
    let holding = fleet.replicas.iter().zip(attested).filter(|(_, reading)| reading.holds(document.digest()));
    let replicas = holding.map(|((endpoint, client), reading)| {
        // Where it serves already there is nothing to pin to; elsewhere asking leaves the candidate's share as it is.
        let share =
            reading.candidate().filter(|_| !reading.serves(document.digest())).map(|found| found.weight);
        async move { replica(world, rollout, document, fleet, (endpoint, client), share).await }
    });
    join_all(replicas).await.into_iter().flatten().collect()
}

/// Sends every declared probe to one replica, one after the other.
async fn replica<W: Facilities>(
    world: &W,
    rollout: &Rollout,
    document: &Config,
    fleet: &Replicas<W::Gateway>,
    (endpoint, client): (&str, &W::Gateway),
    share: Option<Percent>,
) -> Vec<ProbeResult> {
    let pin = match share {
        Some(share) => pin(fleet, client, document, share, rollout).await.map(Some),
        None => Ok(None),
    };
    let data = data_address(fleet, client).await;
    let mut results = Vec::new();
    for probe in &rollout.verify.probes {
        let sent = match (&pin, &data) {
            (Ok(pin), Ok(data)) => send(world, probe, data, pin.as_ref()).await,
            (Err(failed), _) | (_, Err(failed)) => Err(failed.clone().after("the replica ")),
        };
        let outcome = match sent {
            Ok(answered) if answered.status == probe.expect_status => ProbeOutcome::Right,
            Ok(ProbeResponse { status, request }) => {
                let fault = fault(probe, client, status, &request).await;
                ProbeOutcome::Wrong { status, expected: probe.expect_status, fault }
            }
            Err(failed) => ProbeOutcome::Unanswered(failed),
        };
        results.push(ProbeResult { model: probe.model.clone(), endpoint: endpoint.to_owned(), outcome });
    }
    results
}

/// The key that pins a request to the candidate. Staging again what is staged changes nothing and answers with it.
async fn pin<G: Gateway>(
    fleet: &Replicas<G>,
    client: &G,
    document: &Config,
    share: Percent,
    rollout: &Rollout,
) -> Result<Secret, CheckFailed> {
    let staged = client.stage(document.value(), share, &staged_by(Some(rollout))).await;
    staged.map(|staged| Secret::new(staged.probe_key)).map_err(|error| fleet.failed(&error))
}

/// Where callers reach the replica, as it says itself.
async fn data_address<G: Gateway>(fleet: &Replicas<G>, client: &G) -> Result<String, CheckFailed> {
    let status = client.status().await.map_err(|error| fleet.failed(&error))?;
    let unsaid = "does not say where callers reach it: give the gateway its --endpoint";
    status.endpoint.ok_or_else(|| CheckFailed::stalled(unsaid))
}

async fn send<W: Facilities>(
    world: &W,
    probe: &Probe,
    address: &str,
    pin: Option<&Secret>,
) -> Result<ProbeResponse, CheckFailed> {
    let body = serde_json::json!({
        "model": probe.model,
        "messages": [{"role": "user", "content": probe.prompt}],
        "max_tokens": PROBE_TOKENS_MAX,
    });
    let key = probe.key.as_ref().map(|key| world.secret(key)).transpose();
    let key = key.map_err(|error| CheckFailed::stalled(crate::chain::of(&error)))?;
    Ok(world.probe(ProbeRequest { address, body: &body, key: key.as_ref(), pin }).await?)
}

/// What is wrong, as far as the gateway says. An older one says nothing, and the status has to do.
async fn fault(probe: &Probe, client: &impl Gateway, status: u16, request: &str) -> Option<String> {
    match (status, &probe.key) {
        (401, None) => Some(
            "the gateway wants a key and the probe shows none: give the probe a `key` that the document declares"
                .to_owned(),
        ),
        (401, Some(key)) => Some(format!(
            "the document declares no key with the value of {key}: put its SHA-256 under `keys`, or give the probe \
             another `key`"
        )),
        _ => {
            let asked = tokio::time::timeout(FAULT_TIMEOUT, client.failure(request)).await;
            asked.ok()?.ok()?.map(|failure| masking::masked(&failure.to_string()))
        }
    }
}
