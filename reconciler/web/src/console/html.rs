//! HTML by pieces. What is not a literal of this program can only go in as text, so that no commit message, resource
//! name or error becomes markup.

use std::fmt::Display;

/// A page being written.
#[derive(Debug, Default)]
pub(super) struct Html(String);

impl Html {
    /// Markup, written in this program.
    pub(super) fn raw(&mut self, markup: &'static str) -> &mut Self {
        self.0.push_str(markup);
        self
    }

    /// Text from anywhere, also inside a quoted attribute.
    pub(super) fn text(&mut self, text: impl Display) -> &mut Self {
        for c in text.to_string().chars().filter(|c| is_shown(*c)) {
            match c {
                '&' => self.0.push_str("&amp;"),
                '<' => self.0.push_str("&lt;"),
                '>' => self.0.push_str("&gt;"),
                '"' => self.0.push_str("&quot;"),
                '\'' => self.0.push_str("&#39;"),
                other => self.0.push(other),
            }
        }
        self
    }

    /// Text as one segment of a path.
    pub(super) fn segment(&mut self, text: &str) -> &mut Self {
        for byte in text.bytes() {
            if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.') {
                self.0.push(char::from(byte));
            } else {
                self.0.push('%');
                self.0.push_str(&hex::encode_upper([byte]));
            }
        }
        self
    }

    /// Another piece, after this one.
    pub(super) fn append(&mut self, piece: &Self) -> &mut Self {
        self.0.push_str(&piece.0);
        self
    }

    pub(super) fn finish(self) -> String {
        self.0
    }
}

// Control characters, and those that turn the reading direction to make text look like other text.
const fn is_shown(c: char) -> bool {
    match c {
        '\n' => true,
        '\0'..='\u{1f}' | '\u{7f}'..='\u{9f}' => false,
        '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => false,
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_never_becomes_markup() {
        let mut html = Html::default();
        html.raw("<p title=\"").text("\" onload='x' <b>&\u{202e}\u{0}").raw("\">");
        assert_eq!(html.finish(), "<p title=\"&quot; onload=&#39;x&#39; &lt;b&gt;&amp;\">");
    }

    #[test]
    fn a_segment_never_leaves_its_place_in_a_path() {
        let mut html = Html::default();
        html.segment("a/../b?c#d:é");
        assert_eq!(html.finish(), "a%2F..%2Fb%3Fc%23d%3A%C3%A9");
    }
}
