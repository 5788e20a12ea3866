//! Recorded requests, answers and streams, translated.
//!
//! A topic is a directory. It holds what callers ask (`openai_chat.json`, `messages.json`, `responses.json`) and what
//! providers answer (`anthropic.answer.json`, `anthropic.stream.sse`, …), written after the protocols' documentation;
//! what Gemini, Bedrock and Cohere answer lies in `golden_providers` under the same name.
//! Every caller meets every provider that speaks another protocol; the outcome is `CALLER.PROVIDER.snap`. A stream is
//! replayed cut at every byte, and must come out the same.

#![expect(clippy::unwrap_used, reason = "what a test needs and does not get is its report")]

#[path = "golden_providers/frames.rs"]
mod frames;

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use moorline_translate::matrix::{self, Context};
use moorline_translate::{Caller, Opening, Stream, Wire};

const CALLERS: [(&str, Caller); 3] = [
    ("openai_chat", Caller::OpenAiChat),
    ("responses", Caller::OpenAiResponses),
    ("messages", Caller::AnthropicMessages),
];

/// The providers, and how their streams are recorded.
const WIRES: [(&str, Wire, &str); 5] = [
    ("openai", Wire::OpenAiChat, "gpt-5"),
    ("anthropic", Wire::AnthropicMessages, "claude-sonnet-4-5"),
    ("gemini", Wire::Gemini, "gemini-3-pro-preview"),
    ("bedrock", Wire::BedrockConverse, "eu.anthropic.claude-sonnet-4-5-20250929-v1:0"),
    ("cohere", Wire::CohereChat, "command-a-03-2025"),
];

/// Topics that are about what providers say, and ask for nothing of interest.
const ANSWERS_ONLY: [&str; 2] = ["faults", "liberties"];

fn topics() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let mut topics: Vec<_> = std::fs::read_dir(root).unwrap().map(|entry| entry.unwrap().path()).collect();
    topics.retain(|path| path.is_dir());
    topics.sort();
    topics
}

fn speaks_the_same(caller: Caller, wire: Wire) -> bool {
    matches!(
        (caller, wire),
        (Caller::OpenAiChat, Wire::OpenAiChat) | (Caller::AnthropicMessages, Wire::AnthropicMessages)
    )
}

fn pretty(json: &[u8]) -> String {
    let value: serde_json::Value = serde_json::from_slice(json).unwrap();
    serde_json::to_string_pretty(&value).unwrap()
}

/// What comes out of a stream that is fed in these pieces.
fn streamed<'a>(context: &Context, pieces: impl IntoIterator<Item = &'a [u8]>) -> (String, Stream) {
    let mut stream = Stream::new(context.clone());
    let mut out = Vec::new();
    for piece in pieces {
        if stream.feed(piece, &mut out).is_err() {
            stream.fail("api_error", "the provider's stream cannot be read", &mut out);
        }
    }
    stream.end(&mut out).unwrap();
    (String::from_utf8(out).unwrap(), stream)
}

fn replayed_at_every_byte(context: &Context, recorded: &[u8]) -> (String, Stream) {
    let (whole, stream) = streamed(context, [recorded]);
    for at in 0..=recorded.len() {
        let (left, right) = recorded.split_at(at);
        let (cut, again) = streamed(context, [left, right]);
        assert_eq!(cut, whole, "cut at {at}");
        assert_eq!((again.is_done(), again.tokens()), (stream.is_done(), stream.tokens()), "cut at {at}");
    }
    assert_eq!(streamed(context, recorded.chunks(1)).0, whole, "byte by byte");
    (whole, stream)
}

/// What a provider said of a topic: here, or where its own half is tested.
fn recorded(topic: &Path, folder: &str, provider: &str, here: &str, there: &str) -> Option<String> {
    let name = topic.file_name().unwrap().to_str().unwrap();
    let theirs = topic.join("../../golden_providers").join(folder).join(format!("{name}.{provider}.{there}"));
    let files = [topic.join(format!("{provider}.{here}")), theirs];
    files.iter().find_map(|file| std::fs::read_to_string(file).ok())
}

/// Everything that comes of one caller and one provider.
fn outcome(topic: &Path, asked: &[u8], caller: Caller, wire: Wire, provider: &str, model: &str) -> String {
    let mut text = String::new();
    let translated = matrix::request(caller, wire, asked, model, "house-model", "0198f2", 1_767_225_600);
    let outgoing = match translated {
        Ok(outgoing) => outgoing,
        Err(refused) => return format!("refused: {refused}\n"),
    };
    writeln!(text, "── request; dropped: {:?}\n{}", outgoing.dropped, pretty(&outgoing.body)).unwrap();
    if let Some(answer) = recorded(topic, "answers", provider, "answer.json", "json") {
        let answer = matrix::answer(&outgoing.context, answer.as_bytes()).unwrap();
        writeln!(text, "\n── answer; {:?}\n{}", answer.tokens, pretty(&answer.body)).unwrap();
    }
    if let Some(recorded) = recorded(topic, "streams", provider, "stream.sse", "txt") {
        let recorded =
            if wire == Wire::BedrockConverse { frames::frames(&recorded) } else { recorded.into() };
        let context = Context { stream: true, ..outgoing.context };
        let (out, stream) = replayed_at_every_byte(&context, &recorded);
        assert_ne!(stream.opening(), Opening::Awaited);
        writeln!(
            text,
            "\n── stream; done: {}, failed: {}, {:?}\n{}",
            stream.is_done(),
            stream.has_failed(),
            stream.tokens(),
            out.trim_end()
        )
        .unwrap();
    }
    text
}

#[test]
fn every_recording_comes_out_as_it_did() {
    let mut outcomes = 0;
    for topic in topics() {
        for (caller_name, caller) in CALLERS {
            let Ok(asked) = std::fs::read(topic.join(format!("{caller_name}.json"))) else { continue };
            for (provider, wire, model) in
                WIRES.into_iter().filter(|(_, wire, _)| !speaks_the_same(caller, *wire))
            {
                let mut settings = insta::Settings::clone_current();
                settings.set_snapshot_path(&topic);
                settings.set_prepend_module_to_snapshot(false);
                settings.set_omit_expression(true);
                let is_recorded = recorded(&topic, "streams", provider, "stream.sse", "txt").is_some();
                if ANSWERS_ONLY.iter().any(|name| topic.ends_with(name)) && !is_recorded {
                    continue;
                }
                let text = outcome(&topic, &asked, caller, wire, provider, model);
                settings.bind(|| insta::assert_snapshot!(format!("{caller_name}.{provider}"), text));
                outcomes += 1;
            }
        }
    }
    assert!(outcomes >= 60, "{outcomes}");
}
