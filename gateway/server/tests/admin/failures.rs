//! Why a request failed, for whoever holds the admin token and for nobody else.

use axum::Router;
use axum::extract::Path;
use axum::routing::post;
use http::StatusCode;
use moorline_admin::{ConnectionFault, ErrorKind, Failure, Fault};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::harness::{DEADLINE, Gateway, Home, UPSTREAM_KEY, git};
use crate::provider::CALLER;
use crate::serving::Serving;

/// A provider that answers with the status its path names, and repeats the key it was shown.
async fn provider() -> Serving {
    async fn answer(Path(status): Path<u16>, headers: http::HeaderMap) -> (StatusCode, String) {
        let key = headers.get("authorization").and_then(|key| key.to_str().ok()).unwrap_or_default();
        (StatusCode::from_u16(status).unwrap(), json!({"error": {"message": key}}).to_string())
    }
    Serving::start(Router::new().route("/{status}/chat/completions", post(answer))).await
}

/// A model for each base URL.
fn document(bases: &[(&str, String)]) -> Value {
    let of = |make: &dyn Fn(&str, &str) -> Value| -> serde_json::Map<String, Value> {
        bases.iter().map(|(name, base)| ((*name).to_owned(), make(name, base))).collect()
    };
    json!({
        "version": 1,
        "name": "g",
        "providers": of(&|_, base| {
            json!({"kind": "openai_compatible", "base_url": base, "api_key": "env:UPSTREAM_KEY"})
        }),
        "models": of(&|name, _| json!({"targets": [{"provider": name, "model": "up"}]})),
        "routes": [{"path": "/v1/*", "retry": {"attempts": 1}}],
        "keys": [{"name": "team", "sha256": hex::encode(Sha256::digest(CALLER))}],
    })
}

/// Asks a model, with more headers; the status.
async fn ask(gateway: &Gateway, model: &str, headers: &[(&str, &str)]) -> u16 {
    let body = json!({"model": model, "messages": [{"role": "user", "content": "ping"}]});
    let url = format!("{}/v1/chat/completions", gateway.data);
    let mut request = reqwest::Client::new().post(url).timeout(DEADLINE).json(&body);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.send().await.unwrap().status().as_u16()
}

/// Asks so that a failure is explained, and for the explanation.
async fn explained(gateway: &Gateway, model: &str, id: &str, key: &str) -> (u16, Failure) {
    let bearer = format!("Bearer {key}");
    let headers = [("x-moorline-probe", "why"), ("x-request-id", id), ("authorization", bearer.as_str())];
    let status = ask(gateway, model, &headers).await;
    let failure = gateway.client.failure(id).await.unwrap().expect("it is known");
    assert_eq!((failure.request.as_str(), failure.status), (id, status));
    (status, failure)
}

#[tokio::test]
async fn a_failure_names_provider_target_and_fault_and_no_secret() {
    let provider = provider().await;
    let at = |status: u16| format!("{}/{status}", provider.url);
    let home = Home::new();
    let gateway = home.start(&[]).await;
    let dead = "http://127.0.0.1:1/v1".to_owned();
    let bases = [("dead", dead), ("denying", at(401)), ("failing", at(500)), ("lacking", at(404))];
    gateway.client.put_config(&document(&bases), &git("c1")).await.unwrap();

    let (status, failure) = explained(&gateway, "dead", "why-1", CALLER).await;
    let said = "provider dead refuses connections (target up at http://127.0.0.1:1/v1)";
    assert_eq!((status, failure.kind, failure.to_string().as_str()), (502, ErrorKind::UpstreamFailed, said));
    assert_eq!(failure.targets[0].fault, Fault::Connection { how: ConnectionFault::Refused });

    let (status, failure) = explained(&gateway, "denying", "why-2", CALLER).await;
    let said = failure.to_string();
    assert!(said.starts_with("provider denying refuses the gateway's credential (401)"), "{said}");
    assert!(said.ends_with("give the gateway a good one at env:UPSTREAM_KEY"), "{said}");
    // It is not asked again for a while, and that is not all that is said of it then.
    let (again, failure) = explained(&gateway, "denying", "why-3", CALLER).await;
    assert_eq!((status, again), (502, 503));
    let said = failure.to_string();
    assert!(said.contains("refuses the gateway's credential (401) and is left alone for now"), "{said}");
    assert!(said.contains("env:UPSTREAM_KEY") && !said.contains(UPSTREAM_KEY), "{said}");

    for (model, id, expected) in [("failing", "why-4", 500), ("lacking", "why-5", 404)] {
        let (_, failure) = explained(&gateway, model, id, CALLER).await;
        assert_eq!(failure.targets[0].fault, Fault::Answered { status: expected }, "{failure:?}");
        assert!(!serde_json::to_string(&failure).unwrap().contains(UPSTREAM_KEY), "{failure:?}");
    }

    // What the gateway refuses itself.
    let (status, failure) = explained(&gateway, "failing", "why-6", "vk-nobody").await;
    assert_eq!((status, failure.kind, failure.targets.len()), (401, ErrorKind::Unauthorized, 0));
    let (status, failure) = explained(&gateway, "no-such-model", "why-7", CALLER).await;
    assert_eq!(status, 404);
    assert!(failure.to_string().contains("no-such-model"), "{failure}");
}

#[tokio::test]
async fn who_does_not_ask_is_not_explained() {
    let home = Home::new();
    let gateway = home.start(&[]).await;
    gateway
        .client
        .put_config(&document(&[("m", "http://127.0.0.1:1/v1".to_owned())]), &git("c1"))
        .await
        .unwrap();
    let bearer = format!("Bearer {CALLER}");
    let headers = [("x-request-id", "plain-1"), ("authorization", bearer.as_str())];
    assert_eq!(ask(&gateway, "m", &headers).await, 502);
    assert_eq!(gateway.client.failure("plain-1").await.unwrap(), None);
}
