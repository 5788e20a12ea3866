//! Models: their targets, and the models they fall back to.

use std::collections::{BTreeMap, BTreeSet};

use super::{Problems, resilience};
use crate::document::{Model, Strategy};
use crate::{Document, ModelName, ProviderName};

pub(super) fn check(document: &Document, problems: &mut Problems) {
    for (name, model) in &document.models {
        targets(document, &format!("models.{name}.targets"), model, problems);
        problems.models(document, &format!("models.{name}.fallback"), &model.fallback);
        resilience::check(document, name, &format!("models.{name}"), model, problems);
    }
    cycles(&document.models, problems);
}

fn targets(document: &Document, path: &str, model: &Model, problems: &mut Problems) {
    if model.targets.is_empty() {
        problems.add(path, "expected at least one target");
    }
    for (index, target) in model.targets.iter().enumerate() {
        let provider = &target.provider;
        let names = document.providers.keys().map(ProviderName::as_str);
        let is_declared = document.providers.contains_key(provider);
        problems.declared(
            format!("{path}[{index}].provider"),
            "provider",
            provider.as_str(),
            is_declared,
            names,
        );
    }
    let weights: u64 = model.targets.iter().map(|target| u64::from(target.weight)).sum();
    let by_weight =
        matches!(model.strategy, Strategy::Weighted | Strategy::LeastBusy) || model.sticky.is_some();
    if by_weight && weights == 0 && !model.targets.is_empty() {
        problems.add(path, "expected a target with a weight above 0: by weight none would ever be chosen");
    }
}

/// Finds models that fall back, in the end, to themselves. Each circle is reported once, at the step that closes it.
/// Walked with a stack of our own: a chain of fallbacks may be as long as the document.
fn cycles(models: &BTreeMap<ModelName, Model>, problems: &mut Problems) {
    let mut done = BTreeSet::new();
    for start in models.keys() {
        // The models on the way from `start`, each with the index of its next fallback to follow.
        let mut way: Vec<(&ModelName, usize)> = vec![(start, 0)];
        let mut on_way = BTreeSet::from([start]);
        while let Some((name, next)) = way.last_mut() {
            let name = *name;
            let fallback =
                models.get(name).filter(|_| !done.contains(name)).and_then(|model| model.fallback.get(*next));
            let Some(to) = fallback else {
                done.insert(name);
                on_way.remove(name);
                way.pop();
                continue;
            };
            let index = *next;
            *next += 1;
            if on_way.contains(to) {
                problems.add(format!("models.{name}.fallback[{index}]"), circle(&way, to));
            } else if models.contains_key(to) {
                on_way.insert(to);
                way.push((to, 0));
            }
        }
    }
}

/// `a falls back to itself: a → b → a`.
fn circle(way: &[(&ModelName, usize)], to: &ModelName) -> String {
    const SHOWN_MAX: usize = 8;
    let mut steps: Vec<&str> =
        way.iter().map(|(name, _)| name.as_str()).skip_while(|name| *name != to.as_str()).collect();
    if steps.len() > SHOWN_MAX {
        steps.truncate(SHOWN_MAX);
        steps.push("…");
    }
    format!("`{to}` falls back to itself: {} → {to}", steps.join(" → "))
}
