//! What is looked for in a text.

use moorline_config::document::Pii;
use moorline_config::pattern;
use regex::Regex;

use super::persons::Person;
use super::text::unescaped;
use super::words::Words;

/// Layers of JSON escapes that are looked under.
const LAYERS_MAX: usize = 4;
/// How often a match that cannot be decided yet is passed over in one look.
const UNDECIDED_MAX: usize = 16;

/// A text, or the part of one that is here.
#[derive(Debug, Clone, Copy)]
pub struct Window<'a> {
    /// The text.
    pub text: &'a str,
    /// What is before this is only there to be looked back at.
    pub from: usize,
    /// Whether more may follow: what touches the end is not decided then.
    pub is_open: bool,
}

impl<'a> Window<'a> {
    /// A whole text.
    #[must_use]
    pub const fn whole(text: &'a str) -> Self {
        Self { text, from: 0, is_open: false }
    }

    /// Whether what ends here counts already.
    pub(super) const fn decides(&self, end: usize) -> bool {
        !self.is_open || end < self.text.len()
    }
}

/// What a guardrail looks for.
#[derive(Debug)]
pub enum Finder {
    /// Declared patterns.
    Patterns(Vec<Regex>),
    /// Data of persons.
    Persons(Vec<Person>),
    /// Words and phrases.
    Words(Words),
}

impl Finder {
    pub(super) fn patterns(patterns: &[String]) -> Option<Self> {
        patterns.iter().map(|text| pattern::compile(text).ok()).collect::<Option<_>>().map(Self::Patterns)
    }

    pub(super) fn persons(kinds: &[Pii]) -> Option<Self> {
        kinds.iter().map(|kind| Person::new(*kind)).collect::<Option<_>>().map(Self::Persons)
    }

    pub(super) fn words(words: &[String]) -> Option<Self> {
        Words::new(words).map(Self::Words)
    }

    /// Whether it is in a text, or in what the text holds in escaped form.
    #[must_use]
    pub fn finds(&self, window: Window<'_>) -> bool {
        if self.is_in(window) {
            return true;
        }
        let mut layer = unescaped(window.text);
        for _ in 0..LAYERS_MAX {
            let Some(text) = layer else { return false };
            let from = if text.is_char_boundary(window.from) { window.from } else { 0 };
            if self.is_in(Window { text: &text, from, is_open: window.is_open }) {
                return true;
            }
            layer = unescaped(&text);
        }
        // Escaped still: whoever hides that deep has something to hide.
        layer.is_some_and(|text| text.contains("\\u"))
    }

    fn is_in(&self, window: Window<'_>) -> bool {
        match self {
            Self::Patterns(patterns) => patterns.iter().any(|regex| matches(regex, window, |_| true)),
            Self::Persons(persons) => persons.iter().any(|person| person.is_in(window)),
            Self::Words(words) => words.is_in(window),
        }
    }
}

/// Whether a pattern is found that is right.
pub(super) fn matches(regex: &Regex, window: Window<'_>, is_right: impl Fn(&str) -> bool) -> bool {
    let mut at = window.from;
    let mut undecided = 0;
    while let Some(found) = regex.find_at(window.text, at) {
        if !window.decides(found.end()) {
            undecided += 1;
            if undecided > UNDECIDED_MAX {
                return false;
            }
        } else if is_right(found.as_str()) {
            return true;
        }
        // The next may begin inside of this one.
        let first = found.as_str().chars().next().map_or(1, char::len_utf8);
        at = found.start() + first;
        if at >= window.text.len() {
            return false;
        }
    }
    false
}
