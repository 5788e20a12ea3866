//! Gateways, as clients of their admin APIs, and probes over HTTP.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use moorline_admin::{Client, ClientTls, ConnectionFault, Http};
use moorline_cycle::facilities::{Fleet, FleetError, ProbeError, ProbeRequest, ProbeResponse};
use moorline_model::declaration::{Endpoints, Environment};

use crate::shared::Shared;

/// Longest wait for a probe's answer.
const PROBE_TIMEOUT: Duration = Duration::from_secs(20);
/// By which the gateway knows a request.
const REQUEST_ID: &str = "x-request-id";

/// What all clients share: each of their own would read the machine's certificates.
#[derive(Debug, Default)]
pub struct Connections {
    admin: Mutex<Option<Http>>,
    probes: Mutex<Option<reqwest::Client>>,
}

impl Connections {
    fn admin(&self) -> Result<Http, String> {
        shared(&self.admin, || Http::new(&ClientTls::default()))
    }

    /// Each probe connects anew, as a caller does who comes for the first time.
    fn probes(&self) -> Result<reqwest::Client, reqwest::Error> {
        shared(&self.probes, || {
            let http = reqwest::Client::builder()
                .timeout(PROBE_TIMEOUT)
                .pool_max_idle_per_host(0)
                .redirect(reqwest::redirect::Policy::none());
            http.build()
        })
    }
}

/// What is made once; a failure is tried again the next time.
fn shared<T: Clone, E>(made: &Mutex<Option<T>>, make: impl FnOnce() -> Result<T, E>) -> Result<T, E> {
    let mut made = made.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(made) = &*made {
        return Ok(made.clone());
    }
    Ok(made.insert(make()?).clone())
}

impl Fleet for Shared {
    type Gateway = Client;

    fn gateways(&self, environment: &Environment) -> Result<Vec<(String, Client)>, FleetError> {
        let Endpoints::Urls(urls) = &environment.gateway.endpoints else { return Err(FleetError::Ecs) };
        let token = self.secrets.declared(&environment.gateway.admin_token).map_err(FleetError::Token)?;
        let http = self.connections.admin().map_err(FleetError::Connections)?;
        let replica = |url: &String| Ok((url.clone(), Client::over(&http, url, Some(token.clone()))?));
        urls.iter().map(replica).collect::<Result<_, _>>().map_err(FleetError::Endpoint)
    }

    async fn probe(&self, probe: ProbeRequest<'_>) -> Result<ProbeResponse, ProbeError> {
        let http = self.connections.probes().map_err(|error| ProbeError::Connections(Box::new(error)))?;
        let sent = format!("probe-{}", uuid::Uuid::now_v7());
        let mut request = http
            .post(format!("{}/v1/chat/completions", probe.address.trim_end_matches('/')))
            .header(REQUEST_ID, &sent)
            .header("x-moorline-probe", probe.pin.map_or("unpinned", |pin| pin.expose()))
            .json(probe.body);
        if let Some(key) = probe.key {
            request = request.bearer_auth(key.expose());
        }
        let answer = request.send().await.map_err(|error| ProbeError::Unanswered {
            address: probe.address.to_owned(),
            fault: ConnectionFault::of(&error),
            source: Box::new(error),
        })?;
        // Whoever stands between may have given it another.
        let named = answer.headers().get(REQUEST_ID).and_then(|id| id.to_str().ok());
        Ok(ProbeResponse { status: answer.status().as_u16(), request: named.map_or(sent, str::to_owned) })
    }
}
