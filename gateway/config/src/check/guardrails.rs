//! Guardrails: one rule each, usable patterns, and names that are declared.

use super::{Problems, address};
use crate::document::{Guardrail, Webhook};
use crate::{Document, GuardrailName, pattern};

/// Most patterns of one guardrail.
const PATTERNS_MAX: usize = 64;
/// Most words of one guardrail.
const WORDS_MAX: usize = 10_000;
/// The longest word or phrase.
const WORD_BYTES_MAX: usize = 256;
/// The longest that a request waits for a service that judges.
const WEBHOOK_TIMEOUT_MAX: u64 = 30_000;

pub(super) fn check(document: &Document, problems: &mut Problems) {
    for (name, guardrail) in &document.guardrails {
        rule(&format!("guardrails.{name}"), guardrail, problems);
    }
    for (index, route) in document.routes.iter().enumerate() {
        names(document, &format!("routes[{index}].guardrails"), &route.guardrails, problems);
    }
    for (index, key) in document.keys.iter().enumerate() {
        names(document, &format!("keys[{index}].guardrails"), &key.guardrails, problems);
    }
}

fn rule(path: &str, guardrail: &Guardrail, problems: &mut Problems) {
    let lists = [
        ("regex", guardrail.regex.as_ref().map(Vec::len), PATTERNS_MAX),
        ("pii", guardrail.pii.as_ref().map(Vec::len), PATTERNS_MAX),
        ("words", guardrail.words.as_ref().map(Vec::len), WORDS_MAX),
    ];
    let given = lists.iter().filter(|(_, length, _)| length.is_some()).count();
    let alone = usize::from(guardrail.max_bytes.is_some()) + usize::from(guardrail.webhook.is_some());
    if given + alone != 1 {
        problems.add(path, "expected exactly one of `max_bytes`, `regex`, `pii`, `words` and `webhook`");
    }
    if let Some(webhook) = &guardrail.webhook {
        asks(&format!("{path}.webhook"), webhook, problems);
    }
    for (field, length, most) in lists {
        if length.is_some_and(|length| !(1..=most).contains(&length)) {
            problems.add(format!("{path}.{field}"), format!("expected 1 to {most} entries"));
        }
    }
    for (index, text) in guardrail.regex.iter().flatten().enumerate().take(PATTERNS_MAX) {
        if let Err(problem) = pattern::compile(text) {
            problems.add(format!("{path}.regex[{index}]"), problem.to_string());
        }
    }
    for (index, word) in guardrail.words.iter().flatten().enumerate().take(WORDS_MAX) {
        if word.len() > WORD_BYTES_MAX || !word.chars().any(char::is_alphanumeric) {
            let problem = format!(
                "expected a word or phrase of at most {WORD_BYTES_MAX} bytes, with a letter or digit"
            );
            problems.add(format!("{path}.words[{index}]"), problem);
        }
    }
}

fn asks(path: &str, webhook: &Webhook, problems: &mut Problems) {
    // It is sent what people write, and a token.
    address::secret_destination(format!("{path}.url"), &webhook.url, problems);
    if !(1..=WEBHOOK_TIMEOUT_MAX).contains(&webhook.timeout.as_milliseconds()) {
        problems.add(format!("{path}.timeout"), "expected a time from 1ms to 30s");
    }
}

fn names(document: &Document, path: &str, names: &[GuardrailName], problems: &mut Problems) {
    let mut seen = std::collections::BTreeSet::new();
    for (index, name) in names.iter().enumerate() {
        let path = format!("{path}[{index}]");
        if !seen.insert(name) {
            problems.add(path, format!("`{name}` is named twice"));
            continue;
        }
        let declared = document.guardrails.keys().map(GuardrailName::as_str);
        problems.declared(path, "guardrail", name.as_str(), document.guardrails.contains_key(name), declared);
    }
}
