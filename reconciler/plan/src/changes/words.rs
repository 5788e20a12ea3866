//! A difference in words: of what, which field, from what to what.

use std::cmp::Ordering;

use moorline_model::changes::FieldChange;
use moorline_model::masking;
use serde_json::Value;

use super::limit;
use super::walk::{Difference, Step};
use crate::masked;

/// What the elements of a list, and the entries of a map at the top, are called one by one.
const SINGULAR: [(&str, &str); 9] = [
    ("routes", "route"),
    ("keys", "key"),
    ("models", "model"),
    ("providers", "provider"),
    ("guardrails", "guardrail"),
    ("targets", "target"),
    ("limits", "limit"),
    ("algorithms", "algorithm"),
    ("trusted_proxies", "trusted proxy"),
];
/// Stands for what belongs to no named part.
const GATEWAY: &str = "the gateway";

/// A difference in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Worded {
    /// What sort of thing: `route`, or `the gateway`.
    pub(super) kind: String,
    /// Which of them; empty where there is only one.
    pub(super) name: String,
    /// Which field; empty for the whole thing.
    pub(super) field: String,
    pub(super) before: Option<String>,
    pub(super) after: Option<String>,
    pub(super) unit: String,
    /// Whether a number rises or falls.
    pub(super) direction: Option<Ordering>,
}

impl Worded {
    /// Whether it is about a part that has a name.
    pub(super) fn is_named(&self) -> bool {
        !self.name.is_empty()
    }

    /// Two documents that say the same and are not written the same.
    pub(super) fn in_writing() -> Self {
        Self {
            kind: GATEWAY.to_owned(),
            name: String::new(),
            field: "document as it is written, not what it says,".to_owned(),
            before: None,
            after: None,
            unit: String::new(),
            direction: None,
        }
    }

    pub(super) fn into_field(self) -> FieldChange {
        let subject = if self.name.is_empty() { self.kind } else { format!("{} {}", self.kind, self.name) };
        FieldChange { subject, field: self.field, before: self.before, after: self.after, unit: self.unit }
    }
}

/// The singular of a list's or map's name; the name itself where none is known.
pub(super) fn singular(list: &str) -> &str {
    SINGULAR.iter().find(|(many, _)| *many == list).map_or(list, |(_, one)| one)
}

pub(super) fn word(difference: Difference) -> Worded {
    let Difference { path, before, after } = difference;
    let (kind, name, rest) = subject(&path);
    let names = rest.iter().filter_map(|step| match step {
        Step::Field(name) => Some(name.as_str()),
        Step::Element { .. } | Step::Order(_) => None,
    });
    let text = |value: &Value| masked::text(names.clone(), value);
    let mut worded = Worded {
        kind,
        // Names are what people write, too.
        name: masking::masked(&name),
        field: masking::masked(&field(rest)),
        before: before.as_ref().map(text),
        after: after.as_ref().map(text),
        unit: String::new(),
        direction: direction(before.as_ref(), after.as_ref()),
    };
    match rest.last() {
        // The whole thing comes or goes: what it is made of stands in the repository.
        None => (worded.before, worded.after) = (before.map(|_| String::new()), after.map(|_| String::new())),
        Some(Step::Element { list, .. }) if list == limit::LIST => {
            limit_words(&mut worded, rest, before.as_ref(), after.as_ref());
        }
        Some(Step::Element { list, .. }) => element_words(&mut worded, list, before.as_ref(), after.as_ref()),
        Some(Step::Field(_) | Step::Order(_)) => {}
    }
    worded
}

/// What a path is about, and the rest of it.
fn subject(path: &[Step]) -> (String, String, &[Step]) {
    let gateway = || (GATEWAY.to_owned(), String::new(), path);
    match path {
        [Step::Element { list, name }, rest @ ..] if matches!(list.as_str(), "routes" | "keys") => {
            (singular(list).to_owned(), name.clone(), rest)
        }
        [Step::Field(map), Step::Field(name), rest @ ..]
            if matches!(map.as_str(), "models" | "providers" | "guardrails") =>
        {
            (singular(map).to_owned(), name.clone(), rest)
        }
        _ => gateway(),
    }
}

/// The field's name: `timeouts.total`, `target azure/gpt-4o weight`.
fn field(rest: &[Step]) -> String {
    let mut words = String::new();
    let mut before: Option<&Step> = None;
    for (at, step) in rest.iter().enumerate() {
        words.push_str(match (before, step) {
            (None, _) => "",
            (Some(Step::Field(_)), Step::Field(_)) => ".",
            _ => " ",
        });
        words.push_str(&match step {
            Step::Field(name) => name.clone(),
            // The last element is the value: `gains model gpt-4o`.
            Step::Element { list, .. } if at + 1 == rest.len() => singular(list).to_owned(),
            Step::Element { list, name } => format!("{} {name}", singular(list)),
            Step::Order(list) => format!("order of {list}"),
        });
        before = Some(step);
    }
    words
}

fn direction(before: Option<&Value>, after: Option<&Value>) -> Option<Ordering> {
    before?.as_f64()?.partial_cmp(&after?.as_f64()?).map(Ordering::reverse)
}

/// An amount, of what. Where more than the amount changes, both are written in full.
fn limit_words(worded: &mut Worded, rest: &[Step], before: Option<&Value>, after: Option<&Value>) {
    worded.field = masking::masked(&field(&rest[..rest.len() - 1]));
    worded.field.push_str(if worded.field.is_empty() { "limit" } else { " limit" });
    let unit = |limit| masking::masked(&limit::unit(limit).unwrap_or_default());
    let units = [before, after].map(|limit| limit.map(unit));
    let amounts = [before, after].map(|limit| limit.and_then(limit::amount));
    let text = |amount: Option<&Value>| amount.map(ToString::to_string).unwrap_or_default();
    match units {
        [Some(was), Some(is)] if was == is => {
            worded.unit = is;
            worded.direction = direction(amounts[0], amounts[1]);
            worded.before = Some(text(amounts[0]));
            worded.after = Some(text(amounts[1]));
        }
        [was, is] => {
            worded.direction = None;
            worded.before = was.map(|unit| format!("{} {unit}", text(amounts[0])));
            worded.after = is.map(|unit| format!("{} {unit}", text(amounts[1])));
        }
    }
}

/// An element that comes or goes is said by its name, and what else it has.
fn element_words(worded: &mut Worded, list: &str, before: Option<&Value>, after: Option<&Value>) {
    let text = |element: &Value| {
        let Value::Object(map) = element else { return masked::text([list], element) };
        let (Some(Value::String(provider)), Some(Value::String(model))) =
            (map.get("provider"), map.get("model"))
        else {
            return masked::text([list], element);
        };
        let mut rest = map.clone();
        rest.retain(|name, _| name != "provider" && name != "model");
        let rest =
            if rest.is_empty() { String::new() } else { format!(" {}", masked::text([], &rest.into())) };
        format!("{}/{}{rest}", masking::masked(provider), masking::masked(model))
    };
    (worded.before, worded.after) = (before.map(text), after.map(text));
}
