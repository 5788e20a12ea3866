//! Finds `usage` in an answer.
//!
//! In: the bytes of a JSON answer or of a stream's event, in pieces of any size. Out: [`Tokens`], when the answer's
//! outermost object has a `usage` that is not null. No tree is built; only the value of `usage` is kept.

use super::Tokens;
use crate::matrix::Caller;
use crate::text::plain_end;

/// The largest `usage` that is read. Anything longer is no usage.
const USAGE_BYTES_MAX: usize = 16 * 1024;

/// Room for the usual `usage`.
const USAGE_BYTES_USUAL: usize = 256;

/// The key that is looked for.
const KEY: &[u8] = b"usage";

/// Watches the bytes of one JSON value for its outermost `usage`.
#[derive(Debug, Clone, Default)]
pub struct UsageWatch {
    depth: u32,
    place: Place,
    escaped: bool,
    key: Key,
    value: Vec<u8>,
    found: Option<Vec<u8>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Place {
    /// Between a key's colon and the value's end, of no interest.
    #[default]
    Other,
    /// Where an outermost key may begin.
    BeforeKey,
    /// Inside an outermost key.
    InKey,
    /// After an outermost key, before its colon.
    AfterKey,
    /// Inside a string of no interest.
    InString,
    /// Inside the value of `usage`, outside of strings.
    InUsage,
    /// Inside a string in the value of `usage`.
    InUsageString,
}

/// How much of a key is what is looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Key {
    /// So many bytes, all there are yet.
    Begins(usize),
    /// It is another.
    Other,
}

impl Default for Key {
    fn default() -> Self {
        Self::Begins(0)
    }
}

impl Key {
    fn then(self, byte: u8) -> Self {
        match self {
            Self::Begins(count) if KEY.get(count) == Some(&byte) => Self::Begins(count + 1),
            _ => Self::Other,
        }
    }
}

impl UsageWatch {
    /// Looks at the next bytes.
    pub fn feed(&mut self, bytes: &[u8]) {
        let mut at = 0;
        while let Some(&byte) = bytes.get(at) {
            let end = match self.place {
                Place::Other | Place::InUsage => self.pass(bytes, at),
                Place::InString | Place::InUsageString if !self.escaped => plain_end(bytes, at),
                Place::BeforeKey if byte == b'"' => self.whole_key(bytes, at),
                _ => at,
            };
            if end > at {
                self.keep(bytes.get(at..end).unwrap_or_default());
                at = end;
                continue;
            }
            self.step(byte);
            at += 1;
        }
    }

    /// Goes over strings, and over all that is nested in the outermost object's values, up to what means something there.
    /// Nearly all of an answer is gone over here, and nothing of it touches more than the depth.
    fn pass(&mut self, bytes: &[u8], from: usize) -> usize {
        let (mut at, mut depth) = (from, self.depth);
        loop {
            at = run_end(bytes, at);
            match bytes.get(at) {
                Some(b'"') => match string_end(bytes, at + 1) {
                    Ok(end) => at = end,
                    Err(cut) => {
                        self.escaped = cut == Cut::Escape;
                        let is_usage = self.place == Place::InUsage;
                        self.place = if is_usage { Place::InUsageString } else { Place::InString };
                        at = bytes.len();
                    }
                },
                Some(byte) if depth > 1 => {
                    depth = match byte {
                        b'{' | b'[' => depth.saturating_add(1),
                        b'}' | b']' => depth - 1,
                        _ => depth,
                    };
                    at += 1;
                }
                _ => break,
            }
        }
        self.depth = depth;
        at
    }

    /// Takes an outermost key in, when all of it is here.
    fn whole_key(&mut self, bytes: &[u8], from: usize) -> usize {
        let Ok(end) = string_end(bytes, from + 1) else { return from };
        let is_wanted = bytes.get(from + 1..end - 1) == Some(KEY);
        self.key = if is_wanted { Key::Begins(KEY.len()) } else { Key::Other };
        self.place = Place::AfterKey;
        end
    }

    fn keep(&mut self, bytes: &[u8]) {
        let is_usage = matches!(self.place, Place::InUsage | Place::InUsageString);
        if is_usage && self.value.len() + bytes.len() <= USAGE_BYTES_MAX {
            self.value.extend_from_slice(bytes);
        }
    }

    fn step(&mut self, byte: u8) {
        match self.place {
            Place::InString | Place::InUsageString | Place::InKey => self.in_string(byte),
            Place::Other | Place::BeforeKey => self.outside(byte),
            Place::AfterKey if byte == b':' => {
                let is_usage = self.key == Key::Begins(KEY.len());
                self.place = if is_usage { Place::InUsage } else { Place::Other };
                if is_usage {
                    self.value.clear();
                    self.value.reserve(USAGE_BYTES_USUAL);
                }
            }
            Place::AfterKey => {}
            Place::InUsage => self.in_usage(byte),
        }
    }

    fn in_string(&mut self, byte: u8) {
        let ends = byte == b'"' && !self.escaped;
        self.escaped = byte == b'\\' && !self.escaped;
        match self.place {
            Place::InKey if ends => self.place = Place::AfterKey,
            Place::InKey => self.key = self.key.then(byte),
            Place::InUsageString => {
                self.keep(&[byte]);
                if ends {
                    self.place = Place::InUsage;
                }
            }
            Place::InString if ends => self.place = Place::Other,
            _ => {}
        }
    }

    fn outside(&mut self, byte: u8) {
        match byte {
            b'"' => {
                self.key = Key::default();
                self.place = Place::InKey;
            }
            b'{' | b'[' => {
                self.depth = self.depth.saturating_add(1);
                self.place = if self.depth == 1 && byte == b'{' { Place::BeforeKey } else { Place::Other };
            }
            b'}' | b']' => {
                self.depth = self.depth.saturating_sub(1);
                self.place = Place::Other;
            }
            b',' if self.depth == 1 => self.place = Place::BeforeKey,
            _ => {}
        }
    }

    fn in_usage(&mut self, byte: u8) {
        match byte {
            b',' | b'}' if self.depth == 1 => {
                if self.value.trim_ascii() != b"null" {
                    self.found = Some(std::mem::take(&mut self.value));
                }
                self.place = Place::Other;
                return self.outside(byte);
            }
            b'{' | b'[' => self.depth = self.depth.saturating_add(1),
            b'}' | b']' => self.depth = self.depth.saturating_sub(1),
            _ => {}
        }
        self.keep(&[byte]);
    }

    /// What was used, as far as it was said, by an answer of the OpenAI protocols.
    #[must_use]
    pub fn tokens(&self) -> Option<Tokens> {
        self.found.as_deref().and_then(Tokens::from_openai)
    }

    /// What was used, as far as it was said, by an answer in the caller's own protocol.
    #[must_use]
    pub fn tokens_for(&self, caller: Caller) -> Option<Tokens> {
        match caller {
            Caller::OpenAiChat | Caller::OpenAiResponses => self.tokens(),
            Caller::AnthropicMessages => self.found.as_deref().and_then(Tokens::from_anthropic),
        }
    }
}

/// The index of the first byte at or after `from` that has a meaning outside of strings.
fn run_end(bytes: &[u8], from: usize) -> usize {
    let has_meaning = |byte: &u8| matches!(byte, b'"' | b'{' | b'}' | b'[' | b']' | b',');
    bytes.get(from..).and_then(|rest| rest.iter().position(has_meaning)).map_or(bytes.len(), |run| from + run)
}

/// Where the bytes end within a string.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cut {
    Plain,
    /// Right after a backslash.
    Escape,
}

/// The index behind the string that `from` is in.
fn string_end(bytes: &[u8], from: usize) -> Result<usize, Cut> {
    let mut at = from;
    loop {
        at = plain_end(bytes, at);
        match bytes.get(at) {
            None => return Err(Cut::Plain),
            Some(b'"') => return Ok(at + 1),
            Some(b'\\') if at + 1 == bytes.len() => return Err(Cut::Escape),
            Some(b'\\') => at += 2,
            Some(_) => at += 1,
        }
    }
}

/// The tokens that one whole JSON value names.
#[must_use]
pub fn tokens_of(json: &[u8]) -> Option<Tokens> {
    let mut watch = UsageWatch::default();
    watch.feed(json);
    watch.tokens()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ANSWER: &str = r#"{"id":"x","choices":[{"message":{"content":"{\"usage\":{\"prompt_tokens\":99}}"},"usage":{"prompt_tokens":98}}],"usage": {"prompt_tokens":12,"completion_tokens":30,"total_tokens":42,"note":"a}\"b,","prompt_tokens_details":{"cached_tokens":4}},"z":1}"#;

    #[test]
    fn the_outermost_usage_is_read_however_the_bytes_are_cut() {
        let expected = Some(Tokens { input: 12, cached_input: 4, output: 30 });
        for at in 0..=ANSWER.len() {
            let (left, right) = ANSWER.as_bytes().split_at(at);
            let mut watch = UsageWatch::default();
            watch.feed(left);
            watch.feed(right);
            assert_eq!(watch.tokens(), expected, "cut at {at}");
        }
        let mut watch = UsageWatch::default();
        ANSWER.bytes().for_each(|byte| watch.feed(&[byte]));
        assert_eq!(watch.tokens(), expected);
    }

    #[test]
    fn an_answer_of_messages_counts_its_cache_apart() {
        let answer = br#"{"content":[],"usage":{"input_tokens":20,"cache_creation_input_tokens":5,"cache_read_input_tokens":100,"output_tokens":12}}"#;
        let mut watch = UsageWatch::default();
        watch.feed(answer);
        let expected = Tokens { input: 125, cached_input: 100, output: 12 };
        assert_eq!(watch.tokens_for(Caller::AnthropicMessages), Some(expected));
        assert_eq!(Tokens::from_anthropic(b"{}"), None);
        assert_eq!(Tokens::from_anthropic(b"[1]"), None);
    }

    #[test]
    fn no_usage_is_none_and_null_is_none() {
        for text in [
            "{}",
            r#"{"usage":null}"#,
            r#"{"choices":[],"usage": null ,"a":1}"#,
            r#"[{"usage":{"prompt_tokens":1}}]"#,
            "",
            "nonsense",
            r#"{"usage":{}}"#,
            r#"{"usage":"much"}"#,
        ] {
            assert_eq!(tokens_of(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn other_spellings_of_usage_are_read() {
        for (text, expected) in [
            (
                r#"{"usage":{"prompt_tokens":7,"total_tokens":7}}"#,
                Tokens { input: 7, cached_input: 0, output: 0 },
            ),
            (
                r#"{"usage":{"input_tokens":3,"output_tokens":4,"input_tokens_details":{"cached_tokens":2}}}"#,
                Tokens { input: 3, cached_input: 2, output: 4 },
            ),
            (r#"{"usage":{"total_tokens":9}}"#, Tokens { input: 9, cached_input: 0, output: 0 }),
            (
                r#"{"usage":{"prompt_tokens":1,"prompt_tokens_details":{"cached_tokens":5}}}"#,
                Tokens { input: 1, cached_input: 1, output: 0 },
            ),
            (
                r#"{"usage":{"prompt_tokens":1},"usage":{"prompt_tokens":2}}"#,
                Tokens { input: 2, cached_input: 0, output: 0 },
            ),
        ] {
            assert_eq!(tokens_of(text.as_bytes()), Some(expected), "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_read_the_same_whole_and_one_by_one(bytes in prop::collection::vec(prop_oneof![
            Just(b'{'), Just(b'}'), Just(b'"'), Just(b'\\'), Just(b','), Just(b':'), any::<u8>()
        ], 0..200)) {
            let bytes = [b"{\"usage\":".as_slice(), &bytes].concat();
            let mut watch = UsageWatch::default();
            bytes.iter().for_each(|byte| watch.feed(&[*byte]));
            let mut whole = UsageWatch::default();
            whole.feed(&bytes);
            prop_assert_eq!(watch.found, whole.found);
        }

        #[test]
        fn usage_is_found_in_any_answer(id in any::<String>(), text in any::<String>(), input in 0u64..1_000_000, output in 0u64..1_000_000) {
            let answer = serde_json::json!({"id": id, "choices": [{"message": {"content": text, "usage": 3}}], "usage": {"prompt_tokens": input, "completion_tokens": output}});
            prop_assert_eq!(tokens_of(answer.to_string().as_bytes()), Some(Tokens { input, cached_input: 0, output }));
        }
    }
}
