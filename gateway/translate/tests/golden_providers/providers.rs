//! The providers, and how their streams are written from text.

use moorline_translate::chat::{Answer, Decoder, Request, Unreadable, Untranslatable};
use moorline_translate::gemini;

/// A provider's half.
pub(crate) struct Provider {
    pub(crate) name: &'static str,
    /// Its usual model.
    pub(crate) model: &'static str,
    pub(crate) write: fn(&mut Request) -> Result<Vec<u8>, Untranslatable>,
    pub(crate) read: fn(&[u8]) -> Result<Answer, Unreadable>,
    pub(crate) decoder: fn() -> Box<dyn Decoder>,
    /// The bytes of a stream from its file.
    pub(crate) stream: fn(&str) -> Vec<u8>,
    /// How an event begins that never ends.
    pub(crate) endless: fn() -> Vec<u8>,
}

pub(crate) const PROVIDERS: [Provider; 1] = [Provider {
    name: "gemini",
    model: "gemini-2.5-flash",
    write: gemini::write_request,
    read: gemini::read_answer,
    decoder: || Box::<gemini::StreamDecoder>::default(),
    stream: |text| text.as_bytes().to_vec(),
    endless: || b"data: ".to_vec(),
}];
