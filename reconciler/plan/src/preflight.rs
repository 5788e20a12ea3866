//! Whether what an environment declares and its gateway document fit each other, as far as files can tell.
//!
//! In: the environment, its document, and what is known of the keys that probes ask with. Out: [`errors`], which can
//! never come to a good end, and [`warnings`], which most probably were not meant. Each has its path inside the
//! environment.

use moorline_model::bootstrap::Bootstrap;
use moorline_model::config::check::Problem;
use moorline_model::config::document::{Document, Key, Route};
use moorline_model::config::{ModelName, Reference};
use moorline_model::declaration::Document::Files;
use moorline_model::declaration::{Endpoints, Environment, Probe};
use url::Url;

use crate::desired::DesiredDocument;

/// Where probes ask.
const PROBED_PATH: &str = "/v1/chat/completions";
/// Where a gateway listens for callers unless it is told otherwise.
const CALLERS_PORT: u16 = 8787;
/// Where its admin API listens unless it is told otherwise.
const ADMIN_PORT: u16 = 8788;

/// What is known of the value behind a reference: the SHA-256 in hex, or `None` where it has no value here.
pub type SecretDigest<'a> = &'a dyn Fn(&Reference) -> Option<String>;

/// What can never come to a good end: probes that the document itself refuses.
#[must_use]
pub fn errors(environment: &Environment, document: &Document) -> Vec<Problem> {
    let probes = environment.verify.probes.iter().enumerate();
    let refused = probes.filter_map(|(index, probe)| {
        let refusal = refusal(probe, document)?;
        (refusal.status != probe.expect_status).then(|| refusal.problem(index, probe))
    });
    refused.collect()
}

/// Why a commit is not brought in though it can be read: its [`errors`], a line each. What Terraform hands over is left out,
/// for the apply that the commit asks for may bring another document.
#[must_use]
pub fn rejection(environment: &Environment, document: &DesiredDocument) -> Option<String> {
    let document = document.config().filter(|_| matches!(environment.gateway.document, Files(_)))?;
    let line =
        |found: Problem| format!("environment `{}`: {}: {}", environment.name, found.path, found.problem);
    let lines: Vec<_> = errors(environment, document).into_iter().map(line).collect();
    (!lines.is_empty()).then(|| lines.join("\n"))
}

/// What most probably was not meant, but could be right somewhere else.
#[must_use]
pub fn warnings(
    environment: &Environment,
    document: Option<&Document>,
    daemon: Option<&Bootstrap>,
    known: SecretDigest<'_>,
) -> Vec<Problem> {
    let mut warnings = Vec::new();
    if let Endpoints::Urls(urls) = &environment.gateway.endpoints {
        for (index, text) in urls.iter().enumerate() {
            let doubt = endpoint_doubt(text, daemon);
            warnings.extend(
                doubt.map(|problem| Problem { path: format!("gateway.endpoints[{index}]"), problem }),
            );
        }
    }
    for (index, probe) in environment.verify.probes.iter().enumerate() {
        let doubt = document.and_then(|document| key_doubt(probe, document, known));
        warnings
            .extend(doubt.map(|problem| Problem { path: format!("verify.probes[{index}].key"), problem }));
    }
    warnings
}

/// A refusal that a probe is certain to meet.
struct ProbeRefusal {
    status: u16,
    field: &'static str,
    because: String,
}

impl ProbeRefusal {
    fn new(status: u16, field: &'static str, because: impl Into<String>) -> Self {
        Self { status, field, because: because.into() }
    }

    fn problem(self, index: usize, probe: &Probe) -> Problem {
        let Self { status, field, because } = self;
        let expected = probe.expect_status;
        let problem = format!("this probe can never pass: {because}, so it gets {status} and not {expected}");
        Problem { path: format!("verify.probes[{index}].{field}"), problem }
    }
}

/// The refusal that a probe is certain to meet, asked in the gateway's own order: who calls, which route, which model.
fn refusal(probe: &Probe, document: &Document) -> Option<ProbeRefusal> {
    let takes_tokens = document.auth.as_ref().is_some_and(|auth| auth.jwt.is_some());
    if document.keys.is_empty() && !takes_tokens {
        return Some(ProbeRefusal::new(
            401,
            "key",
            "the gateway document declares no `keys`, so everybody is refused",
        ));
    }
    if probe.key.is_none() {
        let because = "it sends no key, and the gateway asks every caller for one (`key: env:NAME`)";
        return Some(ProbeRefusal::new(401, "key", because));
    }
    let Some(route) = document.routes.iter().find(|route| matches(route, PROBED_PATH)) else {
        let because = format!("no route of the gateway document serves {PROBED_PATH}");
        return Some(ProbeRefusal::new(404, "model", because));
    };
    let model = probe.model.as_str();
    if !document.models.keys().any(|known| known.as_str() == model) {
        let known: Vec<_> = document.models.keys().map(|known| format!("`{known}`")).collect();
        let because = format!(
            "the gateway document declares no model `{model}` (it has {})",
            if known.is_empty() { "none".to_owned() } else { known.join(", ") }
        );
        return Some(ProbeRefusal::new(404, "model", because));
    }
    let is_listed = |models: &[ModelName]| models.iter().any(|known| known.as_str() == model);
    if !route.models.as_deref().is_none_or(is_listed) {
        let because = format!("the route {} does not serve `{model}`", route.path);
        return Some(ProbeRefusal::new(404, "model", because));
    }
    let may = |key: &Key| key.models.as_deref().is_none_or(is_listed);
    if !takes_tokens && !document.keys.iter().any(may) {
        let because = format!("no key of the gateway document may use `{model}`");
        return Some(ProbeRefusal::new(403, "model", because));
    }
    None
}

fn matches(route: &Route, path: &str) -> bool {
    match route.path.strip_suffix('*') {
        Some(prefix) => path.starts_with(prefix),
        None => route.path == path,
    }
}

/// What is odd about the key that a probe asks with, where its value is known.
fn key_doubt(probe: &Probe, document: &Document, known: SecretDigest<'_>) -> Option<String> {
    let reference = probe.key.as_ref()?;
    let hash = known(reference)?;
    let takes_tokens = document.auth.as_ref().is_some_and(|auth| auth.jwt.is_some());
    let is = |key: &&Key| {
        key.sha256 == hash || key.previous.as_ref().is_some_and(|previous| previous.sha256 == hash)
    };
    let Some(key) = document.keys.iter().find(is) else {
        return (!takes_tokens && !document.keys.is_empty()).then(|| {
            format!(
                "{reference} as it is set here is no key of the gateway document: declare its SHA-256 under \
                 `keys`, or set it to a key that is declared"
            )
        });
    };
    let is_listed = |models: &Vec<ModelName>| models.iter().any(|known| known.as_str() == probe.model);
    (!key.models.as_ref().is_none_or(is_listed)).then(|| {
        format!(
            "{reference} as it is set here is the key `{}`, which may not use `{}`",
            key.name, probe.model
        )
    })
}

/// What is odd about an endpoint.
fn endpoint_doubt(text: &str, daemon: Option<&Bootstrap>) -> Option<String> {
    let url = Url::parse(text).ok()?;
    let address = format!("{}:{}", url.host_str()?, url.port_or_known_default()?);
    if daemon.is_some_and(|daemon| daemon.listen == address) {
        return Some(format!(
            "{address} is where the daemon itself listens (`listen` of its settings): expected a gateway's admin API"
        ));
    }
    (url.port() == Some(CALLERS_PORT)).then(|| {
        format!(
            "{CALLERS_PORT} is where gateways listen for callers unless told otherwise: expected the admin API, which \
             is at {ADMIN_PORT} (`--admin`)"
        )
    })
}

#[cfg(test)]
mod tests;
