//! Where one request ends and the next begins, judged more strictly than the HTTP parser does.
//!
//! In: the bytes of a request's head, in pieces. Out: how its body is framed, and whether anything about the head could
//! be read in two ways. hyper drops `Content-Length` when `Transfer-Encoding` is there too, and keeps the first of two
//! `Host` lines; a proxy in front of us may have judged otherwise. Such a request is refused, and its connection closed.

use memchr::memchr;

/// The longest header name that matters here, and one more.
const NAME_BYTES_MAX: usize = 18;
/// Digits of a `Content-Length` beyond which it is no length of ours.
const DIGITS_MAX: u32 = 18;

/// How a request's body is framed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Framing {
    /// So many bytes follow.
    Length(u64),
    /// Chunks follow; where they end only the HTTP parser knows.
    Chunked,
}

/// Why a head is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Doubt {
    /// Both `Transfer-Encoding` and `Content-Length`, or one of them twice.
    Length,
    /// More than one `Host`.
    Host,
    /// A line that goes on on the next one, or ends in a bare `\n`.
    Lines,
    /// A name that is one of [`TWINS`] to whoever takes `_` for `-`.
    Twin,
}

/// Headers that decide who asks, where a request ends, or where it goes. Some servers hand `_` and `-` on as the same.
const TWINS: [&[u8]; 9] = [
    b"content-length",
    b"transfer-encoding",
    b"x-api-key",
    b"api-key",
    b"x-moorline-probe",
    b"x-forwarded-for",
    b"x-forwarded-host",
    b"x-goog-api-key",
    b"x-request-id",
];

fn is_twin(name: &[u8]) -> bool {
    let meant = name.iter().map(|byte| if *byte == b'_' { b'-' } else { *byte });
    TWINS.iter().any(|twin| meant.clone().eq(twin.iter().copied()))
}

/// Reads heads line by line.
#[derive(Debug, Default)]
pub(super) struct HeadReader {
    line: Line,
    lengths: u32,
    length: u64,
    encodings: u32,
    hosts: u32,
    lines: u32,
    doubt: Option<Doubt>,
    last: u8,
}

#[derive(Debug, Default)]
struct Line {
    name: [u8; NAME_BYTES_MAX],
    name_length: usize,
    part: Part,
    bytes: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Part {
    #[default]
    Name,
    Length {
        digits: u32,
    },
    Rest,
}

impl HeadReader {
    /// Reads on. When the head ends inside `bytes`: how many of them belong to it, and its framing.
    pub(super) fn read(&mut self, bytes: &[u8]) -> Option<(usize, Framing)> {
        let mut at = 0;
        while let Some(&byte) = bytes.get(at) {
            if self.line.bytes == 0
                && let Some(length) = memchr(b'\n', bytes.get(at..).unwrap_or_default())
            {
                let line = bytes.get(at..at + length).unwrap_or_default();
                at += length + 1;
                if self.read_line(line) {
                    return Some((at, self.framing()));
                }
                continue;
            }
            if self.line.part == Part::Rest && byte != b'\n' {
                let rest = bytes.get(at..).unwrap_or_default();
                let run = memchr(b'\n', rest).unwrap_or(rest.len());
                self.line.bytes += run;
                at += run;
                self.last = bytes.get(at - 1).copied().unwrap_or_default();
                continue;
            }
            at += 1;
            let before = std::mem::replace(&mut self.last, byte);
            if byte == b'\n' {
                if self.end_line(before) {
                    return Some((at, self.framing()));
                }
                continue;
            }
            self.line.bytes += 1;
            self.read_byte(byte);
        }
        None
    }

    /// Reads a line that is here whole, without its `\n`: the same as byte by byte, but for what it costs. Says whether
    /// it was the last of the head.
    fn read_line(&mut self, line: &[u8]) -> bool {
        let folds = line.first().is_some_and(|byte| *byte == b' ' || *byte == b'\t');
        if self.lines > 0 && folds {
            self.doubt = self.doubt.or(Some(Doubt::Lines));
        } else if self.lines > 0
            && let Some(colon) = memchr(b':', line.get(..=NAME_BYTES_MAX).unwrap_or(line))
            && let Some((name, value)) = line.split_at_checked(colon)
        {
            for (slot, byte) in self.line.name.iter_mut().zip(name) {
                *slot = byte.to_ascii_lowercase();
            }
            self.line.name_length = name.len();
            self.line.part = self.named();
            if self.line.part != Part::Rest {
                value.iter().skip(1).for_each(|byte| self.read_byte(*byte));
            }
        }
        self.line.bytes = line.len();
        let before = line.last().copied().unwrap_or(self.last);
        self.last = b'\n';
        self.end_line(before)
    }

    fn read_byte(&mut self, byte: u8) {
        match self.line.part {
            // The request line has no name; white space in front continues the line before.
            Part::Name if self.lines == 0 => self.line.part = Part::Rest,
            Part::Name if self.line.bytes == 1 && (byte == b' ' || byte == b'\t') => {
                self.doubt = self.doubt.or(Some(Doubt::Lines));
                self.line.part = Part::Rest;
            }
            Part::Name if byte == b':' => self.line.part = self.named(),
            Part::Name => match self.line.name.get_mut(self.line.name_length) {
                Some(slot) => {
                    *slot = byte.to_ascii_lowercase();
                    self.line.name_length += 1;
                }
                None => self.line.part = Part::Rest,
            },
            Part::Length { digits } => match byte {
                b'0'..=b'9' if digits < DIGITS_MAX => {
                    self.length = self.length * 10 + u64::from(byte - b'0');
                    self.line.part = Part::Length { digits: digits + 1 };
                }
                b' ' | b'\t' | b'\r' => {}
                // A list of lengths, a sign, a fraction: not one number.
                _ => self.doubt = self.doubt.or(Some(Doubt::Length)),
            },
            Part::Rest => {}
        }
    }

    /// A header's name is complete.
    fn named(&mut self) -> Part {
        match self.line.name.get(..self.line.name_length).unwrap_or_default() {
            b"content-length" => {
                self.lengths += 1;
                self.length = 0;
                return Part::Length { digits: 0 };
            }
            b"transfer-encoding" => self.encodings += 1,
            b"host" => self.hosts += 1,
            name if memchr(b'_', name).is_some() && is_twin(name) => {
                self.doubt = self.doubt.or(Some(Doubt::Twin));
            }
            _ => {}
        }
        Part::Rest
    }

    /// A line ended; says whether it was the last of the head.
    fn end_line(&mut self, before: u8) -> bool {
        let line = std::mem::take(&mut self.line);
        if before != b'\r' {
            self.doubt = self.doubt.or(Some(Doubt::Lines));
        }
        let is_empty = line.bytes == usize::from(before == b'\r');
        // Empty lines in front of a request are allowed and skipped.
        if is_empty {
            return self.lines > 0;
        }
        self.lines += 1;
        false
    }

    const fn framing(&self) -> Framing {
        if self.encodings > 0 { Framing::Chunked } else { Framing::Length(self.length) }
    }

    /// What about the head could be read in two ways.
    pub(super) fn doubt(&self) -> Option<Doubt> {
        if self.encodings + self.lengths > 1 {
            return Some(Doubt::Length);
        }
        if self.hosts > 1 {
            return Some(Doubt::Host);
        }
        self.doubt
    }

    /// Whether anything of a head was read.
    pub(super) const fn has_begun(&self) -> bool {
        self.lines > 0 || self.line.bytes > 0
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(head: &str, cut: usize) -> (Option<(usize, Framing)>, Option<Doubt>) {
        let mut reader = HeadReader::default();
        let (first, second) = head.as_bytes().split_at(cut);
        let end =
            reader.read(first).or_else(|| reader.read(second).map(|(end, framing)| (end + cut, framing)));
        (end, reader.doubt())
    }

    #[test]
    fn heads_are_read_the_same_however_they_are_cut() {
        let plain = "POST /v1/x HTTP/1.1\r\nHost: a\r\nX-Long-Header-Name-Here: content-length: 5\r\nContent-LENGTH:  12 \r\n\r\n";
        for (head, framing, doubt) in [
            (plain, Framing::Length(12), None),
            ("\r\nGET / HTTP/1.1\r\nhost:a\r\n\r\n", Framing::Length(0), None),
            ("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", Framing::Chunked, None),
            (
                "POST / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
                Framing::Chunked,
                Some(Doubt::Length),
            ),
            (
                "POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\ncontent-length: 1\r\n\r\n",
                Framing::Chunked,
                Some(Doubt::Length),
            ),
            (
                "POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n",
                Framing::Length(1),
                Some(Doubt::Length),
            ),
            ("POST / HTTP/1.1\r\nContent-Length: 1, 1\r\n\r\n", Framing::Length(11), Some(Doubt::Length)),
            ("POST / HTTP/1.1\r\nContent-Length: +1\r\n\r\n", Framing::Length(1), Some(Doubt::Length)),
            ("GET / HTTP/1.1\r\nHost: a\r\nHOST: b\r\n\r\n", Framing::Length(0), Some(Doubt::Host)),
            ("GET / HTTP/1.1\r\nA: b\r\n c\r\n\r\n", Framing::Length(0), Some(Doubt::Lines)),
            ("GET / HTTP/1.1\nHost: a\n\n", Framing::Length(0), Some(Doubt::Lines)),
        ] {
            for cut in 0..head.len() {
                let (end, found) = read(head, cut);
                assert_eq!(end, Some((head.len(), framing)), "{head:?} cut at {cut}");
                assert_eq!(found, doubt, "{head:?} cut at {cut}");
            }
        }
    }

    #[test]
    fn bytes_after_the_head_are_not_its_own() {
        let mut reader = HeadReader::default();
        let bytes = b"POST / HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}GET / HTTP/1.1\r\n";
        assert_eq!(reader.read(bytes), Some((38, Framing::Length(2))));
    }

    #[test]
    fn an_unfinished_head_has_no_end() {
        for head in ["", "GET", "GET / HTTP/1.1\r\n", "GET / HTTP/1.1\r\nHost: a\r\n", "\r\n\r\n\r\n"] {
            assert_eq!(HeadReader::default().read(head.as_bytes()), None, "{head:?}");
        }
    }

    /// A head put together of lines that are good, odd and wrong.
    fn odd_head() -> impl Strategy<Value = String> {
        let one_of = |texts: &'static [&'static str]| prop::sample::select(texts);
        let names = [
            "content-length",
            "Content-Length",
            "transfer-encoding",
            "Transfer-Encoding",
            "host",
            "x",
            "content_length",
            "content-lengthx",
            "xcontent-length",
            "connection",
            "",
        ];
        let values = [
            "5",
            "0",
            "05",
            "5 ",
            "chunked",
            "CHUNKED",
            "identity",
            "gzip, chunked",
            "5, 5",
            "+5",
            "-5",
            "5 5",
            "0x5",
            "",
            "18446744073709551615",
            "18446744073709551616",
            "g",
        ];
        let between =
            prop_oneof![9 => Just(": "), 2 => Just(":"), 1 => Just(" :"), 1 => Just(":\t"), 1 => Just(" ")];
        let end = prop_oneof![12 => Just("\r\n"), 1 => Just("\n"), 1 => Just("\r\n "), 1 => Just("\r"), 1 => Just("\r\r\n")];
        let names = prop::sample::select(names.to_vec());
        let line = (names, between, prop::sample::select(values.to_vec()), end);
        let line = line.prop_map(|(name, between, value, end)| format!("{name}{between}{value}{end}"));
        let first = one_of(&["POST /v1/x HTTP/1.1\r\n", "\r\nPOST / HTTP/1.1\r\n", "GET /a:b HTTP/1.0\r\n"]);
        let last = one_of(&["\r\n", "\r\n", "\r\n", "\n"]);
        (first, prop::collection::vec(line, 0..5), last)
            .prop_map(|(first, lines, last)| format!("{first}{}{last}", lines.concat()))
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4_096))]
        #[test]
        fn what_is_not_doubted_another_parser_reads_the_same(head in odd_head(), cut in any::<prop::sample::Index>()) {
            let text = format!("{head}{{}} and what follows");
            let (ours, doubt) = read(&text, cut.index(text.len()));
            let mut space = [httparse::EMPTY_HEADER; 16];
            let mut parsed = httparse::Request::new(&mut space);
            let Ok(httparse::Status::Complete(length)) = parsed.parse(text.as_bytes()) else { return Ok(()) };
            let Some((end, framing)) = ours.filter(|_| doubt.is_none()) else { return Ok(()) };
            prop_assert_eq!(end, length, "{:?}", head);
            let named = |name: &str| {
                let found = parsed.headers.iter().filter(|header| header.name.eq_ignore_ascii_case(name));
                found.map(|header| String::from_utf8_lossy(header.value).into_owned()).collect::<Vec<_>>()
            };
            let expected = match (named("content-length").as_slice(), named("transfer-encoding").as_slice()) {
                ([], []) => Framing::Length(0),
                // A length that is none is refused by the parser behind us.
                ([one], []) => one.trim().parse().map_or(framing, Framing::Length),
                ([], [_]) => Framing::Chunked,
                more => return Err(TestCaseError::fail(format!("{head:?} is not doubted, and says {more:?}"))),
            };
            prop_assert_eq!(framing, expected, "{:?}", head);
        }
    }
}
