//! What differs between two documents: where, and both values.

use moorline_model::config::diff;
use serde_json::{Map, Value};

use super::limit;

/// A step on the way to a field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Step {
    /// A field of a map.
    Field(String),
    /// An element of a list, by what it is called.
    Element { list: String, name: String },
    /// The order of a list's elements.
    Order(String),
}

/// One place that differs.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Difference {
    pub(super) path: Vec<Step>,
    pub(super) before: Option<Value>,
    pub(super) after: Option<Value>,
}

/// Lists what differs, in the order of the later document's lists and of names.
pub(super) fn differences(before: &Value, after: &Value) -> Vec<Difference> {
    let mut walk = Walk { found: Vec::new(), path: Vec::new() };
    match (before, after) {
        (Value::Object(before), Value::Object(after)) => walk.map(before, after),
        _ => walk.value(Some(before), Some(after)),
    }
    walk.found
}

struct Walk {
    found: Vec<Difference>,
    path: Vec<Step>,
}

impl Walk {
    fn below(&mut self, step: Step, walk: impl FnOnce(&mut Self)) {
        self.path.push(step);
        walk(self);
        self.path.pop();
    }

    fn note(&mut self, before: Option<&Value>, after: Option<&Value>) {
        let (before, after) = (before.cloned(), after.cloned());
        self.found.push(Difference { path: self.path.clone(), before, after });
    }

    fn map(&mut self, before: &Map<String, Value>, after: &Map<String, Value>) {
        let mut names: Vec<_> =
            after.keys().chain(before.keys().filter(|name| !after.contains_key(*name))).collect();
        names.sort();
        for name in names {
            self.field(name, before.get(name), after.get(name));
        }
    }

    fn field(&mut self, name: &str, before: Option<&Value>, after: Option<&Value>) {
        let none = (Value::Array(Vec::new()), Value::Object(Map::new()));
        // What is not there has no elements. At the top that goes for collections by name too.
        let (before, after) = match (before, after) {
            (None, Some(Value::Array(_))) => (Some(&none.0), after),
            (Some(Value::Array(_)), None) => (before, Some(&none.0)),
            (None, Some(Value::Object(_))) if self.path.is_empty() => (Some(&none.1), after),
            (Some(Value::Object(_)), None) if self.path.is_empty() => (before, Some(&none.1)),
            both => both,
        };
        match (before, after) {
            (Some(Value::Array(before)), Some(Value::Array(after))) => self.list(name, before, after),
            (before, after) => self.below(Step::Field(name.to_owned()), |walk| walk.value(before, after)),
        }
    }

    fn value(&mut self, before: Option<&Value>, after: Option<&Value>) {
        match (before, after) {
            (Some(Value::Object(before)), Some(Value::Object(after))) => self.map(before, after),
            (Some(before), Some(after)) if is_same(before, after) => {}
            (before, after) => self.note(before, after),
        }
    }

    fn list(&mut self, list: &str, before: &[Value], after: &[Value]) {
        let pairs = pairs(list, before, after);
        if let Some(moved) = order(list, before, after, &pairs) {
            self.below(Step::Order(list.to_owned()), |walk| walk.note(Some(&moved.0), Some(&moved.1)));
        }
        for (at_before, at_after) in pairs {
            let (before, after) = (at_before.map(|at| &before[at]), at_after.map(|at| &after[at]));
            let Some(named) = after.or(before) else { continue };
            let name = name(list, named).unwrap_or_else(|| "without a name".to_owned());
            self.below(Step::Element { list: list.to_owned(), name }, |walk| match (before, after) {
                // A limit is said as a whole: `1000 requests per key and 1h`.
                (Some(before), Some(after)) if list == limit::LIST && !is_same(before, after) => {
                    walk.note(Some(before), Some(after));
                }
                (before, after) => walk.value(before, after),
            });
        }
    }
}

/// `5` and `5.0` are the same, as they are to a document's identity.
fn is_same(before: &Value, after: &Value) -> bool {
    diff(before, after).is_empty()
}

/// What an element of a list is called.
fn name(list: &str, element: &Value) -> Option<String> {
    let field = |name: &str| element.get(name).and_then(Value::as_str);
    match element {
        Value::String(text) => Some(text.clone()),
        Value::Object(_) if list == limit::LIST => limit::name(element),
        Value::Object(_) => match (field("provider"), field("model")) {
            (Some(provider), Some(model)) => Some(format!("{provider}/{model}")),
            _ => field("path").or(field("name")).map(str::to_owned),
        },
        _ => None,
    }
}

type Pair = (Option<usize>, Option<usize>);

/// Which element became which: the same ones first, then those with the same name, then limits of the same kind, then
/// those without a name by their place. In the later list's order, with what is gone at the end.
fn pairs(list: &str, before: &[Value], after: &[Value]) -> Vec<Pair> {
    let mut partner: Vec<Option<usize>> = vec![None; after.len()];
    let mut is_taken = vec![false; before.len()];
    let mut pair = |fits: &dyn Fn(&Value, &Value) -> bool| {
        for (at, element) in after.iter().enumerate() {
            if partner[at].is_none() {
                let found = (0..before.len()).find(|&old| !is_taken[old] && fits(&before[old], element));
                if let Some(old) = found {
                    partner[at] = Some(old);
                    is_taken[old] = true;
                }
            }
        }
    };
    let name = |element: &Value| name(list, element);
    pair(&is_same);
    pair(&|old, new| name(old).is_some() && name(old) == name(new));
    if list == limit::LIST {
        pair(&|old, new| limit::kind(old).is_some() && limit::kind(old) == limit::kind(new));
    }
    pair(&|old, new| name(old).is_none() && name(new).is_none());
    let gone = (0..before.len()).filter(|&old| !is_taken[old]).map(|old| (Some(old), None));
    let kept = partner.iter().enumerate().map(|(at, old)| (*old, Some(at)));
    kept.chain(gone).collect()
}

/// Both orders of what is in both lists, when they are not the same.
fn order(list: &str, before: &[Value], after: &[Value], pairs: &[Pair]) -> Option<(Value, Value)> {
    let both: Vec<(usize, usize)> = pairs.iter().filter_map(|(old, new)| old.zip(*new)).collect();
    if both.is_sorted_by_key(|(old, _)| *old) {
        return None;
    }
    let named = |element: &Value| Value::from(name(list, element).unwrap_or_else(|| element.to_string()));
    let mut old: Vec<_> = both.iter().map(|(old, _)| *old).collect();
    old.sort_unstable();
    let old = old.into_iter().map(|at| named(&before[at])).collect();
    let new = both.iter().map(|(_, new)| named(&after[*new])).collect();
    Some((Value::Array(old), Value::Array(new)))
}
