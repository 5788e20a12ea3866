//! What is fuzzed. A target takes any bytes, and panics when what must hold does not; one more is one more line here.

mod document;
mod framing;
mod request;
mod translation;

use moorline_translate::{Caller, Wire};

/// One thing that is fuzzed.
pub(crate) struct Target {
    pub(crate) name: &'static str,
    pub(crate) run: fn(&[u8]),
    /// Inputs to begin with besides the target's corpus: files anywhere below a folder of the repository whose names
    /// end so. Golden cases serve as both.
    pub(crate) seeds: &'static [(&'static str, &'static str)],
}

const GOLDEN: &str = "gateway/translate/tests";

/// All of them.
pub(crate) const ALL: &[Target] = &[
    Target { name: "sse", run: framing::events, seeds: &[(GOLDEN, ".sse")] },
    Target { name: "usage", run: framing::usage, seeds: &[(GOLDEN, ".sse"), (GOLDEN, ".answer.json")] },
    Target { name: "scan", run: request::scan, seeds: &[(GOLDEN, "openai_chat.json")] },
    Target { name: "form", run: request::form, seeds: &[] },
    Target {
        name: "document",
        run: document::parse,
        seeds: &[("examples", ".yaml"), ("gateway/config/tests", ".yaml")],
    },
    Target {
        name: "openai-chat-request",
        run: |bytes| translation::request(Caller::OpenAiChat, bytes),
        seeds: &[(GOLDEN, "openai_chat.json")],
    },
    Target {
        name: "responses-request",
        run: |bytes| translation::request(Caller::OpenAiResponses, bytes),
        seeds: &[(GOLDEN, "responses.json")],
    },
    Target {
        name: "messages-request",
        run: |bytes| translation::request(Caller::AnthropicMessages, bytes),
        seeds: &[(GOLDEN, "messages.json")],
    },
    Target {
        name: "openai-answer",
        run: |bytes| translation::answer(Wire::OpenAiChat, bytes),
        seeds: &[(GOLDEN, "openai.answer.json"), (GOLDEN, "openai.stream.sse")],
    },
    Target {
        name: "anthropic-answer",
        run: |bytes| translation::answer(Wire::AnthropicMessages, bytes),
        seeds: &[(GOLDEN, "anthropic.answer.json"), (GOLDEN, "anthropic.stream.sse")],
    },
    Target {
        name: "gemini-answer",
        run: |bytes| translation::answer(Wire::Gemini, bytes),
        seeds: &[(GOLDEN, ".gemini.json"), (GOLDEN, ".gemini.txt")],
    },
    Target {
        name: "bedrock-answer",
        run: translation::bedrock,
        seeds: &[(GOLDEN, ".bedrock.json"), (GOLDEN, ".bedrock.txt")],
    },
    Target {
        name: "cohere-answer",
        run: |bytes| translation::answer(Wire::CohereChat, bytes),
        seeds: &[(GOLDEN, ".cohere.json"), (GOLDEN, ".cohere.txt")],
    },
    Target { name: "embeddings", run: translation::embeddings, seeds: &[] },
    Target { name: "rerank", run: translation::rerank, seeds: &[] },
];

/// The target of a name.
pub(crate) fn named(name: &str) -> Option<&'static Target> {
    ALL.iter().find(|target| target.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::corpus;

    /// What longer runs found once stays mended: without counters this costs nothing, so every test run does it.
    #[test]
    fn every_input_of_every_corpus_is_handled() {
        for target in ALL {
            let inputs = corpus::of(target);
            assert!(!inputs.is_empty(), "{} has nothing to begin with", target.name);
            inputs.iter().for_each(|input| (target.run)(input));
        }
    }
}
