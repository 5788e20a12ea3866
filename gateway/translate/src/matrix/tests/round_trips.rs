//! What is written in a protocol is read again as it was.

use proptest::prelude::*;
use serde_json::Value;

use super::*;
use crate::chat::{
    Block, Decoder, Effort, Event, Image, Message, Output, Reasoning, Role, Sampling, Tool, ToolChoice,
    ToolResult, Usage,
};
use crate::gathered;

fn text() -> impl Strategy<Value = String> {
    // Said something, and no marks of ours.
    "[ -~é\n\"\\\\]{0,12}x"
}

fn said() -> impl Strategy<Value = Part> {
    let id = "[a-zA-Z0-9_-]{1,12}";
    prop_oneof![
        3 => text().prop_map(Part::Text),
        2 => (id, "[a-z_]{1,9}", text()).prop_map(|(id, name, city)| Part::ToolCall {
            id, name, arguments: serde_json::json!({ "city": city }).to_string(),
        }),
        2 => (text(), "[a-zA-Z0-9+/=]{1,20}").prop_map(|(text, signature)| Part::Reasoning { text, signature: Some(signature) }),
        1 => "[a-zA-Z0-9+/=]{1,20}".prop_map(Part::RedactedReasoning),
    ]
}

fn answer() -> impl Strategy<Value = Answer> {
    (prop::collection::vec(said(), 1..6), 0u64..999, 0u64..999, 0u64..999).prop_map(
        |(parts, own, cached, output)| {
            let calls = parts.iter().any(|part| matches!(part, Part::ToolCall { .. }));
            Answer {
                id: String::new(),
                model: String::new(),
                parts,
                stop: if calls { Stop::ToolCalls } else { Stop::End },
                usage: Some(Usage {
                    input: own + cached,
                    cached_input: cached,
                    cache_written: own / 2,
                    output,
                    reasoning: output / 2,
                }),
            }
        },
    )
}

/// What is left of an answer in OpenAI Chat, which has one text and one list of calls: thoughts, the text, the calls.
fn flattened(parts: &[Part]) -> Vec<Part> {
    let is_thought = |part: &&Part| matches!(part, Part::Reasoning { .. } | Part::RedactedReasoning(_));
    let text: String = parts
        .iter()
        .filter_map(|part| if let Part::Text(text) = part { Some(text.as_str()) } else { None })
        .collect();
    let mut flat: Vec<Part> = parts.iter().filter(is_thought).cloned().collect();
    flat.extend((!text.is_empty()).then_some(Part::Text(text)));
    flat.extend(parts.iter().filter(|part| matches!(part, Part::ToolCall { .. })).cloned());
    flat
}

/// Neighbouring texts are one: OpenAI Chat streams have no seams between them.
fn joined(parts: Vec<Part>) -> Vec<Part> {
    let mut all: Vec<Part> = Vec::new();
    for part in parts {
        match (all.last_mut(), part) {
            (Some(Part::Text(text)), Part::Text(more)) => text.push_str(&more),
            (_, part) => all.push(part),
        }
    }
    all
}

/// An answer as a provider streams it, in pieces of a few characters.
fn events(answer: &Answer) -> Vec<Event> {
    let mut events = vec![Event::Start { id: String::new(), model: String::new(), usage: None }];
    for (index, part) in answer.parts.iter().enumerate() {
        let (block, text) = match part {
            Part::Text(text) => (Block::Text, text.as_str()),
            Part::Reasoning { text, .. } => (Block::Reasoning, text.as_str()),
            Part::RedactedReasoning(data) => (Block::RedactedReasoning(data.clone()), ""),
            Part::ToolCall { id, name, arguments } => {
                (Block::ToolCall { id: id.clone(), name: name.clone() }, arguments.as_str())
            }
            _ => panic!("{part:?}"),
        };
        let is_call = matches!(block, Block::ToolCall { .. });
        events.push(Event::Open { index, block });
        for piece in text.chars().collect::<Vec<_>>().chunks(3) {
            let text: String = piece.iter().collect();
            events.push(if is_call {
                Event::Arguments { index, json: text }
            } else {
                Event::Text { index, text }
            });
        }
        if let Part::Reasoning { signature: Some(signature), .. } = part {
            events.push(Event::Signature { index, signature: signature.clone() });
        }
        events.push(Event::Close { index });
    }
    events.push(Event::End { stop: answer.stop.clone(), usage: answer.usage });
    events
}

fn decoded(mut decoder: impl Decoder, bytes: &[u8]) -> Answer {
    let mut events = Vec::new();
    decoder.feed(bytes, &mut events).unwrap();
    gathered::answer(events)
}

fn anonymous(answer: Answer) -> Answer {
    Answer { id: String::new(), model: String::new(), ..answer }
}

/// The parts of the assistant's message when an answer is sent back as callers do.
fn sent_back(caller: Caller, answer: &[u8]) -> Vec<Part> {
    let answer: Value = serde_json::from_slice(answer).unwrap();
    let body = match caller {
        Caller::OpenAiChat => serde_json::json!({"messages": [answer["choices"][0]["message"]]}),
        Caller::OpenAiResponses => serde_json::json!({"input": answer["output"]}),
        Caller::AnthropicMessages => {
            serde_json::json!({"max_tokens": 9, "messages": [{"role": "assistant", "content": answer["content"]}]})
        }
    };
    let body = body.to_string();
    let request = match caller {
        Caller::OpenAiChat => openai::read_request(body.as_bytes()),
        Caller::OpenAiResponses => responses::read_request(body.as_bytes()),
        Caller::AnthropicMessages => anthropic::read_request(body.as_bytes()),
    };
    request.unwrap().messages.remove(0).parts
}

/// Numbers as people write them: serde_json reads longer ones to the last digit but one.
fn hundredths(number: u32) -> f64 {
    f64::from(number) / 100.0
}

fn asked() -> impl Strategy<Value = Request> {
    let user = prop_oneof![
        3 => text().prop_map(Part::Text),
        1 => Just(Part::Image(Image::Url("https://example.com/a.png".to_owned()))),
        1 => Just(Part::Image(Image::Data { media_type: "image/png".to_owned(), base64: "aGk=".to_owned() })),
        2 => ("[a-z0-9_]{1,9}", text(), any::<bool>()).prop_map(|(call_id, text, is_error)| Part::ToolResult(ToolResult {
            call_id, parts: vec![Part::Text(text)], is_error,
        })),
    ];
    let message = prop_oneof![
        prop::collection::vec(user, 1..4).prop_map(|parts| Message { role: Role::User, parts }),
        prop::collection::vec(said(), 1..4).prop_map(|parts| Message { role: Role::Assistant, parts }),
    ];
    let raw = |text: &str| serde_json::value::RawValue::from_string(text.to_owned()).unwrap();
    let tool = ("[a-z_]{1,9}", prop::option::of(text()), prop::option::of(any::<bool>())).prop_map(
        move |(name, description, strict)| Tool {
            name,
            description,
            strict,
            parameters: Some(raw(r#"{"type": "object", "z":1.50, "a":[]}"#)),
        },
    );
    let choice = prop::option::of(prop_oneof![
        Just(ToolChoice::Auto),
        Just(ToolChoice::None),
        Just(ToolChoice::Required),
        Just(ToolChoice::Named("f".to_owned())),
    ]);
    let output = prop_oneof![
        Just(Output::Text),
        Just(Output::JsonObject),
        Just(()).prop_map(move |()| Output::JsonSchema {
            name: "answer".to_owned(),
            schema: raw("{ }"),
            strict: Some(true)
        }),
    ];
    let reasoning = prop::option::of(prop_oneof![
        Just(Reasoning::Off),
        Just(Reasoning::Effort(Effort::Low)),
        Just(Reasoning::Effort(Effort::High)),
        (0u64..40_000).prop_map(Reasoning::Budget),
    ]);
    let sampling = (
        prop::option::of((0u32..200).prop_map(hundredths)),
        prop::option::of((0u32..100).prop_map(hundredths)),
        prop::collection::vec(text(), 0..3),
    )
        .prop_map(|(temperature, top_p, stop)| Sampling {
            temperature,
            top_p,
            stop,
            seed: Some(-7),
            top_k: Some(3),
            ..Sampling::default()
        });
    let parts = (
        prop::collection::vec(message, 1..6),
        prop::collection::vec(text(), 0..3),
        prop::collection::vec(tool, 0..3),
    );
    let how = (
        choice,
        prop::option::of(any::<bool>()),
        output,
        reasoning,
        sampling,
        prop::option::of(1u64..9_999),
        any::<bool>(),
    );
    (parts, how).prop_map(
        |(
            (messages, instructions, tools),
            (tool_choice, parallel, output, reasoning, sampling, tokens_max, stream),
        )| Request {
            model: "claude-sonnet-4-5".to_owned(),
            stream,
            instructions,
            messages,
            tools,
            tool_choice,
            parallel_tool_calls: parallel,
            output,
            tokens_max,
            sampling,
            reasoning,
            user: Some("u".to_owned()),
            ..Request::default()
        },
    )
}

proptest! {
    #[test]
    fn an_answer_in_anthropic_s_words_is_read_as_it_was(answer in answer()) {
        let context = context(Caller::AnthropicMessages, Wire::AnthropicMessages);
        let whole = anthropic::write_answer(&answer, &context);
        prop_assert_eq!(anonymous(anthropic::read_answer(&whole).unwrap()), answer.clone());
        prop_assert_eq!(sent_back(Caller::AnthropicMessages, &whole), answer.parts.clone());
        let (mut encoder, mut out) = (anthropic::StreamEncoder::new(&context), Vec::new());
        events(&answer).into_iter().for_each(|event| encoder.write(event, &mut out).unwrap());
        prop_assert_eq!(anonymous(decoded(anthropic::StreamDecoder::default(), &out)), answer);
    }

    #[test]
    fn an_answer_in_openai_s_words_is_read_as_it_was(answer in answer()) {
        let context = context(Caller::OpenAiChat, Wire::OpenAiChat);
        let whole = openai::write_answer(&answer, &context);
        let flat = Answer { parts: flattened(&answer.parts), ..answer.clone() };
        prop_assert_eq!(anonymous(openai::read_answer(&whole).unwrap()), flat.clone());
        prop_assert_eq!(sent_back(Caller::OpenAiChat, &whole), flat.parts);
        let (mut encoder, mut out) = (openai::StreamEncoder::new(&context), Vec::new());
        events(&answer).into_iter().for_each(|event| encoder.write(event, &mut out).unwrap());
        let joined = Answer { parts: joined(answer.parts.clone()), ..answer };
        prop_assert_eq!(anonymous(decoded(openai::StreamDecoder::default(), &out)), joined);
    }

    #[test]
    fn an_answer_in_items_comes_back_as_it_was_and_its_stream_ends_in_the_same(answer in answer()) {
        let context = context(Caller::OpenAiResponses, Wire::AnthropicMessages);
        let whole = responses::write_answer(&answer, &context);
        prop_assert_eq!(sent_back(Caller::OpenAiResponses, &whole), answer.parts.clone());
        let (mut encoder, mut out) = (responses::StreamEncoder::new(&context), Vec::new());
        events(&answer).into_iter().for_each(|event| encoder.write(event, &mut out).unwrap());
        let stream = String::from_utf8(out).unwrap();
        let datas: Vec<Value> = stream.lines().filter_map(|line| line.strip_prefix("data: ")).map(|data| serde_json::from_str(data).unwrap()).collect();
        let last = datas.last().unwrap();
        prop_assert_eq!(&last["type"], "response.completed");
        prop_assert_eq!(&last["response"], &serde_json::from_slice::<Value>(&whole).unwrap());
        let numbers: Vec<u64> = datas.iter().map(|data| data["sequence_number"].as_u64().unwrap()).collect();
        prop_assert_eq!(numbers, (0..datas.len() as u64).collect::<Vec<_>>());
    }

    #[test]
    fn a_request_in_a_protocol_is_read_and_written_as_it_was(request in asked()) {
        let mut mine = request.clone();
        let first = openai::write_request(&mut mine).unwrap();
        let mut again = openai::read_request(&first).unwrap();
        again.model = request.model.clone();
        prop_assert_eq!(text_of(openai::write_request(&mut again).unwrap()), text_of(first));
        prop_assert_eq!(&again.dropped, &Vec::<&str>::new());

        let mut mine = request.clone();
        let first = anthropic::write_request(&mut mine).unwrap();
        let mut again = anthropic::read_request(&first).unwrap();
        again.model = request.model;
        prop_assert_eq!(text_of(anthropic::write_request(&mut again).unwrap()), text_of(first));
        prop_assert_eq!(&again.dropped, &Vec::<&str>::new());
    }

    #[test]
    fn any_bytes_are_no_request_and_no_answer_without_harm(body in prop::collection::vec(any::<u8>(), 0..80)) {
        for caller in CALLERS {
            for wire in WIRES {
                prop_assert!(super::request(caller, wire, &body, "m", "m", "1", 0).is_err());
                prop_assert!(super::answer(&context(caller, wire), &body).is_err());
                prop_assert!(!super::error(&context(caller, wire), 400, &body).is_empty());
            }
        }
    }
}

fn text_of(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap()
}
