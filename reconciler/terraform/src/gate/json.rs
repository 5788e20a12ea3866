//! Terraform's JSON syntax to [`Node`]s, and every function call in its texts.
//!
//! A reader of its own, because two things matter that others drop: names may be repeated, each a block of its own,
//! and lines are numbered. Texts are templates, as Terraform reads them.

use super::hcl;
use super::node::{Call, Field, Node, Parsed, Shape, Unreadable};
use super::reach::parents;

/// Deepest nesting.
const DEPTH_MAX: usize = 64;

/// Reads a `.tf.json` file.
pub(super) fn parse(text: &str) -> Result<Parsed, Unreadable> {
    let mut reader = Reader { rest: text.as_bytes(), text, line: 1, calls: Vec::new() };
    let root = reader.value(0)?;
    reader.skip_space();
    if !reader.rest.is_empty() {
        return Err(reader.wrong("something follows the end"));
    }
    if !matches!(root.shape, Shape::Map(_) | Shape::List(_)) {
        return Err(Unreadable { line: root.line, reason: "cannot be read: expected an object".to_owned() });
    }
    Ok(Parsed { root, calls: reader.calls, parents: parents(text) })
}

struct Reader<'a> {
    text: &'a str,
    rest: &'a [u8],
    line: usize,
    calls: Vec<Call>,
}

impl Reader<'_> {
    fn wrong(&self, what: &str) -> Unreadable {
        Unreadable { line: self.line, reason: format!("cannot be read: {what}") }
    }

    fn skip_space(&mut self) {
        while let Some((byte @ (b' ' | b'\t' | b'\r' | b'\n'), rest)) = self.rest.split_first() {
            self.line += usize::from(*byte == b'\n');
            self.rest = rest;
        }
    }

    fn take(&mut self, wanted: u8) -> bool {
        self.skip_space();
        let is_there = self.rest.first() == Some(&wanted);
        if is_there {
            self.rest = &self.rest[1..];
        }
        is_there
    }

    fn value(&mut self, depth: usize) -> Result<Node, Unreadable> {
        if depth > DEPTH_MAX {
            return Err(self.wrong("it is nested too deeply"));
        }
        self.skip_space();
        let line = self.line;
        let shape = match self.rest.first() {
            Some(b'{') => self.object(depth)?,
            Some(b'[') => self.list(depth)?,
            Some(b'"') => {
                let text = self.string()?;
                let (calls, literal) = hcl::template_calls(&text, line)?;
                self.calls.extend(calls);
                literal.map_or(Shape::Computed, Shape::Text)
            }
            Some(_) => self.plain()?,
            None => return Err(self.wrong("it ends too early")),
        };
        Ok(Node { line, shape })
    }

    fn object(&mut self, depth: usize) -> Result<Shape, Unreadable> {
        self.take(b'{');
        let mut fields = Vec::new();
        if self.take(b'}') {
            return Ok(Shape::Map(fields));
        }
        loop {
            self.skip_space();
            let line = self.line;
            if self.rest.first() != Some(&b'"') {
                return Err(self.wrong("expected a name"));
            }
            let name = self.string()?;
            if !self.take(b':') {
                return Err(self.wrong("expected `:`"));
            }
            // In an expression, names are templates too.
            let (calls, _) = hcl::template_calls(&name, line)?;
            self.calls.extend(calls);
            let node = self.value(depth + 1)?;
            fields.push(Field { name, line, node });
            if self.take(b'}') {
                return Ok(Shape::Map(fields));
            }
            if !self.take(b',') {
                return Err(self.wrong("expected `,` or `}`"));
            }
        }
    }

    fn list(&mut self, depth: usize) -> Result<Shape, Unreadable> {
        self.take(b'[');
        let mut items = Vec::new();
        if self.take(b']') {
            return Ok(Shape::List(items));
        }
        loop {
            items.push(self.value(depth + 1)?);
            if self.take(b']') {
                return Ok(Shape::List(items));
            }
            if !self.take(b',') {
                return Err(self.wrong("expected `,` or `]`"));
            }
        }
    }

    /// Finds the end of a string and leaves its escapes to serde.
    fn string(&mut self) -> Result<String, Unreadable> {
        let start = self.text.len() - self.rest.len();
        let mut at = 1;
        while let Some(byte) = self.rest.get(at) {
            match byte {
                b'"' => {
                    let text = &self.text[start..=start + at];
                    self.rest = &self.rest[at + 1..];
                    return serde_json::from_str(text).map_err(|_| self.wrong("a text is malformed"));
                }
                b'\\' => at += 2,
                b'\n' => return Err(self.wrong("a text has no end")),
                _ => at += 1,
            }
        }
        Err(self.wrong("a text has no end"))
    }

    fn plain(&mut self) -> Result<Shape, Unreadable> {
        let end = self
            .rest
            .iter()
            .position(|byte| !(byte.is_ascii_alphanumeric() || b"+-.".contains(byte)))
            .unwrap_or(self.rest.len());
        let start = self.text.len() - self.rest.len();
        let text = &self.text[start..start + end];
        match serde_json::from_str::<serde_json::Value>(text) {
            Ok(_) => {
                self.rest = &self.rest[end..];
                Ok(Shape::Literal(text.to_owned()))
            }
            Err(_) => Err(self.wrong("expected a value")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repeated_names_are_all_kept_with_their_lines() {
        let parsed = parse("{\n  \"data\": {},\n  \"data\": [{\"a\": \"${file(\\\"x\\\")}\"}]\n}\n").unwrap();
        let fields = parsed.root.fields().unwrap();
        let seen: Vec<_> = fields.iter().map(|field| (field.name.as_str(), field.line)).collect();
        assert_eq!(seen, [("data", 2), ("data", 3)]);
        assert_eq!((parsed.calls[0].function.as_str(), parsed.calls[0].line), ("file", 3));
    }

    #[test]
    fn what_is_no_json_is_an_error_with_its_line() {
        for (text, line) in [
            ("", 1),
            ("{", 1),
            ("{\n\"a\": }", 2),
            ("{} x", 1),
            ("[1,\n2", 2),
            ("\"a\"", 1),
            ("{\"a\" 1}", 1),
        ] {
            assert_eq!(parse(text).map(|_| ()).map_err(|error| error.line), Err(line), "{text}");
        }
        assert!(parse(&"[".repeat(1000)).is_err());
    }
}
