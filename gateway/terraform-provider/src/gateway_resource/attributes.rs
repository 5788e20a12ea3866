//! The block's attributes as typed data. In: a Terraform value. Out: [`Attributes`], and values again.

use std::collections::BTreeMap;

use crate::protocol::{AttributePath, Diagnostic};
use crate::resource::Diagnostics;
use crate::value::Value;

/// All that can be written in an `openai_gateway` block.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Attributes {
    /// The gateway's name.
    pub name: String,
    /// Region or place.
    pub location: Option<String>,
    /// Labels.
    pub tags: Option<BTreeMap<String, String>>,
    /// Everything else, as JSON text.
    pub document: Option<String>,
    /// Declarations of upstream providers, as JSON texts.
    pub providers: Option<Vec<String>>,
    /// Routes.
    pub routes: Vec<Route>,
    /// Write although another owner holds the document.
    pub take_over: bool,
}

/// A `route` block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// Its path.
    pub path: String,
    /// The one model served.
    pub model: Option<String>,
    /// The most that each key may use.
    pub rate_limit: Option<RateLimit>,
}

/// A `rate_limit` object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RateLimit {
    /// Requests in a window.
    pub requests: Option<u64>,
    /// Tokens in a window.
    pub tokens: Option<u64>,
    /// The window's length.
    pub window: String,
}

/// What people write, as opposed to what we fill in.
const WRITTEN: [&str; 7] = ["name", "location", "tags", "document", "providers", "route", "take_over"];

impl Attributes {
    /// Reads a block; `None` when a part of it is not known yet.
    ///
    /// # Errors
    /// Numbers that count nothing (negative, fractional).
    pub fn read(block: &Value) -> Result<Option<Self>, Diagnostics> {
        if !WRITTEN.iter().all(|name| block.get(name).is_known()) {
            return Ok(None);
        }
        let mut wrong = Vec::new();
        let routes = match block.get("route") {
            Value::List(items) => {
                items.iter().enumerate().map(|(at, item)| Route::read(item, at, &mut wrong)).collect()
            }
            _ => Vec::new(),
        };
        if !wrong.is_empty() {
            return Err(wrong);
        }
        Ok(Some(Self {
            name: owned(block.get("name")).unwrap_or_default(),
            location: owned(block.get("location")),
            tags: texts_by_key(block.get("tags")),
            document: owned(block.get("document")),
            providers: texts(block.get("providers")),
            routes,
            take_over: *block.get("take_over") == Value::Bool(true),
        }))
    }

    /// Writes the attributes into a block's value, leaving alone what is filled in and what only steers us.
    pub fn write(&self, block: &mut Value) {
        block.set("name", self.name.as_str());
        block.set("location", self.location.clone());
        block.set("document", self.document.clone());
        block.set("tags", self.tags.as_ref().map(|tags| Value::Map(values(tags))));
        let list = |items: &Vec<String>| Value::List(items.iter().cloned().map(Value::Text).collect());
        block.set("providers", self.providers.as_ref().map(list));
        block.set("route", Value::List(self.routes.iter().map(Route::value).collect()));
    }
}

impl Route {
    fn read(block: &Value, at: usize, wrong: &mut Diagnostics) -> Self {
        let limit = block.get("rate_limit");
        let path = AttributePath::of("route").index(at).attribute("rate_limit");
        let rate_limit = (!limit.is_null()).then(|| RateLimit {
            requests: count(limit, "requests", &path, wrong),
            tokens: count(limit, "tokens", &path, wrong),
            window: owned(limit.get("window")).unwrap_or_default(),
        });
        if rate_limit.as_ref().is_some_and(|limit| limit.requests.is_none() && limit.tokens.is_none()) {
            let found =
                Diagnostic::error("A rate limit that limits nothing", "Set `requests`, `tokens`, or both.");
            wrong.push(found.at(path));
        }
        Self {
            path: owned(block.get("path")).unwrap_or_default(),
            model: owned(block.get("model")),
            rate_limit,
        }
    }

    fn value(&self) -> Value {
        let limit = |limit: &RateLimit| {
            Value::Map(BTreeMap::from([
                ("requests".to_owned(), limit.requests.into()),
                ("tokens".to_owned(), limit.tokens.into()),
                ("window".to_owned(), limit.window.as_str().into()),
            ]))
        };
        Value::Map(BTreeMap::from([
            ("path".to_owned(), self.path.as_str().into()),
            ("model".to_owned(), self.model.clone().into()),
            ("rate_limit".to_owned(), self.rate_limit.as_ref().map(limit).into()),
        ]))
    }
}

fn count(limit: &Value, name: &str, path: &AttributePath, wrong: &mut Diagnostics) -> Option<u64> {
    let value = limit.get(name);
    let count = match value {
        Value::Null => return None,
        Value::Number(number) => number.as_u64(),
        _ => None,
    };
    if count.is_none() {
        let found = Diagnostic::error("Not a count", format!("`{name}` must be a whole number, 0 or more."));
        wrong.push(found.at(path.clone()));
    }
    count
}

fn owned(value: &Value) -> Option<String> {
    value.text().map(str::to_owned)
}

fn texts(value: &Value) -> Option<Vec<String>> {
    match value {
        Value::List(items) => Some(items.iter().filter_map(owned).collect()),
        _ => None,
    }
}

fn texts_by_key(value: &Value) -> Option<BTreeMap<String, String>> {
    match value {
        Value::Map(entries) => {
            Some(entries.iter().filter_map(|(key, value)| Some((key.clone(), owned(value)?))).collect())
        }
        _ => None,
    }
}

fn values(texts: &BTreeMap<String, String>) -> BTreeMap<String, Value> {
    texts.iter().map(|(key, text)| (key.clone(), Value::Text(text.clone()))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(json: &str) -> Value {
        Value::from_json(json.as_bytes()).unwrap()
    }

    #[test]
    fn what_is_read_is_written_back() {
        let written = block(
            r#"{"name":"g","location":"eu","tags":{"a":"b"},"document":null,"providers":["{}"],
                "route":[{"path":"/v1/*","model":"m","rate_limit":{"requests":1,"tokens":null,"window":"1h"}},
                         {"path":"/x","model":null,"rate_limit":null}]}"#,
        );
        let attributes = Attributes::read(&written).unwrap().unwrap();
        let mut again = block("{}");
        attributes.write(&mut again);
        assert_eq!(again, written);
    }

    #[test]
    fn a_block_with_an_unknown_part_is_not_read() {
        let mut unknown = block(r#"{"name":"g","route":[]}"#);
        unknown.set("document", Value::Unknown);
        assert_eq!(Attributes::read(&unknown), Ok(None));
        unknown.set("document", Value::Null);
        unknown.set("digest", Value::Unknown);
        assert!(Attributes::read(&unknown).unwrap().is_some());
    }

    #[test]
    fn a_limit_that_counts_nothing_is_refused_where_it_stands() {
        for limit in [
            r#"{"requests":-1,"window":"1h"}"#,
            r#"{"requests":1.5,"tokens":2,"window":"1h"}"#,
            r#"{"window":"1h"}"#,
        ] {
            let block = block(&format!(r#"{{"name":"g","route":[{{"path":"/","rate_limit":{limit}}}]}}"#));
            let found = Attributes::read(&block).unwrap_err();
            assert_eq!(found[0].attribute.as_ref().unwrap().to_string(), "route[0].rate_limit");
        }
    }
}
