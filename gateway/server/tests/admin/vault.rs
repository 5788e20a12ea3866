//! A server that speaks the part of Vault's HTTP API that is read: one version of a secret of the KV version 2 engine.
//!
//! Vault itself is in no registry that tests may install from. Paths, headers, statuses and bodies are those of Vault's
//! API documentation: "Read secret version" (developer.hashicorp.com/vault/api-docs/secret/kv/kv-v2), "HTTP status
//! codes", "Error response", "Namespaces" and "Authentication" (developer.hashicorp.com/vault/api-docs).

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};

use crate::serving::Serving;

/// The token it takes.
pub(crate) const VAULT_TOKEN: &str = "hvs.marker-vault-token-4714";
/// The namespace everything is in.
pub(crate) const NAMESPACE: &str = "team-a";

#[derive(Default)]
struct Shared {
    entries: BTreeMap<String, Value>,
    sealed: bool,
}

/// A running server.
pub(crate) struct Vault {
    shared: Arc<Mutex<Shared>>,
    serving: Serving,
}

impl Vault {
    pub(crate) async fn start() -> Self {
        let shared = Arc::<Mutex<Shared>>::default();
        let router =
            Router::new().route("/v1/{mount}/data/{*path}", get(read)).with_state(Arc::clone(&shared));
        Self { shared, serving: Serving::start(router).await }
    }

    /// A new version of an entry.
    pub(crate) fn put(&self, mount: &str, path: &str, data: Value) {
        self.shared.lock().unwrap().entries.insert(format!("{mount}/{path}"), data);
    }

    /// Sealed, it answers nothing.
    pub(crate) fn seal(&self, sealed: bool) {
        self.shared.lock().unwrap().sealed = sealed;
    }

    /// What a gateway needs in its environment to find it.
    pub(crate) fn environment(&self) -> Vec<(&'static str, String)> {
        vec![
            ("VAULT_ADDR", self.serving.url.clone()),
            ("VAULT_TOKEN", VAULT_TOKEN.to_owned()),
            ("VAULT_NAMESPACE", NAMESPACE.to_owned()),
        ]
    }
}

async fn read(
    State(shared): State<Arc<Mutex<Shared>>>,
    Path((mount, path)): Path<(String, String)>,
    headers: HeaderMap,
) -> Response {
    let shared = shared.lock().unwrap();
    let errors =
        |status: StatusCode, errors: Value| (status, axum::Json(json!({"errors": errors}))).into_response();
    let is = |name: &str, expected: &str| headers.get(name).is_some_and(|value| value == expected);
    if shared.sealed {
        return errors(StatusCode::SERVICE_UNAVAILABLE, json!(["Vault is sealed"]));
    }
    if !is("x-vault-token", VAULT_TOKEN) || !is("x-vault-namespace", NAMESPACE) {
        return errors(StatusCode::FORBIDDEN, json!(["permission denied"]));
    }
    let Some(data) = shared.entries.get(&format!("{mount}/{path}")) else {
        return errors(StatusCode::NOT_FOUND, json!([]));
    };
    // A version that was deleted is answered with 404, its metadata and no data.
    let (status, deleted) = match data {
        Value::Null => (StatusCode::NOT_FOUND, "2018-03-22T02:36:43.986212308Z"),
        _ => (StatusCode::OK, ""),
    };
    let answer = json!({
        "request_id": "5a1b2c3d-0000-0000-0000-000000000000", "lease_id": "", "renewable": false, "lease_duration": 0,
        "data": {
            "data": data,
            "metadata": {
                "created_time": "2018-03-22T02:24:06.945319214Z", "custom_metadata": null,
                "deletion_time": deleted, "destroyed": false, "version": 2,
            },
        },
        "wrap_info": null, "warnings": null, "auth": null,
    });
    (status, axum::Json(answer)).into_response()
}
