//! Bytes to lines, with a longest line: what is longer is passed over to its end.

use std::mem;

/// Longest line that is read.
pub(crate) const LINE_BYTES_MAX: usize = 1024 * 1024;

/// Splits a stream of bytes.
#[derive(Default)]
pub(crate) struct Lines {
    begun: Vec<u8>,
    is_too_long: bool,
}

impl Lines {
    /// Takes bytes and calls `line` with each line that ends in them.
    pub(crate) fn push(&mut self, bytes: &[u8], mut line: impl FnMut(&str)) {
        let mut rest = bytes;
        while let Some(end) = rest.iter().position(|&byte| byte == b'\n') {
            self.extend(&rest[..end]);
            rest = &rest[end + 1..];
            self.end(&mut line);
        }
        self.extend(rest);
    }

    /// Calls `line` with what came after the last line end.
    pub(crate) fn finish(&mut self, mut line: impl FnMut(&str)) {
        if !self.begun.is_empty() || self.is_too_long {
            self.end(&mut line);
        }
    }

    fn extend(&mut self, bytes: &[u8]) {
        if self.is_too_long || self.begun.len() + bytes.len() > LINE_BYTES_MAX {
            self.is_too_long = true;
            self.begun = Vec::new();
        } else {
            self.begun.extend_from_slice(bytes);
        }
    }

    fn end(&mut self, line: &mut impl FnMut(&str)) {
        let bytes = mem::take(&mut self.begun);
        if !mem::take(&mut self.is_too_long) {
            line(&String::from_utf8_lossy(&bytes));
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn split(chunks: &[&[u8]]) -> Vec<String> {
        let (mut lines, mut found) = (Lines::default(), Vec::new());
        for chunk in chunks {
            lines.push(chunk, |line| found.push(line.to_owned()));
        }
        lines.finish(|line| found.push(line.to_owned()));
        found
    }

    #[test]
    fn a_line_that_is_too_long_is_passed_over_and_the_next_is_read() {
        let long = vec![b'x'; LINE_BYTES_MAX / 2 + 1];
        assert_eq!(split(&[b"a\n", &long, &long, b"\nb"]), ["a", "b"]);
    }

    proptest! {
        #[test]
        fn where_chunks_end_does_not_matter(text in "[a-c\n]{0,40}", at in 0usize..40) {
            let at = at.min(text.len());
            let (head, tail) = text.as_bytes().split_at(at);
            prop_assert_eq!(split(&[head, tail]), split(&[text.as_bytes()]));
        }
    }
}
