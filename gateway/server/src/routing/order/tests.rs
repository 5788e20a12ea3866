//! The order of targets: each strategy, conditions, and what holds of every order.

use std::time::Duration;

use http::HeaderValue;
use moorline_config::{Config, KeyName};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::routing::{Model, Routing};

fn model(model: &Value) -> Routing {
    let document = json!({
        "version": 1, "name": "test",
        "providers": {"p": {"kind": "openai_compatible", "base_url": "http://10.0.3.7:8000/v1"}},
        "models": {"m": model},
        "keys": [
            {"name": "gold", "sha256": "0".repeat(64), "metadata": {"plan": "pro"}},
            {"name": "plain", "sha256": "1".repeat(64)},
        ],
    });
    Routing::compile(&Config::from_value("test", &document).unwrap(), &|_| None)
}

fn targets(strategy: &str, targets: &Value) -> Routing {
    model(&json!({"strategy": strategy, "targets": targets}))
}

fn only(routing: &Routing) -> &Model {
    routing.model(routing.model_named("m").unwrap()).unwrap()
}

/// A request: its key, and one header.
struct Request {
    headers: HeaderMap,
    key: KeyName,
    tokens: Tokens,
    stream: bool,
}

impl Request {
    fn new() -> Self {
        let tokens = Tokens { input: 100, cached_input: 0, output: 0 };
        Self { headers: HeaderMap::new(), key: "plain".parse().unwrap(), tokens, stream: false }
    }

    fn header(mut self, name: &'static str, value: &str) -> Self {
        self.headers.append(name, HeaderValue::from_str(value).unwrap());
        self
    }

    fn order(&self, routing: &Routing, health: &Health, die: impl FnMut(u64) -> u64) -> Vec<String> {
        let Self { headers, key, tokens, stream } = self;
        let key = routing.keys.iter().find(|known| known.name == *key).unwrap();
        let occasion = Occasion { headers, key, tokens: *tokens, stream: *stream };
        only(routing).in_order(&occasion, health, die).iter().map(|target| target.model.to_string()).collect()
    }
}

fn order(routing: &Routing) -> Vec<String> {
    Request::new().order(routing, &Health::default(), |_| 0)
}

fn health_of<'a>(routing: &'a Routing, health: &Health, name: &str) -> &'a std::sync::Arc<TargetHealth> {
    only(routing).targets().iter().find(|target| target.model.as_str() == name).unwrap().health(health)
}

#[test]
fn by_priority_targets_are_tried_as_written() {
    let three = json!([{"provider": "p", "model": "c"}, {"provider": "p", "model": "a"}, {"provider": "p", "model": "b"}]);
    assert_eq!(order(&targets("priority", &three)), ["c", "a", "b"]);
}

#[test]
fn lots_are_drawn_by_weight_and_weight_nought_comes_last() {
    let lots = targets(
        "weighted",
        &json!([
            {"provider": "p", "model": "heavy", "weight": 3},
            {"provider": "p", "model": "light", "weight": 1},
            {"provider": "p", "model": "off", "weight": 0},
        ]),
    );
    let health = Health::default();
    let drawn = |lot: fn(u64) -> u64| Request::new().order(&lots, &health, lot);
    assert_eq!(drawn(|_| 0), ["heavy", "light", "off"]);
    assert_eq!(drawn(|sum| sum - 1), ["light", "heavy", "off"]);
    assert_eq!(drawn(|_| 2), ["heavy", "light", "off"]);
}

#[test]
fn the_cheapest_is_the_one_for_the_shape_of_the_request_and_the_unpriced_come_last() {
    let routing = targets(
        "cheapest",
        &json!([
            {"provider": "p", "model": "unpriced"},
            {"provider": "p", "model": "long-answers", "price": {"input": 4, "output": 1}},
            {"provider": "p", "model": "long-prompts", "price": {"input": 1, "output": 4}},
        ]),
    );
    let request = |input, output| {
        let request = Request { tokens: Tokens { input, cached_input: 0, output }, ..Request::new() };
        request.order(&routing, &Health::default(), |_| 0)
    };
    assert_eq!(request(1_000, 10), ["long-prompts", "long-answers", "unpriced"]);
    assert_eq!(request(10, 1_000), ["long-answers", "long-prompts", "unpriced"]);
    assert_eq!(request(10, 0), ["long-answers", "long-prompts", "unpriced"], "some answer is expected");
}

#[test]
fn the_fastest_is_measured_apart_for_streams_and_the_unmeasured_are_explored_one_request_at_a_time() {
    let now = std::sync::Arc::new(std::sync::atomic::AtomicU64::new(0));
    let clock = std::sync::Arc::clone(&now);
    let health = Health::new(move || clock.load(std::sync::atomic::Ordering::Relaxed), drop);
    let routing = targets(
        "fastest",
        &json!([{"provider": "p", "model": "a"}, {"provider": "p", "model": "b"}, {"provider": "p", "model": "c"}]),
    );
    let request = |stream| Request { stream, ..Request::new() }.order(&routing, &health, |_| 0);
    let of = |name| health_of(&routing, &health, name);
    assert_eq!(request(true), ["a", "b", "c"]);
    let exploring = of("a").enter(only(&routing).breaker).unwrap();
    assert_eq!(request(true), ["b", "c", "a"], "one is enough to explore a target");
    drop(exploring);
    of("a").first_token.note(Duration::from_millis(90), 0);
    of("b").first_token.note(Duration::from_millis(30), 0);
    of("c").first_token.note(Duration::from_millis(60), 0);
    of("c").latency.note(Duration::from_millis(1), 0);
    assert_eq!(request(true), ["b", "c", "a"]);
    assert_eq!(request(false), ["a", "b", "c"], "nothing else is known of answers that are no streams");
    // `b` goes on being measured; the others fade until they are worth another try.
    now.store(90_000, std::sync::atomic::Ordering::Relaxed);
    of("b").first_token.note(Duration::from_millis(30), 90_000);
    assert_eq!(request(true), ["c", "a", "b"]);
}

#[test]
fn the_least_busy_has_the_fewest_under_way_for_its_weight() {
    let routing = targets(
        "least_busy",
        &json!([
            {"provider": "p", "model": "one"},
            {"provider": "p", "model": "three", "weight": 3},
            {"provider": "p", "model": "off", "weight": 0},
        ]),
    );
    let health = Health::default();
    let request = |lot: fn(u64) -> u64| Request::new().order(&routing, &health, lot);
    let mut under_way = Vec::new();
    let mut firsts = Vec::new();
    for _ in 0..8 {
        let order = request(|_| 0);
        assert_eq!(order[2], "off");
        under_way.push(health_of(&routing, &health, &order[0]).enter(only(&routing).breaker).unwrap());
        firsts.push(order[0].clone());
    }
    assert_eq!(firsts.iter().filter(|first| *first == "three").count(), 6, "{firsts:?}");
    under_way.clear();
    assert_eq!(request(|_| 0)[0], "three");
}

#[test]
fn a_target_serves_only_what_its_condition_says() {
    let routing = targets(
        "priority",
        &json!([
            {"provider": "p", "model": "gold", "when": {"key": ["gold"]}},
            {"provider": "p", "model": "bulk", "when": {"header": {"X-Tier": "bulk", "x-region": "eu"}}},
            {"provider": "p", "model": "both", "when": {"key": ["gold"], "header": {"x-tier": "bulk"}}},
            {"provider": "p", "model": "pro", "when": {"metadata": {"plan": "pro"}}},
            {"provider": "p", "model": "never", "when": {"metadata": {"plan": "pro", "region": "eu"}}},
            {"provider": "p", "model": "all"},
        ]),
    );
    let health = Health::default();
    let gold = |request: Request| Request { key: "gold".parse().unwrap(), ..request };
    let asked = |request: Request| request.order(&routing, &health, |_| 0);
    let bulk = || Request::new().header("x-tier", "bulk");
    assert_eq!(asked(Request::new()), ["all"]);
    assert_eq!(asked(gold(Request::new())), ["gold", "pro", "all"]);
    assert_eq!(asked(bulk()), ["all"]);
    assert_eq!(asked(bulk().header("x-region", "eu")), ["bulk", "all"]);
    assert_eq!(asked(gold(bulk())), ["gold", "both", "pro", "all"]);
    assert_eq!(
        asked(gold(Request::new().header("x-tier", "Bulk"))),
        ["gold", "pro", "all"],
        "values are compared exactly"
    );
    assert_eq!(
        asked(gold(bulk().header("x-tier", "bulk"))),
        ["gold", "pro", "all"],
        "one that stands twice is none"
    );
}

fn sticky(weights: &[u32]) -> Routing {
    let targets: Vec<Value> = weights
        .iter()
        .enumerate()
        .map(|(index, weight)| json!({"provider": "p", "model": format!("t{index}"), "weight": weight}))
        .collect();
    model(&json!({"strategy": "weighted", "sticky": {"by": {"header": "x-session"}}, "targets": targets}))
}

#[test]
fn who_cannot_be_told_apart_goes_by_the_strategy() {
    let routing = sticky(&[1, 1]);
    let health = Health::default();
    assert_eq!(Request::new().order(&routing, &health, |_| 1)[0], "t1");
    assert_eq!(Request::new().order(&routing, &health, |_| 0)[0], "t0");
}

#[test]
fn sticky_callers_are_spread_by_weight() {
    let (routing, health) = (sticky(&[1, 3, 0]), Health::default());
    let mut counts = [0_u32; 3];
    for session in 0..4_000 {
        let order =
            Request::new().header("x-session", &format!("s{session}")).order(&routing, &health, |_| 0);
        let first: usize = order[0][1..].parse().unwrap();
        counts[first] += 1;
    }
    assert!((850..1_150).contains(&counts[0]) && counts[2] == 0, "{counts:?}");
}

#[test]
fn a_key_is_sticky_too() {
    let routing = model(&json!({"strategy": "weighted", "sticky": {"by": "key"}, "targets": [
        {"provider": "p", "model": "a"}, {"provider": "p", "model": "b"}, {"provider": "p", "model": "c"},
    ]}));
    let health = Health::default();
    for key in ["gold", "plain"] {
        let of = |lot: fn(u64) -> u64| {
            Request { key: key.parse().unwrap(), ..Request::new() }.order(&routing, &health, lot)
        };
        assert_eq!(of(|_| 0), of(|sum| sum - 1));
    }
}

proptest! {
    #[test]
    fn every_order_holds_each_serving_target_once(
        weights in proptest::collection::vec(0_u32..5, 1..12),
        strategy in proptest::sample::select(vec!["priority", "weighted", "cheapest", "fastest", "least_busy"]),
        is_sticky: bool,
        seed: u64,
    ) {
        prop_assume!(weights.iter().any(|weight| *weight > 0));
        let targets: Vec<Value> = weights.iter().enumerate().map(|(index, weight)| {
            let when = if index % 3 == 1 { json!({"key": ["gold"]}) } else { json!({"key": ["plain"]}) };
            json!({"provider": "p", "model": format!("t{index}"), "weight": weight, "when": when})
        }).collect();
        let mut document = json!({"strategy": strategy, "targets": targets});
        if is_sticky {
            document["sticky"] = json!({"by": "key"});
        }
        let mut lot = seed;
        let die = |sides: u64| {
            lot = mixed(lot.wrapping_add(1));
            lot % sides
        };
        let mut order = Request::new().order(&model(&document), &Health::default(), die);
        order.sort();
        let mut expected: Vec<String> =
            (0..weights.len()).filter(|index| index % 3 != 1).map(|index| format!("t{index}")).collect();
        expected.sort();
        prop_assert_eq!(order, expected);
    }

    #[test]
    fn a_target_that_comes_moves_only_those_callers_that_it_takes(
        weights in proptest::collection::vec(1_u32..5, 1..6),
        sessions in proptest::collection::vec("[a-z0-9]{1,12}", 1..30),
    ) {
        let health = Health::default();
        let (fewer, more) = (sticky(weights.get(..weights.len() - 1).filter(|some| !some.is_empty()).unwrap_or(&[1])), sticky(&weights));
        let new = format!("t{}", weights.len() - 1);
        for session in sessions {
            let request = Request::new().header("x-session", &session);
            let without = if weights.len() == 1 { Vec::new() } else { request.order(&fewer, &health, |_| 0) };
            let with: Vec<String> =
                request.order(&more, &health, |_| 0).into_iter().filter(|target| *target != new).collect();
            prop_assert_eq!(with, without);
        }
    }
}
