//! Calls about the stable document: read, check, compare, replace.

use http::HeaderMap;
use http::header::{ETAG, HeaderValue};
use moorline_admin::endpoint::Nothing;
use moorline_admin::{ConfigPlan, Document, EffectiveConfig, Status, Validation};
use moorline_config::diff;
use serde_json::{Value, json};

use super::call::Call;
use super::refusal::Refusal;
use super::{Endpoint, Ends, request, touched};
use crate::clock;
use crate::state::Proposal;

/// `GET /admin/v1/config`.
pub(super) async fn read(call: Call<Nothing, Nothing>) -> Result<EffectiveConfig, Refusal> {
    let admin = &call.server.admin;
    let snapshot = admin.state.snapshot();
    let Some(stable) = &snapshot.stable else { return Err(Refusal::not_found("nothing was declared yet")) };
    Ok(EffectiveConfig {
        digest: stable.config.digest(),
        document: stable.config.value().clone(),
        attestation: Some(stable.attestation.clone()),
        fingerprints: stable.fingerprints.clone(),
        endpoint: Some(admin.endpoint.url(&call.ends)),
    })
}

/// The digest as the ETag.
pub(super) fn tag(config: &EffectiveConfig) -> HeaderMap {
    let tag = HeaderValue::try_from(format!("\"{}\"", config.digest)).ok();
    tag.map(|tag| (ETAG, tag)).into_iter().collect()
}

/// `POST /admin/v1/config/validate`.
pub(super) async fn validate(call: Call<Nothing, Document>) -> Result<Validation, Refusal> {
    let Document(document) = call.body;
    let proposal = Proposal::Posted(document);
    Ok(call.server.admin.state.change(move |state| Ok(state.validate(&proposal))).await?)
}

/// `POST /admin/v1/config/plan`.
pub(super) async fn plan(call: Call<Nothing, Document>) -> Result<ConfigPlan, Refusal> {
    let Call { server, body: Document(document), .. } = call;
    let proposal = Proposal::Posted(document);
    let after = server.admin.state.change(move |state| state.parse(&proposal)).await?;
    let snapshot = server.admin.state.snapshot();
    let before = snapshot.stable.as_ref().map(|stable| &stable.config);
    let nothing = json!({});
    let before_value: &Value = before.map_or(&nothing, |config| config.value());
    Ok(ConfigPlan {
        before: before.map(|config| config.digest()),
        after: after.digest(),
        changes: diff(before_value, after.value()),
        touched: touched::touched(before.map(|config| &**config), &after),
    })
}

/// `PUT /admin/v1/config`.
pub(super) async fn replace(call: Call<Nothing, Document>) -> Result<Status, Refusal> {
    let Call { server, ends, headers, body: Document(document), .. } = call;
    let write = request::write(&headers, &ends)?;
    let proposal = Proposal::Posted(document);
    server.admin.state.change(move |state| state.replace(&proposal, &write, clock::now())).await?;
    Ok(server.status(&ends))
}

impl Endpoint {
    pub(super) fn url(&self, ends: &Ends) -> String {
        match self {
            Self::Declared(url) => url.clone(),
            Self::Listener { scheme, address } => {
                let ip = if address.ip().is_unspecified() { ends.local.ip() } else { address.ip() };
                format!("{scheme}://{}", std::net::SocketAddr::new(ip, address.port()))
            }
        }
    }
}
