//! Changing an input a little: bytes, pieces, and whole JSON values, since most of what strangers send is JSON.

use crate::corpus::INPUT_BYTES_MAX;

/// Numbers whose sequence a seed decides (SplitMix64).
#[derive(Debug)]
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `limit`; 0 when there is none.
    pub(crate) fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.next() % limit.max(1) as u64).unwrap_or(0)
    }

    fn of<'a, T>(&mut self, things: &'a [T]) -> Option<&'a T> {
        things.get(self.below(things.len()))
    }
}

/// Pieces that mean something to one parser or another.
const WORDS: &[&str] = &[
    "null",
    "true",
    "false",
    "{}",
    "[]",
    "\"\"",
    "0",
    "-1",
    "1e999",
    "18446744073709551616",
    "-0.0",
    "[[[[[[[[",
    "{\"a\":",
    "\\u0000",
    "\\ud800",
    "\\\"",
    "\u{feff}",
    "\n\n",
    "\r\n\r\n",
    "\r",
    "\n",
    "data: ",
    "data:",
    "event: ",
    ": ",
    "[DONE]",
    "data: [DONE]\n\n",
    "--",
    "\"\n",
    ",",
    ":",
    "- ",
    "&a ",
    "*a",
    "<<: ",
    "!!str ",
    "|\n",
    "é",
    "\u{1f6a2}",
];

/// Changes inputs, with pieces of the corpus at hand.
#[derive(Debug)]
pub(crate) struct Mutator {
    random: Random,
    /// The quoted strings of the corpus: names of fields, mostly.
    strings: Vec<Vec<u8>>,
}

impl Mutator {
    pub(crate) fn new(seed: u64, corpus: &[Vec<u8>]) -> Self {
        let mut strings: Vec<Vec<u8>> = corpus.iter().flat_map(|input| quoted(input)).collect();
        strings.sort();
        strings.dedup();
        Self { random: Random(seed), strings }
    }

    /// Another input, made of one of these.
    pub(crate) fn make(&mut self, inputs: &[Vec<u8>]) -> Vec<u8> {
        // What was found last is looked at more often: it is the least explored.
        let recent = inputs.len().min(32);
        let index = if self.random.below(3) == 0 {
            inputs.len().saturating_sub(1 + self.random.below(recent))
        } else {
            self.random.below(inputs.len())
        };
        let mut input = inputs.get(index).cloned().unwrap_or_default();
        for _ in 0..=self.random.below(5) {
            let other = self.random.below(inputs.len());
            self.change(&mut input, inputs.get(other).map_or(&[], Vec::as_slice));
        }
        input.truncate(INPUT_BYTES_MAX);
        input
    }

    fn change(&mut self, input: &mut Vec<u8>, other: &[u8]) {
        let at = self.random.below(input.len() + 1);
        let length = self.length(input.len() - at);
        match self.random.below(12) {
            0 if at < input.len() => input[at] ^= 1 << self.random.below(8),
            1 if at < input.len() => input[at] = self.random.next().to_le_bytes()[0],
            2 => drop(input.drain(at..at + length)),
            3 => {
                let piece = input[at..at + length].to_vec();
                let times = 1 + self.random.below(if length < 16 { 200 } else { 4 });
                insert(input, at, &piece.repeat(times));
            }
            4 => {
                let from = self.random.below(other.len() + 1);
                let length = self.length(other.len() - from);
                insert(input, at, &other[from..from + length]);
            }
            5 => {
                let from = self.random.below(other.len() + 1);
                input.truncate(at);
                input.extend_from_slice(&other[from..]);
            }
            6 => {
                if let Some(word) = self.random.of(WORDS) {
                    insert(input, at, word.as_bytes());
                }
            }
            7 => {
                if let Some(string) = self.random.of(&self.strings) {
                    insert(input, at, string);
                }
            }
            // A JSON value in place of another one: what comes out is still JSON.
            8 | 9 => {
                let value = self.value(other);
                self.replace_value(input, &value);
            }
            10 => {
                let value = self.random.of(WORDS).map_or_else(Vec::new, |word| word.as_bytes().to_vec());
                self.replace_value(input, &value);
            }
            _ => {
                if let Some(string) = self.random.of(&self.strings).cloned() {
                    self.replace_value(input, &string);
                }
            }
        }
    }

    /// Mostly short, sometimes everything.
    fn length(&mut self, most: usize) -> usize {
        let limit = match self.random.below(4) {
            0 => most,
            1 => most.min(64),
            _ => most.min(8),
        };
        self.random.below(limit + 1)
    }

    fn replace_value(&mut self, input: &mut Vec<u8>, value: &[u8]) {
        if let Some((from, to)) = self.place(input) {
            input.splice(from..to, value.iter().copied());
        }
    }

    fn value(&mut self, input: &[u8]) -> Vec<u8> {
        self.place(input).map_or_else(Vec::new, |(from, to)| input[from..to].to_vec())
    }

    /// Where some JSON value stands.
    fn place(&mut self, input: &[u8]) -> Option<(usize, usize)> {
        let from = self.random.below(input.len());
        let starts = |byte: &u8| matches!(byte, b'{' | b'[' | b'"' | b'0'..=b'9' | b't' | b'f' | b'n');
        let from = from + input.get(from..)?.iter().position(starts)?;
        Some((from, from + value_length(&input[from..])))
    }
}

fn insert(input: &mut Vec<u8>, at: usize, piece: &[u8]) {
    input.splice(at..at, piece.iter().copied());
}

/// The length of the JSON value that these bytes begin with, or of what comes nearest to one.
fn value_length(bytes: &[u8]) -> usize {
    let (mut depth, mut in_string, mut after_backslash) = (0_usize, false, false);
    for (at, byte) in bytes.iter().enumerate() {
        if in_string {
            in_string = *byte != b'"' || after_backslash;
            after_backslash = *byte == b'\\' && !after_backslash;
            if !in_string && depth == 0 {
                return at + 1;
            }
            continue;
        }
        match byte {
            b'"' => in_string = true,
            b'{' | b'[' => depth += 1,
            b'}' | b']' if depth <= 1 => return at + usize::from(depth == 1),
            b'}' | b']' => depth -= 1,
            b',' | b'\n' | b' ' | b':' if depth == 0 => return at,
            _ => {}
        }
    }
    bytes.len()
}

/// The quoted strings of an input, quotes included.
fn quoted(input: &[u8]) -> Vec<Vec<u8>> {
    let mut rest = input;
    let mut strings = Vec::new();
    while let Some(from) = rest.iter().position(|byte| *byte == b'"') {
        let length = value_length(&rest[from..]).max(1);
        if length <= 64 {
            strings.push(rest[from..from + length].to_vec());
        }
        rest = &rest[from + length..];
    }
    strings
}
