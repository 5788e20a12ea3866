//! Printing: results to stdout, words to stderr. A closed pipe ends the printing, never the program.

use std::io::Write;

use serde_json::Value;

/// Prints a line of the result.
pub(super) fn line(text: impl AsRef<str>) {
    write_line(&mut std::io::stdout().lock(), text.as_ref());
}

/// Prints a line for people.
pub(super) fn say(text: impl AsRef<str>) {
    write_line(&mut std::io::stderr().lock(), text.as_ref());
}

/// Prints the result as JSON.
pub(super) fn json(value: &Value) {
    line(serde_json::to_string_pretty(value).unwrap_or_default());
}

fn write_line(stream: &mut impl Write, text: &str) {
    // Control characters from commit messages and the like would steer the terminal.
    let safe: String = text.chars().filter(|c| matches!(c, '\n' | '\t') || !is_control(*c)).collect();
    if writeln!(stream, "{safe}").and_then(|()| stream.flush()).is_err() {
        // Nobody reads any more.
    }
}

fn is_control(c: char) -> bool {
    c.is_control() || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    #[test]
    fn control_characters_do_not_reach_the_terminal() {
        let mut bytes = Vec::new();
        super::write_line(&mut bytes, "a\u{1b}[31mb\u{202e}c\u{7}\nd");
        assert_eq!(String::from_utf8(bytes).unwrap(), "a[31mbc\nd\n");
    }
}
