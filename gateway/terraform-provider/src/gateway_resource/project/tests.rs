use proptest::prelude::*;

use super::*;

fn limit(requests: u64) -> Option<RateLimit> {
    Some(RateLimit { requests: Some(requests), tokens: None, window: "1h".to_owned() })
}

fn written() -> Attributes {
    let route = Route { path: "/v1/chat/*".to_owned(), model: Some("m".to_owned()), rate_limit: limit(10) };
    Attributes {
        name: "g".to_owned(),
        location: Some("eu".to_owned()),
        tags: Some([("a".to_owned(), "1".to_owned())].into()),
        document: Some(r#"{ "tags": {"under": "x"}, "stores": {"limits": "memory"},  "models": {"m": {"targets": []}} }"#.to_owned()),
        providers: Some(vec![r#"{"providers":{"claude":{"kind":"anthropic"}}}"#.to_owned()]),
        routes: vec![route],
        take_over: false,
    }
}

/// What the live document becomes when a field of what was declared is edited by hand.
fn edited(edit: impl FnOnce(&mut Json)) -> (Attributes, Json) {
    let mut live = declare::declare(&written()).unwrap();
    edit(&mut live);
    (attributes(&written(), &live), live)
}

#[test]
fn an_untouched_document_is_shown_as_it_was_written() {
    let (shown, _) = edited(|_| ());
    assert_eq!(shown, written());
}

#[test]
fn a_limit_edited_by_hand_is_shown_at_its_block_alone() {
    let (shown, live) = edited(|live| live["routes"][0]["limits"][0]["requests"] = json!(9999));
    let mut expected = written();
    expected.routes[0].rate_limit = limit(9999);
    assert_eq!(shown, expected);
    assert_eq!(declare::declare(&shown).unwrap(), live);
}

#[test]
fn what_a_block_cannot_say_is_shown_in_the_document() {
    let (shown, _) = edited(|live| live["routes"][0]["cache"] = json!({"ttl": "5m"}));
    assert_eq!(shown.routes, written().routes);
    assert_eq!(declare::parse(&shown.document.unwrap()).unwrap()["routes"][0]["cache"]["ttl"], "5m");
}

#[test]
fn tags_are_shown_where_they_were_written_and_new_ones_at_the_attribute() {
    let (shown, live) = edited(|live| live["tags"] = json!({"a": "2", "under": "y", "new": "3"}));
    let expected = [("a".to_owned(), "2".to_owned()), ("new".to_owned(), "3".to_owned())];
    assert_eq!(shown.tags, Some(expected.into()));
    assert_eq!(declare::parse(shown.document.as_deref().unwrap()).unwrap()["tags"], json!({"under": "y"}));
    assert_eq!(declare::declare(&shown).unwrap(), live);
}

#[test]
fn providers_are_shown_where_they_were_declared() {
    let (shown, live) = edited(|live| {
        live["providers"] =
            json!({"claude": {"kind": "anthropic", "base_url": "http://x"}, "other": {"kind": "openai"}});
    });
    assert!(shown.providers.as_ref().unwrap()[0].contains("http://x"));
    let document = declare::parse(shown.document.as_deref().unwrap()).unwrap();
    assert_eq!(document["providers"], json!({"other": {"kind": "openai"}}));
    assert_eq!(declare::declare(&shown).unwrap(), live);
}

#[test]
fn what_is_gone_is_shown_gone() {
    let (shown, live) = edited(|live| *live = json!({"version": 1, "name": "g"}));
    assert_eq!(
        (shown.location.clone(), shown.providers.clone(), shown.routes.len()),
        (None, Some(Vec::new()), 0)
    );
    assert_eq!(declare::declare(&shown).unwrap(), live);
}

#[test]
fn an_import_of_routes_alone_needs_no_document() {
    let mut block = written();
    (block.document, block.providers) = (None, None);
    let live = declare::declare(&block).unwrap();
    let state = Value::from(json!({"id": "g", "name": "g"}));
    let mut expected = state.clone();
    block.write(&mut expected);
    assert_eq!(imported(&state, &live).unwrap(), expected);
}

#[test]
fn an_import_by_another_name_is_refused() {
    let state = Value::from(json!({"id": "other", "name": "other"}));
    assert!(imported(&state, &json!({"version": 1, "name": "g"})).is_err());
}

/// Documents of the shape that matters here: attributes' fields, and others.
fn any_document() -> impl Strategy<Value = Json> {
    let limits = prop_oneof![
        Just(json!([])),
        (0..9_u64).prop_map(|n| json!([{"per": "key", "requests": n, "window": "1h"}])),
        (0..9_u64).prop_map(|n| json!([{"per": "route", "tokens": n, "window": "1m"}])),
    ];
    let route = ("/[a-c]", prop::option::of("[mn]"), limits).prop_map(|(path, model, limits)| match model {
        Some(model) => json!({"path": path, "models": [model], "default_model": model, "limits": limits}),
        None => json!({"path": path}),
    });
    let tags = prop::collection::btree_map("[a-c]|under", "[12]", 0..3);
    let names = prop::collection::btree_set("claude|other", 0..3);
    (prop::option::of("eu|us"), tags, names, prop::collection::vec(route, 0..3), any::<bool>()).prop_map(
        |(location, tags, names, routes, has_models)| {
            let mut document = json!({"version": 1, "name": "g"});
            let mut set = |name: &str, value: Json, is_there: bool| {
                if is_there {
                    document[name] = value;
                }
            };
            set("location", json!(location), location.is_some());
            set("tags", json!(tags), !tags.is_empty());
            let providers: Map<_, _> =
                names.iter().map(|n| (n.clone(), json!({"kind": "anthropic"}))).collect();
            set("providers", Json::Object(providers), !names.is_empty());
            set("routes", json!(routes), !routes.is_empty());
            set("models", json!({"m": {"targets": []}, "n": {"targets": []}}), has_models);
            document
        },
    )
}

proptest! {
    /// Shown attributes declare the live document again, or differ from what was written: drift is never silent.
    #[test]
    fn no_difference_is_lost(live in any_document()) {
        let shown = attributes(&written(), &live);
        let is_same = declare::declare(&written()).unwrap() == live;
        prop_assert_eq!(shown == written(), is_same);
    }

    /// Showing the same document twice shows the same: a refresh after a refresh finds nothing.
    #[test]
    fn showing_is_stable(live in any_document()) {
        let once = attributes(&written(), &live);
        prop_assert_eq!(attributes(&once, &live), once);
    }
}
