use serde_json::json;

use super::*;

fn plan(settings: serde_json::Value) -> RolloutPlan {
    serde_json::from_value(settings).unwrap()
}

fn problems(settings: serde_json::Value) -> Vec<String> {
    plan(settings).problems().into_iter().map(|found| format!("{}: {}", found.path, found.problem)).collect()
}

#[test]
fn a_strategy_is_lowered_to_steps() {
    let steps = json!([{"weight": "1%", "hold": "2m"}, {"weight": "50%", "hold": "5m"}]);
    let canary = plan(json!({"strategy": "canary", "steps": steps})).lowered();
    assert_eq!(serde_json::to_value(&canary.steps).unwrap(), steps);
    assert_eq!(plan(json!({})).lowered(), Traffic { strategy: "all_at_once".to_owned(), steps: Vec::new() });
}

#[test]
fn a_strategy_has_its_own_settings_and_no_others() {
    assert_eq!(problems(json!({})), [""; 0]);
    assert_eq!(problems(json!({"strategy": "canary"})), ["steps: `canary` needs it"]);
    let steps = json!([{"weight": "1%", "hold": "2m"}]);
    assert_eq!(problems(json!({"strategy": "canary", "steps": steps})), [""; 0]);
    assert_eq!(problems(json!({"steps": steps})), ["steps: `all_at_once` takes none: it belongs to canary"]);
}

#[test]
fn what_no_release_served_is_refused_in_words() {
    let refused =
        |name: &str| serde_json::from_value::<RolloutStrategy>(json!(name)).unwrap_err().to_string();
    assert!(
        refused("blue_green")
            .starts_with("blue_green is not served by this release: expected all_at_once or canary")
    );
    assert!(refused("bleu").contains("`all_at_once`"));
}

#[test]
fn a_record_of_an_earlier_release_has_its_steps() {
    let written = json!({"strategy": "canary", "steps": [{"weight": "10%", "hold": "1m"}]});
    let traffic: Traffic = serde_json::from_value(written.clone()).unwrap();
    assert_eq!((traffic.strategy.as_str(), traffic.steps.len()), ("canary", 1));
    assert_eq!(serde_json::to_value(&traffic).unwrap(), written);
    let gone: Traffic = serde_json::from_value(json!({"strategy": "of_long_ago", "steps": []})).unwrap();
    assert_eq!(gone.steps, []);
}

#[test]
fn each_strategy_has_a_name_of_its_own_and_settings_that_are_there() {
    let mut names = std::collections::BTreeSet::new();
    let fields = serde_json::to_value(schemars::schema_for!(RolloutPlan)).unwrap();
    for strategy in STRATEGIES {
        assert!(names.insert(strategy.name), "{} is there twice", strategy.name);
        for setting in strategy.settings {
            assert!(fields["properties"].get(setting).is_some(), "{}: {setting}", strategy.name);
        }
    }
}
