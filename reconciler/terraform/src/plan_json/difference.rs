//! Two values of a resource, compared field by field, and each difference written as short, redacted text.

use serde_json::{Map, Value};

use super::document::Change;
use crate::diagnostic::shorten;
use crate::redact::{Known, Mask, REDACTED, redact_value};

/// Most characters of a value that are shown.
const VALUE_CHARACTERS_MAX: usize = 120;
/// Deepest nesting that is followed; below, values are compared whole.
const DEPTH_MAX: usize = 32;
const UNKNOWN: &str = "(known after apply)";

/// One field that differs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Difference {
    pub(super) path: String,
    pub(super) before: Option<String>,
    pub(super) after: Option<String>,
}

impl Difference {
    /// Whether one of the two paths lies within the other.
    pub(super) fn overlaps(&self, other: &Self) -> bool {
        let (short, long) = if self.path.len() <= other.path.len() {
            (&self.path, &other.path)
        } else {
            (&other.path, &self.path)
        };
        long.strip_prefix(short.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
    }
}

/// The fields of a change that differ, sorted by path.
pub(super) fn differences(change: &Change, known: &Known) -> Vec<Difference> {
    let mut walk = Walk { known, found: Vec::new() };
    let at = Place {
        name: "",
        depth: 0,
        before_mask: Mask::read(Some(&change.before_sensitive)),
        after_mask: Mask::read(Some(&change.after_sensitive)),
        unknown: &change.after_unknown,
    };
    walk.compare(String::new(), &change.before, &change.after, at);
    walk.found.sort_by(|a, b| a.path.cmp(&b.path));
    walk.found
}

/// Where in the values the walk is, seen from every side.
#[derive(Clone, Copy)]
struct Place<'a> {
    name: &'a str,
    depth: usize,
    before_mask: Mask<'a>,
    after_mask: Mask<'a>,
    unknown: &'a Value,
}

impl<'a> Place<'a> {
    fn field(self, name: &'a str) -> Self {
        Self {
            name,
            depth: self.depth + 1,
            before_mask: self.before_mask.field(name),
            after_mask: self.after_mask.field(name),
            unknown: self.unknown.get(name).unwrap_or(&Value::Null),
        }
    }

    fn item(self, index: usize, count: usize) -> Self {
        Self {
            depth: self.depth + 1,
            before_mask: self.before_mask.item(index, count),
            after_mask: self.after_mask.item(index, count),
            unknown: self.unknown.get(index).unwrap_or(&Value::Null),
            ..self
        }
    }

    const fn is_secret(self) -> bool {
        self.before_mask.is_secret() || self.after_mask.is_secret()
    }
}

struct Walk<'a> {
    known: &'a Known,
    found: Vec<Difference>,
}

impl Walk<'_> {
    fn compare(&mut self, path: String, before: &Value, after: &Value, at: Place<'_>) {
        if *at.unknown == Value::Bool(true) {
            let before = self.shown(before, at);
            self.found.push(Difference { path, before, after: Some(UNKNOWN.to_owned()) });
            return;
        }
        if before == after && !holds_unknown(at.unknown) {
            return;
        }
        match (before, after) {
            _ if at.is_secret() || at.depth >= DEPTH_MAX => self.differs(path, before, after, at),
            (Value::Object(before), Value::Object(after)) => self.compare_fields(&path, before, after, at),
            (Value::Array(before), Value::Array(after)) if before.len() == after.len() => {
                let count = before.len();
                for (index, (before, after)) in before.iter().zip(after).enumerate() {
                    self.compare(format!("{path}[{index}]"), before, after, at.item(index, count));
                }
            }
            (Value::String(old), Value::String(new)) => match (embedded(old), embedded(new)) {
                // Documents inside texts (a container's definition, a policy): compared as what they are.
                (Some(old), Some(new)) if at.depth < DEPTH_MAX => {
                    let open = Place {
                        before_mask: Mask::Open,
                        after_mask: Mask::Open,
                        unknown: &Value::Null,
                        ..at
                    };
                    self.compare(path, &old, &new, Place { depth: at.depth + 1, ..open });
                }
                _ => self.differs(path, before, after, at),
            },
            _ => self.differs(path, before, after, at),
        }
    }

    fn compare_fields(
        &mut self,
        path: &str,
        before: &Map<String, Value>,
        after: &Map<String, Value>,
        at: Place<'_>,
    ) {
        let is_variable = at.name.eq_ignore_ascii_case("environment") && before.contains_key("name");
        let unknown = at.unknown.as_object();
        let mut names: Vec<&String> =
            before.keys().chain(after.keys()).chain(unknown.into_iter().flat_map(Map::keys)).collect();
        names.sort_unstable();
        names.dedup();
        for name in names {
            let mut place = at.field(name);
            if is_variable && name == "value" {
                place.after_mask = Mask::Secret;
            }
            let value =
                |fields: &Map<String, Value>| fields.get(name.as_str()).cloned().unwrap_or(Value::Null);
            self.compare(self.joined(path, name), &value(before), &value(after), place);
        }
    }

    fn joined(&self, path: &str, name: &str) -> String {
        let is_plain = !name.is_empty() && name.chars().all(|c| c.is_alphanumeric() || c == '_' || c == '-');
        let name = self.known.text(name);
        match (path.is_empty(), is_plain || name == REDACTED) {
            (true, true) => name,
            (false, true) => format!("{path}.{name}"),
            (_, false) => format!("{path}[{}]", Value::String(name)),
        }
    }

    fn differs(&mut self, path: String, before: &Value, after: &Value, at: Place<'_>) {
        let (before, after) = (self.shown(before, at), self.shown(after, at));
        self.found.push(Difference { path, before, after });
    }

    /// A value as short text; a secret on either side hides both.
    fn shown(&self, value: &Value, at: Place<'_>) -> Option<String> {
        if value.is_null() {
            return None;
        }
        if at.before_mask.closed().is_secret() || at.after_mask.closed().is_secret() {
            return Some(REDACTED.to_owned());
        }
        let text = match redact_value(at.name, value, Mask::Open, self.known) {
            Value::String(text) => text,
            other => self.known.text(&other.to_string()),
        };
        Some(shorten(&text, VALUE_CHARACTERS_MAX))
    }
}

fn embedded(text: &str) -> Option<Value> {
    if !text.trim_start().starts_with(['{', '[']) {
        return None;
    }
    serde_json::from_str(text).ok().filter(|value: &Value| value.is_object() || value.is_array())
}

fn holds_unknown(unknown: &Value) -> bool {
    match unknown {
        Value::Bool(flag) => *flag,
        Value::Object(fields) => fields.values().any(holds_unknown),
        Value::Array(items) => items.iter().any(holds_unknown),
        Value::Null | Value::Number(_) | Value::String(_) => false,
    }
}
