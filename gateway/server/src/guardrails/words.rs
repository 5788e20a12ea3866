//! Words and phrases, whatever their case, accents, width, and the spaces and invisible characters between.

use aho_corasick::AhoCorasick;
use unicode_normalization::UnicodeNormalization as _;
use unicode_normalization::char::is_combining_mark;

use super::finder::Window;

/// Words to look for.
#[derive(Debug)]
pub struct Words(AhoCorasick);

impl Words {
    pub(super) fn new(words: &[String]) -> Option<Self> {
        let folded: Vec<String> = words.iter().map(|word| fold(word).trim().to_owned()).collect();
        if folded.iter().any(String::is_empty) {
            return None;
        }
        AhoCorasick::new(folded).ok().map(Self)
    }

    pub(super) fn is_in(&self, window: Window<'_>) -> bool {
        let text = fold(window.text);
        // What is only there to be looked back at cannot hold a whole word that was not found before.
        self.0.find_overlapping_iter(&text).any(|found| {
            let (before, word, after) =
                (text.get(..found.start()), text.get(found.range()), text.get(found.end()..));
            let (Some(before), Some(word), Some(after)) = (before, word, after) else { return true };
            let is_decided = !window.is_open || !after.is_empty();
            let ends = |outside: Option<char>, inside: Option<char>| {
                !(outside.is_some_and(is_of_words) && inside.is_some_and(is_of_words))
            };
            is_decided
                && ends(before.chars().next_back(), word.chars().next())
                && ends(after.chars().next(), word.chars().next_back())
        })
    }
}

/// Whether a character goes on a word. Scripts that write without spaces have no such characters.
fn is_of_words(letter: char) -> bool {
    letter.is_alphanumeric() && letter < '\u{2e80}'
}

/// The text as it is compared: compatibility forms taken apart, accents and invisible characters left out, one case,
/// one space for any white space.
fn fold(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.nfkd().filter(|letter| !is_combining_mark(*letter) && !is_invisible(*letter)) {
        if letter.is_whitespace() || letter.is_control() {
            if !out.ends_with(' ') {
                out.push(' ');
            }
            continue;
        }
        // Up and down again: `ß` and `SS`, and both small sigmas, become one.
        out.extend(letter.to_uppercase().flat_map(char::to_lowercase));
    }
    out
}

/// Characters that are not seen, and so could stand within any word.
fn is_invisible(letter: char) -> bool {
    matches!(letter,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}'
        | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}'
        | '\u{feff}' | '\u{ffa0}' | '\u{e0000}'..='\u{e0fff}')
}
