//! Every path of the data port, by every method, with every proof and none.

use moorline_gateway::routing::Operation;
use serde_json::json;

use super::caller::{Reply, client, finish};
use super::gateway::{Gateway, KEY, document};
use super::provider::Provider;

const METHODS: [&str; 8] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "ANYTHING"];

/// Who may ask a path.
#[derive(Clone, Copy, PartialEq, Eq)]
enum For {
    Anybody,
    Callers,
    Nobody,
}

/// Every path, who may ask it, and by which methods.
fn paths() -> Vec<(&'static str, For, &'static [&'static str])> {
    let get = &["GET", "HEAD"][..];
    let mut all = vec![
        ("/", For::Anybody, get),
        ("/healthz", For::Anybody, get),
        ("/readyz", For::Anybody, get),
        ("/v1/models", For::Callers, get),
        ("/v1/models/m", For::Callers, get),
    ];
    all.extend(Operation::ALL.map(|operation| (operation.path(), For::Callers, &["POST"][..])));
    let none = [
        "/v1",
        "/v1/",
        "/v1/files",
        "/v1/chat/completions/",
        "/admin/v1/status",
        "/admin/v1/config",
        "/metrics",
        "/healthz/",
        "/debug",
        "/.well-known/x",
    ];
    all.extend(none.map(|path| (path, For::Nobody, &[][..])));
    all
}

async fn ask(
    http: &reqwest::Client,
    gateway: &Gateway,
    method: &str,
    path: &str,
    proof: &[(&str, String)],
) -> Reply {
    let method = reqwest::Method::from_bytes(method.as_bytes()).unwrap();
    let mut request = http.request(method, gateway.url(path)).header("content-type", "application/json");
    for (name, value) in proof {
        request = request.header(*name, value);
    }
    let body = json!({"model": "m", "messages": [], "input": "x", "prompt": "x", "max_tokens": 1});
    finish(request.body(body.to_string())).await
}

#[tokio::test]
async fn every_path_but_those_of_health_asks_for_a_key_by_its_own_methods_only() {
    let provider = Provider::start().await;
    let gateway = Gateway::start(&document(&provider));
    let bearer = |key: &str| vec![("authorization", format!("Bearer {key}"))];
    let proofs = [
        (vec![], false),
        (bearer("vk-nobody"), false),
        (bearer(""), false),
        (bearer(&KEY[..KEY.len() - 1]), false),
        (bearer(&format!("{KEY}x")), false),
        (vec![("cookie", format!("authorization=Bearer {KEY}"))], false),
        (vec![("x-forwarded-uri", "/healthz".to_owned()), ("x-original-url", "/".to_owned())], false),
        (bearer(KEY), true),
        (vec![("x-api-key", KEY.to_owned())], true),
    ];
    let (http, mut reached) = (client(), 0);
    for (path, whose, methods) in paths() {
        for method in METHODS {
            for (proof, is_good) in &proofs {
                let reply = ask(&http, &gateway, method, path, proof).await;
                let case = format!("{method} {path} {proof:?}: {}", reply.status);
                match whose {
                    For::Nobody => assert_eq!(reply.status, 404, "{case}"),
                    _ if !methods.contains(&method) => {
                        assert_eq!(reply.status, 405, "{case}");
                        assert_eq!(reply.header("allow"), Some(methods.join(", ").as_str()), "{case}");
                    }
                    For::Anybody => assert_eq!(reply.status, 200, "{case}"),
                    For::Callers if !is_good => assert_eq!(reply.status, 401, "{case}"),
                    // Transcriptions are forms; not every operation is every provider's.
                    For::Callers => assert!([200, 400].contains(&reply.status), "{case}"),
                }
                let kind = reply.header("content-type").unwrap();
                assert!(
                    kind.starts_with("application/json") || kind.starts_with("text/plain"),
                    "{case}: {kind}"
                );
                while provider.requests_left().await > 0 {
                    provider.request().await;
                    reached += 1;
                    assert!(whose == For::Callers && *is_good, "{case} reached the provider");
                }
            }
        }
    }
    assert!(reached >= 14, "{reached}");
}
