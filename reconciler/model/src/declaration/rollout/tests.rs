use std::collections::BTreeSet;

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
fn a_linear_share_grows_by_the_same_amount_up_to_its_largest() {
    let linear = |step: &str, max: &str| {
        let settings = json!({"strategy": "linear", "step_weight": step, "max_weight": max, "hold": "1m"});
        (plan(settings.clone()).lowered().steps, problems(settings).join("; "))
    };
    let (steps, none) = linear("20%", "50%");
    let weights: Vec<_> = steps.iter().map(|step| step.weight.to_string()).collect();
    assert_eq!((weights.join(" "), none), ("20% 40% 50%".to_owned(), String::new()));
    assert_eq!(linear("0%", "50%").1, "step_weight: expected more than 0%");
    assert_eq!(linear("50%", "20%").1, "max_weight: expected at least one step of 50%");
    assert_eq!(linear("0.01%", "50%").1, "step_weight: expected at most 100 steps up to 50%");
    assert_eq!(
        problems(json!({"strategy": "linear", "hold": "1m"})),
        ["step_weight: `linear` needs it", "max_weight: `linear` needs it"]
    );
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
        refused("blue_green").starts_with(
            "blue_green is not supported by this release: expected all_at_once, canary or linear"
        )
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
fn a_strategy_is_a_file_and_a_line_and_its_settings_are_there() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/declaration/rollout");
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let names = files.map(|path| path.file_stem().unwrap().to_string_lossy().into_owned());
    let files: BTreeSet<String> = names.filter(|name| name != "strategy" && name != "tests").collect();
    let named: BTreeSet<String> = STRATEGIES.iter().map(|strategy| strategy.name.to_owned()).collect();
    assert_eq!((named.len(), &named), (STRATEGIES.len(), &files));

    let schema = serde_json::to_value(schemars::schema_for!(RolloutPlan)).unwrap();
    let fields = schema["properties"].as_object().unwrap().keys().filter(|field| *field != "strategy");
    let fields: BTreeSet<&str> = fields.map(String::as_str).collect();
    let settings: BTreeSet<&str> = STRATEGIES.iter().flat_map(|of| of.settings).copied().collect();
    assert_eq!(fields, settings, "each setting is a field, and each field belongs to a strategy");
    let everything = plan(json!({
        "steps": [{"weight": "1%", "hold": "2m"}], "step_weight": "1%", "max_weight": "2%", "hold": "1m",
    }));
    assert_eq!(everything.given().collect::<BTreeSet<_>>(), fields, "`given` knows each of them");
}
