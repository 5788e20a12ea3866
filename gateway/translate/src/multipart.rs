//! Forms with a file: what `/v1/audio/transcriptions` is asked with (`multipart/form-data`).
//!
//! In: the header `content-type` and the body. Out: what a gateway decides on ([`Form`]), and the body with another
//! model's name in it; every other byte is left alone, the file's among them.
//!
//! What is decided on must be what the provider will read, and readers of forms differ in what they forgive. So
//! this one forgives nothing: lines end in `\r\n`, nothing stands before the first part or after the last, a part's name
//! stands once and without escapes, and no field stands twice unless its name ends in `[]`.
//!
//! Sources: RFC 7578 (form-data), RFC 2046 §5.1 (multipart), platform.openai.com/docs/api-reference/audio.

mod head;

use bytes::Bytes;
use memchr::memmem;

pub use head::boundary;

use crate::scan::Span;
use crate::splice::Parts;
use head::Head;

/// The most parts a form may have. A transcription has a dozen fields.
const PARTS_MAX: usize = 64;

/// The longest value of a field that is decided on.
const VALUE_BYTES_MAX: usize = 1024;

/// What a gateway decides on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Form {
    /// The model asked for.
    pub model: String,
    /// Where it stands.
    pub model_span: Span,
    /// Whether a stream is asked for.
    pub stream: bool,
    /// The shape of the answer (`json`, `text`, `srt`, …), when said.
    pub response_format: Option<String>,
    /// Bytes of files.
    pub file_bytes: u64,
}

/// Why a form is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FormError {
    /// The header is not that of a form.
    #[error("the content type must be multipart/form-data with a boundary")]
    ContentType,
    /// It ends too early.
    #[error("the form is not complete: it ends too early")]
    Truncated,
    /// It is not what RFC 7578 says.
    #[error("the form is not valid: {0}")]
    Malformed(&'static str),
    /// It has more than [`PARTS_MAX`] parts.
    #[error("the form has more than {PARTS_MAX} parts")]
    TooManyParts,
    /// A field stands twice.
    #[error("a field of the form stands more than once")]
    Duplicate,
    /// It has no model.
    #[error("the form has no field `model`")]
    NoModel,
    /// A deciding field has a value that it cannot have.
    #[error("the field `{field}` must be {expected}")]
    WrongValue {
        /// The field.
        field: &'static str,
        /// What was expected.
        expected: &'static str,
    },
    /// The new model's name cannot stand in this form.
    #[error("the model's name cannot stand in a form with this boundary")]
    Unspliceable,
}

/// Reads a form whose parts are set apart by `boundary`.
///
/// # Errors
/// [`FormError`], when it is not one that every reader would read alike.
pub fn scan(body: &[u8], boundary: &str) -> Result<Form, FormError> {
    let mut names: Vec<&str> = Vec::new();
    let (mut model, mut stream, mut response_format, mut file_bytes) = (None, false, None, 0);
    let mut parts = Cursor::new(body, boundary)?;
    while let Some(part) = parts.next_part()? {
        if names.len() == PARTS_MAX {
            return Err(FormError::TooManyParts);
        }
        if names.contains(&part.head.name) && !part.head.name.ends_with("[]") {
            return Err(FormError::Duplicate);
        }
        names.push(part.head.name);
        match part.head.name {
            "model" => model = Some((part.text("model")?, part.span)),
            "stream" => stream = part.truth("stream")?,
            "response_format" => response_format = Some(part.text("response_format")?.to_owned()),
            _ if part.head.is_file => file_bytes += part.value.len() as u64,
            _ => {}
        }
    }
    let (model, model_span) = model.ok_or(FormError::NoModel)?;
    Ok(Form { model: model.to_owned(), model_span, stream, response_format, file_bytes })
}

/// The form with `model` in the place of the model it names. The parts share the original's memory.
///
/// # Errors
/// [`FormError::Unspliceable`], when the name would end its own part.
pub fn with_model(body: &Bytes, form: &Form, boundary: &str, model: &str) -> Result<Parts, FormError> {
    let ends_itself = model.contains(['\r', '\n'])
        || model.strip_prefix("--").is_some_and(|rest| rest.starts_with(boundary))
        || model.is_empty();
    if ends_itself || form.model_span.end > body.len() {
        return Err(FormError::Unspliceable);
    }
    if form.model == model {
        return Ok(Parts::from(body.clone()));
    }
    let mut parts = Parts::default();
    parts.push(body.slice(..form.model_span.start));
    parts.push(Bytes::copy_from_slice(model.as_bytes()));
    parts.push(body.slice(form.model_span.end..));
    Ok(parts)
}

/// One part.
struct Part<'a> {
    head: Head<'a>,
    value: &'a [u8],
    span: Span,
}

impl<'a> Part<'a> {
    /// The value of a field that is decided on.
    fn text(&self, field: &'static str) -> Result<&'a str, FormError> {
        let wrong = FormError::WrongValue { field, expected: "plain text" };
        let is_plain = !self.head.is_file && !self.head.is_encoded;
        let fits = !self.value.is_empty() && self.value.len() <= VALUE_BYTES_MAX;
        let text = std::str::from_utf8(self.value).map_err(|_| wrong)?;
        let is_clean = !text.contains(char::is_control) && text.trim() == text;
        if is_plain && fits && is_clean { Ok(text) } else { Err(wrong) }
    }

    /// The value of a field that is true or false. Readers agree on these spellings only.
    fn truth(&self, field: &'static str) -> Result<bool, FormError> {
        match self.text(field)? {
            "true" | "True" | "TRUE" | "1" => Ok(true),
            "false" | "False" | "FALSE" | "0" => Ok(false),
            _ => Err(FormError::WrongValue { field, expected: "true or false" }),
        }
    }
}

/// Walks over the parts.
struct Cursor<'a> {
    body: &'a [u8],
    /// Where the next part's head begins, or where the form ends.
    at: usize,
    delimiter: memmem::Finder<'static>,
}

impl<'a> Cursor<'a> {
    fn new(body: &'a [u8], boundary: &str) -> Result<Self, FormError> {
        let opening = format!("--{boundary}");
        if !body.starts_with(opening.as_bytes()) {
            return Err(FormError::Malformed("it does not begin with its boundary"));
        }
        let delimiter = memmem::Finder::new(format!("\r\n--{boundary}").as_bytes()).into_owned();
        Ok(Self { body, at: opening.len(), delimiter })
    }

    /// The next part, or none when the form has ended.
    fn next_part(&mut self) -> Result<Option<Part<'a>>, FormError> {
        let body: &'a [u8] = self.body;
        let rest = body.get(self.at..).ok_or(FormError::Truncated)?;
        if let Some(epilogue) = rest.strip_prefix(b"--") {
            return match epilogue {
                b"" | b"\r\n" => Ok(None),
                _ => Err(FormError::Malformed("something stands after its end")),
            };
        }
        // A boundary that another one begins with looks like this, too, and must not be taken for it.
        let rest = match rest.get(..2) {
            None => return Err(FormError::Truncated),
            Some(b"\r\n") => rest.get(2..).unwrap_or_default(),
            Some(_) => return Err(FormError::Malformed("a boundary has something after it")),
        };
        let (head, head_length) = Head::read(rest)?;
        let start = self.at + 2 + head_length;
        // An empty value's boundary begins with the end of the line before it.
        let search_from = start.saturating_sub(2);
        let found = body.get(search_from..).and_then(|rest| self.delimiter.find(rest));
        let end = search_from + found.ok_or(FormError::Truncated)?;
        if end < start {
            return Err(FormError::Malformed("a part has no empty line after its head"));
        }
        self.at = end + self.delimiter.needle().len();
        let span = Span { start, end };
        Ok(Some(Part { head, value: span.of(body), span }))
    }
}

#[cfg(test)]
mod tests;
