//! What a response says, as events. A whole answer is a stream of one response.

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::chat::{Block, Event, Stop, StreamFault, Usage, signature};

/// One response: a whole answer, or the next piece of a stream.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Response<'a> {
    #[serde(borrow, default)]
    candidates: Vec<Candidate<'a>>,
    prompt_feedback: Option<Feedback>,
    usage_metadata: Option<Metadata>,
    model_version: Option<String>,
    response_id: Option<String>,
    error: Option<Error>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Candidate<'a> {
    #[serde(borrow)]
    content: Option<Content<'a>>,
    finish_reason: Option<String>,
    finish_message: Option<String>,
    #[serde(default)]
    index: u64,
}

#[derive(Deserialize)]
struct Content<'a> {
    #[serde(borrow, default)]
    parts: Vec<Said<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Said<'a> {
    text: Option<String>,
    #[serde(default)]
    thought: bool,
    thought_signature: Option<String>,
    #[serde(borrow)]
    function_call: Option<Call<'a>>,
    inline_data: Option<serde::de::IgnoredAny>,
}

#[derive(Deserialize)]
struct Call<'a> {
    #[serde(default)]
    id: String,
    name: String,
    #[serde(borrow)]
    args: Option<&'a RawValue>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Feedback {
    block_reason: Option<String>,
}

#[derive(Deserialize)]
struct Error {
    #[serde(default)]
    message: String,
    #[serde(default)]
    status: String,
}

#[derive(Deserialize, Clone, Copy)]
#[serde(rename_all = "camelCase")]
struct Metadata {
    prompt_token_count: Option<u64>,
    tool_use_prompt_token_count: Option<u64>,
    cached_content_token_count: Option<u64>,
    candidates_token_count: Option<u64>,
    thoughts_token_count: Option<u64>,
}

impl From<Metadata> for Usage {
    fn from(said: Metadata) -> Self {
        let reasoning = said.thoughts_token_count.unwrap_or(0);
        let tools = said.tool_use_prompt_token_count.unwrap_or(0);
        Self {
            input: said.prompt_token_count.unwrap_or(0).saturating_add(tools),
            cached_input: said.cached_content_token_count.unwrap_or(0),
            cache_written: 0,
            output: said.candidates_token_count.unwrap_or(0).saturating_add(reasoning),
            reasoning,
        }
    }
}

/// What an answer must not hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Unsaid(pub(super) &'static str);

/// Where a stream is.
#[derive(Debug, Default)]
pub(super) struct State {
    has_begun: bool,
    /// The block that is open, and whether it holds thoughts.
    open: Option<(usize, bool)>,
    /// How many blocks there were.
    blocks: usize,
    has_called: bool,
    usage: Option<Usage>,
    stop: Option<Stop>,
    has_failed: bool,
}

impl State {
    /// Takes the next response in.
    pub(super) fn take(&mut self, response: Response<'_>, events: &mut Vec<Event>) -> Result<(), Unsaid> {
        if let Some(error) = response.error {
            self.fail(error.status, error.message, events);
        }
        if self.has_failed {
            return Ok(());
        }
        // Counts are of all that was said so far.
        self.usage = response.usage_metadata.map(Usage::from).or(self.usage);
        if !std::mem::replace(&mut self.has_begun, true) {
            let usage = self.usage.map(|usage| Usage { output: 0, reasoning: 0, ..usage });
            let id = response.response_id.unwrap_or_default();
            events.push(Event::Start { id, model: response.model_version.unwrap_or_default(), usage });
        }
        if let Some(reason) = response.prompt_feedback.and_then(|feedback| feedback.block_reason) {
            self.block(&reason, events);
        }
        // We never ask for a second candidate.
        for candidate in response.candidates.into_iter().filter(|candidate| candidate.index == 0) {
            for part in candidate.content.map(|content| content.parts).unwrap_or_default() {
                self.part(part, events)?;
            }
            if let Some(reason) = candidate.finish_reason {
                self.finish(reason, candidate.finish_message, events);
            }
        }
        Ok(())
    }

    /// Nothing more comes. Says whether the answer was whole.
    pub(super) fn end(&mut self, events: &mut Vec<Event>) -> bool {
        let Some(stop) = self.stop.take().filter(|_| !self.has_failed) else { return false };
        self.close(events);
        let stop = if stop == Stop::End && self.has_called { Stop::ToolCalls } else { stop };
        events.push(Event::End { stop, usage: self.usage });
        true
    }

    fn part(&mut self, part: Said<'_>, events: &mut Vec<Event>) -> Result<(), Unsaid> {
        if part.inline_data.is_some() {
            return Err(Unsaid("it holds an image"));
        }
        if let Some(text) = part.text.filter(|text| !text.is_empty()) {
            let index = self.reach(part.thought, events);
            events.push(Event::Text { index, text });
        }
        if let Some(signed) = part.thought_signature {
            let index = self.reach(true, events);
            events.push(Event::Signature { index, signature: signature::from_gemini(&signed) });
            // What comes next is not what was signed.
            self.close(events);
        }
        if let Some(call) = part.function_call {
            self.close(events);
            self.has_called = true;
            let index = self.opened(Block::ToolCall { id: call.id, name: call.name }, events);
            let json = call.args.map_or("{}", RawValue::get).to_owned();
            events.push(Event::Arguments { index, json });
            events.push(Event::Close { index });
        }
        Ok(())
    }

    /// The open block of text or of thoughts; a new one, if the open one is not of that kind.
    fn reach(&mut self, of_thoughts: bool, events: &mut Vec<Event>) -> usize {
        match self.open {
            Some((index, is_of_thoughts)) if is_of_thoughts == of_thoughts => index,
            _ => {
                self.close(events);
                let index = self.opened(if of_thoughts { Block::Reasoning } else { Block::Text }, events);
                self.open = Some((index, of_thoughts));
                index
            }
        }
    }

    fn opened(&mut self, block: Block, events: &mut Vec<Event>) -> usize {
        let index = self.blocks;
        self.blocks += 1;
        events.push(Event::Open { index, block });
        index
    }

    fn close(&mut self, events: &mut Vec<Event>) {
        if let Some((index, _)) = self.open.take() {
            events.push(Event::Close { index });
        }
    }

    /// The provider did not let the model see the prompt.
    fn block(&mut self, reason: &str, events: &mut Vec<Event>) {
        if self.stop.is_some() {
            return;
        }
        self.close(events);
        let index = self.opened(Block::Refusal, events);
        events.push(Event::Text { index, text: format!("The provider blocked the prompt ({reason}).") });
        events.push(Event::Close { index });
        self.stop = Some(Stop::Refusal);
    }

    fn finish(&mut self, reason: String, message: Option<String>, events: &mut Vec<Event>) {
        match reason.as_str() {
            "FINISH_REASON_UNSPECIFIED" => {}
            "STOP" => self.stop = Some(Stop::End),
            "MAX_TOKENS" => self.stop = Some(Stop::Length),
            "MALFORMED_FUNCTION_CALL"
            | "MALFORMED_RESPONSE"
            | "UNEXPECTED_TOOL_CALL"
            | "TOO_MANY_TOOL_CALLS"
            | "MISSING_THOUGHT_SIGNATURE" => self.fail(reason, message.unwrap_or_default(), events),
            // SAFETY, RECITATION, LANGUAGE, BLOCKLIST, PROHIBITED_CONTENT, SPII, IMAGE_…, OTHER, and those to come: the
            // rest is withheld.
            _ => self.stop = Some(Stop::Refusal),
        }
    }

    fn fail(&mut self, kind: String, message: String, events: &mut Vec<Event>) {
        if !std::mem::replace(&mut self.has_failed, true) {
            events.push(Event::Fault(StreamFault { kind, message }));
        }
    }
}
