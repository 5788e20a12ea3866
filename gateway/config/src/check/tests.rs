//! Each rule, broken once; and that a wrong shape elsewhere does not hide a broken rule or invent one.

use crate::{Config, Source};

const GOOD: &str = r#"version: 1
name: ai-gateway-prod
providers:
  openai: {kind: openai, api_key: env:OPENAI_API_KEY}
  local: {kind: openai_compatible, base_url: "http://10.0.3.7:8000/v1"}
models:
  gpt-4o:
    strategy: priority
    targets: [{provider: openai, model: gpt-4o}]
    fallback: [llama]
    price: {input: 2.50, output: 10.00, cached_input: 1.25}
  llama:
    strategy: weighted
    targets: [{provider: local, model: llama-3, weight: 3}, {provider: openai, model: gpt-4o-mini, weight: 0}]
routes:
  - path: /v1/chat/*
    models: [gpt-4o, llama]
    default_model: gpt-4o
    limits: [{per: key, requests: 1000, window: 1h}, {per: route, tokens: 200000, window: 1m}]
    retry: {attempts: 2, backoff: 250ms}
    min_stream_rate: {events: 5, window: 10s}
    timeouts: {connect: 2s, headers: 20s, first_token: 30s, idle: 30s, total: 5m}
  - path: /v1/embeddings
keys:
  - name: team-search
    sha256: "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
    models: [gpt-4o]
    limits: [{budget: 200.00, window: 1d}]
  - name: team-chat
    sha256: "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
stores: {limits: memory}
location: us-east-1
tags: {Environment: production}
"#;

/// What is said of the good document with one thing in it changed.
fn broken(from: &str, to: &str) -> String {
    assert!(GOOD.contains(from), "{from}");
    told(&GOOD.replacen(from, to, 1))
}

fn jwt(keys: &str, more: &str) -> String {
    format!("auth: {{jwt: {{issuer: \"https://x\", audience: a, jwks_url: \"{keys}\"{more}}}}}")
}

fn told(text: &str) -> String {
    let parsed = Config::parse(&[Source { name: "gateway.yaml", text }]);
    parsed.map(|_| ()).map_or_else(|mistakes| mistakes.to_string(), |()| "no mistake".to_owned())
}

#[test]
fn a_document_that_breaks_no_rule_is_accepted() {
    assert_eq!(told(GOOD), "no mistake");
}

#[test]
fn each_rule_broken_alone_is_named_with_its_place() {
    let changes = [
        ("{provider: openai, model: gpt-4o}", "{provider: opnai, model: gpt-4o}"),
        ("[{provider: openai, model: gpt-4o}]", "[]"),
        ("fallback: [llama]", "fallback: [lama]"),
        ("fallback: [llama]", "fallback: [llama, llama]"),
        ("fallback: [llama]", "fallback: [gpt-4o]"),
        ("weight: 3", "weight: 0"),
        (", base_url: \"http://10.0.3.7:8000/v1\"", ""),
        ("http://10.0.3.7:8000/v1", "http://me:sk-live-1@10.0.3.7:8000/v1"),
        ("path: /v1/embeddings", "path: v1/embeddings"),
        ("path: /v1/embeddings", "path: /v1/*/embeddings"),
        ("path: /v1/embeddings", "path: /v1/chat/*"),
        ("path: /v1/embeddings", "path: /v1/chat/completions"),
        ("path: /v1/embeddings", "path: /v1/chat/"),
        ("path: /v1/embeddings", "path: /v1/chat/deep/*"),
        ("models: [gpt-4o, llama]", "models: [gpt-4o, lama]"),
        ("default_model: gpt-4o", "default_model: gpt-5"),
        ("models: [gpt-4o, llama]\n    default_model: gpt-4o", "default_model: gpt-5"),
        ("requests: 1000", "requests: 0"),
        ("requests: 1000", "requests: 1000, tokens: 5"),
        ("requests: 1000, ", ""),
        ("budget: 200.00", "budget: 0"),
        ("window: 1h", "window: 0s"),
        (", window: 1h", ""),
        ("requests: 1000", "concurrency: 8"),
        ("requests: 1000, window: 1h", "concurrency: 8, algorithm: sliding"),
        ("requests: 1000", "requests: 9007199254740992"),
        ("per: route", "per: {header: \"x tenant\"}"),
        ("per: route", "per: everybody"),
        ("per: route", "per: [key]"),
        ("budget: 200.00", "per: team, budget: 200.00"),
        ("attempts: 2", "attempts: 11"),
        ("attempts: 2", "attempts: 0"),
        ("events: 5", "events: 0"),
        ("events: 5, window: 10s", "events: 1001, window: 0s"),
        ("idle: 30s", "idle: 0ms"),
        ("name: team-chat", "name: team-search"),
        (&"b".repeat(64), &"a".repeat(64)),
        (&"b".repeat(64), &"B".repeat(64)),
        ("models: [gpt-4o]\n", "models: [gpt-4]\n"),
        ("name: team-chat\n", "name: team-chat\n    expires: 2027-06-30\n"),
        (
            "name: team-chat\n",
            &format!(
                "name: team-chat\n    previous: {{sha256: {}, expires: 2027-06-30T00:00:00Z}}\n",
                "a".repeat(64)
            ),
        ),
        ("name: team-chat\n", &format!("name: team-chat\n    previous: {{sha256: {}}}\n", "c".repeat(64))),
        ("name: team-chat\n", "name: team-chat\n    metadata: {'a b': x}\n"),
        ("name: team-chat\n", &format!("name: team-chat\n    metadata: {{a: {}}}\n", "x".repeat(257))),
        ("location: us-east-1", &jwt("http://login.acme.example/keys", "")),
        ("location: us-east-1", &jwt("https://x/keys", ", algorithms: [HS256]")),
        ("location: us-east-1", &jwt("https://x/keys", ", algorithms: []")),
        ("location: us-east-1", &jwt("https://x/keys", ", claims: {name: ''}")),
        ("location: us-east-1", &jwt("https://x/keys", ", models: [gpt-5]")),
        ("location: us-east-1", &jwt("https://x/keys", ", limits: [{requests: 0, window: 1h}]")),
        ("stores: {limits: memory}", "stores: {cache: {memory: 64KiB}}"),
        ("stores: {limits: memory}", "stores: {cache: {redis: \"env:REDIS_URL\", when_lost: closed}}"),
        ("location: us-east-1", "guardrails: {a: {on: request}}"),
        ("location: us-east-1", "guardrails: {a: {pii: [email], words: [x]}}"),
        ("location: us-east-1", "guardrails: {a: {regex: ['(a', 'a*', ok]}}"),
        ("location: us-east-1", "guardrails: {a: {regex: ['(a{1000}){1000}']}}"),
        ("location: us-east-1", "guardrails: {a: {words: ['!', '']}}"),
        ("location: us-east-1", "guardrails: {a: {words: []}}"),
        ("location: us-east-1", "guardrails: {a: {words: [x], webhook: {url: 'https://guard.example'}}}"),
        ("location: us-east-1", "guardrails: {a: {webhook: {url: 'http://guard.example', timeout: 31s}}}"),
        (
            "location: us-east-1",
            "guardrails: {a: {webhook: {url: 'https://u:p@guard.example', timeout: 0ms}}}",
        ),
        ("location: us-east-1", "guardrails: {a: {webhook: {url: 'https://guard.example', token: secret}}}"),
        ("  - path: /v1/embeddings", "  - path: /v1/embeddings\n    guardrails: [none]"),
        ("location: us-east-1", "location: ''"),
        ("production", &"x".repeat(257)),
        ("production", r#""a\nb""#),
    ];
    let told: Vec<String> = changes
        .iter()
        .map(|(from, to)| {
            let shown = |text: &str| text.chars().take(60).collect::<String>();
            format!("{}  =>  {}\n    {}\n", shown(from), shown(to), broken(from, to).replace('\n', "\n    "))
        })
        .collect();
    insta::assert_snapshot!(told.join("").replace("gateway.yaml:", ""));
}

#[test]
fn a_document_with_everything_that_the_format_knows_is_accepted() {
    assert_eq!(told(include_str!("../../tests/everything.yaml")), "no mistake");
}

#[test]
fn circles_of_fallbacks_are_found_and_long_chains_are_walked() {
    let model = |name: &str, to: &str| {
        format!("  {name}: {{targets: [{{provider: p, model: m}}], fallback: [{to}]}}\n")
    };
    let head = "version: 1\nname: g\nproviders: {p: {kind: openai}}\nmodels:\n";
    let circle =
        format!("{head}{}{}{}{}", model("a", "b"), model("b", "c"), model("c", "b"), model("d", "a"));
    assert_eq!(told(&circle), "gateway.yaml:7:54: models.c.fallback[0]: `b` falls back to itself: b → c → b");

    let mut chain = head.to_owned();
    for number in 0..8_000 {
        chain +=
            &format!("  m{number}: {{targets: [{{provider: p, model: m}}], fallback: [m{}]}}\n", number + 1);
    }
    chain += "  m8000: {targets: [{provider: p, model: m}]}\n";
    assert_eq!(told(&chain), "no mistake");
}

#[test]
fn rules_are_checked_past_mistakes_of_shape_without_inventing_any() {
    let text = r#"version: 2
providers:
  openai: {kind: opnai}
  local: {kind: openai_compatible, base_url: "ftp://x"}
models:
  gpt-4o:
    targets: [{provider: openai, model: gpt-4o}, {provider: lcoal, model: x}]
    fallback: [llama, lama]
  llama:
    targets: [{provider: local, model: [llama]}]
routes:
  - {path: /v1/*, limits: [{requests: lots, window: 1h}]}
  - {path: v1, defualt_model: llama}
keys:
  - {name: a, sha256: b, sha256: c}
"#;
    insta::assert_snapshot!(told(text));
}

#[test]
fn a_generated_document_with_thousands_of_mistakes_is_refused_briefly_and_soon() {
    let mut text = "version: 1\nname: g\nproviders: {p: {kind: openai}}\nroutes:\n".to_owned();
    for number in 0..9_000 {
        text += &format!("  - {{path: /r{number}, default_model: m{number}}}\n");
    }
    assert_eq!(told(&text).lines().count(), super::PROBLEMS_MAX);
}
