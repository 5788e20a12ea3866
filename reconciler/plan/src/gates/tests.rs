use super::*;

use moorline_model::intent::Wish;
use moorline_model::plan::Action;
use moorline_model::rollout::Phase;
use serde_json::json;

use crate::intent::heed;
use crate::sample::{commit, declared, in_force, intent, now, plan, rolling, rollout, situation};

fn terraform(settings: &serde_json::Value) -> declaration::Terraform {
    serde_json::from_value(settings.clone()).unwrap()
}

fn closed(readings: &[GateReading]) -> Vec<Gate> {
    readings.iter().filter_map(GateReading::closed).map(|closed| closed.gate).collect()
}

#[test]
fn nothing_stands_in_the_way_of_a_plain_change() {
    let desired = declared("c2", &json!({}));
    assert_eq!(closed(&begin_gates(&in_force("c1"), &desired, now())), []);
}

#[test]
fn a_held_commit_is_named_with_who_and_what_opens_it() {
    let desired = declared("c2", &json!({}));
    let wish = Wish::Hold { commit: Some(commit("c2")) };
    let state = heed(in_force("c1"), &[intent(wish)], now()).state;
    let readings = begin_gates(&state, &desired, now());
    let hold = readings.iter().find_map(GateReading::closed).unwrap();
    assert_eq!(hold.because, "c200000000 is held by bob: for a reason");
    assert_eq!(hold.opened_by, "a newer commit, or `moorline release prod`");
}

#[test]
fn a_window_says_when_it_opens() {
    let windows = json!({"apply": {"windows": [{"allow": "Mon-Fri 08:00-18:00 UTC"}]}});
    let desired = declared("c2", &windows);
    let readings = begin_gates(&in_force("c1"), &desired, now());
    let window = readings.iter().find_map(GateReading::closed).unwrap();
    assert_eq!(window.gate, Gate::Window);
    assert_eq!(window.opens_at, "2026-11-23T08:00:00Z".parse().ok());
    let monday = "2026-11-23T08:00:00Z".parse().unwrap();
    assert_eq!(closed(&begin_gates(&in_force("c1"), &desired, monday)), []);
}

#[test]
fn without_auto_a_person_starts_each_change_and_only_that_one() {
    let desired = declared("c2", &json!({"apply": {"auto": false}}));
    let state = in_force("c1");
    assert_eq!(closed(&begin_gates(&state, &desired, now())), [Gate::Auto]);
    let asked = heed(state, &[intent(Wish::Sync)], now()).state;
    assert_eq!(closed(&begin_gates(&asked, &desired, now())), []);
    // The wish went into the rollout that it began; the next head waits again.
    let begun = rolling(&asked, &desired, Phase::Pending);
    assert_eq!(closed(&begin_gates(&begun, &desired, now())), []);
    let next = declared("c3", &json!({"apply": {"auto": false}}));
    assert_eq!(closed(&begin_gates(&begun, &next, now())), [Gate::Auto]);
}

#[test]
fn what_is_protected_is_not_destroyed_by_address_or_by_type() {
    let settings =
        terraform(&json!({"directory": "infra", "protect": ["aws_lb.main", "aws_wafv2_web_acl.*"]}));
    let gate = |changes: &[(&str, Action)]| {
        plan_gates(&plan("c2", changes), &settings, Ok(&[])).err().map(|closed| closed.gate)
    };
    assert_eq!(gate(&[("aws_lb.main", Action::Replace)]), Some(Gate::Protected));
    assert_eq!(gate(&[("aws_wafv2_web_acl.any", Action::Delete)]), Some(Gate::Protected));
    assert_eq!(gate(&[("aws_lb.main", Action::Unknown)]), Some(Gate::Protected));
    assert_eq!(gate(&[("aws_lb.main", Action::Update)]), None);
    assert_eq!(gate(&[("aws_lb.other", Action::Delete)]), None);
}

#[test]
fn no_more_than_the_declared_share_is_destroyed() {
    let settings = terraform(&json!({"directory": "infra", "deletion_share_max": "20%"}));
    let gate = |count: usize, resources: usize| {
        let changes = vec![("aws_lb.x", Action::Delete); count];
        let plan = PlanSummary { resource_count: resources, ..plan("c2", &changes) };
        plan_gates(&plan, &settings, Ok(&[])).err().map(|closed| closed.gate)
    };
    assert_eq!(gate(2, 10), None);
    assert_eq!(gate(3, 10), Some(Gate::DeletionShare));
    assert_eq!(gate(1, 0), Some(Gate::DeletionShare));
    assert_eq!(gate(0, 0), None);
}

// Invariant 11.
#[test]
fn policies_that_cannot_be_asked_refuse() {
    let settings = terraform(&json!({"directory": "infra"}));
    let refused = plan_gates(&plan("c2", &[]), &settings, Err("a.rego:4: unexpected token")).unwrap_err();
    assert_eq!(refused.gate, Gate::Policy);
    assert!(refused.because.contains("a.rego:4"), "{}", refused.because);
}

#[test]
fn why_names_the_closed_gates_first() {
    let desired =
        declared("c2", &json!({"terraform": {"directory": "infra"}, "apply": {"approval": "required"}}));
    let mut state = rolling(&in_force("c1"), &desired, Phase::AwaitingApproval);
    rollout(&mut state).terraform = Some(plan("c2", &[("aws_lb.main", Action::Update)]));
    let readings = why(&state, &situation(&desired, &[]), now());
    assert_eq!(closed(&readings), [Gate::Approval]);
    assert!(readings[0].closed().is_some());
    assert_eq!(readings.len(), 12);
    let dark = Situation { head: None, current: None, ..situation(&desired, &[]) };
    assert_eq!(closed(&why(&in_force("c1"), &dark, now())), [Gate::Source]);
}
