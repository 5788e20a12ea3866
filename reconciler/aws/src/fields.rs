//! The form in which declared and live are compared: attribute paths with their values as text.
//!
//! Each kind brings both sides to it, so that here equal means equal.

use std::collections::BTreeMap;

use crate::attributes::HIDDEN;

/// What stands where AWS, or the state, says something that is newer than this program.
pub(crate) const UNKNOWN: &str = "(unknown)";

/// Most characters of a value that a finding shows.
const SHOWN_CHARACTERS_MAX: usize = 160;

/// Attribute paths with their values. An absent value is absent here, a default is written out.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Fields(BTreeMap<String, String>);

/// One path at which two sides differ.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Difference {
    pub(crate) path: String,
    pub(crate) declared: Option<String>,
    pub(crate) live: Option<String>,
}

impl Fields {
    pub(crate) fn put(&mut self, path: impl Into<String>, value: impl Into<String>) {
        self.0.insert(path.into(), value.into());
    }

    /// Adds a value, if there is one.
    pub(crate) fn put_some(&mut self, path: impl Into<String>, value: Option<impl Into<String>>) {
        if let Some(value) = value {
            self.put(path, value);
        }
    }

    /// Adds a set of texts, if it has any; their order does not count.
    pub(crate) fn put_set(&mut self, path: impl Into<String>, texts: &[String]) {
        if !texts.is_empty() {
            let mut texts = texts.to_vec();
            texts.sort_unstable();
            texts.dedup();
            self.put(path, texts.join(", "));
        }
    }

    /// Adds the same paths below another.
    pub(crate) fn put_under(&mut self, path: &str, fields: Self) {
        self.0.extend(fields.0.into_iter().map(|(inner, value)| (format!("{path}.{inner}"), value)));
    }

    pub(crate) fn get(&self, path: &str) -> Option<&str> {
        self.0.get(path).map(String::as_str)
    }

    pub(crate) fn take(&mut self, path: &str) -> Option<String> {
        self.0.remove(path)
    }

    /// Only the paths that the other has too: for attributes that count only where they are declared.
    pub(crate) fn limited_to(mut self, declared: &Self) -> Self {
        self.0.retain(|path, _| declared.0.contains_key(path));
        self
    }

    /// Where two sides differ, sorted by path. A hidden value says nothing, so it does not differ; an unknown one
    /// equals nothing, not even another.
    pub(crate) fn differences(&self, live: &Self) -> Vec<Difference> {
        let both: BTreeMap<&String, (Option<&String>, Option<&String>)> = self
            .0
            .keys()
            .chain(live.0.keys())
            .map(|path| (path, (self.0.get(path), live.0.get(path))))
            .collect();
        let is_hidden = |value: Option<&String>| value.is_some_and(|value| value.contains(HIDDEN));
        both.into_iter()
            .filter(|(_, (declared, live))| {
                declared != live || live.is_some_and(|live| live.contains(UNKNOWN))
            })
            .filter(|(_, (declared, live))| !is_hidden(*declared) && !is_hidden(*live))
            .map(|(path, (declared, live))| Difference {
                path: path.clone(),
                declared: declared.map(|value| shown(value)),
                live: live.map(|value| shown(value)),
            })
            .collect()
    }
}

/// A path segment that is keyed by a name, as Terraform writes map keys: `rule["per-ip"]`.
pub(crate) fn keyed(path: &str, key: &str) -> String {
    format!("{path}[{}]", serde_json::Value::String(key.to_owned()))
}

/// A value as people see it: a beginning is enough to recognise it by.
pub(crate) fn shown(value: &str) -> String {
    match value.char_indices().nth(SHOWN_CHARACTERS_MAX) {
        Some((end, _)) => format!("{}…", &value[..end]),
        None => value.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn fields(values: &[(&str, &str)]) -> Fields {
        Fields(values.iter().map(|(path, value)| ((*path).to_owned(), (*value).to_owned())).collect())
    }

    #[test]
    fn what_one_side_lacks_differs_and_so_does_another_value() {
        let declared = fields(&[("a", "1"), ("b", "2"), ("c", "3")]);
        let live = fields(&[("b", "2"), ("c", "4"), ("d", "5")]);
        let found: Vec<_> = declared
            .differences(&live)
            .into_iter()
            .map(|found| (found.path, found.declared, found.live))
            .collect();
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(
            found,
            [
                ("a".to_owned(), some("1"), None),
                ("c".to_owned(), some("3"), some("4")),
                ("d".to_owned(), None, some("5")),
            ]
        );
        assert_eq!(declared.differences(&live.limited_to(&declared)).len(), 2);
    }

    #[test]
    fn a_hidden_value_is_neither_compared_nor_shown() {
        let declared = fields(&[("a", "prefix (sensitive)"), ("b", HIDDEN)]);
        assert_eq!(declared.differences(&fields(&[("a", "x")])), []);
    }

    #[test]
    fn an_unknown_value_equals_nothing() {
        let unknown = fields(&[("a", "not((unknown))")]);
        assert_eq!(unknown.differences(&unknown).len(), 1);
    }

    #[test]
    fn a_sets_order_does_not_count() {
        let (mut one, mut other) = (Fields::default(), Fields::default());
        one.put_set("a", &["x".to_owned(), "y".to_owned()]);
        other.put_set("a", &["y".to_owned(), "x".to_owned(), "y".to_owned()]);
        other.put_set("b", &[]);
        assert_eq!(one, other);
    }

    proptest! {
        #[test]
        fn nothing_differs_from_itself(values in prop::collection::btree_map("[a-z.]{1,4}", ".{0,4}", 0..5)) {
            let fields = Fields(values);
            prop_assert_eq!(fields.differences(&fields.clone()), []);
        }

        #[test]
        fn a_shown_value_is_bounded(value: String) {
            prop_assert!(shown(&value).chars().count() <= SHOWN_CHARACTERS_MAX + 1);
        }
    }
}
