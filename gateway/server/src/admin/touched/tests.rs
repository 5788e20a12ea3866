use moorline_config::Config;
use serde_json::{Value, json};

use super::*;

fn document() -> Value {
    let target = |provider: &str| json!({"targets": [{"provider": provider, "model": "m"}]});
    let mut small = target("b");
    small["fallback"] = json!(["large"]);
    json!({
        "version": 1, "name": "g",
        "providers": {
            "a": {"kind": "openai_compatible", "base_url": "http://127.0.0.1:1/v1"},
            "b": {"kind": "openai_compatible", "base_url": "http://127.0.0.1:2/v1"},
        },
        "models": {"large": target("a"), "small": small, "gpt-3.5": target("b")},
        "routes": [
            {"path": "/v1/chat/*", "models": ["large"]},
            {"path": "/v1/embeddings", "models": ["gpt-3.5"]},
        ],
        "keys": [{"name": "team", "sha256": "0".repeat(64)}],
    })
}

fn step(change: impl FnOnce(&mut Value)) -> Touched {
    let before = Config::from_value("document", &document()).unwrap();
    let mut value = document();
    change(&mut value);
    let after = Config::from_value("document", &value).unwrap();
    touched(Some(&before), &after)
}

#[test]
fn nothing_is_touched_by_no_change() {
    assert_eq!(step(|_| ()), Touched::default());
}

#[test]
fn a_provider_touches_its_models_their_fallers_back_and_the_routes_that_offer_them() {
    let touched = step(|document| document["providers"]["a"]["base_url"] = json!("http://127.0.0.1:9/v1"));
    assert_eq!(touched.providers, ["a"]);
    assert_eq!(touched.models, ["large", "small"]);
    assert_eq!(touched.routes, ["/v1/chat/*"]);
    assert!(touched.keys.is_empty());
}

#[test]
fn a_model_whose_name_has_a_dot_is_named_whole() {
    let touched = step(|document| document["models"]["gpt-3.5"]["strategy"] = json!("weighted"));
    assert_eq!(
        (touched.models, touched.routes),
        (vec!["gpt-3.5".to_owned()], vec!["/v1/embeddings".to_owned()])
    );
}

#[test]
fn routes_that_change_places_are_touched_and_keys_are_named() {
    let touched = step(|document| {
        document["routes"].as_array_mut().unwrap().reverse();
        document["keys"][0]["sha256"] = json!("1".repeat(64));
    });
    assert_eq!(touched.routes, ["/v1/chat/*", "/v1/embeddings"]);
    assert_eq!(touched.keys, ["team"]);
}

#[test]
fn the_first_document_touches_everything_in_it() {
    let touched = touched(None, &Config::from_value("document", &document()).unwrap());
    assert_eq!(
        (touched.providers.len(), touched.models.len(), touched.routes.len(), touched.keys.len()),
        (2, 3, 2, 1)
    );
}
