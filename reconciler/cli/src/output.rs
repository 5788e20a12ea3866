//! Printing: results to stdout, words to stderr. A closed pipe ends the printing, never the program.
//!
//! JSON has one shape: an object with `version`, the command's fields, and `error` (`kind`, `message`, `next`) when it
//! failed.
//! Colour is for a terminal, and never without a shape and a word beside it.

use std::io::{IsTerminal, Write};
use std::sync::OnceLock;

use serde::Serialize;
use serde_json::{Value, json};

use super::{Exit, Output};

/// The version of the JSON.
const VERSION: u32 = 1;

/// How this command prints. Set once, before it runs: an error is printed in the same way wherever it is met.
static FORMAT: OnceLock<Output> = OnceLock::new();

/// Chooses how results and errors are printed.
pub(super) fn choose(format: Output) {
    // A second choice would be another command in the same process; there is none.
    FORMAT.get_or_init(|| format);
}

/// Prints a line of the result.
pub(super) fn line(text: impl AsRef<str>) {
    write_all(&mut std::io::stdout().lock(), &format!("{}\n", safe(text.as_ref())));
}

/// Prints a line for people.
pub(super) fn say(text: impl AsRef<str>) {
    write_all(&mut std::io::stderr().lock(), &format!("{}\n", safe(text.as_ref())));
}

/// Prints the result as JSON.
pub(super) fn json(value: &impl Serialize) {
    line(serde_json::to_string_pretty(&enveloped(value)).unwrap_or_default());
}

/// Prints one of several results as JSON, each on its line. Says whether anybody still reads.
pub(super) fn json_line(value: &impl Serialize) -> bool {
    write_all(&mut std::io::stdout().lock(), &format!("{}\n", safe(&enveloped(value).to_string())))
}

/// Prints a JSON document that is the result itself: a schema.
pub(super) fn document(value: &Value) {
    line(serde_json::to_string_pretty(value).unwrap_or_default());
}

/// Prints why a command failed: to people, and as JSON where that was asked for. Answers with the exit.
pub(super) fn failed(exit: Exit, message: &str, next: Option<&str>) -> Exit {
    say(format!("error: {message}"));
    next.iter().for_each(say);
    failed_with(&Value::Null, exit, message, next)
}

/// The same for a command that failed over several mistakes: people get a line for each.
pub(super) fn mistaken(exit: Exit, mistakes: &[String]) -> Exit {
    mistakes.iter().for_each(|mistake| say(format!("error: {mistake}")));
    failed_with(&Value::Null, exit, &mistakes.join("\n"), None)
}

/// The failure of a command that has printed it for people in its own words: JSON gets what it found out, and the error beside it.
pub(super) fn failed_with(found: &impl Serialize, exit: Exit, message: &str, next: Option<&str>) -> Exit {
    if FORMAT.get() == Some(&Output::Json) {
        let mut whole = match serde_json::to_value(found) {
            Ok(Value::Object(found)) => found,
            _ => serde_json::Map::new(),
        };
        if let Value::Object(error) = error(exit, message, next) {
            whole.extend(error);
        }
        json(&Value::Object(whole));
    }
    exit
}

/// The error object.
pub(super) fn error(exit: Exit, message: &str, next: Option<&str>) -> Value {
    json!({ "error": { "kind": exit.as_str(), "message": message, "next": next } })
}

fn enveloped(value: &impl Serialize) -> Value {
    let mut whole = serde_json::Map::new();
    whole.insert("version".to_owned(), json!(VERSION));
    match serde_json::to_value(value).unwrap_or_default() {
        Value::Object(fields) => whole.extend(fields),
        other => {
            whole.insert("result".to_owned(), other);
        }
    }
    Value::Object(whole)
}

/// What a mark says beside its shape and word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Hue {
    /// As it should be.
    Good,
    /// Under way.
    Busy,
    /// Somebody may want to look.
    Attention,
    Bad,
    /// Not known.
    Unknown,
}

impl Hue {
    const fn code(self) -> &'static str {
        match self {
            Self::Good => "32",
            Self::Busy => "36",
            Self::Attention => "33",
            Self::Bad => "1;31",
            Self::Unknown => "35",
        }
    }
}

/// A line that may begin with a mark.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Line {
    /// A shape and a word, and how they look.
    pub(super) mark: Option<(Hue, String)>,
    /// What follows.
    pub(super) text: String,
}

impl Line {
    /// A line without a mark.
    pub(super) fn plain(text: impl Into<String>) -> Self {
        Self { mark: None, text: text.into() }
    }

    fn rendered(&self, is_colourful: bool) -> String {
        match &self.mark {
            Some((hue, mark)) if is_colourful => {
                format!("\u{1b}[{}m{}\u{1b}[0m{}", hue.code(), safe(mark), safe(&self.text))
            }
            Some((_, mark)) => format!("{}{}", safe(mark), safe(&self.text)),
            None => safe(&self.text),
        }
    }
}

/// Whether stdout is a terminal.
pub(super) fn is_terminal() -> bool {
    std::io::stdout().is_terminal()
}

fn is_colourful() -> bool {
    let is_set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    is_terminal() && !is_set("NO_COLOR") && std::env::var_os("TERM").is_none_or(|term| term != "dumb")
}

/// Prints lines in one write. Says whether anybody still reads.
pub(super) fn lines(lines: &[Line]) -> bool {
    write_all(&mut std::io::stdout().lock(), &joined(lines, is_colourful(), "\n"))
}

/// Draws lines from the terminal's upper edge in one write, over what was there before. Says whether anybody still reads.
pub(super) fn redraw(lines: &[Line], is_first: bool) -> bool {
    let clear = if is_first { "\u{1b}[2J" } else { "" };
    let frame = format!("{clear}\u{1b}[H{}\u{1b}[J", joined(lines, is_colourful(), "\u{1b}[K\n"));
    write_all(&mut std::io::stdout().lock(), &frame)
}

fn joined(lines: &[Line], is_colourful: bool, end: &str) -> String {
    // A line may hold several: each has to be cleared to its end.
    let rendered = lines.iter().map(|line| line.rendered(is_colourful).replace('\n', end));
    rendered.map(|line| line + end).collect()
}

/// Control characters from commit messages and the like would steer the terminal.
fn safe(text: &str) -> String {
    text.chars().filter(|c| matches!(c, '\n' | '\t') || !is_control(*c)).collect()
}

/// Says whether anybody reads.
fn write_all(stream: &mut impl Write, text: &str) -> bool {
    stream.write_all(text.as_bytes()).and_then(|()| stream.flush()).is_ok()
}

fn is_control(c: char) -> bool {
    c.is_control() || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_do_not_reach_the_terminal() {
        assert_eq!(safe("a\u{1b}[31mb\u{202e}c\u{7}\nd"), "a[31mbc\nd");
        let line =
            Line { mark: Some((Hue::Bad, "✖ failed".to_owned())), text: " \u{1b}[2Jprod".to_owned() };
        assert_eq!(line.rendered(true), "\u{1b}[1;31m✖ failed\u{1b}[0m [2Jprod");
        assert_eq!(line.rendered(false), "✖ failed [2Jprod");
    }

    #[test]
    fn json_has_one_shape_with_a_version() {
        assert_eq!(enveloped(&json!({"a": 1})), json!({"version": 1, "a": 1}));
        assert_eq!(enveloped(&json!([1])), json!({"version": 1, "result": [1]}));
        let error = enveloped(&error(Exit::SignIn, "no token", Some("give one")));
        assert_eq!(
            error,
            json!({"version": 1, "error": {"kind": "sign_in", "message": "no token", "next": "give one"}})
        );
    }

    #[test]
    fn a_frame_is_one_text_that_clears_what_it_draws_over() {
        assert_eq!(
            joined(&[Line::plain("a\nb"), Line::plain("c")], false, "\u{1b}[K\n"),
            "a\u{1b}[K\nb\u{1b}[K\nc\u{1b}[K\n"
        );
    }
}
