//! JSON's grammar, walked without recursion.

use super::{ScanError, Span};
use crate::text::plain_end;

/// Objects and arrays may nest so deep, the outermost counted. The same bound as the field's JSON parsers.
pub const DEPTH_MAX: u32 = 127;

/// A string value this long that begins with `data:` is an inline file.
const INLINE_PREFIX: &[u8] = b"\"data:";

/// A place in a body, and what was noted on the way.
pub(super) struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
    inline_bytes: u64,
    inline_values: u64,
}

impl<'a> Cursor<'a> {
    pub(super) const fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0, inline_bytes: 0, inline_values: 0 }
    }

    pub(super) const fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    pub(super) const fn at(&self) -> usize {
        self.at
    }

    /// Bytes of inline files.
    pub(super) const fn inline_bytes(&self) -> u64 {
        self.inline_bytes
    }

    /// Number of inline files.
    pub(super) const fn inline_values(&self) -> u64 {
        self.inline_values
    }

    pub(super) fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    pub(super) const fn bump(&mut self) {
        self.at += 1;
    }

    pub(super) fn take(&mut self) -> Result<u8, ScanError> {
        let byte = self.peek().ok_or(ScanError::Truncated)?;
        self.at += 1;
        Ok(byte)
    }

    pub(super) fn expect(&mut self, wanted: u8) -> Result<(), ScanError> {
        if self.take()? == wanted { Ok(()) } else { Err(ScanError::Malformed(self.at - 1)) }
    }

    pub(super) fn skip_space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    /// Only white space may follow.
    pub(super) fn end(&mut self) -> Result<(), ScanError> {
        self.skip_space();
        if self.at == self.bytes.len() { Ok(()) } else { Err(ScanError::Malformed(self.at)) }
    }

    /// Walks over one string, quotes included.
    pub(super) fn string(&mut self) -> Result<Span, ScanError> {
        let start = self.at;
        self.expect(b'"')?;
        loop {
            self.at = plain_end(self.bytes, self.at);
            match self.take()? {
                b'"' => return Ok(Span { start, end: self.at }),
                b'\\' => self.escape()?,
                _ => return Err(ScanError::Malformed(self.at - 1)),
            }
        }
    }

    fn escape(&mut self) -> Result<(), ScanError> {
        match self.take()? {
            b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => Ok(()),
            b'u' => {
                for _ in 0..4 {
                    if !self.take()?.is_ascii_hexdigit() {
                        return Err(ScanError::Malformed(self.at - 1));
                    }
                }
                Ok(())
            }
            _ => Err(ScanError::Malformed(self.at - 1)),
        }
    }

    fn literal(&mut self, word: &'static [u8]) -> Result<(), ScanError> {
        for wanted in word {
            self.expect(*wanted)?;
        }
        Ok(())
    }

    fn digits(&mut self) -> Result<(), ScanError> {
        if !self.take()?.is_ascii_digit() {
            return Err(ScanError::Malformed(self.at - 1));
        }
        while self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            self.at += 1;
        }
        Ok(())
    }

    fn number(&mut self) -> Result<(), ScanError> {
        if self.peek() == Some(b'-') {
            self.bump();
        }
        if self.peek() == Some(b'0') {
            self.bump();
        } else {
            self.digits()?;
        }
        if self.peek() == Some(b'.') {
            self.bump();
            self.digits()?;
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.bump();
            if matches!(self.peek(), Some(b'+' | b'-')) {
                self.bump();
            }
            self.digits()?;
        }
        Ok(())
    }

    /// Walks over a value that is no object or array; says whether there was one.
    fn scalar(&mut self) -> Result<bool, ScanError> {
        match self.peek().ok_or(ScanError::Truncated)? {
            b'"' => {
                let span = self.string()?;
                if span.of(self.bytes).starts_with(INLINE_PREFIX) {
                    self.inline_bytes += (span.end - span.start) as u64;
                    self.inline_values += 1;
                }
            }
            b't' => self.literal(b"true")?,
            b'f' => self.literal(b"false")?,
            b'n' => self.literal(b"null")?,
            b'-' | b'0'..=b'9' => self.number()?,
            b'{' | b'[' => return Ok(false),
            _ => return Err(ScanError::Malformed(self.at)),
        }
        Ok(true)
    }

    /// Walks over one member's key and colon.
    fn key(&mut self) -> Result<(), ScanError> {
        self.skip_space();
        self.string()?;
        self.skip_space();
        self.expect(b':')
    }

    /// Walks over one value of any kind. Called one level deep already.
    pub(super) fn value(&mut self) -> Result<(), ScanError> {
        let mut nest = Nest::default();
        loop {
            self.skip_space();
            if !self.scalar()? {
                let is_object = self.take()? == b'{';
                nest.open(is_object)?;
                self.skip_space();
                if self.peek() == Some(if is_object { b'}' } else { b']' }) {
                    self.bump();
                    nest.close();
                } else {
                    if is_object {
                        self.key()?;
                    }
                    continue;
                }
            }
            if !self.after_value(&mut nest)? {
                return Ok(());
            }
        }
    }

    /// After a value: closes what closes here. Says whether another value follows.
    fn after_value(&mut self, nest: &mut Nest) -> Result<bool, ScanError> {
        while let Some(is_object) = nest.innermost_is_object() {
            self.skip_space();
            match (self.take()?, is_object) {
                (b',', true) => {
                    self.key()?;
                    return Ok(true);
                }
                (b',', false) => return Ok(true),
                (b'}', true) | (b']', false) => nest.close(),
                _ => return Err(ScanError::Malformed(self.at - 1)),
            }
        }
        Ok(false)
    }
}

/// What is open at a place: one bit a level.
#[derive(Default)]
struct Nest {
    kinds: u128,
    depth: u32,
}

impl Nest {
    const fn open(&mut self, is_object: bool) -> Result<(), ScanError> {
        // The outermost object is not counted here.
        if self.depth + 1 >= DEPTH_MAX {
            return Err(ScanError::TooDeep);
        }
        self.kinds = (self.kinds << 1) | is_object as u128;
        self.depth += 1;
        Ok(())
    }

    const fn close(&mut self) {
        self.kinds >>= 1;
        self.depth -= 1;
    }

    const fn innermost_is_object(&self) -> Option<bool> {
        if self.depth == 0 { None } else { Some(self.kinds & 1 == 1) }
    }
}
