//! Plans written by hand in Terraform's form, in `tests/plans/`, and what is made of them in one snapshot.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use moorline_model::plan::{PlanBinding, PlanSummary};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::read;
use crate::redact::Known;

fn binding() -> PlanBinding {
    PlanBinding {
        commit: "0".repeat(40).parse().unwrap(),
        plan_sha256: String::new(),
        state_serial: Some(1),
        state_lineage: None,
        made_at: jiff::Timestamp::UNIX_EPOCH,
    }
}

fn summary_of(plan: &Value) -> PlanSummary {
    read(plan.to_string().as_bytes(), binding(), &Known::default()).unwrap()
}

fn told(summary: &PlanSummary) -> String {
    let mut text = format!("{}, of {}\n", summary.headline(), summary.resource_count);
    for change in &summary.changes {
        writeln!(text, "  {:?} {} {:?}", change.action, change.address, change.attributes).unwrap();
    }
    for output in &summary.outputs {
        writeln!(text, "  output {output}").unwrap();
    }
    for finding in &summary.findings {
        let value = |value: &Option<String>| value.clone().unwrap_or_else(|| "-".to_owned());
        writeln!(
            text,
            "  {:?}/{:?} {} `{}`: declared {}, live {}{}",
            finding.kind,
            finding.severity,
            finding.address,
            finding.path,
            value(&finding.declared),
            value(&finding.live),
            finding.note.as_ref().map(|note| format!(" ({note})")).unwrap_or_default(),
        )
        .unwrap();
    }
    text
}

#[test]
fn every_plan_is_told_apart_as_written_down() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/plans");
    let mut paths: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    let mut all = String::new();
    for path in paths {
        let plan: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        let told = told(&summary_of(&plan));
        assert!(!told.contains("planted"), "{told}");
        let name = path.file_stem().unwrap().to_str().unwrap();
        write!(all, "{name}\n# {}\n{told}\n", plan["_note"].as_str().unwrap()).unwrap();
    }
    insta::assert_snapshot!(all);
}

#[test]
fn what_is_no_plan_is_refused_without_repeating_it() {
    for text in
        ["", "{", "[]", "{}", r#"{"format_version":"2.0"}"#, r#"{"format_version":"1.2","errored":true}"#]
    {
        assert!(read(text.as_bytes(), binding(), &Known::default()).is_err(), "{text}");
    }
    let wrong = r#"{"format_version":"1.2","resource_changes":[{"address":{"planted":1}}]}"#;
    assert!(!read(wrong.as_bytes(), binding(), &Known::default()).unwrap_err().contains("planted"));
}

#[test]
fn many_fields_of_one_resource_are_told_in_part() {
    let side =
        |value: u32| (0..200).map(|n| (format!("f{n}"), json!(value))).collect::<serde_json::Map<_, _>>();
    let change = json!({"actions": ["update"], "before": side(1), "after": side(2)});
    let plan = json!({"format_version": "1.2", "resource_changes": [{"address": "a.b", "type": "a", "change": change}]});
    let findings = summary_of(&plan).findings;
    assert_eq!(findings.len(), 50);
    assert_eq!(findings[49].note.as_deref(), Some("and 150 more fields"));
}

/// Any JSON, with texts that are easy to find again.
fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        (0u32..3).prop_map(|n| json!(n)),
        "planted-[a-e]{3}".prop_map(Value::String),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::Array),
            prop::collection::btree_map("[a-c]", inner, 0..4).prop_map(|map| json!(map)),
        ]
    })
}

proptest! {
    /// Whatever the values, a mask of `true` (or of a shape that is none) lets nothing through, and a change of
    /// nothing is no finding.
    #[test]
    fn nothing_under_a_whole_mask_comes_out(before in any_json(), after in any_json(), mask in prop_oneof![Just(json!(true)), Just(json!("x")), Just(json!(1))]) {
        let change = json!({"actions": ["update"], "before": before, "after": after, "before_sensitive": mask, "after_sensitive": mask});
        let resource = json!({"address": "a.b", "type": "a", "change": change});
        let plan = json!({"format_version": "1.2", "resource_drift": [resource], "resource_changes": [resource]});
        let told = serde_json::to_string(&summary_of(&plan)).unwrap();
        prop_assert!(!told.contains("planted"), "{}", told);
    }

    #[test]
    fn equal_values_differ_nowhere(value in any_json()) {
        let change = json!({"actions": ["no-op"], "before": value, "after": value});
        let plan = json!({"format_version": "1.2", "resource_changes": [{"address": "a.b", "type": "a", "change": change}]});
        prop_assert!(summary_of(&plan).findings.is_empty());
        prop_assert!(summary_of(&plan).is_empty());
    }

    /// Any action list that deletes never counts as harmless.
    #[test]
    fn an_action_list_with_delete_is_destructive(mut actions in prop::collection::vec("create|update|read|no-op|forget|later", 0..3), at in 0usize..3) {
        actions.insert(at.min(actions.len()), "delete".to_owned());
        let change = json!({"actions": actions, "before": {"a": 1}, "after": {"a": 1}});
        let plan = json!({"format_version": "1.2", "resource_changes": [{"address": "a.b", "type": "a", "change": change}]});
        prop_assert_eq!(summary_of(&plan).destructive().count(), 1);
    }
}
