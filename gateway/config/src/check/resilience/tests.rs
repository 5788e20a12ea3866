//! Each rule of choosing among targets, broken once.

use crate::{Config, Source};

const GOOD: &str = r#"version: 1
name: g
providers: {p: {kind: openai}}
models:
  m:
    strategy: least_busy
    targets: [{provider: p, model: a}, {provider: p, model: b, when: {header: {x-tier: gold}, key: [k], metadata: {plan: pro}}}]
    sticky: {by: {header: x-session}}
    breaker: {failures: 5, window: 30s, cooldown: 15s}
    hedge: {after: 800ms, max: 1}
    shadow: {model: n, share: 5%, max_in_flight: 16}
    context_window: 128000
  n: {strategy: cheapest, targets: [{provider: p, model: a, weight: 2, context_window: 8000}], sticky: {by: key}}
keys: [{name: k, sha256: "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"}]
"#;

fn told(text: &str) -> String {
    let parsed = Config::parse(&[Source { name: "g.yaml", text }]);
    parsed.map_or_else(|mistakes| mistakes.to_string(), |_| "no mistake".to_owned())
}

#[test]
fn each_rule_broken_alone_is_named_with_its_place() {
    assert_eq!(told(GOOD), "no mistake");
    let changes = [
        ("{header: {x-tier: gold}, key: [k], metadata: {plan: pro}}", "{}"),
        ("key: [k]", "key: [kk]"),
        ("key: [k]", "key: [k, k]"),
        ("x-tier: gold", "x tier: gold"),
        ("plan: pro", "the plan: pro"),
        ("x-tier: gold", "Authorization: gold"),
        ("x-tier: gold", "x-tier: \"a\\nb\""),
        ("x-tier: gold", "x-tier: ''"),
        ("header: x-session", "header: X-Api-Key"),
        ("{header: x-session}", "session"),
        ("{header: x-session}", "{cookie: x-session}"),
        ("weight: 2", "weight: 0"),
        ("failures: 5", "failures: 0"),
        ("window: 30s, cooldown: 15s", "window: 0s, cooldown: 0s"),
        ("after: 800ms", "after: 0s"),
        ("max: 1", "max: 0"),
        ("max: 1", "max: 2"),
        (", sticky: {by: key}", ", sticky: {by: key}, hedge: {after: 1s}"),
        ("model: n, share: 5%", "model: m, share: 0%"),
        ("model: n, share: 5%, max_in_flight: 16", "model: nn, share: 5%, max_in_flight: 0"),
        ("share: 5%", "share: 500%"),
        ("share: 5%, max_in_flight: 16", "share: 5%, max_in_flight: 1001"),
        ("context_window: 128000", "context_window: 0"),
        ("context_window: 8000", "context_window: 0"),
    ];
    let told: Vec<String> = changes
        .iter()
        .map(|(from, to)| {
            assert!(GOOD.contains(from), "{from}");
            format!("{from}  =>  {to}\n    {}\n", told(&GOOD.replacen(from, to, 1)).replace('\n', "\n    "))
        })
        .collect();
    insta::assert_snapshot!(told.join("").replace("g.yaml:", ""));
}
