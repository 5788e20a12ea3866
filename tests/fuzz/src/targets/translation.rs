//! Every translator: what comes out is of the other protocol, whatever went in, and streams end only as they did.

#[path = "../../../../gateway/translate/tests/golden_providers/frames.rs"]
mod frames;

use bytes::Bytes;
use moorline_translate::splice::UsageEvent;
use moorline_translate::sse::Events;
use moorline_translate::{Caller, Context, Stream, Wire, embeddings, matrix, rerank};
use serde::de::IgnoredAny;

use super::framing::pieces;

const CALLERS: [Caller; 3] = [Caller::OpenAiChat, Caller::OpenAiResponses, Caller::AnthropicMessages];
const WIRES: [Wire; 5] =
    [Wire::OpenAiChat, Wire::AnthropicMessages, Wire::BedrockConverse, Wire::Gemini, Wire::CohereChat];

/// A caller's request, for every provider.
pub(super) fn request(caller: Caller, bytes: &[u8]) {
    for wire in WIRES {
        if let Ok(outgoing) = matrix::request(caller, wire, bytes, "first", "small", "id", 1_764_000_000) {
            assert_json(&outgoing.body);
        }
    }
}

/// A provider's whole answer, refusal and stream, for every caller.
pub(super) fn answer(wire: Wire, bytes: &[u8]) {
    for caller in CALLERS {
        let context = context(caller, wire, false);
        if let Ok(translated) = matrix::answer(&context, bytes) {
            assert_json(&translated.body);
        }
        assert_json(&matrix::error(&context, 500, bytes));
    }
    stream(wire, bytes);
}

/// Bedrock's, whose streams are frames with checksums: bytes as they are, and lines of text put into right frames.
pub(super) fn bedrock(bytes: &[u8]) {
    answer(Wire::BedrockConverse, bytes);
    stream(Wire::BedrockConverse, &frames::frames(&String::from_utf8_lossy(bytes)));
}

fn stream(wire: Wire, bytes: &[u8]) {
    for caller in CALLERS {
        let whole = streamed(context(caller, wire, true), &[bytes]);
        assert_eq!(streamed(context(caller, wire, true), &pieces(bytes)), whole, "the cuts show");
        check_stream(caller, &whole);
    }
}

fn context(caller: Caller, wire: Wire, stream: bool) -> Context {
    Context {
        caller,
        wire,
        model: "small".to_owned(),
        id: "id".to_owned(),
        created: 1_764_000_000,
        stream,
        usage_event: UsageEvent::Asked,
        echo: Vec::new(),
    }
}

/// What a caller saw of a stream.
#[derive(Debug, PartialEq)]
struct Seen {
    bytes: Vec<u8>,
    is_done: bool,
}

fn streamed(context: Context, pieces: &[&[u8]]) -> Seen {
    let (mut stream, mut bytes) = (Stream::new(context), Vec::new());
    let fed = pieces.iter().try_for_each(|piece| stream.feed(piece, &mut bytes));
    let ended = fed.and_then(|()| stream.end(&mut bytes));
    if ended.is_err() || !stream.is_done() {
        stream.fail("api_error", "the provider's stream broke off", &mut bytes);
    }
    assert!(stream.is_done() != stream.has_failed(), "a stream ends in one way");
    Seen { bytes, is_done: stream.is_done() }
}

/// The end marker stands at the end of a stream that ended well, and nowhere else.
fn check_stream(caller: Caller, seen: &Seen) {
    let mut datas = Vec::new();
    let take = |data: &[u8]| {
        datas.push(data.to_vec());
        Ok(())
    };
    Events::default().feed(&seen.bytes, take).expect("what we write can be read");
    let is_marker = |data: &Vec<u8>| match caller {
        Caller::OpenAiChat => data == b"[DONE]",
        Caller::AnthropicMessages => data.starts_with(b"{\"type\":\"message_stop\""),
        Caller::OpenAiResponses => {
            data.starts_with(b"{\"type\":\"response.completed\"")
                || data.starts_with(b"{\"type\":\"response.incomplete\"")
        }
    };
    let markers = datas.iter().filter(|data| is_marker(data)).count();
    assert_eq!(markers, usize::from(seen.is_done), "an end marker too many or too few");
    assert!(!seen.is_done || datas.last().is_some_and(is_marker), "something follows the end marker");
    datas.iter().filter(|data| data.as_slice() != b"[DONE]").for_each(|data| assert_json(data));
}

/// Embeddings: a caller's request for every provider, and the same bytes as each one's answer.
pub(super) fn embeddings(bytes: &[u8]) {
    let (asked, answered) = halves(bytes);
    for wire in WIRES {
        let Ok((outgoing, reply)) = embeddings::request(wire, &asked, "first") else { continue };
        assert_json(&outgoing.body);
        if let Ok(translated) = embeddings::answer(&reply, &answered, "small", None) {
            assert_json(&translated.body);
        }
    }
}

/// Reranking, as [`embeddings`].
pub(super) fn rerank(bytes: &[u8]) {
    let (asked, answered) = halves(bytes);
    for wire in WIRES {
        let Ok((outgoing, reply)) = rerank::request(wire, &asked, "first") else { continue };
        assert_json(&outgoing.body);
        if let Ok(body) = rerank::answer(&reply, &answered, "small") {
            assert_json(&body);
        }
    }
}

/// A request and its answer: two lines.
fn halves(bytes: &[u8]) -> (Bytes, Bytes) {
    let at = bytes.iter().position(|byte| *byte == b'\n').unwrap_or(bytes.len());
    let (asked, answered) = bytes.split_at(at);
    (Bytes::copy_from_slice(asked), Bytes::copy_from_slice(answered.get(1..).unwrap_or_default()))
}

fn assert_json(bytes: &[u8]) {
    if let Err(error) = serde_json::from_slice::<IgnoredAny>(bytes) {
        panic!("not JSON: {error}: {}", String::from_utf8_lossy(bytes));
    }
}
