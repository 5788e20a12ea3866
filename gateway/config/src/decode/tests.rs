//! What people are told, as golden text, and what hostile sources cannot do.

use serde_json::json;

use super::*;
use crate::{Document, Reference};

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

#[derive(Debug, PartialEq, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Fleet {
    version: u8,
    boats: Vec<Boat>,
    #[serde(default)]
    by_name: std::collections::BTreeMap<String, Boat>,
    crew: Option<Crew>,
    pair: Option<(u8, u8)>,
    token: Option<Reference>,
}

#[derive(Debug, PartialEq, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Boat {
    name: String,
    length: f64,
    sail: Option<Sail>,
}

#[derive(Debug, PartialEq, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
enum Sail {
    Gaff,
    Lateen { area: u32 },
}

#[derive(Debug, PartialEq, serde::Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
enum Crew {
    Alone,
    Watch { hands: u8, note: Option<String> },
}

fn fleet(text: &str) -> String {
    decode::<Fleet>(&[source("f", text)]).unwrap_err().to_string()
}

#[test]
fn any_type_is_decoded_with_its_enums_tuples_and_numbers() {
    let text = "{version: 1, boats: [{name: a, length: 7, sail: gaff}, {name: b, length: 7.5, sail: {lateen: {area: 9}}}], \
                by_name: {c: {name: c, length: 1}}, crew: {kind: watch, hands: 2}, pair: [1, 2], token: 'env:T'}";
    let boat = |name: &str, length, sail| Boat { name: name.to_owned(), length, sail };
    let expected = Fleet {
        version: 1,
        boats: vec![boat("a", 7.0, Some(Sail::Gaff)), boat("b", 7.5, Some(Sail::Lateen { area: 9 }))],
        by_name: [("c".to_owned(), boat("c", 1.0, None))].into(),
        crew: Some(Crew::Watch { hands: 2, note: None }),
        pair: Some((1, 2)),
        token: Some(Reference::Env("T".to_owned())),
    };
    assert_eq!(decode::<Fleet>(&[source("f", text)]).unwrap().document, expected);
}

#[test]
fn each_wrong_shape_is_told_in_plain_words_where_it_stands() {
    let cases = [
        "[]",
        "just words",
        "{version: 300, boats: []}",
        "{version: -1, boats: []}",
        "{version: 1.5, boats: []}",
        "{version: '1', boats: []}",
        "{version: 1, boats: {name: a}}",
        "{version: 1, boats: [5, {name: true, length: long}]}",
        "{version: 1, boats: [{name: a, length: 1, sail: gaf}]}",
        "{version: 1, boats: [{name: a, length: 1, sail: 5}]}",
        "{version: 1, boats: [{name: a, length: 1, sail: {lateen: {area: big, x: 1}}}]}",
        "{version: 1, boats: [{name: a, length: 1, sail: {lateen: 5}}]}",
        "{version: 1, boats: [{name: a, length: 1, sail: {gaff: 5}}]}",
        "{version: 1, boats: [{name: a, length: 1, sail: {gaff: 5, lateen: 6}}]}",
        "{version: 1, boats: [{name: a, length: 1, sail: lateen}]}",
        "{version: 1, boats: [{name: [a], length: {}}, {lenght: 5, name: b}, null]}",
        "{version: 1, boats: [], by_name: {a: {name: a}, b: [], c: {name: c, length: 1, mast: 2}}}",
        "{version: 1, boats: [], crew: {kind: wach}}",
        "{version: 1, boats: [], crew: {kind: watch, hands: many}}",
        "{version: 1, boats: [], crew: {kind: watch, hands: 1, hnads: 2}}",
        "{version: 1, boats: [], crew: {hands: 1}}",
        "{version: 1, boats: [], pair: [1]}",
        "{version: 1, boats: [], pair: [1, 2, 3]}",
        "{version: 1, boats: [], pair: [1, x]}",
        "{version: x, boats: y, crew: z, pair: w, token: v, boatz: u}",
        "{}",
        "{\"ver\\nsion\\u001b[31m\": 1}",
    ];
    let told: Vec<String> =
        cases.iter().map(|text| format!("{text}\n    {}\n", fleet(text).replace('\n', "\n    "))).collect();
    insta::assert_snapshot!(told.join(""));
}

#[test]
fn no_value_is_ever_repeated_where_a_secret_may_stand() {
    for value in [
        "sk-live-1",
        "[sk-live-1]",
        "{value: sk-live-1}",
        "'sk-live-1: x'",
        "env:sk-live-1",
        "{redis: sk-live-1}",
    ] {
        let provider = format!("providers: {{openai: {{kind: openai, api_key: {value}}}}}");
        let kind = format!("providers: {{openai: {{kind: {value}}}}}");
        let stores = format!("stores: {{limits: {value}, cache: {value}}}");
        let redis = format!("stores: {{limits: {{redis: {value}, when_lost: {value}}}}}");
        let hash = format!("keys: [{{name: a, sha256: {value}}}]");
        for part in [provider, kind, stores, redis, hash] {
            let text = format!("version: 1\nname: g\n{part}\n");
            let told = crate::Config::parse(&[source("f", &text)]).map(|_| ()).unwrap_err().to_string();
            assert!(!told.contains("sk-live"), "{part}: {told}");
        }
    }
}

#[test]
fn problems_are_placed_in_the_last_layer_that_says_their_path() {
    let base = "version: 1\nname: g\nproviders:\n  a.b: {kind: openai}\n  c: {kind: openai}\nroutes:\n- path: /a\n- path: /b\n";
    let over = "# over\nproviders:\n  c: {base_url: 'http://x'}\nroutes:\n- path: /c\n";
    let decoded = decode::<Document>(&[source("base", base), source("over", over)]).unwrap();
    let problem = |path: &str| Problem { path: path.to_owned(), problem: "p".to_owned() };
    let placed = |path: &str| decoded.locate(vec![problem(path)]).to_string();
    assert_eq!(placed("name"), "base:2:1: name: p");
    assert_eq!(placed("providers.a.b.kind"), "base:4:9: providers.a.b.kind: p");
    assert_eq!(placed("providers.a.b.api_key"), "base:4:3: providers.a.b.api_key: p");
    assert_eq!(placed("providers.c.kind"), "base:5:7: providers.c.kind: p");
    assert_eq!(placed("providers.c.base_url"), "over:3:7: providers.c.base_url: p");
    assert_eq!(placed("providers.c"), "over:3:3: providers.c: p");
    assert_eq!(placed("routes[0].limits[3]"), "over:5:3: routes[0].limits[3]: p");
    assert_eq!(placed("routes[1].path"), "over:4:1: routes[1].path: p");
    assert_eq!(placed(""), "over:2:1: p");
    // Where one key begins with another, the longer one is meant.
    let tags = "version: 1\nname: g\ntags:\n  a: x\n  a.b: y\n  a.b.c: z\n";
    let dotted = decode::<Document>(&[source("f", tags)]).unwrap();
    assert_eq!(dotted.locate(vec![problem("tags.a.b")]).to_string(), "f:5:3: tags.a.b: p");
    assert_eq!(dotted.locate(vec![problem("tags.a.b.c")]).to_string(), "f:6:3: tags.a.b.c: p");
    assert_eq!(dotted.locate(vec![problem("tags.a.d")]).to_string(), "f:4:3: tags.a.d: p");
    for odd in
        ["[", "]", ".", "a..b", "[x]", "routes[", "routes[0", "\u{e9}.\u{e9}", "[99999999999999999999]"]
    {
        assert!(placed(odd).starts_with("over:"), "{odd}");
    }
}

#[test]
fn rules_see_what_is_left_and_are_not_believed_about_what_is_not() {
    let rules = |fleet: &Fleet| {
        let problem = |path: String| Problem { path, problem: "rule".to_owned() };
        let unknown =
            fleet.boats.iter().enumerate().filter(|(_, boat)| !fleet.by_name.contains_key(&boat.name));
        let mut found: Vec<Problem> =
            unknown.map(|(index, _)| problem(format!("boats[{index}].name"))).collect();
        found.extend([
            problem("boats".to_owned()),
            problem("by_name".to_owned()),
            problem("version".to_owned()),
        ]);
        found
    };
    let text = "version: many\nboats: [{name: a, length: 1}, {name: b, length: 1}]\nby_name: {a: 5}\n";
    let told = decode_checked::<Fleet>(&[source("f", text)], rules).unwrap_err().to_string();
    assert_eq!(
        told,
        "f:1:1: version: expected a whole number from 0 to 255, found text\n\
         f:2:1: boats: rule\n\
         f:2:32: boats[1].name: rule\n\
         f:3:11: by_name.a: expected a map of fields, found a number"
    );
}

#[test]
fn the_search_for_mistakes_ends() {
    let boats = vec!["{name: 1}"; 5_000].join(", ");
    let told = fleet(&format!("{{version: 1, boats: [{boats}]}}"));
    assert!(told.lines().count() <= 201, "{}", told.lines().count());
    assert!(told.contains("more mistakes than are listed"));
}
