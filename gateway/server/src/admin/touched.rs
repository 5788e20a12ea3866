//! Who would notice a change: from the fields that differ to the providers, models, routes and keys they reach.

use std::collections::{BTreeMap, BTreeSet};

use moorline_admin::Touched;
use moorline_config::document::{Model, Route};
use moorline_config::{Document, ModelName, ProviderName};

/// What the step from `before` to `after` touches. A changed provider touches the models it serves; a changed model
/// touches the models that fall back to it and the routes that offer it.
pub(super) fn touched(before: Option<&Document>, after: &Document) -> Touched {
    let nothing = Document {
        guardrails: std::collections::BTreeMap::new(),
        version: after.version,
        name: after.name.clone(),
        providers: BTreeMap::new(),
        models: BTreeMap::new(),
        routes: Vec::new(),
        keys: Vec::new(),
        auth: None,
        stores: None,
        location: None,
        tags: BTreeMap::new(),
    };
    let before = before.unwrap_or(&nothing);
    let providers = differing(&before.providers, &after.providers);
    let models = models(before, after, &providers);
    let routes = routes(before, after, &models);
    let by_name = |document: &Document| -> BTreeMap<String, _> {
        document.keys.iter().map(|key| (key.name.to_string(), key.clone())).collect()
    };
    let keys = differing(&by_name(before), &by_name(after)).into_iter().collect();
    let texts = |names: BTreeSet<ModelName>| names.into_iter().map(String::from).collect();
    Touched {
        routes,
        models: texts(models),
        providers: providers.into_iter().map(String::from).collect(),
        keys,
    }
}

/// Names whose value differs, appeared or went.
fn differing<K: Ord + Clone, V: PartialEq>(before: &BTreeMap<K, V>, after: &BTreeMap<K, V>) -> BTreeSet<K> {
    before.keys().chain(after.keys()).filter(|name| before.get(*name) != after.get(*name)).cloned().collect()
}

fn models(before: &Document, after: &Document, providers: &BTreeSet<ProviderName>) -> BTreeSet<ModelName> {
    let mut models = differing(&before.models, &after.models);
    let uses = |model: &Model| model.targets.iter().any(|target| providers.contains(&target.provider));
    models.extend(after.models.iter().filter(|(_, model)| uses(model)).map(|(name, _)| name.clone()));
    // Fallbacks of fallbacks: each round adds a model or ends, so there are at most as many rounds as models.
    loop {
        let falls_back = |model: &Model| model.fallback.iter().any(|name| models.contains(name));
        let more: Vec<ModelName> = after
            .models
            .iter()
            .filter(|(name, model)| !models.contains(*name) && falls_back(model))
            .map(|(name, _)| name.clone())
            .collect();
        if more.is_empty() {
            return models;
        }
        models.extend(more);
    }
}

/// Paths of routes that differ, moved against each other, or offer a touched model.
fn routes(before: &Document, after: &Document, models: &BTreeSet<ModelName>) -> Vec<String> {
    let by_path = |document: &Document| -> BTreeMap<String, Route> {
        document.routes.iter().map(|route| (route.path.clone(), route.clone())).collect()
    };
    let (was, is) = (by_path(before), by_path(after));
    let mut paths = differing(&was, &is);
    let common = |document: &Document| -> Vec<String> {
        document
            .routes
            .iter()
            .map(|route| &route.path)
            .filter(|path| was.contains_key(*path) && is.contains_key(*path))
            .cloned()
            .collect()
    };
    // The first route whose path matches serves a request, so that order is part of what a route does.
    for (one, other) in common(before).into_iter().zip(common(after)) {
        if one != other {
            paths.extend([one, other]);
        }
    }
    let offers = |route: &Route| match &route.models {
        None => !models.is_empty(),
        Some(names) => names.iter().any(|name| models.contains(name)),
    };
    paths.extend(after.routes.iter().filter(|route| offers(route)).map(|route| route.path.clone()));
    paths.into_iter().collect()
}

#[cfg(test)]
mod tests;
