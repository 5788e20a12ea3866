//! From a block's attributes to the document they declare: `document` first, then the `providers`, then what the
//! other attributes say, each laid over the one before.

use moorline_config::layer;
use serde_json::{Map, Value as Json, json};

use super::attributes::{Attributes, RateLimit, Route};
use crate::protocol::{AttributePath, Diagnostic};
use crate::resource::Diagnostics;

/// The provider that serves a route's model when nothing else is declared, and where its key is found.
const IMPLIED_PROVIDER: (&str, &str) = ("openai", "env:OPENAI_API_KEY");

/// The document that attributes declare; not checked yet.
///
/// # Errors
/// Texts that are no JSON objects, and providers declared twice.
pub fn declare(attributes: &Attributes) -> Result<Json, Diagnostics> {
    let written = attributes.document.as_deref().map_or_else(|| Ok(json!({})), parse);
    let under = written.map_err(|problem| {
        let detail = format!(
            "{problem}. For a YAML file: `document = jsonencode(yamldecode(file(\"gateway.yaml\")))`."
        );
        vec![Diagnostic::error("`document` is no JSON object", detail).at(AttributePath::of("document"))]
    })?;
    let providers = json!({ "providers": providers(attributes)? });
    let document = layer(layer(under, providers), overlay(attributes));
    Ok(imply(tidy(document), attributes))
}

/// Reads a text as a JSON object, its nulls dropped as layering drops them.
///
/// # Errors
/// What is wrong with it. Never its content, which may hold what nobody should see.
pub fn parse(text: &str) -> Result<Json, String> {
    match serde_json::from_str::<Json>(text) {
        Ok(value @ Json::Object(_)) => Ok(layer(Json::Null, value)),
        Ok(_) => Err("expected a JSON object".to_owned()),
        Err(error) => Err(format!("line {}, column {}: not JSON", error.line(), error.column())),
    }
}

/// The providers of one declaration, by name.
///
/// # Errors
/// It is not what `openai_provider` or `anthropic_provider` print.
pub fn declared_providers(declaration: &str) -> Result<Map<String, Json>, String> {
    match parse(declaration)?.get("providers") {
        Some(Json::Object(providers)) => Ok(providers.clone()),
        _ => Err("expected the `declaration` of an openai_provider or anthropic_provider".to_owned()),
    }
}

fn providers(attributes: &Attributes) -> Result<Map<String, Json>, Diagnostics> {
    let mut all = Map::new();
    let mut wrong = Vec::new();
    for (at, declaration) in attributes.providers.iter().flatten().enumerate() {
        let here = AttributePath::of("providers").index(at);
        match declared_providers(declaration) {
            Err(problem) => wrong.push(Diagnostic::error("Not a provider declaration", problem).at(here)),
            Ok(declared) => {
                for (name, provider) in declared {
                    if all.insert(name.clone(), provider).is_some() {
                        let detail = format!("Two declarations name the provider `{name}`.");
                        wrong.push(Diagnostic::error("Provider declared twice", detail).at(here.clone()));
                    }
                }
            }
        }
    }
    if wrong.is_empty() { Ok(all) } else { Err(wrong) }
}

fn overlay(attributes: &Attributes) -> Json {
    let mut over =
        Map::from_iter([("version".to_owned(), json!(1)), ("name".to_owned(), json!(attributes.name))]);
    if let Some(location) = &attributes.location {
        over.insert("location".to_owned(), json!(location));
    }
    if let Some(tags) = &attributes.tags {
        over.insert("tags".to_owned(), json!(tags));
    }
    if !attributes.routes.is_empty() {
        over.insert("routes".to_owned(), attributes.routes.iter().map(route).collect());
    }
    Json::Object(over)
}

/// A `route` block as a route of the document.
#[must_use]
pub fn route(route: &Route) -> Json {
    let mut made = Map::from_iter([("path".to_owned(), json!(route.path))]);
    if let Some(model) = &route.model {
        made.insert("models".to_owned(), json!([model]));
        made.insert("default_model".to_owned(), json!(model));
    }
    if let Some(limit) = &route.rate_limit {
        made.insert("limits".to_owned(), limits(limit));
    }
    Json::Object(made)
}

fn limits(limit: &RateLimit) -> Json {
    let requests =
        limit.requests.map(|requests| json!({"per": "key", "requests": requests, "window": limit.window}));
    let tokens = limit.tokens.map(|tokens| json!({"per": "key", "tokens": tokens, "window": limit.window}));
    requests.into_iter().chain(tokens).collect()
}

/// Drops the empty maps that layering nothing leaves behind.
fn tidy(mut document: Json) -> Json {
    if let Json::Object(fields) = &mut document {
        for name in ["providers", "tags"] {
            if fields.get(name).and_then(Json::as_object).is_some_and(Map::is_empty) {
                fields.remove(name);
            }
        }
    }
    document
}

/// Declares the models that routes name and nothing else mentions: each is the model of that name at the one
/// declared provider, or at OpenAI when none is declared.
///
/// So a block with nothing but routes is whole. With several providers, or with any model declared, nothing is
/// implied: then a name that is not declared is a mistake, and is reported as one.
fn imply(mut document: Json, attributes: &Attributes) -> Json {
    let models: Vec<&str> = attributes.routes.iter().filter_map(|route| route.model.as_deref()).collect();
    let Json::Object(fields) = &mut document else { return document };
    if models.is_empty() || fields.contains_key("models") {
        return document;
    }
    let (name, key) = IMPLIED_PROVIDER;
    let implied = || json!({ name: { "kind": name, "api_key": key } });
    let providers = fields.entry("providers").or_insert_with(implied);
    let mut names = providers.as_object().into_iter().flat_map(Map::keys);
    let (Some(provider), None) = (names.next(), names.next()) else { return document };
    let at =
        |model: &str| (model.to_owned(), json!({ "targets": [{ "provider": provider, "model": model }] }));
    let models: Map<String, Json> = models.into_iter().map(at).collect();
    fields.insert("models".to_owned(), Json::Object(models));
    document
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attributes() -> Attributes {
        let limit = RateLimit { requests: Some(1000), tokens: None, window: "1h".to_owned() };
        let route =
            Route { path: "/v1/chat/*".to_owned(), model: Some("gpt-4".to_owned()), rate_limit: Some(limit) };
        Attributes { name: "prod".to_owned(), routes: vec![route], ..Attributes::default() }
    }

    #[test]
    fn a_block_of_routes_alone_is_a_whole_document() {
        let expected = json!({
            "version": 1, "name": "prod",
            "providers": {"openai": {"kind": "openai", "api_key": "env:OPENAI_API_KEY"}},
            "models": {"gpt-4": {"targets": [{"provider": "openai", "model": "gpt-4"}]}},
            "routes": [{"path": "/v1/chat/*", "models": ["gpt-4"], "default_model": "gpt-4",
                        "limits": [{"per": "key", "requests": 1000, "window": "1h"}]}],
        });
        assert_eq!(declare(&attributes()).unwrap(), expected);
    }

    #[test]
    fn attributes_are_laid_over_the_document() {
        let document = r#"{"version":1,"name":"other","location":"eu","tags":{"a":"1","b":"2"},"routes":[{"path":"/x"}],"models":{}}"#;
        let tags = Some([("b".to_owned(), "3".to_owned())].into());
        let attributes = Attributes { document: Some(document.to_owned()), tags, ..attributes() };
        let declared = declare(&attributes).unwrap();
        assert_eq!(declared["name"], "prod");
        assert_eq!(declared["location"], "eu");
        assert_eq!(declared["tags"], json!({"a": "1", "b": "3"}));
        assert_eq!(declared["routes"].as_array().unwrap().len(), 1);
        assert_eq!(declared["routes"][0]["path"], "/v1/chat/*");
    }

    #[test]
    fn with_several_providers_no_model_is_implied() {
        let document = r#"{"providers":{"a":{"kind":"openai"},"b":{"kind":"anthropic"}}}"#;
        let attributes = Attributes { document: Some(document.to_owned()), ..attributes() };
        assert!(declare(&attributes).unwrap().get("models").is_none());
    }

    #[test]
    fn with_one_provider_it_serves_the_models() {
        let claude = r#"{"providers":{"claude":{"kind":"anthropic"}}}"#.to_owned();
        let attributes = Attributes { providers: Some(vec![claude]), ..attributes() };
        let declared = declare(&attributes).unwrap();
        assert_eq!(declared["models"]["gpt-4"]["targets"][0]["provider"], "claude");
    }

    #[test]
    fn a_provider_declared_twice_is_refused() {
        let claude = r#"{"providers":{"claude":{"kind":"anthropic"}}}"#.to_owned();
        let attributes = Attributes { providers: Some(vec![claude.clone(), claude]), ..attributes() };
        assert_eq!(
            declare(&attributes).unwrap_err()[0].attribute.as_ref().unwrap().to_string(),
            "providers[1]"
        );
    }

    #[test]
    fn a_document_that_is_no_object_is_refused_without_being_repeated() {
        for text in ["[]", "sk-live-1", "{\"a\":"] {
            let attributes = Attributes { document: Some(text.to_owned()), ..attributes() };
            let found = declare(&attributes).unwrap_err();
            assert!(!format!("{found:?}").contains("sk-live"));
        }
    }
}
