//! Text from strangers (author names, server messages, file names) made fit for a log line or a terminal.

use moorline_model::masking;

/// The first line of a text: at most `limit` characters, with every control and direction-changing character
/// replaced, so that it can neither move a cursor nor show other words than it holds, and without what looks like a secret:
/// a title is shown in messages, logs and the console.
pub(crate) fn line(text: &str, limit: usize) -> String {
    let first = masking::masked(text.trim().lines().next().unwrap_or_default());
    first.chars().take(limit).map(|c| if is_deceptive(c) { '\u{fffd}' } else { c }).collect()
}

fn is_deceptive(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::line;

    #[test]
    fn a_line_keeps_words_and_loses_control_characters() {
        assert_eq!(line("raise the limit\n\nbecause", 80), "raise the limit");
        assert_eq!(line("a\u{1b}[2Jb\u{202e}c", 80), "a\u{fffd}[2Jb\u{fffd}c");
        assert_eq!(line("abcdef", 3), "abc");
        assert_eq!(line("", 3), "");
    }

    #[test]
    fn what_smells_of_a_secret_is_not_kept_and_a_commit_is() {
        assert_eq!(line("Use https://me:hunter2@host", 80), "Use https://(not shown)@host");
        assert_eq!(line("Rotate sk-hunter2hunter2", 14), "Rotate (not sh", "masked before it is cut");
        let revert = "Revert 3d014b5abc0123456789abcdef0123456789abcd";
        assert_eq!(line(revert, 80), revert);
    }
}
