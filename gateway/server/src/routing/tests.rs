//! Compiling a document.

use moorline_translate::Parts;
use serde_json::json;

use super::way::Way;
use super::*;

fn compiled(document: &serde_json::Value) -> Routing {
    let config = Config::from_value("test", document).unwrap();
    Routing::compile(&config, &|_| Some(Secret::new("sk-upstream".to_owned())))
}

fn document() -> serde_json::Value {
    json!({
        "version": 1, "name": "test",
        "providers": {
            "a": {"kind": "openai_compatible", "base_url": "http://10.0.3.7:8000/v1/", "api_key": "env:KEY"},
            "b": {"kind": "openai_compatible", "base_url": "http://[::1]:9/x"},
            "public": {"kind": "openai", "api_key": "env:KEY"},
        },
        "models": {
            "dear": {"targets": [{"provider": "a", "model": "x"}], "price": {"input": 5, "output": 5}},
            "cheap": {"targets": [
                {"provider": "b", "model": "unpriced"},
                {"provider": "a", "model": "two", "price": {"input": 2, "output": 2}},
                {"provider": "a", "model": "one", "price": {"input": 1, "output": 1}},
            ]},
        },
        "routes": [
            {"path": "/v1/chat/*", "models": ["cheap"], "limits": [
                {"requests": 5, "window": "1m"}, {"requests": 3, "window": "1m"}, {"per": "route", "requests": 9, "window": "1m"},
            ]},
            {"path": "/v1/embeddings"},
        ],
        "keys": [{"name": "k", "sha256": hex::encode(sha2::Sha256::digest("secret")), "models": ["cheap"]}],
    })
}

use sha2::Digest as _;

#[test]
fn the_first_route_whose_path_matches_serves() {
    let routing = compiled(&document());
    assert_eq!(routing.route("/v1/chat/completions").map(|route| route.index), Some(0));
    assert_eq!(routing.route("/v1/embeddings").map(|route| route.index), Some(1));
    assert!(routing.route("/v1/embeddings/").is_none());
    assert!(routing.route("/v1/chat").is_none());
}

#[test]
fn routes_and_keys_allow_the_models_they_name() {
    let routing = compiled(&document());
    let (dear, cheap) = (routing.model_named("dear").unwrap(), routing.model_named("cheap").unwrap());
    let (_, key) = routing.key(&KeyHash::of(b"secret")).unwrap();
    assert!(key.allows(cheap) && !key.allows(dear));
    assert!(routing.routes()[0].allows(cheap) && !routing.routes()[0].allows(dear));
    assert!(routing.routes()[1].allows(dear));
    assert!(routing.key(&KeyHash::of(b"secre")).is_none());
}

#[test]
fn limits_that_would_share_a_counter_become_the_smaller_one() {
    let routing = compiled(&document());
    let most: Vec<u64> = routing.routes()[0].limits.iter().map(|limit| limit.most).collect();
    assert_eq!(most, [3, 9]);
}

#[test]
fn a_model_is_estimated_by_its_dearest_target() {
    let routing = compiled(&document());
    let cheap = routing.model(routing.model_named("cheap").unwrap()).unwrap();
    assert_eq!(cheap.price_estimate().unwrap().rank(), 4_000_000);
}

#[tokio::test]
async fn a_credential_travels_to_its_own_origin_only() {
    let config = Config::from_value("test", &document()).unwrap();
    let resolve = |_: &Reference| Some(Secret::new("sk-upstream".to_owned()));
    let name: ProviderName = "a".parse().unwrap();
    let upstream = Upstream::compile(&name, &config.providers[&name], &resolve);
    let own = upstream.origin().unwrap().clone();
    assert_eq!(own.to_string(), "http://10.0.3.7:8000");
    let ways = upstream.ways("m");
    assert!(matches!(ways.of(Operation::Chat), Some(Way::Same(path)) if path == "/v1/chat/completions"));

    let authorize = async |destination: &Origin| {
        let (mut head, ()) = http::Request::new(()).into_parts();
        let authorized = upstream.authorize(destination, &mut head, &Parts::default()).await;
        (authorized.is_ok(), head.headers)
    };
    let (is_authorized, headers) = authorize(&own).await;
    assert!(is_authorized);
    assert_eq!(headers["authorization"], "Bearer sk-upstream");
    assert_eq!(headers["host"], "10.0.3.7:8000");
    for other in [
        Origin { port: 8001, ..own.clone() },
        Origin { secure: true, ..own.clone() },
        Origin { host: "10.0.3.8".to_owned(), ..own.clone() },
    ] {
        let (is_authorized, headers) = authorize(&other).await;
        assert!(!is_authorized && headers.is_empty(), "{other}");
    }
    assert!(!format!("{upstream:?}").contains("sk-upstream"));
}

#[test]
fn a_key_without_a_value_makes_its_provider_unusable() {
    let config = Config::from_value("test", &document()).unwrap();
    let upstream = |name: &str, resolve: &dyn Fn(&Reference) -> Option<Secret>| {
        let name: ProviderName = name.parse().unwrap();
        Upstream::compile(&name, &config.providers[&name], resolve).origin().cloned()
    };
    assert_eq!(upstream("a", &|_| None), Err(upstream::Unusable::Credential));
    assert_eq!(
        upstream("a", &|_| Some(Secret::new("two\nlines".to_owned()))),
        Err(upstream::Unusable::Credential)
    );
    assert_eq!(upstream("b", &|_| None).unwrap().host, "::1");
    let public = upstream("public", &|_| Some(Secret::new("sk".to_owned()))).unwrap();
    assert_eq!(public.to_string(), "https://api.openai.com:443");
}
