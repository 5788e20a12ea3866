//! From a live document back to a block, in the form in which people wrote theirs.
//!
//! In: the block as it was last seen, and the document that serves now. Out: the block that would declare that
//! document, as like the old one as can be: what an attribute said, that attribute says again; everything else goes
//! into `document`, whose text stays as it was when its meaning did.

use std::collections::BTreeMap;

use serde_json::{Map, Value as Json, json};

use super::attributes::{Attributes, RateLimit, Route};
use super::declare;
use crate::protocol::{AttributePath, Diagnostic};
use crate::resource::Diagnostics;
use crate::value::Value;

/// The state, with the live document shown in it.
///
/// # Errors
/// The state is not one we stored.
pub fn onto(state: &Value, live: &Json) -> Result<Value, Diagnostics> {
    let base = Attributes::read(state)?.unwrap_or_default();
    Ok(write(state, &attributes(&base, live)))
}

/// The state of an import: attributes and blocks where they can say it, `document` for the rest.
///
/// # Errors
/// The live gateway has another name than the one to import.
pub fn imported(state: &Value, live: &Json) -> Result<Value, Diagnostics> {
    let asked = state.get("id").text().unwrap_or_default();
    let name = text(live, "name").unwrap_or_default();
    if asked != name {
        let detail =
            format!("The gateway at the endpoint is `{name}`, not `{asked}`. Import it by its name.");
        return Err(vec![Diagnostic::error("Another gateway is there", detail).at(AttributePath::of("id"))]);
    }
    let written = |name: &str| live.get(name).is_some();
    let shown = Attributes {
        location: written("location").then(String::new),
        tags: written("tags").then(BTreeMap::new),
        routes: exact_routes(live).unwrap_or_default(),
        ..Attributes::default()
    };
    Ok(write(state, &attributes(&shown, live)))
}

fn write(state: &Value, attributes: &Attributes) -> Value {
    let mut state = state.clone();
    attributes.write(&mut state);
    state
}

/// The attributes that declare a live document, in the form of others.
fn attributes(base: &Attributes, live: &Json) -> Attributes {
    let under = base.document.as_deref().and_then(|text| declare::parse(text).ok());
    let under = under.unwrap_or_else(|| json!({}));
    let mut shown = Attributes {
        name: text(live, "name").unwrap_or_default(),
        location: base.location.as_ref().and_then(|_| text(live, "location")),
        tags: base.tags.as_ref().map(|tags| shown_tags(tags, &under, live)),
        document: base.document.clone(),
        providers: base.providers.as_ref().map(|declarations| shown_providers(declarations, live)),
        routes: if base.routes.is_empty() { Vec::new() } else { routes(live).map(block).collect() },
        take_over: base.take_over,
    };
    let remainder = remainder(&shown, under.clone(), live);
    if remainder != under {
        shown.document = Some(remainder.to_string());
    }
    shown
}

/// Tags shown at the attribute: all but those that only `document` writes.
fn shown_tags(tags: &BTreeMap<String, String>, under: &Json, live: &Json) -> BTreeMap<String, String> {
    let is_under = |key: &String| under.get("tags").and_then(|tags| tags.get(key)).is_some();
    let live = live.get("tags").and_then(Json::as_object).into_iter().flatten();
    live.filter(|(key, _)| tags.contains_key(*key) || !is_under(key))
        .filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned())))
        .collect()
}

/// Declarations with what the live document says of the same providers; those it lacks are gone.
fn shown_providers(declarations: &[String], live: &Json) -> Vec<String> {
    let shown = |declaration: &String| {
        let declared = declare::declared_providers(declaration).unwrap_or_default();
        let mut now = Map::new();
        for name in declared.keys() {
            if let Some(provider) = live.get("providers").and_then(|providers| providers.get(name)) {
                now.insert(name.clone(), provider.clone());
            }
        }
        match (now == declared, now.is_empty()) {
            (true, _) => Some(declaration.clone()),
            (false, true) => None,
            (false, false) => Some(json!({ "providers": now }).to_string()),
        }
    };
    declarations.iter().filter_map(shown).collect()
}

/// What `document` must say so that it and the attributes shown declare the live document. Fields in which they
/// already do are left as they are.
fn remainder(shown: &Attributes, under: Json, live: &Json) -> Json {
    let declared = declare::declare(shown).unwrap_or_else(|_| json!({}));
    let (Json::Object(mut fields), Some(live)) = (under, live.as_object()) else { return json!({}) };
    let empty = Map::new();
    let declared = declared.as_object().unwrap_or(&empty);
    let names = live.keys().chain(declared.keys().filter(|name| !live.contains_key(*name)));
    for name in names.filter(|name| !matches!(name.as_str(), "name" | "version")) {
        if live.get(name) == declared.get(name) {
            continue;
        }
        match live.get(name).and_then(|value| without_shown(name, value, shown)) {
            Some(value) => fields.insert(name.clone(), value),
            None => fields.remove(name),
        };
    }
    Json::Object(fields)
}

/// A live field without what an attribute shows of it.
fn without_shown(name: &str, value: &Json, shown: &Attributes) -> Option<Json> {
    let is_shown = |key: &String| match name {
        "tags" => shown.tags.as_ref().is_some_and(|tags| tags.contains_key(key)),
        "providers" => shown.providers.iter().flatten().any(|declaration| {
            declare::declared_providers(declaration).is_ok_and(|declared| declared.contains_key(key))
        }),
        _ => false,
    };
    match value {
        Json::Object(entries) => {
            let rest: Map<_, _> = entries
                .iter()
                .filter(|(key, _)| !is_shown(key))
                .map(|(key, value)| (key.clone(), value.clone()))
                .collect();
            (!rest.is_empty() || entries.is_empty()).then_some(Json::Object(rest))
        }
        other => Some(other.clone()),
    }
}

fn routes(live: &Json) -> impl Iterator<Item = &Json> {
    live.get("routes").and_then(Json::as_array).into_iter().flatten()
}

/// The live routes as blocks, when blocks can say all of each.
fn exact_routes(live: &Json) -> Option<Vec<Route>> {
    routes(live).map(|route| Some(block(route)).filter(|block| declare::route(block) == *route)).collect()
}

/// A live route as a block, as far as a block can say it.
fn block(route: &Json) -> Route {
    let first =
        route.get("models").and_then(|models| models.get(0)).and_then(Json::as_str).map(str::to_owned);
    let limits = || route.get("limits").and_then(Json::as_array).into_iter().flatten();
    let per_key = || limits().filter(|limit| limit.get("per").is_none_or(|per| per == "key"));
    let first_of = |name: &str| per_key().find_map(|limit| limit.get(name).and_then(Json::as_u64));
    let window =
        per_key().find(|limit| limit.get("budget").is_none()).and_then(|limit| text(limit, "window"));
    Route {
        path: text(route, "path").unwrap_or_default(),
        model: text(route, "default_model").or(first),
        rate_limit: window.map(|window| RateLimit {
            requests: first_of("requests"),
            tokens: first_of("tokens"),
            window,
        }),
    }
}

fn text(object: &Json, name: &str) -> Option<String> {
    object.get(name).and_then(Json::as_str).map(str::to_owned)
}

#[cfg(test)]
mod tests;
