//! Streams: how they begin, how they end, and what strangers can do to them.

use proptest::prelude::*;

use super::*;
use crate::chat::BrokenStream;
use crate::sse::EVENT_BYTES_MAX;

fn fed(stream: &mut Stream, bytes: &[u8]) -> String {
    let mut out = Vec::new();
    stream.feed(bytes, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

const START: &str = "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"m\",\"usage\":{\"input_tokens\":3,\"output_tokens\":1}}}\n\n";
const BLOCK: &str = "data: {\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"text\",\"text\":\"\"}}\n\n";
const TEXT: &str = "data: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"x\"}}\n\n";
const OVERLOADED: &str = "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"Overloaded\"}}\n\n";

#[test]
fn a_stream_has_begun_with_the_first_block_and_not_before() {
    for caller in CALLERS {
        let mut stream = Stream::new(context(caller, Wire::AnthropicMessages));
        fed(&mut stream, START.as_bytes());
        fed(&mut stream, b"event: ping\ndata: {\"type\":\"ping\"}\n\n");
        assert_eq!(stream.opening(), Opening::Awaited);
        fed(&mut stream, BLOCK.as_bytes());
        assert_eq!(stream.opening(), Opening::Good);

        let mut stream = Stream::new(context(caller, Wire::AnthropicMessages));
        fed(&mut stream, START.as_bytes());
        fed(&mut stream, OVERLOADED.as_bytes());
        assert_eq!((stream.opening(), stream.has_failed(), stream.is_done()), (Opening::Error, true, false));
        assert_eq!(stream.tokens().unwrap().input, 3);
    }
}

#[test]
fn the_end_marker_follows_a_clean_end_only() {
    let markers = ["[DONE]", "message_stop", "response.completed"];
    for caller in CALLERS {
        let mut stream = Stream::new(context(caller, Wire::AnthropicMessages));
        let mut out = fed(&mut stream, [START, BLOCK, TEXT].concat().as_bytes());
        let mut rest = Vec::new();
        stream.end(&mut rest).unwrap();
        assert!(!stream.is_done());
        stream.fail("api_error", "the provider broke off", &mut rest);
        stream.fail("api_error", "twice", &mut rest);
        stream.feed(b"data: {\"type\":\"message_stop\"}\n\n", &mut rest).unwrap();
        out.push_str(&String::from_utf8(rest).unwrap());
        assert!(stream.has_failed() && !stream.is_done());
        assert!(!markers.iter().any(|marker| out.contains(marker)), "{out}");
        assert_eq!(out.matches("the provider broke off").count(), 1);
        assert!(!out.contains("twice"));

        let mut stream = Stream::new(context(caller, Wire::AnthropicMessages));
        let whole = [START, BLOCK, TEXT, "data: {\"type\":\"message_stop\"}\n\n"].concat();
        let mut out = fed(&mut stream, whole.as_bytes());
        assert!(stream.is_done());
        out.push_str(&fed(&mut stream, b"data: nonsense\n\n"));
        assert_eq!(markers.iter().filter(|marker| out.contains(*marker)).count(), 1, "{out}");
    }
}

#[test]
fn an_event_that_cannot_be_read_breaks_the_stream_after_what_was_said_before() {
    for caller in CALLERS {
        let mut stream = Stream::new(context(caller, Wire::AnthropicMessages));
        let mut out = Vec::new();
        let broken = [START, BLOCK, TEXT, "data: {\"type\":\n\n"].concat();
        let found = stream.feed(broken.as_bytes(), &mut out);
        assert!(matches!(found, Err(BrokenStream::Malformed(_))));
        assert_eq!(stream.opening(), Opening::Good);
        assert!(String::from_utf8(out).unwrap().contains("\"x\""));
    }
}

/// Feeds an opening and then the same piece again and again, until that is refused. Says how often it was taken.
fn until_refused(caller: Caller, wire: Wire, opening: &str, piece: &str) -> Option<usize> {
    let mut stream = Stream::new(context(caller, wire));
    let mut out = Vec::new();
    stream.feed(opening.as_bytes(), &mut out).unwrap();
    (0..400).find(|_| {
        out.clear();
        stream.feed(piece.as_bytes(), &mut out).is_err()
    })
}

#[test]
fn what_must_be_held_is_bounded() {
    let chunk = |delta: &str| format!("data: {{\"choices\":[{{\"index\":0,\"delta\":{delta}}}]}}\n\n");
    let long = "x".repeat(EVENT_BYTES_MAX / 8);
    // A second call waits for the first to end.
    let calls = chunk(
        r#"{"tool_calls":[{"index":0,"id":"a","function":{"name":"f","arguments":"{"}},{"index":1,"id":"b","function":{"name":"g","arguments":""}}]}"#,
    );
    let more = chunk(&format!(r#"{{"tool_calls":[{{"index":1,"function":{{"arguments":"{long}"}}}}]}}"#));
    assert_eq!(until_refused(Caller::AnthropicMessages, Wire::OpenAiChat, &calls, &more), Some(7));
    assert_eq!(until_refused(Caller::OpenAiChat, Wire::OpenAiChat, &calls, &more), None);
    assert_eq!(until_refused(Caller::OpenAiResponses, Wire::OpenAiChat, &calls, &more), Some(127));
    // Thoughts are kept for their signature.
    let thought = chunk(&format!(r#"{{"reasoning_content":"{long}"}}"#));
    assert_eq!(until_refused(Caller::OpenAiChat, Wire::OpenAiChat, "", &thought), Some(8));
    // Blocks and calls without end.
    let texts = chunk(r#"{"content":"a"}"#) + &chunk(r#"{"refusal":"b"}"#);
    assert!(until_refused(Caller::OpenAiChat, Wire::OpenAiChat, "", &texts.repeat(100)).is_some());
    let call = chunk(r#"{"tool_calls":[{"function":{"name":"f","arguments":"{}"}}]}"#);
    assert!(until_refused(Caller::OpenAiChat, Wire::OpenAiChat, "", &call.repeat(100)).is_some());
}

/// Pieces of streams, whole and broken, and noise.
fn piece() -> impl Strategy<Value = Vec<u8>> {
    let words = [
        START,
        BLOCK,
        TEXT,
        OVERLOADED,
        "data: [DONE]\n\n",
        "data: {\"type\":\"message_stop\"}\n\n",
        "data: {\"type\":\"content_block_stop\",\"index\":0}\n\n",
        "data: {\"type\":\"content_block_delta\",\"index\":9}\n\n",
        "data: {\"choices\":[{\"delta\":{\"content\":\"é\",\"reasoning_content\":\"r\",\"refusal\":\"n\"}}]}\r\n\r\n",
        "data: {\"choices\":[{\"delta\":{\"tool_calls\":[{\"index\":3,\"id\":\"i\",\"function\":{\"name\":\"f\",\"arguments\":\"{\"}}]}}]}\n\n",
        "data: {\"choices\":[{\"delta\":{\"tool_calls\":[{\"function\":{\"arguments\":\"}\"}}]}}]}\n\n",
        "data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"tool_calls\"}],\"usage\":{\"prompt_tokens\":1}}\n\n",
        "data: {\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"x\",\"thought\":true}]},\"finishReason\":\"STOP\"}]}\n\n",
    ];
    prop_oneof![
        4 => prop::sample::select(words.to_vec()).prop_map(|word| word.as_bytes().to_vec()),
        1 => prop::collection::vec(any::<u8>(), 0..40),
        1 => (prop::sample::select(words.to_vec()), any::<prop::sample::Index>(), any::<u8>()).prop_map(|(word, at, byte)| {
            let mut bytes = word.as_bytes().to_vec();
            let at = at.index(bytes.len());
            bytes[at] = byte;
            bytes
        }),
    ]
}

proptest! {
    #[test]
    fn any_bytes_in_any_cut_are_taken_or_refused_alike(pieces in prop::collection::vec(piece(), 0..12), cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..6)) {
        let bytes = pieces.concat();
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
        cuts.sort_unstable();
        for (caller, wire) in CALLERS.into_iter().flat_map(|caller| WIRES.map(|wire| (caller, wire))) {
            let (mut whole, mut whole_out) = (Stream::new(context(caller, wire)), Vec::new());
            let expected = whole.feed(&bytes, &mut whole_out);
            let (mut cut, mut cut_out, mut found, mut from) = (Stream::new(context(caller, wire)), Vec::new(), Ok(()), 0);
            for end in cuts.iter().copied().chain([bytes.len()]) {
                if found.is_ok() {
                    found = cut.feed(&bytes[from..end], &mut cut_out);
                }
                from = end;
            }
            prop_assert_eq!(&whole_out, &cut_out);
            prop_assert_eq!(expected, found);
            // What goes out is whole events of valid JSON, whatever came in.
            for event in String::from_utf8(whole_out).unwrap().split_terminator("\n\n") {
                let data = event.split_once("data: ").map(|(_, data)| data);
                prop_assert!(data.is_some_and(|data| data == "[DONE]" || serde_json::from_str::<serde::de::IgnoredAny>(data).is_ok()), "{}", event);
            }
        }
    }
}
