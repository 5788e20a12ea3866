//! Text of strangers, made harmless for logs: no line end, no control byte, nothing that turns the direction of
//! what is read or hides a part of it.

/// Writes `text` between quotes, as JSON writes it, with every troublesome character as `\uXXXX`.
pub(super) fn quoted(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    let bytes = text.as_bytes();
    if bytes.iter().all(|byte| is_plain(*byte)) {
        out.extend_from_slice(bytes);
    } else {
        text.chars().for_each(|letter| escaped(out, letter));
    }
    out.push(b'"');
}

/// Writes `text` as it is when it is one plain word, and between quotes otherwise.
pub(super) fn word(out: &mut Vec<u8>, text: &str) {
    let is_word = |byte: &u8| is_plain(*byte) && !matches!(*byte, b' ' | b'=');
    if !text.is_empty() && text.as_bytes().iter().all(is_word) {
        out.extend_from_slice(text.as_bytes());
    } else {
        quoted(out, text);
    }
}

const fn is_plain(byte: u8) -> bool {
    matches!(byte, b' '..=b'~') && byte != b'"' && byte != b'\\'
}

fn escaped(out: &mut Vec<u8>, letter: char) {
    match letter {
        '"' => out.extend_from_slice(b"\\\""),
        '\\' => out.extend_from_slice(b"\\\\"),
        '\n' => out.extend_from_slice(b"\\n"),
        '\r' => out.extend_from_slice(b"\\r"),
        '\t' => out.extend_from_slice(b"\\t"),
        troublesome if is_troublesome(troublesome) => {
            let mut units = [0; 2];
            for unit in troublesome.encode_utf16(&mut units) {
                out.extend_from_slice(b"\\u");
                for shift in [12, 8, 4, 0] {
                    let digit = u32::from(*unit >> shift) & 0xf;
                    let digit = char::from_digit(digit, 16).unwrap_or('0');
                    out.extend_from_slice(digit.encode_utf8(&mut [0; 4]).as_bytes());
                }
            }
        }
        letter => out.extend_from_slice(letter.encode_utf8(&mut [0; 4]).as_bytes()),
    }
}

/// Control characters (C0, DEL, C1), line separators, marks and overrides of direction, what has no width, and tags.
fn is_troublesome(letter: char) -> bool {
    letter.is_control()
        || matches!(letter,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff0}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn quoted_text(text: &str) -> String {
        let mut out = Vec::new();
        quoted(&mut out, text);
        String::from_utf8(out).unwrap()
    }

    proptest! {
        #[test]
        fn what_is_quoted_is_json_and_says_the_same(text in ".*", more in prop::collection::vec(any::<char>(), 0..40)) {
            let text: String = text.chars().chain(more).collect();
            let quoted = quoted_text(&text);
            prop_assert_eq!(serde_json::from_str::<String>(&quoted).unwrap(), text);
            prop_assert!(!quoted.chars().any(is_troublesome), "{quoted:?}");
        }
    }

    #[test]
    fn what_could_deceive_a_reader_is_spelt_out() {
        for (text, expected) in [
            ("plain", "\"plain\""),
            ("a\nb", "\"a\\nb\""),
            ("\u{1b}[31m", "\"\\u001b[31m\""),
            ("\u{7f}\u{9b}", "\"\\u007f\\u009b\""),
            ("\u{202e}evil", "\"\\u202eevil\""),
            ("\u{e0041}", "\"\\udb40\\udc41\""),
            ("grüße", "\"grüße\""),
            ("\"\\", "\"\\\"\\\\\""),
        ] {
            assert_eq!(quoted_text(text), expected);
        }
    }

    #[test]
    fn a_word_stands_alone_and_what_is_none_is_quoted() {
        for (text, expected) in
            [("gpt-4o", "gpt-4o"), ("", "\"\""), ("a b", "\"a b\""), ("a=b", "\"a=b\""), ("a\"", "\"a\\\"\"")]
        {
            let mut out = Vec::new();
            word(&mut out, text);
            assert_eq!(out, expected.as_bytes());
        }
    }
}
