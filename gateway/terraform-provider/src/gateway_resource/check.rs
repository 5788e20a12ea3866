//! What is wrong with a block, pointed at: mistakes of the document at the attribute that caused them.

use moorline_config::secret::LiteralSecret;
use moorline_config::{Config, Mistake, Mistakes};

use super::attributes::Attributes;
use super::declare;
use crate::protocol::{AttributePath, Diagnostic};
use crate::resource::Diagnostics;

/// Everything wrong with a block whose values are all known.
#[must_use]
pub fn check(attributes: &Attributes) -> Diagnostics {
    let document = match declare::declare(attributes) {
        Ok(document) => document,
        Err(found) => return found,
    };
    let mut found = match Config::from_value("openai_gateway", &document) {
        Ok(_) => Vec::new(),
        Err(mistakes) => point_at(&mistakes, attributes),
    };
    found.extend(replaced_routes(attributes));
    found
}

fn replaced_routes(attributes: &Attributes) -> Option<Diagnostic> {
    let text = attributes.document.as_deref().filter(|_| !attributes.routes.is_empty())?;
    declare::parse(text).ok()?.get("routes")?;
    let detail = "The route blocks stand in for the routes of `document`, which are not used. Write \
        them in one place.";
    Some(Diagnostic::warning("Routes in two places", detail).at(AttributePath::of("document")))
}

/// Each mistake as a diagnostic at the attribute that says the thing.
#[must_use]
pub fn point_at(mistakes: &Mistakes, attributes: &Attributes) -> Diagnostics {
    mistakes.0.iter().map(|mistake| diagnostic(mistake, attributes)).collect()
}

fn diagnostic(mistake: &Mistake, attributes: &Attributes) -> Diagnostic {
    let place = if mistake.path.is_empty() { "The document" } else { &mistake.path };
    let found = Diagnostic::error("Mistake in the document", format!("{place}: {}", mistake.problem));
    // A path makes Terraform print the line it leads to. Where that line holds a secret, the words must do.
    let holds_secret = mistake.problem.contains(&LiteralSecret.to_string());
    match attribute(&mistake.path, attributes) {
        Some(path) if !holds_secret => found.at(path),
        _ => found,
    }
}

/// The attribute that says what stands at a path of the document.
fn attribute(path: &str, attributes: &Attributes) -> Option<AttributePath> {
    let (top, rest) = split(path);
    match top {
        "name" => Some(AttributePath::of("name")),
        "location" if attributes.location.is_some() => Some(AttributePath::of("location")),
        "tags" if attributes.tags.as_ref().is_some_and(|tags| tags.contains_key(rest)) => {
            Some(AttributePath::of("tags").key(rest))
        }
        "routes" if !attributes.routes.is_empty() => Some(route(rest, attributes)),
        "providers" => provider(rest, attributes).or_else(|| document(attributes)),
        _ => document(attributes),
    }
}

fn document(attributes: &Attributes) -> Option<AttributePath> {
    attributes.document.as_ref().map(|_| AttributePath::of("document"))
}

/// A provider by its name (and what follows it), among the declarations.
fn provider(rest: &str, attributes: &Attributes) -> Option<AttributePath> {
    let mut declarations = attributes.providers.iter().flatten();
    let names_it = |declaration: &String| {
        let declared = declare::declared_providers(declaration).unwrap_or_default();
        declared
            .keys()
            .any(|name| rest == name || rest.strip_prefix(name).is_some_and(|after| after.starts_with('.')))
    };
    declarations.position(names_it).map(|at| AttributePath::of("providers").index(at))
}

/// A route by its index (and what follows it): `[0].limits[1].window`.
fn route(rest: &str, attributes: &Attributes) -> AttributePath {
    let blocks = AttributePath::of("route");
    let Some((index, field)) = rest.strip_prefix('[').and_then(|rest| rest.split_once(']')) else {
        return blocks;
    };
    let Some(at) = index.parse().ok().filter(|at| *at < attributes.routes.len()) else { return blocks };
    let block = blocks.index(at);
    let field = field.trim_start_matches('.');
    match split(field).0 {
        "path" => block.attribute("path"),
        "models" | "default_model" => block.attribute("model"),
        // Not to the field inside: Terraform finds an object's line, and loses its way below it.
        "limits" => block.attribute("rate_limit"),
        _ => block,
    }
}

/// The first field of a path, and what follows it (with the bracket of an index, without the dot of a field).
fn split(path: &str) -> (&str, &str) {
    let end = path.find(['.', '[']).unwrap_or(path.len());
    let (top, rest) = path.split_at(end);
    (top, rest.strip_prefix('.').unwrap_or(rest))
}

#[cfg(test)]
mod tests {
    use super::super::attributes::{RateLimit, Route};
    use super::*;

    fn attributes() -> Attributes {
        let limit = RateLimit { requests: Some(1), tokens: None, window: "1h".to_owned() };
        Attributes {
            name: "g".to_owned(),
            document: Some("{}".to_owned()),
            tags: Some([("team".to_owned(), "a".to_owned())].into()),
            providers: Some(vec![r#"{"providers":{"a.b":{"kind":"openai"}}}"#.to_owned()]),
            routes: vec![Route {
                path: "/".to_owned(),
                model: Some("m".to_owned()),
                rate_limit: Some(limit),
            }],
            ..Attributes::default()
        }
    }

    #[test]
    fn mistakes_stand_at_the_attribute_that_says_the_thing() {
        for (path, expected) in [
            ("name", "name"),
            ("tags.team", "tags[\"team\"]"),
            ("tags.other", "document"),
            ("routes[0].path", "route[0].path"),
            ("routes[0].models[0]", "route[0].model"),
            ("routes[0].limits[0].window", "route[0].rate_limit"),
            ("routes[0].limits[0]", "route[0].rate_limit"),
            ("routes[7].path", "route"),
            ("providers.a.b.base_url", "providers[0]"),
            ("providers.c.kind", "document"),
            ("models.m.targets", "document"),
        ] {
            assert_eq!(attribute(path, &attributes()).unwrap().to_string(), expected, "{path}");
        }
    }

    #[test]
    fn what_nobody_wrote_is_pointed_at_nowhere() {
        let bare = Attributes { document: None, ..attributes() };
        assert_eq!(attribute("models.m.targets", &bare), None);
    }

    #[test]
    fn a_line_that_holds_a_secret_is_not_pointed_at() {
        let mistake = |problem: String| {
            Mistakes(vec![Mistake {
                file: String::new(),
                line: 0,
                column: 0,
                path: "providers.c.api_key".to_owned(),
                problem,
            }])
        };
        assert!(point_at(&mistake("odd".to_owned()), &attributes())[0].attribute.is_some());
        assert!(point_at(&mistake(LiteralSecret.to_string()), &attributes())[0].attribute.is_none());
    }

    #[test]
    fn routes_in_two_places_are_warned_of() {
        let twice = Attributes { document: Some(r#"{"routes":[{"path":"/x"}]}"#.to_owned()), ..attributes() };
        assert!(replaced_routes(&twice).is_some());
        assert!(replaced_routes(&attributes()).is_none());
    }
}
