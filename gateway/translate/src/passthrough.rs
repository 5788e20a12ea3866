//! What an event says that is passed on as it is.
//!
//! In: the data of one event of a stream whose provider speaks the caller's own protocol. Out: what it means to a
//! gateway, and the tokens it names. An ordinary delta is looked at for a few words and never parsed.

use serde::Deserialize;

use crate::error::is_error;
use crate::matrix::Caller;
use crate::read::Word;
use crate::sse::may_hold_usage;
use crate::usage::Tokens;

/// What an event means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A part of the answer, or of its frame once that has begun.
    Content,
    /// Nothing of the answer yet: that it begins, a sign of life, annotations.
    Empty,
    /// The clean end.
    Done,
    /// That the provider failed.
    Error,
    /// Anything else: why the answer ends, what it used, what is not known.
    Other,
}

/// One event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seen {
    /// What it means.
    pub kind: Kind,
    /// The tokens it names.
    pub tokens: Option<Counted>,
}

/// Tokens that one event names. Messages name them in two places and in parts: those of the prompt when the answer
/// begins, those of the answer, as a running total, at its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counted {
    /// Tokens in, those of the cache not among them.
    uncached: Option<u64>,
    cache_read: Option<u64>,
    cache_written: Option<u64>,
    output: Option<u64>,
}

impl Counted {
    /// Takes a later event in: its figures are totals, and those it does not name stand.
    pub fn absorb(&mut self, later: Self) {
        let overtake = |mine: &mut Option<u64>, newer: Option<u64>| *mine = newer.or(*mine);
        overtake(&mut self.uncached, later.uncached);
        overtake(&mut self.cache_read, later.cache_read);
        overtake(&mut self.cache_written, later.cache_written);
        overtake(&mut self.output, later.output);
    }

    /// What was used, as far as it was said.
    #[must_use]
    pub fn tokens(self) -> Tokens {
        let cached_input = self.cache_read.unwrap_or_default();
        let rest = self.uncached.unwrap_or_default().saturating_add(self.cache_written.unwrap_or_default());
        Tokens {
            input: rest.saturating_add(cached_input),
            cached_input,
            output: self.output.unwrap_or_default(),
        }
    }
}

impl From<Tokens> for Counted {
    fn from(tokens: Tokens) -> Self {
        Self {
            uncached: Some(tokens.input.saturating_sub(tokens.cached_input)),
            cache_read: Some(tokens.cached_input),
            cache_written: None,
            output: Some(tokens.output),
        }
    }
}

/// Looks at an event of a stream in the caller's own protocol.
#[must_use]
pub fn look(caller: Caller, data: &[u8]) -> Seen {
    match caller {
        Caller::OpenAiChat => chat(data),
        Caller::AnthropicMessages => messages(data),
        Caller::OpenAiResponses => responses(data),
    }
}

fn chat(data: &[u8]) -> Seen {
    if data.trim_ascii() == b"[DONE]" {
        return Seen { kind: Kind::Done, tokens: None };
    }
    if is_error(data) {
        return Seen { kind: Kind::Error, tokens: None };
    }
    let tokens = may_hold_usage(data).then(|| crate::usage::tokens_of(data)).flatten().map(Counted::from);
    let kind = if says_something(data) {
        Kind::Content
    } else if holds(data, b"\"finish_reason\"", |value| value.starts_with(b"\"")) {
        Kind::Other
    } else {
        Kind::Empty
    };
    Seen { kind, tokens }
}

/// Whether a chunk has a text that is not empty, or a tool call.
fn says_something(data: &[u8]) -> bool {
    let is_said =
        |value: &[u8]| value.starts_with(b"\"") && !value.starts_with(b"\"\"") || value.starts_with(b"[");
    [&b"\"content\""[..], b"\"tool_calls\"", b"\"reasoning_content\"", b"\"reasoning\"", b"\"refusal\""]
        .into_iter()
        .any(|key| holds(data, key, is_said))
}

/// Whether `key` stands anywhere with a value that is such. Inside of strings quotes are escaped, so that no text is
/// taken for a key; a list that is empty is taken for one that is not, and does no harm.
fn holds(data: &[u8], key: &[u8], is_such: impl Fn(&[u8]) -> bool) -> bool {
    memchr::memmem::find_iter(data, key).any(|at| {
        let rest = data.get(at + key.len()..).unwrap_or_default().trim_ascii_start();
        rest.strip_prefix(b":").is_some_and(|value| is_such(value.trim_ascii_start()))
    })
}

/// Calls `take` with the `type` of an event. Every provider writes it first, and without escapes.
fn with_kind<T>(data: &[u8], take: impl FnOnce(&str) -> T) -> Option<T> {
    #[derive(Deserialize)]
    struct Probe<'a> {
        #[serde(rename = "type", borrow)]
        kind: Word<'a>,
    }
    let first = data.strip_prefix(b"{\"type\":\"").and_then(|rest| {
        let end = memchr::memchr2(b'"', b'\\', rest)?;
        (rest.get(end) == Some(&b'"')).then_some(rest.get(..end)?)
    });
    if let Some(kind) = first.and_then(|kind| std::str::from_utf8(kind).ok()) {
        return Some(take(kind));
    }
    let probe: Probe<'_> = serde_json::from_slice(data).ok()?;
    Some(take(probe.kind.as_str()))
}

fn messages(data: &[u8]) -> Seen {
    let kind = with_kind(data, |kind| match kind {
        "content_block_delta" | "content_block_start" | "content_block_stop" => (Kind::Content, false),
        "message_start" => (Kind::Empty, true),
        "ping" => (Kind::Empty, false),
        "message_delta" => (Kind::Other, true),
        "message_stop" => (Kind::Done, false),
        "error" => (Kind::Error, false),
        _ => (Kind::Other, false),
    });
    let (kind, may_count) = kind.unwrap_or((Kind::Other, false));
    Seen { kind, tokens: may_count.then(|| messages_usage(data)).flatten() }
}

#[derive(Deserialize)]
struct MessagesUsage {
    input_tokens: Option<u64>,
    cache_read_input_tokens: Option<u64>,
    cache_creation_input_tokens: Option<u64>,
    output_tokens: Option<u64>,
}

impl From<MessagesUsage> for Counted {
    fn from(usage: MessagesUsage) -> Self {
        Self {
            uncached: usage.input_tokens,
            cache_read: usage.cache_read_input_tokens,
            cache_written: usage.cache_creation_input_tokens,
            output: usage.output_tokens,
        }
    }
}

fn messages_usage(data: &[u8]) -> Option<Counted> {
    #[derive(Deserialize)]
    struct Event {
        message: Option<Message>,
        usage: Option<MessagesUsage>,
    }
    #[derive(Deserialize)]
    struct Message {
        usage: Option<MessagesUsage>,
    }
    let event: Event = serde_json::from_slice(data).ok()?;
    event.usage.or(event.message.and_then(|message| message.usage)).map(Counted::from)
}

/// Reads a `usage` object of the Messages protocol.
pub(crate) fn messages_tokens(usage: &[u8]) -> Option<Tokens> {
    let usage: MessagesUsage = serde_json::from_slice(usage).ok()?;
    usage.input_tokens.or(usage.output_tokens)?;
    Some(Counted::from(usage).tokens())
}

fn responses(data: &[u8]) -> Seen {
    let kind = with_kind(data, |kind| match kind {
        "response.created" | "response.in_progress" | "response.queued" | "keepalive" => (Kind::Empty, false),
        "response.completed" | "response.incomplete" => (Kind::Done, true),
        "response.failed" | "error" => (Kind::Error, true),
        _ if kind.starts_with("response.") => (Kind::Content, false),
        _ => (Kind::Other, false),
    });
    let (kind, may_count) = kind.unwrap_or((Kind::Other, false));
    Seen { kind, tokens: may_count.then(|| responses_usage(data)).flatten() }
}

fn responses_usage(data: &[u8]) -> Option<Counted> {
    #[derive(Deserialize)]
    struct Event {
        response: Option<Response>,
    }
    #[derive(Deserialize)]
    struct Response {
        usage: Option<Usage>,
    }
    #[derive(Deserialize)]
    struct Usage {
        input_tokens: Option<u64>,
        output_tokens: Option<u64>,
        input_tokens_details: Option<Details>,
    }
    #[derive(Deserialize)]
    struct Details {
        cached_tokens: Option<u64>,
    }
    let usage = serde_json::from_slice::<Event>(data).ok()?.response?.usage?;
    let input = usage.input_tokens.unwrap_or_default();
    let cached_input =
        usage.input_tokens_details.and_then(|details| details.cached_tokens).unwrap_or_default();
    let tokens = Tokens {
        input,
        cached_input: cached_input.min(input),
        output: usage.output_tokens.unwrap_or_default(),
    };
    Some(tokens.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kinds(caller: Caller, events: &[&str]) -> Vec<Kind> {
        events.iter().map(|data| look(caller, data.as_bytes()).kind).collect()
    }

    #[test]
    fn a_chat_stream_is_told_apart() {
        use Kind::{Content, Done, Empty, Error, Other};
        let events = [
            (r#"{"choices":[{"delta":{"role":"assistant","content":"","refusal":null}}]}"#, Empty),
            (r#"{"choices":[],"prompt_filter_results":[{"content_filter_results":{}}]}"#, Empty),
            (r#"{"choices":[{"delta":{"content":"x"}}],"usage":null}"#, Content),
            (r#"{"choices":[{"delta":{"content" : "x"}}]}"#, Content),
            (r#"{"choices":[{"delta":{"content": "x"}}]}"#, Content),
            (r#"{"choices":[{"delta":{"reasoning_content":"x"}}]}"#, Content),
            (r#"{"choices":[{"delta":{"tool_calls":[{"index":0}]}}]}"#, Content),
            (r#"{"choices":[{"delta":{"content":"\"error\""}}]}"#, Content),
            (r#"{"choices":[{"delta":{"content":""},"finish_reason":"stop"}]}"#, Other),
            (r#"{"choices":[{"delta":{},"finish_reason":null}]}"#, Empty),
            (r#"{"choices":[],"usage":{"prompt_tokens":9,"completion_tokens":2}}"#, Empty),
            (r#"{"error":{"message":"overloaded"}}"#, Error),
            ("[DONE]", Done),
        ];
        let (datas, expected): (Vec<_>, Vec<_>) = events.into_iter().unzip();
        assert_eq!(kinds(Caller::OpenAiChat, &datas), expected);
        let usage = look(Caller::OpenAiChat, br#"{"choices":[],"usage":{"prompt_tokens":9,"completion_tokens":2,"prompt_tokens_details":{"cached_tokens":4}}}"#);
        assert_eq!(usage.tokens.unwrap().tokens(), Tokens { input: 9, cached_input: 4, output: 2 });
    }

    #[test]
    fn a_messages_stream_is_told_apart_and_its_usage_added_up() {
        use Kind::{Content, Done, Empty, Error, Other};
        let events = [
            (
                r#"{"type":"message_start","message":{"usage":{"input_tokens":20,"cache_creation_input_tokens":5,"cache_read_input_tokens":100,"output_tokens":1}}}"#,
                Empty,
            ),
            (r#"{"type": "ping"}"#, Empty),
            (r#"{"type":"content_block_start","index":0}"#, Content),
            (r#"{"index":0,"delta":{"type":"text_delta","text":"x"},"type":"content_block_delta"}"#, Content),
            (
                r#"{"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":15}}"#,
                Other,
            ),
            (r#"{"type":"message_stop"}"#, Done),
            (r#"{"type":"error","error":{"type":"overloaded_error","message":"x"}}"#, Error),
            (r#"{"type":"some_day"}"#, Other),
            ("nonsense", Other),
        ];
        let (datas, expected): (Vec<_>, Vec<_>) = events.into_iter().unzip();
        assert_eq!(kinds(Caller::AnthropicMessages, &datas), expected);
        let mut counted = Counted::default();
        for data in datas {
            if let Some(tokens) = look(Caller::AnthropicMessages, data.as_bytes()).tokens {
                counted.absorb(tokens);
            }
        }
        assert_eq!(counted.tokens(), Tokens { input: 125, cached_input: 100, output: 15 });
    }

    #[test]
    fn a_responses_stream_is_told_apart() {
        use Kind::{Content, Done, Empty, Error};
        let completed = r#"{"type":"response.completed","response":{"output":[{"usage":3}],"usage":{"input_tokens":7,"input_tokens_details":{"cached_tokens":2},"output_tokens":4}}}"#;
        let events = [
            (r#"{"type":"response.created","response":{}}"#, Empty),
            (r#"{"type":"response.in_progress","response":{}}"#, Empty),
            (r#"{"type":"response.output_item.added","item":{}}"#, Content),
            (r#"{"type":"response.output_text.delta","delta":"x"}"#, Content),
            (completed, Done),
            (r#"{"type":"response.incomplete","response":{"usage":null}}"#, Done),
            (r#"{"type":"response.failed","response":{"error":{"code":"server_error"}}}"#, Error),
            (r#"{"type":"error","code":"server_error"}"#, Error),
        ];
        let (datas, expected): (Vec<_>, Vec<_>) = events.into_iter().unzip();
        assert_eq!(kinds(Caller::OpenAiResponses, &datas), expected);
        let tokens = look(Caller::OpenAiResponses, completed.as_bytes()).tokens.unwrap().tokens();
        assert_eq!(tokens, Tokens { input: 7, cached_input: 2, output: 4 });
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_are_looked_at_without_harm(data in proptest::collection::vec(proptest::num::u8::ANY, 0..200)) {
            for caller in [Caller::OpenAiChat, Caller::AnthropicMessages, Caller::OpenAiResponses] {
                std::hint::black_box(look(caller, &data));
                std::hint::black_box(look(caller, &[b"{\"type\":\"", data.as_slice()].concat()));
            }
        }
    }
}
