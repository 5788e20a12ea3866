//! What is asked, by how many, how fast.

use moorline_tests::declared::CALLER_KEY;

/// What paces the callers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pace {
    /// Each asks again when it was answered.
    Closed,
    /// So many requests a second in all, whether answers come or not.
    Open { per_second: u32 },
}

/// One kind of load.
#[derive(Debug)]
pub(crate) struct Workload {
    /// For the command line.
    pub(crate) name: &'static str,
    /// For the table.
    pub(crate) title: &'static str,
    pub(crate) connections: usize,
    pub(crate) pace: Pace,
    pub(crate) is_stream: bool,
    /// The model asked for: one at a provider of the caller's dialect, or of the other.
    pub(crate) model: &'static str,
    prompt_bytes: usize,
    /// The load that this one is held against, when it is not the same through nginx.
    pub(crate) beside: Option<&'static str>,
}

/// The model whose provider speaks the caller's dialect.
pub(crate) const PASSED_THROUGH: &str = "small";
/// The model whose provider speaks Anthropic's.
pub(crate) const TRANSLATED: &str = "claude";

const PROMPT: &str =
    "How is the mooring, and what is left to do before the night watch? Say it in one sentence. ";

const PLAIN: Workload = Workload {
    name: "json-32",
    title: "JSON, 32 connections",
    connections: 32,
    pace: Pace::Closed,
    is_stream: false,
    model: PASSED_THROUGH,
    prompt_bytes: PROMPT.len(),
    beside: None,
};

/// All of them, in the table's order.
pub(crate) const ALL: [Workload; 7] = [
    PLAIN,
    Workload { name: "json-1", title: "JSON, 1 connection", connections: 1, ..PLAIN },
    Workload {
        name: "open",
        title: "JSON, 1000/s open loop",
        pace: Pace::Open { per_second: 1_000 },
        ..PLAIN
    },
    Workload {
        name: "stream",
        title: "streams of 20 chunks, 16 connections",
        connections: 16,
        is_stream: true,
        ..PLAIN
    },
    Workload {
        name: "64k",
        title: "64 KiB prompts, 16 connections",
        connections: 16,
        prompt_bytes: 64 * 1024,
        ..PLAIN
    },
    Workload {
        name: "json-32-translated",
        title: "OpenAI→Anthropic JSON, 32 connections",
        model: TRANSLATED,
        beside: Some("json-32"),
        ..PLAIN
    },
    Workload {
        name: "stream-translated",
        title: "OpenAI→Anthropic streams, 16 connections",
        connections: 16,
        is_stream: true,
        model: TRANSLATED,
        beside: Some("stream"),
        ..PLAIN
    },
];

impl Workload {
    /// Whether the gateway must translate.
    pub(crate) fn is_translated(&self) -> bool {
        self.model == TRANSLATED
    }

    /// The request's bytes, the same each time.
    pub(crate) fn request(&self) -> Vec<u8> {
        let prompt: String = PROMPT.chars().cycle().take(self.prompt_bytes).collect();
        let stream = if self.is_stream { "\"stream\":true," } else { "" };
        let body = format!(
            "{{\"model\":\"{}\",{stream}\"messages\":[{{\"role\":\"system\",\"content\":\"You are a harbour master.\"}},\
             {{\"role\":\"user\",\"content\":\"{prompt}\"}}],\"temperature\":0.7,\"max_tokens\":256}}",
            self.model
        );
        format!(
            "POST /v1/chat/completions HTTP/1.1\r\nhost: gateway.test\r\nauthorization: Bearer {CALLER_KEY}\r\n\
             content-type: application/json\r\naccept: application/json\r\nuser-agent: OpenAI/Python 3.52.0\r\n\
             content-length: {}\r\n\r\n{body}",
            body.len()
        )
        .into_bytes()
    }
}
