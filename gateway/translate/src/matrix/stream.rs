//! A provider's stream in the caller's words.

use super::{Caller, Context, fault};
use crate::chat::{BrokenStream, Decoder, Event};
use crate::error::{self, ErrorBody};
use crate::usage::Tokens;
use crate::wire::Wire;
use crate::{anthropic, bedrock, cohere, gemini, openai, responses};

/// The most blocks of one answer.
const BLOCKS_MAX: usize = 16_384;

/// How a stream began.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Opening {
    /// Nothing was said yet that is part of an answer.
    Awaited,
    /// With a part of an answer.
    Good,
    /// With an error in place of an answer.
    Error,
}

/// Translates a stream, however it is cut. What it writes is whole events only.
#[derive(Debug)]
pub struct Stream {
    context: Context,
    decoder: AnyDecoder,
    encoder: AnyEncoder,
    events: Vec<Event>,
    opening: Opening,
    is_done: bool,
    has_failed: bool,
    tokens: Option<Tokens>,
    pieces: u64,
}

#[derive(Debug)]
enum AnyDecoder {
    OpenAi(openai::StreamDecoder),
    Anthropic(anthropic::StreamDecoder),
    Gemini(gemini::StreamDecoder),
    Bedrock(bedrock::StreamDecoder),
    Cohere(cohere::StreamDecoder),
}

impl AnyDecoder {
    fn as_dyn(&mut self) -> &mut dyn Decoder {
        match self {
            Self::OpenAi(decoder) => decoder,
            Self::Anthropic(decoder) => decoder,
            Self::Gemini(decoder) => decoder,
            Self::Bedrock(decoder) => decoder,
            Self::Cohere(decoder) => decoder,
        }
    }
}

#[derive(Debug)]
enum AnyEncoder {
    OpenAi(openai::StreamEncoder),
    Anthropic(anthropic::StreamEncoder),
    Responses(Box<responses::StreamEncoder>),
}

impl Stream {
    /// A stream that is about to begin.
    #[must_use]
    pub fn new(context: Context) -> Self {
        let decoder = match context.wire {
            Wire::AnthropicMessages => AnyDecoder::Anthropic(anthropic::StreamDecoder::default()),
            Wire::Gemini => AnyDecoder::Gemini(gemini::StreamDecoder::default()),
            Wire::BedrockConverse => AnyDecoder::Bedrock(bedrock::StreamDecoder::default()),
            Wire::CohereChat => AnyDecoder::Cohere(cohere::StreamDecoder::default()),
            Wire::OpenAiChat => AnyDecoder::OpenAi(openai::StreamDecoder::default()),
        };
        let encoder = match context.caller {
            Caller::AnthropicMessages => AnyEncoder::Anthropic(anthropic::StreamEncoder::new(&context)),
            Caller::OpenAiChat => AnyEncoder::OpenAi(openai::StreamEncoder::new(&context)),
            Caller::OpenAiResponses => {
                AnyEncoder::Responses(Box::new(responses::StreamEncoder::new(&context)))
            }
        };
        Self {
            context,
            decoder,
            encoder,
            events: Vec::new(),
            opening: Opening::Awaited,
            is_done: false,
            has_failed: false,
            tokens: None,
            pieces: 0,
        }
    }

    /// Takes bytes in, and puts what they say to the caller at the end of `out`.
    ///
    /// # Errors
    /// When they are not what the provider's protocol says, or too large to be held. What was said before stands in
    /// `out`; [`Self::fail`] ends the stream then.
    pub fn feed(&mut self, chunk: &[u8], out: &mut Vec<u8>) -> Result<(), BrokenStream> {
        if self.is_done || self.has_failed {
            return Ok(());
        }
        let mut events = std::mem::take(&mut self.events);
        let fed = self.decoder.as_dyn().feed(chunk, &mut events);
        self.take_all(events, out)?;
        // A clean end is one, whatever comes after it.
        if self.is_done || self.has_failed { Ok(()) } else { fed }
    }

    /// The provider has closed its stream in order. Some protocols end by that; a stream that is not
    /// [done](Self::is_done) after it was cut off, and [`Self::fail`] ends it.
    ///
    /// # Errors
    /// When what is said then is too large to be held.
    pub fn end(&mut self, out: &mut Vec<u8>) -> Result<(), BrokenStream> {
        let mut events = std::mem::take(&mut self.events);
        self.decoder.as_dyn().end(&mut events);
        self.take_all(events, out)
    }

    fn take_all(&mut self, mut events: Vec<Event>, out: &mut Vec<u8>) -> Result<(), BrokenStream> {
        let taken = events.drain(..).try_for_each(|event| self.take(event, out));
        self.events = events;
        taken
    }

    fn take(&mut self, event: Event, out: &mut Vec<u8>) -> Result<(), BrokenStream> {
        if self.is_done || self.has_failed {
            return Ok(());
        }
        match &event {
            Event::Fault(fault) => {
                if self.opening == Opening::Awaited {
                    self.opening = Opening::Error;
                }
                let (kind, code) = fault::kind_of(&self.context, fault);
                let message = fault.message.clone();
                self.write_fault(kind, &message, code, out);
                return Ok(());
            }
            Event::Start { usage, .. } => {
                self.tokens = usage.map(crate::chat::Usage::tokens);
            }
            Event::Open { index, .. } if *index > BLOCKS_MAX => {
                return Err(BrokenStream::Malformed("an answer has too many blocks"));
            }
            Event::Text { .. } | Event::Arguments { .. } => {
                self.opening = Opening::Good;
                self.pieces += 1;
            }
            Event::Open { .. } | Event::Signature { .. } | Event::Close { .. } => {
                self.opening = Opening::Good;
            }
            Event::End { usage, .. } => {
                self.opening = Opening::Good;
                self.tokens = usage.map(crate::chat::Usage::tokens).or(self.tokens);
                self.is_done = true;
            }
        }
        match &mut self.encoder {
            AnyEncoder::OpenAi(encoder) => encoder.write(event, out),
            AnyEncoder::Anthropic(encoder) => encoder.write(event, out),
            AnyEncoder::Responses(encoder) => encoder.write(event, out),
        }
    }

    /// How the stream began.
    #[must_use]
    pub const fn opening(&self) -> Opening {
        self.opening
    }

    /// Whether the provider's clean end was seen, and the caller's written.
    #[must_use]
    pub const fn is_done(&self) -> bool {
        self.is_done
    }

    /// Whether the stream ended with an error, and the caller was told.
    #[must_use]
    pub const fn has_failed(&self) -> bool {
        self.has_failed
    }

    /// What the provider says was used; the last word counts.
    #[must_use]
    pub const fn tokens(&self) -> Option<Tokens> {
        self.tokens
    }

    /// Tokens out, when the provider does not say: providers send about one a piece.
    #[must_use]
    pub const fn output_estimate(&self) -> u64 {
        self.pieces
    }

    /// The caller's type of content.
    #[must_use]
    pub const fn content_type(&self) -> &'static str {
        "text/event-stream"
    }

    /// Ends a stream that cannot go on: with an error event, and no end marker after it. `kind` is our word for what
    /// happened, for programs.
    pub fn fail(&mut self, kind: &str, message: &str, out: &mut Vec<u8>) {
        if !self.is_done && !self.has_failed {
            self.write_fault("upstream_error", message, Some(kind), out);
        }
    }

    fn write_fault(&mut self, kind: &str, message: &str, code: Option<&str>, out: &mut Vec<u8>) {
        self.has_failed = true;
        if let AnyEncoder::Responses(encoder) = &mut self.encoder {
            return encoder.fail(error::responses_code(kind), message, out);
        }
        let said = ErrorBody { message, kind, param: None, code };
        out.extend_from_slice(&error::event(self.context.caller, &said, &self.context.id));
    }
}
