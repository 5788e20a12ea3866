//! What a provider says to a question, and what goes wrong with it: both follow from the question's number alone, so that
//! provider and load know the same without a word between them.

use std::fmt::Write as _;

use moorline_tests::declared::CALLER_KEY;

/// Words of an answer; in a stream, one event each.
pub(super) const WORDS: usize = 12;
/// Faults are drawn out of so many.
const DRAWS: u64 = 10_000;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Dialect {
    OpenAi,
    Anthropic,
}

/// A kind of question.
#[derive(Debug, Clone, Copy)]
pub(super) struct Kind {
    pub(super) title: &'static str,
    pub(super) caller: Dialect,
    pub(super) provider: Dialect,
    pub(super) is_stream: bool,
    prompt_bytes: usize,
}

const PLAIN: Kind = Kind {
    title: "OpenAI, JSON",
    caller: Dialect::OpenAi,
    provider: Dialect::OpenAi,
    is_stream: false,
    prompt_bytes: 200,
};

/// All of them, asked in turn.
pub(super) const KINDS: [Kind; 7] = [
    PLAIN,
    Kind { title: "OpenAI, stream", is_stream: true, ..PLAIN },
    Kind { title: "OpenAI, 64 KiB prompt", prompt_bytes: 64 * 1024, ..PLAIN },
    Kind { title: "OpenAI→Anthropic, JSON", provider: Dialect::Anthropic, ..PLAIN },
    Kind { title: "OpenAI→Anthropic, stream", provider: Dialect::Anthropic, is_stream: true, ..PLAIN },
    Kind { title: "Anthropic→OpenAI, JSON", caller: Dialect::Anthropic, ..PLAIN },
    Kind { title: "Anthropic→OpenAI, stream", caller: Dialect::Anthropic, is_stream: true, ..PLAIN },
];

impl Kind {
    pub(super) fn is_translated(&self) -> bool {
        self.caller != self.provider
    }

    /// The request with this number.
    pub(super) fn request(&self, number: u32) -> Vec<u8> {
        let (path, model) = match (self.caller, self.provider) {
            (Dialect::OpenAi, Dialect::OpenAi) => ("/v1/chat/completions", "small"),
            (Dialect::OpenAi, Dialect::Anthropic) => ("/v1/chat/completions", "claude"),
            (Dialect::Anthropic, _) => ("/v1/messages", "small"),
        };
        let mut prompt = mark(number);
        prompt.extend("How is the mooring? ".chars().cycle().take(self.prompt_bytes));
        let body = format!(
            "{{\"model\":\"{model}\",\"stream\":{},\"max_tokens\":64,\"messages\":[{{\"role\":\"user\",\"content\":\"{prompt}\"}}]}}",
            self.is_stream
        );
        format!(
            "POST {path} HTTP/1.1\r\nhost: gateway.test\r\nauthorization: Bearer {CALLER_KEY}\r\n\
             content-type: application/json\r\nx-request-id: soak-{number:08x}\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        )
        .into_bytes()
    }
}

/// How a question says its number.
pub(super) const MARK: &str = "soak-question-";

fn mark(number: u32) -> String {
    format!("{MARK}{number:08x} ")
}

/// What goes wrong at the provider whose answers go wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    None,
    /// It refuses with this status.
    Status(u16),
    /// It answers 200 and then says that it failed.
    InBand,
    /// It never answers.
    Silent,
    /// It sends the head of an answer, and nothing after it.
    SilentAfterHead,
    /// It breaks the connection after the head.
    ResetAfterHead,
    /// It falls silent after so many events.
    SilentAfter(usize),
    /// It breaks the connection after so many events.
    ResetAfter(usize),
    /// Its transfer encoding is broken after so many events.
    BadFrame(usize),
    /// One event is no JSON.
    BadEvent(usize),
}

impl Fault {
    /// What goes wrong with this question. In whole answers everything goes wrong before the caller has a byte.
    pub(super) fn of(number: u32, is_stream: bool) -> Self {
        // Number 0 teaches the load what a right answer is.
        if number == 0 {
            return Self::None;
        }
        let drawn = scattered(u64::from(number));
        let after = 1 + usize::try_from((drawn >> 40) % (WORDS as u64 - 2)).unwrap_or(1);
        let fault = match drawn % DRAWS {
            0..400 => Self::Status([500, 502, 503, 429][usize::try_from((drawn >> 20) % 4).unwrap_or(0)]),
            400..500 => Self::InBand,
            500..530 => Self::Silent,
            530..560 => Self::SilentAfterHead,
            560..600 => Self::SilentAfter(after),
            600..700 => Self::ResetAfter(after),
            700..730 => Self::ResetAfterHead,
            730..780 => Self::BadFrame(after),
            780..830 => Self::BadEvent(after),
            _ => Self::None,
        };
        match fault {
            Self::SilentAfter(_) if !is_stream => Self::SilentAfterHead,
            Self::ResetAfter(_) | Self::BadEvent(_) if !is_stream => Self::ResetAfterHead,
            Self::BadFrame(_) if !is_stream => Self::BadFrame(0),
            fault => fault,
        }
    }

    /// Whether a caller of a stream has a part of the answer before it goes wrong.
    pub(super) const fn is_midway(self) -> bool {
        matches!(self, Self::SilentAfter(_) | Self::ResetAfter(_) | Self::BadFrame(1..) | Self::BadEvent(_))
    }
}

/// Whether the caller of this question goes away before it has the answer.
pub(super) fn leaves(number: u32) -> bool {
    number != 0 && scattered(u64::from(number) << 32 | 1).is_multiple_of(100)
}

/// Numbers in a row become numbers all over the place (splitmix64).
fn scattered(number: u64) -> u64 {
    let mut mixed = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

fn word(number: u32, place: usize) -> String {
    format!("w{place}-{number:08x} ")
}

/// All text of the answer.
pub(super) fn text(number: u32) -> String {
    (0..WORDS).map(|place| word(number, place)).collect()
}

/// An event that is no JSON, as [`Fault::BadEvent`] sends it.
pub(super) const BAD_EVENT: &str = "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\n\n";

/// The whole answer.
pub(super) fn whole(dialect: Dialect, number: u32) -> String {
    let text = text(number);
    match dialect {
        Dialect::OpenAi => format!(
            "{{\"id\":\"chatcmpl-{number:08x}\",\"object\":\"chat.completion\",\"created\":1764000000,\"model\":\"first\",\
             \"choices\":[{{\"index\":0,\"message\":{{\"role\":\"assistant\",\"content\":\"{text}\"}},\"finish_reason\":\"stop\"}}],\
             \"usage\":{{\"prompt_tokens\":17,\"completion_tokens\":12,\"total_tokens\":29}}}}"
        ),
        Dialect::Anthropic => format!(
            "{{\"id\":\"msg_{number:08x}\",\"type\":\"message\",\"role\":\"assistant\",\"model\":\"first\",\
             \"content\":[{{\"type\":\"text\",\"text\":\"{text}\"}}],\"stop_reason\":\"end_turn\",\"stop_sequence\":null,\
             \"usage\":{{\"input_tokens\":17,\"output_tokens\":12}}}}"
        ),
    }
}

/// The answer as a stream: the words' events, and what comes after them. An OpenAI provider says what was used when it
/// is asked to.
pub(super) fn streamed(dialect: Dialect, number: u32, with_usage: bool) -> (Vec<String>, String) {
    match dialect {
        Dialect::OpenAi => {
            let chunk = |choices: &str, more: &str| {
                format!(
                    "data: {{\"id\":\"chatcmpl-{number:08x}\",\"object\":\"chat.completion.chunk\",\"created\":1764000000,\
                     \"model\":\"first\",\"choices\":[{choices}]{more}}}\n\n"
                )
            };
            let delta = |place| {
                let word = word(number, place);
                chunk(
                    &format!("{{\"index\":0,\"delta\":{{\"content\":\"{word}\"}},\"finish_reason\":null}}"),
                    "",
                )
            };
            let mut end = chunk("{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}", "");
            if with_usage {
                let usage = ",\"usage\":{\"prompt_tokens\":17,\"completion_tokens\":12,\"total_tokens\":29}";
                end.push_str(&chunk("", usage));
            }
            end.push_str("data: [DONE]\n\n");
            ((0..WORDS).map(delta).collect(), end)
        }
        Dialect::Anthropic => {
            let event =
                |name: &str, rest: &str| format!("event: {name}\ndata: {{\"type\":\"{name}\"{rest}}}\n\n");
            let delta = |place| {
                let word = word(number, place);
                event(
                    "content_block_delta",
                    &format!(",\"index\":0,\"delta\":{{\"type\":\"text_delta\",\"text\":\"{word}\"}}"),
                )
            };
            let mut words: Vec<String> = (0..WORDS).map(delta).collect();
            let mut start = event(
                "message_start",
                &format!(
                    ",\"message\":{{\"id\":\"msg_{number:08x}\",\"type\":\"message\",\"role\":\"assistant\",\"model\":\"first\",\
                     \"content\":[],\"stop_reason\":null,\"stop_sequence\":null,\
                     \"usage\":{{\"input_tokens\":17,\"output_tokens\":1}}}}"
                ),
            );
            let block = ",\"index\":0,\"content_block\":{\"type\":\"text\",\"text\":\"\"}";
            write!(start, "{}{}", event("content_block_start", block), words[0]).unwrap();
            words[0] = start;
            let stop = ",\"delta\":{\"stop_reason\":\"end_turn\",\"stop_sequence\":null},\"usage\":{\"output_tokens\":12}";
            let end = [
                event("content_block_stop", ",\"index\":0"),
                event("message_delta", stop),
                event("message_stop", ""),
            ];
            (words, end.concat())
        }
    }
}
