//! The tokens an answer used, read from the answer.
//!
//! In: the bytes of a JSON answer or of a stream's event, in pieces of any size. Out: [`Tokens`], when the answer's
//! outermost object has a `usage` that is not null. No tree is built; only the value of `usage` is kept.

use serde_json::Value;

use crate::matrix::Caller;
use crate::text::plain_end;

/// The largest `usage` that is read. Anything longer is no usage.
const USAGE_BYTES_MAX: usize = 16 * 1024;

/// The longest key worth keeping: one longer than `"usage"` can only be another.
const KEY_BYTES_MAX: usize = 8;

/// The most tokens that one request is believed to have used. What a provider says beyond that is a slip, and sums of
/// such numbers would go round.
pub const TOKENS_MAX: u64 = 1_000_000_000_000;

/// Tokens of one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tokens {
    /// Tokens in, cached ones among them.
    pub input: u64,
    /// Tokens in that the provider read from its cache.
    pub cached_input: u64,
    /// Tokens out, reasoning among them.
    pub output: u64,
}

impl Tokens {
    /// Tokens in and out.
    #[must_use]
    pub const fn total(self) -> u64 {
        self.input.saturating_add(self.output)
    }

    /// The same, each number up to [`TOKENS_MAX`].
    #[must_use]
    pub fn bounded(self) -> Self {
        let Self { input, cached_input, output } = self;
        let bounded = |count: u64| count.min(TOKENS_MAX);
        Self { input: bounded(input), cached_input: bounded(cached_input), output: bounded(output) }
    }

    /// Reads a `usage` object of the OpenAI protocol.
    #[must_use]
    pub fn from_openai(usage: &[u8]) -> Option<Self> {
        serde_json::from_slice(usage).map_or_else(|_| Self::from_odd_openai(usage), OpenAiUsage::tokens)
    }

    /// Reads one whose fields are not all of the types they should be, as far as it goes.
    fn from_odd_openai(usage: &[u8]) -> Option<Self> {
        let usage: Value = serde_json::from_slice(usage).ok()?;
        let field = |names: [&str; 2]| names.iter().find_map(|name| usage.get(name)).and_then(Value::as_u64);
        let input = field(["prompt_tokens", "input_tokens"]);
        let output = field(["completion_tokens", "output_tokens"]);
        let total = usage.get("total_tokens").and_then(Value::as_u64);
        let cached_input = ["prompt_tokens_details", "input_tokens_details"]
            .iter()
            .find_map(|name| usage.get(name)?.get("cached_tokens")?.as_u64());
        Self::from_counts(input, output, total, cached_input)
    }

    fn from_counts(
        input: Option<u64>,
        output: Option<u64>,
        total: Option<u64>,
        cached_input: Option<u64>,
    ) -> Option<Self> {
        let (input, output) = match (input, output, total) {
            (None, None, None) => return None,
            (None, None, Some(total)) => (total, 0),
            (input, output, _) => (input.unwrap_or(0), output.unwrap_or(0)),
        };
        Some(Self { input, cached_input: cached_input.unwrap_or(0).min(input), output })
    }
}

/// A `usage` object of the OpenAI protocol as it should be, under the names of Chat and of Responses.
#[derive(serde::Deserialize)]
struct OpenAiUsage {
    prompt_tokens: Option<u64>,
    input_tokens: Option<u64>,
    completion_tokens: Option<u64>,
    output_tokens: Option<u64>,
    total_tokens: Option<u64>,
    prompt_tokens_details: Option<OpenAiDetails>,
    input_tokens_details: Option<OpenAiDetails>,
}

#[derive(serde::Deserialize)]
struct OpenAiDetails {
    cached_tokens: Option<u64>,
}

impl OpenAiUsage {
    fn tokens(self) -> Option<Tokens> {
        let details = self.prompt_tokens_details.or(self.input_tokens_details);
        Tokens::from_counts(
            self.prompt_tokens.or(self.input_tokens),
            self.completion_tokens.or(self.output_tokens),
            self.total_tokens,
            details.and_then(|details| details.cached_tokens),
        )
    }
}

/// A count that a provider writes as a float (`12.0`). What is no count is 0.
pub(crate) const fn whole(count: f64) -> u64 {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "`as` saturates, and NaN is 0"
    )]
    let whole = count as u64;
    whole
}

impl Tokens {
    /// Reads a `usage` object of the Messages protocol: tokens of the cache are not among its `input_tokens`.
    #[must_use]
    pub fn from_anthropic(usage: &[u8]) -> Option<Self> {
        crate::passthrough::messages_tokens(usage)
    }
}

/// Watches the bytes of one JSON value for its outermost `usage`.
#[derive(Debug, Clone, Default)]
pub struct UsageWatch {
    depth: u32,
    place: Place,
    escaped: bool,
    key: Vec<u8>,
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

impl UsageWatch {
    /// Looks at the next bytes.
    pub fn feed(&mut self, bytes: &[u8]) {
        let mut at = 0;
        while let Some(&byte) = bytes.get(at) {
            let end = match self.place {
                Place::InString | Place::InUsageString if !self.escaped => plain_end(bytes, at),
                Place::Other | Place::InUsage => run_end(bytes, at),
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
                let is_usage = self.key == b"usage";
                self.place = if is_usage { Place::InUsage } else { Place::Other };
                self.value.clear();
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
            Place::InKey if self.key.len() < KEY_BYTES_MAX => self.key.push(byte),
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
            b'"' if self.place == Place::BeforeKey => {
                self.key.clear();
                self.place = Place::InKey;
            }
            b'"' => self.place = Place::InString,
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
            b'"' => {
                self.keep(b"\"");
                self.place = Place::InUsageString;
                return;
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
