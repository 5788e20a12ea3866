//! One validating pass over a request body.
//!
//! In: the bytes of a body. Out: where the fields stand that the gateway decides on, or why the body is refused. The
//! pass checks all of the JSON grammar and UTF-8, builds no tree, and never recurses, so that depth costs nothing and
//! is bounded by [`DEPTH_MAX`].
//!
//! What is decided on must be what the provider will read. So a deciding field may stand only once, a key written with
//! escapes counts as the key it spells, and a spelling that differs in case alone is refused: some servers would
//! take it for the field.

mod grammar;

use grammar::Cursor;
pub use grammar::DEPTH_MAX;

/// Tokens assumed for an image or file given inline as a `data:` URL, in place of a quarter of its bytes.
const INLINE_DATA_BYTES: u64 = 4_000;

/// Where a value stands in the body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// First byte.
    pub start: usize,
    /// One past the last byte.
    pub end: usize,
}

impl Span {
    /// The bytes it covers.
    #[must_use]
    pub fn of(self, body: &[u8]) -> &[u8] {
        body.get(self.start..self.end).unwrap_or_default()
    }
}

/// What a gateway decides on.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Fields {
    /// The model asked for.
    pub model: Option<String>,
    /// Where its value stands, quotes included.
    pub model_span: Option<Span>,
    /// Whether a stream is asked for.
    pub stream: bool,
    /// Where the value of `stream_options` stands.
    pub stream_options: Option<Span>,
    /// The most tokens the answer may have (`max_output_tokens`, `max_completion_tokens` or `max_tokens`), when said.
    pub tokens_max: Option<u64>,
    /// Answers asked for (`n`), when said.
    pub answers: Option<u64>,
    /// Just after the opening brace: where a field can be put in front.
    pub open: usize,
    /// Whether the object has any field.
    pub is_empty: bool,
    /// Size of the body for the estimate of tokens: inline files are counted flat.
    pub weight_bytes: u64,
}

/// Why a body is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ScanError {
    /// It ends too early, or is empty.
    #[error("the body is not complete JSON: it ends too early")]
    Truncated,
    /// It breaks JSON's grammar.
    #[error("the body is not valid JSON (byte {0})")]
    Malformed(usize),
    /// It is not UTF-8.
    #[error("the body is not valid UTF-8 (byte {0})")]
    NotUtf8(usize),
    /// It nests deeper than [`DEPTH_MAX`].
    #[error("the body nests deeper than {DEPTH_MAX} levels")]
    TooDeep,
    /// It is JSON, but no object.
    #[error("the body must be a JSON object")]
    NotAnObject,
    /// A deciding field stands twice.
    #[error("the field `{0}` stands more than once")]
    Duplicate(&'static str),
    /// A key differs from a deciding field in case only.
    #[error("a field differs from `{0}` in case only")]
    Ambiguous(&'static str),
    /// A deciding field has the wrong type.
    #[error("the field `{field}` must be {expected}")]
    WrongType {
        /// The field.
        field: &'static str,
        /// What was expected.
        expected: &'static str,
    },
}

/// The fields decided on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Field {
    Model,
    Stream,
    StreamOptions,
    MaxTokens,
    MaxCompletionTokens,
    MaxOutputTokens,
    Answers,
}

impl Field {
    const ALL: [Self; 7] = [
        Self::Model,
        Self::Stream,
        Self::StreamOptions,
        Self::MaxTokens,
        Self::MaxCompletionTokens,
        Self::MaxOutputTokens,
        Self::Answers,
    ];

    const fn name(self) -> &'static str {
        match self {
            Self::Model => "model",
            Self::Stream => "stream",
            Self::StreamOptions => "stream_options",
            Self::MaxTokens => "max_tokens",
            Self::MaxCompletionTokens => "max_completion_tokens",
            Self::MaxOutputTokens => "max_output_tokens",
            Self::Answers => "n",
        }
    }
}

/// Checks a body and finds the fields a gateway decides on.
///
/// # Errors
/// [`ScanError`] when the body is not one complete JSON object in UTF-8 of bounded depth, or a deciding field is
/// doubled, ambiguous or of the wrong type.
pub fn scan(body: &[u8]) -> Result<Fields, ScanError> {
    if let Err(error) = std::str::from_utf8(body) {
        return Err(ScanError::NotUtf8(error.valid_up_to()));
    }
    let mut cursor = Cursor::new(body);
    cursor.skip_space();
    match cursor.peek() {
        None => return Err(ScanError::Truncated),
        Some(b'{') => cursor.bump(),
        Some(_) => {
            cursor.value()?;
            cursor.end()?;
            return Err(ScanError::NotAnObject);
        }
    }
    let mut found = Found::default();
    found.fields.open = cursor.at();
    cursor.skip_space();
    if cursor.peek() == Some(b'}') {
        cursor.bump();
        found.fields.is_empty = true;
    } else {
        members(&mut cursor, &mut found)?;
    }
    cursor.end()?;
    found.fields.weight_bytes = (body.len() as u64)
        .saturating_sub(cursor.inline_bytes())
        .saturating_add(cursor.inline_values().saturating_mul(INLINE_DATA_BYTES));
    found.fields.tokens_max = found.max_output_tokens.or(found.max_completion_tokens).or(found.max_tokens);
    Ok(found.fields)
}

#[derive(Default)]
struct Found {
    fields: Fields,
    seen: [bool; Field::ALL.len()],
    max_tokens: Option<u64>,
    max_completion_tokens: Option<u64>,
    max_output_tokens: Option<u64>,
}

fn members(cursor: &mut Cursor<'_>, found: &mut Found) -> Result<(), ScanError> {
    loop {
        cursor.skip_space();
        let key = cursor.string()?;
        let field = field_of(key.of(cursor.bytes()))?;
        cursor.skip_space();
        cursor.expect(b':')?;
        cursor.skip_space();
        let start = cursor.at();
        cursor.value()?;
        let span = Span { start, end: cursor.at() };
        if let Some(field) = field {
            found.take(field, span, cursor.bytes())?;
        }
        cursor.skip_space();
        match cursor.take()? {
            b',' => {}
            b'}' => return Ok(()),
            _ => return Err(ScanError::Malformed(cursor.at() - 1)),
        }
    }
}

/// The deciding field a key (with its quotes) spells, if any.
fn field_of(key: &[u8]) -> Result<Option<Field>, ScanError> {
    let plain = key.get(1..key.len().saturating_sub(1)).unwrap_or_default();
    if plain.contains(&b'\\') {
        // A lone surrogate cannot be decoded; then it spells none of our plain ASCII names either.
        return serde_json::from_slice::<String>(key).map_or(Ok(None), |key| named(key.as_bytes()));
    }
    named(plain)
}

fn named(key: &[u8]) -> Result<Option<Field>, ScanError> {
    for field in Field::ALL {
        let name = field.name().as_bytes();
        if key == name {
            return Ok(Some(field));
        }
        if key.eq_ignore_ascii_case(name) {
            return Err(ScanError::Ambiguous(field.name()));
        }
    }
    Ok(None)
}

impl Found {
    fn take(&mut self, field: Field, span: Span, body: &[u8]) -> Result<(), ScanError> {
        let seen = self.seen.get_mut(field as usize);
        if seen.is_some_and(|seen| std::mem::replace(seen, true)) {
            return Err(ScanError::Duplicate(field.name()));
        }
        let value = span.of(body);
        let wrong = |expected| ScanError::WrongType { field: field.name(), expected };
        match field {
            Field::Model => {
                self.fields.model = Some(text(value).ok_or_else(|| wrong("a string"))?);
                self.fields.model_span = Some(span);
            }
            Field::Stream => self.fields.stream = flag(value).ok_or_else(|| wrong("true or false"))?,
            Field::StreamOptions => {
                if !matches!(value.first(), Some(b'{' | b'n')) {
                    return Err(wrong("an object"));
                }
                self.fields.stream_options = Some(span);
            }
            Field::MaxTokens => self.max_tokens = count(value).ok_or_else(|| wrong("a whole number"))?,
            Field::MaxCompletionTokens => {
                self.max_completion_tokens = count(value).ok_or_else(|| wrong("a whole number"))?;
            }
            Field::MaxOutputTokens => {
                self.max_output_tokens = count(value).ok_or_else(|| wrong("a whole number"))?;
            }
            Field::Answers => self.fields.answers = count(value).ok_or_else(|| wrong("a whole number"))?,
        }
        Ok(())
    }
}

fn text(value: &[u8]) -> Option<String> {
    if value.first() != Some(&b'"') {
        return None;
    }
    serde_json::from_slice(value).ok()
}

fn flag(value: &[u8]) -> Option<bool> {
    match value {
        b"true" => Some(true),
        b"false" | b"null" => Some(false),
        _ => None,
    }
}

fn count(value: &[u8]) -> Option<Option<u64>> {
    if value == b"null" { Some(None) } else { serde_json::from_slice(value).ok().map(Some) }
}

#[cfg(test)]
mod tests;
