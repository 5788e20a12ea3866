use proptest::prelude::*;

use super::*;

fn base() -> Value {
    json!({
        "version": 1,
        "name": "gateway",
        "providers": {
            "openai": {"kind": "openai", "api_key": "env:OPENAI_API_KEY"},
            "azure": {"kind": "azure_openai", "base_url": "https://a.openai.azure.com"},
        },
        "models": {"gpt-4o": {
            "strategy": "weighted",
            "targets": [
                {"provider": "openai", "model": "gpt-4o", "weight": 3},
                {"provider": "azure", "model": "gpt-4o", "weight": 1},
            ],
            "price": {"input": 2.5, "output": 10.0},
        }},
        "routes": [
            {"path": "/v1/chat/*", "models": ["gpt-4o"], "limits": [
                {"per": "key", "requests": 1000, "window": "1h"},
                {"per": "route", "tokens": 500, "window": "1m"},
            ], "timeouts": {"total": "5m"}},
            {"path": "/v1/*"},
        ],
        "keys": [{"name": "team-search", "sha256": "00ff"}],
    })
}

/// The sentence and the lines of what `edit` does to the base.
fn told(edit: impl FnOnce(&mut Value)) -> (String, Vec<String>) {
    let (before, mut after) = (base(), base());
    edit(&mut after);
    let changes = changes(Some(&before), &after, Digest::of(&after));
    (changes.sentence.clone(), changes.lines(usize::MAX))
}

#[test]
fn a_limit_that_rises_and_a_target_that_goes_are_one_sentence() {
    let (sentence, lines) = told(|document| {
        document["routes"][0]["limits"][0]["requests"] = json!(2000);
        document["models"]["gpt-4o"]["targets"].as_array_mut().unwrap().pop();
    });
    assert_eq!(
        sentence,
        "model gpt-4o loses target azure/gpt-4o {weight: 1}; \
         the limit of route /v1/chat/* rises from 1000 to 2000 requests per key and 1h"
    );
    assert_eq!(
        lines,
        [
            "model gpt-4o: no target azure/gpt-4o {weight: 1} any more",
            "route /v1/chat/*: limit 1000 → 2000 requests per key and 1h",
        ]
    );
}

#[test]
fn values_of_weights_prices_times_and_addresses_are_shown() {
    let (_, lines) = told(|document| {
        document["models"]["gpt-4o"]["targets"][0]["weight"] = json!(1);
        document["models"]["gpt-4o"]["price"]["input"] = json!(3);
        document["routes"][0]["timeouts"]["first_token"] = json!("30s");
        document["providers"]["azure"]["base_url"] = json!("https://b.openai.azure.com");
    });
    assert_eq!(
        lines,
        [
            "model gpt-4o: price.input 2.5 → 3",
            "model gpt-4o: target openai/gpt-4o weight 3 → 1",
            "provider azure: base_url https://a.openai.azure.com → https://b.openai.azure.com",
            "route /v1/chat/*: new timeouts.first_token 30s",
        ]
    );
}

#[test]
fn of_secrets_it_says_that_they_change_and_not_from_what_to_what() {
    let (sentence, lines) = told(|document| {
        document["providers"]["openai"]["api_key"] = json!("env:OTHER_KEY");
        document["providers"]["azure"]["base_url"] = json!("https://u:hunter2@a.openai.azure.com");
        document["keys"][0]["sha256"] = json!("11ff");
    });
    assert_eq!(
        lines,
        [
            "key team-search: sha256 changes (not shown)",
            "provider azure: base_url https://a.openai.azure.com → https://(not shown)@a.openai.azure.com",
            "provider openai: api_key changes env:…",
        ]
    );
    for secret in ["OTHER", "OPENAI", "hunter2", "00ff", "11ff"] {
        assert!(!sentence.contains(secret) && !lines.join("\n").contains(secret), "{secret}");
    }
}

#[test]
fn a_route_put_in_front_is_one_change_and_a_moved_one_is_an_order() {
    let (sentence, lines) = told(|document| {
        document["routes"].as_array_mut().unwrap().insert(0, json!({"path": "/v1/embeddings"}));
    });
    assert_eq!((sentence.as_str(), lines.len()), ("route /v1/embeddings is new", 1));
    let (sentence, lines) = told(|document| document["routes"].as_array_mut().unwrap().reverse());
    assert_eq!(
        sentence,
        "the order of routes of the gateway changes from [/v1/chat/*, /v1/*] to [/v1/*, /v1/chat/*]"
    );
    assert_eq!(lines.len(), 1);
}

#[test]
fn a_window_that_changes_is_said_with_the_whole_limit() {
    let (sentence, _) =
        told(|document| document["routes"][0]["limits"][0] = json!({"requests": 50, "window": "1m"}));
    assert_eq!(
        sentence,
        "the limit of route /v1/chat/* changes from 1000 requests per key and 1h to 50 requests per key and 1m"
    );
}

#[test]
fn the_same_change_of_several_things_is_said_once_and_many_changes_are_counted() {
    let (sentence, _) = told(|document| {
        for route in document["routes"].as_array_mut().unwrap() {
            route["default_model"] = json!("gpt-4o");
        }
    });
    assert_eq!(sentence, "2 routes gain default_model gpt-4o");
    let (sentence, lines) = told(|document| {
        for number in 0..60 {
            document["models"]["gpt-4o"][format!("f{number}")] = json!(number);
        }
    });
    assert!(sentence.ends_with("; and 57 more changes"), "{sentence}");
    assert_eq!((lines.len(), lines.last().unwrap().as_str()), (41, "and 20 more"));
}

#[test]
fn the_first_document_is_counted_and_the_same_one_changes_nothing() {
    let document = base();
    let first = changes(None, &document, Digest::of(&document));
    assert_eq!(first.sentence, "the first document here, with 2 providers, 1 model, 2 routes, 1 key");
    assert_eq!(first.lines(2), ["key team-search: new", "model gpt-4o: new", "and 4 more"]);
    let same = changes(Some(&document), &document, Digest::of(&document));
    assert!(same.is_empty());
}

/// Small documents with lists whose elements come, go, move and repeat.
fn documents() -> impl Strategy<Value = Value> {
    let limit = (0_u32..3, prop::sample::select(vec!["requests", "tokens"]), 1_u32..3)
        .prop_map(|(amount, field, window)| json!({field: amount, "window": format!("{window}h")}));
    let route = (0_u32..4, prop::option::of(prop::collection::vec(limit, 0..4)), 0_u32..3);
    let route = route.prop_map(|(name, limits, model)| {
        let models: Vec<_> = ["a", "b", "c"].into_iter().take(model as usize).collect();
        let mut route = json!({"path": format!("/v{name}"), "models": models});
        if let Some(limits) = limits {
            route["limits"] = limits.into();
        }
        route
    });
    let odd = prop::sample::select(vec![json!(null), json!([1, 1.0, 2]), json!({"x": []}), json!("env:A")]);
    (prop::collection::vec(route, 0..5), prop::option::of(odd)).prop_map(|(routes, odd)| {
        let mut document = json!({"version": 1, "name": "g", "routes": routes});
        if let Some(odd) = odd {
            document["odd"] = odd;
        }
        document
    })
}

proptest! {
    #[test]
    fn there_are_changes_exactly_when_the_identities_differ(before in documents(), after in documents()) {
        let changes = changes(Some(&before), &after, Digest::of(&after));
        prop_assert_eq!(changes.is_empty(), Digest::of(&before) == Digest::of(&after));
        prop_assert!(!changes.sentence.is_empty());
    }
}
