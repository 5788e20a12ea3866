//! Values known to be secret, and their removal from any text.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use hcl_edit::expr::Expression;
use hcl_edit::visit::Visit;
use moorline_model::Secret;
use serde_json::Value;

use super::REDACTED;

/// Shorter values are not looked for in other texts: they would be found everywhere.
const CHARACTERS_MIN: usize = 6;
/// Most values that are remembered; the longest are kept.
const VALUES_MAX: usize = 4096;

/// The secrets of one run.
#[derive(Clone, Default)]
pub struct Known {
    values: BTreeSet<(std::cmp::Reverse<usize>, String)>,
}

impl Known {
    /// Starts with the job's variables. Some names are public by nature and left out, or their values would vanish
    /// from addresses and messages.
    #[must_use]
    pub fn from_variables(variables: &BTreeMap<String, Secret>) -> Self {
        const PUBLIC: [&str; 3] = ["AWS_REGION", "AWS_DEFAULT_REGION", "MOORLINE_ENDPOINT"];
        let mut known = Self::default();
        for (_, secret) in variables.iter().filter(|(name, _)| !PUBLIC.contains(&name.as_str())) {
            known.learn(secret.expose());
            known.learn_parts(secret.expose());
        }
        known
    }

    /// Remembers a text, and its lines when it has several.
    pub fn learn(&mut self, text: &str) {
        let text = text.trim();
        self.insert(text);
        if text.contains('\n') {
            text.lines().map(str::trim).filter(|line| line.len() >= 16).for_each(|line| self.insert(line));
        }
        // The same text inside a JSON string.
        if text.contains(['"', '\\', '\n', '\t'])
            && let Ok(quoted) = serde_json::to_string(text)
        {
            self.insert(quoted.trim_matches('"'));
        }
    }

    /// Remembers every text in a value.
    pub fn learn_value(&mut self, value: &Value) {
        match value {
            Value::String(text) => self.learn(text),
            Value::Array(items) => items.iter().for_each(|item| self.learn_value(item)),
            Value::Object(fields) => fields.values().for_each(|field| self.learn_value(field)),
            Value::Number(number) => self.insert(&number.to_string()),
            Value::Null | Value::Bool(_) => {}
        }
    }

    /// Adds what another knows.
    pub(crate) fn add(&mut self, other: Self) {
        self.values.extend(other.values);
        while self.values.len() > VALUES_MAX {
            self.values.pop_last();
        }
    }

    // A variable may be a list or an object, written in HCL or JSON: its parts are secret too.
    fn learn_parts(&mut self, text: &str) {
        struct Texts<'a>(&'a mut Known);
        impl Visit for Texts<'_> {
            fn visit_string(&mut self, node: &hcl_edit::Decorated<String>) {
                self.0.learn(node.value());
            }
        }
        if text.trim_start().starts_with(['{', '['])
            && let Ok(expression) = text.parse::<Expression>()
        {
            Texts(self).visit_expr(&expression);
        }
    }

    fn insert(&mut self, text: &str) {
        if text.chars().count() < CHARACTERS_MIN {
            return;
        }
        self.values.insert((std::cmp::Reverse(text.len()), text.to_owned()));
        if self.values.len() > VALUES_MAX {
            self.values.pop_last();
        }
    }

    /// The text without any known secret.
    #[must_use]
    pub fn text(&self, text: &str) -> String {
        // Longest first, so that no part of a longer secret is left standing.
        let mut text = text.to_owned();
        for (_, value) in &self.values {
            if text.contains(value.as_str()) {
                text = text.replace(value.as_str(), REDACTED);
            }
        }
        text
    }

    /// Whether the text holds a known secret.
    #[must_use]
    pub fn is_in(&self, text: &str) -> bool {
        self.values.iter().any(|(_, value)| text.contains(value.as_str()))
    }
}

impl fmt::Debug for Known {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Known({} values)", self.values.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(values: &[&str]) -> Known {
        let mut known = Known::default();
        values.iter().for_each(|value| known.learn(value));
        known
    }

    #[test]
    fn a_secret_inside_a_longer_one_leaves_no_rest() {
        let known = known(&["hunter2", "hunter2-longer"]);
        assert_eq!(known.text("a hunter2-longer b hunter2"), "a (sensitive) b (sensitive)");
    }

    #[test]
    fn the_parts_of_a_structured_variable_are_secret_too() {
        let secret = Secret::new(r#"{ keys = ["marker-one"], other = "marker-two" }"#.to_owned());
        let known = Known::from_variables(&BTreeMap::from([("TF_VAR_x".to_owned(), secret)]));
        assert_eq!(known.text("marker-one marker-two"), "(sensitive) (sensitive)");
    }

    #[test]
    fn a_line_of_a_key_is_secret_too() {
        let known = known(&["-----BEGIN KEY-----\nMIIEvQIBADANBgkqhkiG\n-----END KEY-----"]);
        assert!(!known.text("error near MIIEvQIBADANBgkqhkiG").contains("MIIE"));
    }

    #[test]
    fn short_values_and_regions_stay_readable() {
        let known = Known::from_variables(&BTreeMap::from([
            ("AWS_REGION".to_owned(), Secret::new("eu-central-1".to_owned())),
            ("FLAG".to_owned(), Secret::new("true".to_owned())),
        ]));
        assert_eq!(known.text("true in eu-central-1"), "true in eu-central-1");
    }
}
