//! Gateways, as clients of their admin APIs, and probes over HTTP.
//!
//! Clients are kept between cycles: making one reads the machine's certificates.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use moorline_admin::{Client, ConnectionFault};
use moorline_config::Secret;
use moorline_cycle::facilities::{Answered, Fleet, FleetError, Question};
use moorline_model::declaration::{Endpoints, Environment};

use crate::chain;
use crate::shared::Shared;

/// Longest wait for a probe's answer.
const PROBE_TIMEOUT: Duration = Duration::from_secs(20);
/// By which the gateway knows a request.
const REQUEST_ID: &str = "x-request-id";

/// Clients made so far, by address and token.
#[derive(Debug, Default)]
pub struct Clients {
    made: Mutex<BTreeMap<(String, String), Client>>,
}

impl Clients {
    fn client(&self, url: &str, token: &Secret) -> Result<Client, FleetError> {
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (url.to_owned(), token.fingerprint());
        if let Some(client) = made.get(&key) {
            return Ok(client.clone());
        }
        let client = Client::new(url, Some(token.clone())).map_err(FleetError::Endpoint)?;
        made.insert(key, client.clone());
        Ok(client)
    }
}

impl Fleet for Shared {
    type Gateway = Client;

    fn gateways(&self, environment: &Environment) -> Result<Vec<(String, Client)>, FleetError> {
        let Endpoints::Urls(urls) = &environment.gateway.endpoints else { return Err(FleetError::Ecs) };
        let token = self.secrets.declared(&environment.gateway.admin_token).map_err(FleetError::Token)?;
        let replica = |url: &String| Ok((url.clone(), self.clients.client(url, &token)?));
        urls.iter().map(replica).collect()
    }

    async fn probe(&self, question: Question<'_>) -> Result<Answered, String> {
        let http = reqwest::Client::builder()
            .timeout(PROBE_TIMEOUT)
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(|error| chain::of(&error))?;
        let sent = format!("probe-{}", uuid::Uuid::now_v7());
        let mut request = http
            .post(format!("{}/v1/chat/completions", question.address.trim_end_matches('/')))
            .header(REQUEST_ID, &sent)
            .header("x-moorline-probe", question.pin.map_or("unpinned", |pin| pin.expose()))
            .json(question.body);
        if let Some(key) = question.key {
            request = request.bearer_auth(key.expose());
        }
        let answer = request.send().await.map_err(|error| {
            let fault = ConnectionFault::of(&error);
            let told = format!("{}, where its callers go, {fault}: {}", question.address, fault.next_step());
            chain::after(&told, &error)
        })?;
        // Whoever stands between may have given it another.
        let named = answer.headers().get(REQUEST_ID).and_then(|id| id.to_str().ok());
        Ok(Answered { status: answer.status().as_u16(), request: named.map_or(sent, str::to_owned) })
    }
}
