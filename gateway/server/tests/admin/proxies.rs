//! Proxies that the environment names: nobody declared them, and nothing goes there.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use axum::Router;
use axum::http::StatusCode;
use axum::routing::{get, post};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::harness::{DEADLINE, Home, document, git};
use crate::serving::Serving;
use crate::vault::Vault;

const KEY: &str = "vk-caller";

/// What a gateway asks: providers, an authority, an issuer of tokens and a collector, each at its own path.
fn asked(count: &Arc<AtomicUsize>) -> Router {
    let answer = |body: Value| {
        let count = Arc::clone(count);
        move || {
            count.fetch_add(1, Ordering::SeqCst);
            std::future::ready(axum::Json(body))
        }
    };
    Router::new()
        .route("/v1/chat/completions", post(answer(json!({"choices": []}))))
        .route("/openai/v1/chat/completions", post(answer(json!({"choices": []}))))
        .route("/t/oauth2/v2.0/token", post(answer(json!({"access_token": "x", "expires_in": 3600}))))
        .route("/keys", get(answer(json!({"keys": []}))))
        .route("/v1/traces", post(answer(json!({}))))
        .route("/v1/metrics", post(answer(json!({}))))
}

#[tokio::test]
async fn nothing_goes_to_a_proxy_that_the_environment_names() {
    let (reached, count) = (Arc::new(AtomicUsize::new(0)), Arc::<AtomicUsize>::default());
    let stolen = Arc::clone(&reached);
    let proxy = Serving::start(Router::new().fallback(move || {
        stolen.fetch_add(1, Ordering::SeqCst);
        std::future::ready(StatusCode::OK)
    }))
    .await;
    let (there, vault, home) = (Serving::start(asked(&count)).await, Vault::start().await, Home::new());
    vault.put("kv", "proxies", json!({"key": "marker-vault-value"}));
    let mut environment = vault.environment();
    for name in ["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"] {
        environment.push((name, proxy.url.clone()));
    }
    environment.push(("OTEL_EXPORTER_OTLP_ENDPOINT", there.url.clone()));
    environment.push(("OTEL_BSP_SCHEDULE_DELAY", "20".to_owned()));
    let gateway = home.start_in(&environment, &[]).await;
    let mut declared = document("proxies");
    declared["providers"] = json!({
        "up": {"kind": "openai_compatible", "base_url": format!("{}/v1", there.url), "api_key": "vault:kv/proxies#key"},
        "principal": {
            "kind": "azure_openai", "base_url": there.url,
            "entra": {"tenant_id": "t", "client_id": "c", "client_secret": "env:UPSTREAM_KEY", "authority": there.url},
        },
    });
    declared["models"] = json!({
        "m": {"targets": [{"provider": "up", "model": "m"}]},
        "p": {"targets": [{"provider": "principal", "model": "m"}]},
    });
    declared["auth"] = json!({"jwt": {"issuer": "https://i.example", "audience": "a", "jwks_url": format!("{}/keys", there.url)}});
    declared["routes"] = json!([{"path": "/v1/*"}]);
    declared["keys"] = json!([{"name": "k", "sha256": hex::encode(Sha256::digest(KEY))}]);
    gateway.client.put_config(&declared, &git("c1")).await.unwrap();
    let http = reqwest::Client::builder().no_proxy().tls_certs_only([]).build().unwrap();
    for model in ["m", "p"] {
        let body = json!({"model": model, "messages": []}).to_string();
        let request = http.post(format!("{}/v1/chat/completions", gateway.data)).bearer_auth(KEY);
        let answer = request.timeout(DEADLINE).body(body).send().await.unwrap();
        assert_eq!(answer.status(), 200, "{model}");
    }
    // Two answers, a token, keys, and spans.
    let by = Instant::now() + DEADLINE;
    while count.load(Ordering::SeqCst) < 5 {
        assert!(Instant::now() < by, "{count:?} of the five came");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(reached.load(Ordering::SeqCst), 0);
}
