//! Writing JSON straight to bytes.
//!
//! In: a buffer and what is to be said. Out: compact JSON at the buffer's end. Objects and arrays are closed by
//! construction, and commas placed. Keys are ours and need no escapes.

use crate::text::plain_end;

/// An object that is being written.
pub(crate) struct Object<'a> {
    out: &'a mut Vec<u8>,
    is_empty: bool,
}

/// An array that is being written.
pub(crate) struct Array<'a> {
    out: &'a mut Vec<u8>,
    is_empty: bool,
}

/// Writes an object.
pub(crate) fn object(out: &mut Vec<u8>, write: impl FnOnce(&mut Object<'_>)) {
    out.push(b'{');
    write(&mut Object { out, is_empty: true });
    out.push(b'}');
}

/// Writes an array.
pub(crate) fn array(out: &mut Vec<u8>, write: impl FnOnce(&mut Array<'_>)) {
    out.push(b'[');
    write(&mut Array { out, is_empty: true });
    out.push(b']');
}

/// Writes a string.
pub(crate) fn string(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    inside(out, text);
    out.push(b'"');
}

/// Writes a part of a string, without its quotes.
pub(crate) fn inside(out: &mut Vec<u8>, text: &str) {
    let bytes = text.as_bytes();
    let mut at = 0;
    loop {
        let end = plain_end(bytes, at);
        out.extend_from_slice(bytes.get(at..end).unwrap_or_default());
        let Some(&byte) = bytes.get(end) else { break };
        escaped(out, byte);
        at = end + 1;
    }
}

fn escaped(out: &mut Vec<u8>, byte: u8) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    let short = match byte {
        b'"' | b'\\' => byte,
        b'\n' => b'n',
        b'\r' => b'r',
        b'\t' => b't',
        _ => {
            let digit = |nibble: u8| HEX.get(usize::from(nibble)).copied().unwrap_or(b'0');
            out.extend_from_slice(&[b'\\', b'u', b'0', b'0', digit(byte >> 4), digit(byte & 15)]);
            return;
        }
    };
    out.extend_from_slice(&[b'\\', short]);
}

/// Writes a whole number.
pub(crate) fn number(out: &mut Vec<u8>, value: u64) {
    let mut digits = [0u8; 20];
    let mut at = digits.len();
    let mut rest = value;
    loop {
        at -= 1;
        if let Some(place) = digits.get_mut(at) {
            // Always below ten.
            *place = b'0' + (rest % 10) as u8;
        }
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    out.extend_from_slice(digits.get(at..).unwrap_or_default());
}

/// Writes JSON text as it stands, on one line: between the tokens of JSON a line break is a space.
fn verbatim(out: &mut Vec<u8>, json: &str) {
    if memchr::memchr2(b'\n', b'\r', json.as_bytes()).is_none() {
        out.extend_from_slice(json.as_bytes());
    } else {
        out.extend(json.bytes().map(|byte| if matches!(byte, b'\n' | b'\r') { b' ' } else { byte }));
    }
}

impl Object<'_> {
    /// Writes a key. What the caller writes next is its value.
    pub(crate) fn key(&mut self, key: &str) -> &mut Vec<u8> {
        if !std::mem::take(&mut self.is_empty) {
            self.out.push(b',');
        }
        self.out.push(b'"');
        self.out.extend_from_slice(key.as_bytes());
        self.out.extend_from_slice(b"\":");
        self.out
    }

    /// A string.
    pub(crate) fn text(&mut self, key: &str, value: &str) {
        string(self.key(key), value);
    }

    /// A string or null.
    pub(crate) fn text_or_null(&mut self, key: &str, value: Option<&str>) {
        match value {
            Some(value) => self.text(key, value),
            None => self.null(key),
        }
    }

    /// A whole number.
    pub(crate) fn number(&mut self, key: &str, value: u64) {
        number(self.key(key), value);
    }

    /// A number.
    pub(crate) fn float(&mut self, key: &str, value: f64) {
        let text = serde_json::Number::from_f64(value).map_or_else(|| "null".to_owned(), |n| n.to_string());
        self.key(key).extend_from_slice(text.as_bytes());
    }

    /// `true` or `false`.
    pub(crate) fn boolean(&mut self, key: &str, value: bool) {
        self.key(key).extend_from_slice(if value { b"true" } else { b"false" });
    }

    /// `null`.
    pub(crate) fn null(&mut self, key: &str) {
        self.key(key).extend_from_slice(b"null");
    }

    /// JSON text, as it stands.
    pub(crate) fn raw(&mut self, key: &str, json: &str) {
        verbatim(self.key(key), json);
    }

    /// Members that are written already, without their braces.
    pub(crate) fn members(&mut self, json: &[u8]) {
        if json.is_empty() {
            return;
        }
        if !std::mem::take(&mut self.is_empty) {
            self.out.push(b',');
        }
        self.out.extend_from_slice(json);
    }

    /// An object.
    pub(crate) fn object(&mut self, key: &str, write: impl FnOnce(&mut Object<'_>)) {
        object(self.key(key), write);
    }

    /// An array.
    pub(crate) fn array(&mut self, key: &str, write: impl FnOnce(&mut Array<'_>)) {
        array(self.key(key), write);
    }
}

impl Array<'_> {
    fn next(&mut self) -> &mut Vec<u8> {
        if !std::mem::take(&mut self.is_empty) {
            self.out.push(b',');
        }
        self.out
    }

    /// A string.
    pub(crate) fn text(&mut self, value: &str) {
        string(self.next(), value);
    }

    /// An object.
    pub(crate) fn object(&mut self, write: impl FnOnce(&mut Object<'_>)) {
        object(self.next(), write);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn values_are_written_as_json() {
        let mut out = Vec::new();
        object(&mut out, |o| {
            o.text("a", "x\"\\\n\u{1}é");
            o.number("b", u64::MAX);
            o.float("c", 0.7);
            o.array("d", |d| {
                d.text("1");
                d.object(|o| o.boolean("e", true));
            });
            o.object("f", |f| f.null("g"));
            o.raw("h", "{\n\"i\" : 0}");
            o.members(br#""j":1,"k":2"#);
        });
        let expected = r#"{"a":"x\"\\\n\u0001é","b":18446744073709551615,"c":0.7,"d":["1",{"e":true}],"f":{"g":null},"h":{ "i" : 0},"j":1,"k":2}"#;
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }

    proptest! {
        #[test]
        fn any_text_and_number_reads_as_it_was(text in any::<String>(), whole in any::<u64>()) {
            let mut out = Vec::new();
            array(&mut out, |a| a.text(&text));
            prop_assert_eq!(serde_json::from_slice::<Vec<String>>(&out).unwrap(), vec![text]);
            let mut out = Vec::new();
            number(&mut out, whole);
            prop_assert_eq!(serde_json::from_slice::<u64>(&out).unwrap(), whole);
        }
    }
}
