//! What people are told, as golden text, and what hostile sources cannot do.

use serde_json::json;

use super::*;
use crate::Document;

fn source<'a>(name: &'a str, text: &'a str) -> Source<'a> {
    Source { name, text }
}

fn mistakes(sources: &[Source<'_>]) -> String {
    decode::<Document>(sources).map(|_| ()).unwrap_err().to_string()
}

const BASE: &str = r#"version: 1
name: ai-gateway
providers:
  openai: {kind: openai, api_key: env:OPENAI_API_KEY}
models:
  gpt-4o:
    targets: [{provider: openai, model: gpt-4o}]
routes:
  - path: /v1/chat/*
    limits:
      - {per: key, requests: 1000, window: 1h}
"#;

#[test]
fn mistakes_of_every_kind_in_two_layers_are_named_at_once() {
    let base = r#"version: 1
name: ai-gateway
providers:
  openai: {kind: opneai, api_key: sk-live-51aBcD}
models:
  gpt-4.1:
    targts: [{provider: openai, model: gpt-4.1}]
tags: {Environment: production, Release: 1.10}
"#;
    let prod = r#"# production
models:
  gpt-4.1:
    strategy: priority
    strategy: weighted
routes:
  - path: /v1/chat/*
    limits:
      - {per: key, requests: 1000, window: 1h}
      - {per: key, requests: many, window: 1 hour}
    retry: [3]
stores: {limits: {redis: "redis://:hunter2@cache", when_lost: shut}, cache: {memory: 64MiB, redis: env:REDIS_URL}}
keys:
  - {name: team-search}
location: 5
"#;
    let told = mistakes(&[source("base.yaml", base), source("prod.yaml", prod)]);
    insta::assert_snapshot!(told);
    for secret in ["sk-live", "hunter2"] {
        assert!(!told.contains(secret), "{told}");
    }
}

#[test]
fn a_good_document_decodes_and_its_value_is_what_the_layers_say() {
    let over =
        "routes: [{path: /v1/*}]\nproviders: {openai: {api_key: null, base_url: 'https://x.example/v1'}}\n";
    let decoded = decode::<Document>(&[source("base.yaml", BASE), source("over.yaml", over)]).unwrap();
    assert_eq!(decoded.value["routes"], json!([{"path": "/v1/*"}]));
    assert_eq!(
        decoded.value["providers"],
        json!({"openai": {"kind": "openai", "base_url": "https://x.example/v1"}})
    );
    assert_eq!(decoded.document.routes[0].path, "/v1/*");
}
