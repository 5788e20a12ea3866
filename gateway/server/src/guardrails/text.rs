//! Where the text is: the strings of a JSON value, as a reader of it would see them.
//!
//! Of requests every string is text. Of answers all are but for what the protocol itself says (ids, roles, kinds), and
//! in the arguments of tools every one again, because there the model chooses the names too. A member that stands twice
//! is read twice: whichever of the two a client takes, it was looked at.

use std::collections::BTreeMap;
use std::fmt;

use moorline_translate::sse;
use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};

use super::webhook::TEXT_BYTES_MAX;

/// What answers say of themselves.
const METADATA: [&str; 19] = [
    "id",
    "object",
    "model",
    "role",
    "type",
    "system_fingerprint",
    "finish_reason",
    "stop_reason",
    "service_tier",
    "status",
    "signature",
    "encrypted_content",
    "obfuscation",
    "item_id",
    "call_id",
    "response_id",
    "previous_response_id",
    "x_moorline",
    "phase",
];
/// Members by which the pieces of a stream say where they belong.
const PLACES: [&str; 4] = ["index", "output_index", "content_index", "summary_index"];
/// Below this member a model chooses the names.
const ARGUMENTS: &str = "input";

/// A JSON value, as far as text is looked for in it.
pub(super) enum Node {
    Text(String),
    Number(u64),
    Other,
    List(Vec<Self>),
    Map(Vec<(String, Self)>),
}

/// All the text of a request, each string on a line of its own; nothing when it cannot be read.
#[must_use]
pub fn of_request(json: &[u8]) -> Option<String> {
    let mut all = String::new();
    read(json)?.every(&mut |text| {
        all.push_str(text);
        all.push('\n');
    });
    Some(all)
}

/// The text of an answer, each string on a line of its own; nothing when it cannot be read.
#[must_use]
pub fn of_answer(json: &[u8]) -> Option<String> {
    let mut all = String::new();
    read(json)?.said(&mut String::new(), &mut |_, text| {
        all.push_str(text);
        all.push('\n');
    });
    Some(all)
}

/// What a stream of events says, each text of it put together on a line of its own; nothing when an event cannot be
/// read.
#[must_use]
pub fn of_events(stream: &[u8]) -> Option<String> {
    let mut framer = sse::Framer::default();
    let mut texts = Texts::default();
    let mut at = 0;
    let mut add = |event: &[u8]| -> Option<()> {
        let Some(data) = sse::data(event).filter(|data| data.trim_ascii() != b"[DONE]") else {
            return Some(());
        };
        read(&data)?.said(&mut String::new(), &mut |place, piece| texts.add(place, piece));
        Some(())
    };
    while let Some(length) = framer.next_end(stream.get(at..).unwrap_or_default()) {
        add(stream.get(at..at + length)?)?;
        at += length;
    }
    // What nothing ends is read all the same: some clients do.
    add(stream.get(at..)?)?;
    Some(texts.joined())
}

/// The texts of an answer that comes in pieces, by where they belong. Holds no more than a little over
/// [`TEXT_BYTES_MAX`].
#[derive(Debug, Default)]
pub(super) struct Texts {
    texts: BTreeMap<String, String>,
    bytes: usize,
}

impl Texts {
    /// Adds a piece to its text.
    pub(super) fn add(&mut self, place: &str, piece: &str) {
        if self.bytes > TEXT_BYTES_MAX {
            return;
        }
        self.bytes += piece.len();
        match self.texts.get_mut(place) {
            Some(text) => text.push_str(piece),
            None => {
                self.bytes += place.len();
                self.texts.insert(place.to_owned(), piece.to_owned());
            }
        }
    }

    /// All of them, each on a line of its own.
    pub(super) fn joined(&self) -> String {
        let mut all = String::with_capacity(self.bytes);
        for text in self.texts.values() {
            all.push_str(text);
            all.push('\n');
        }
        all
    }
}

pub(super) fn read(json: &[u8]) -> Option<Node> {
    serde_json::from_slice(json).ok()
}

impl Node {
    fn every(&self, take: &mut impl FnMut(&str)) {
        match self {
            Self::Text(text) => take(text),
            Self::List(items) => items.iter().for_each(|item| item.every(take)),
            Self::Map(members) => members.iter().for_each(|(_, member)| member.every(take)),
            Self::Number(_) | Self::Other => {}
        }
    }

    /// Gives what an answer says, and where: pieces of one text in several events have the same place.
    pub(super) fn said(&self, place: &mut String, take: &mut impl FnMut(&str, &str)) {
        let length = place.len();
        match self {
            Self::Text(text) => take(place, text),
            Self::List(items) => {
                for (position, item) in items.iter().enumerate() {
                    if item.place().is_none() {
                        place.push_str(&format!("[{position}]"));
                    }
                    item.said(place, take);
                    place.truncate(length);
                }
            }
            Self::Map(members) => {
                for (name, member) in members {
                    if let (true, Self::Number(number)) = (PLACES.contains(&name.as_str()), member) {
                        place.push_str(&format!("#{number}"));
                    }
                }
                let length_here = place.len();
                for (name, member) in members.iter().filter(|(name, _)| !METADATA.contains(&name.as_str())) {
                    place.push('.');
                    place.push_str(name);
                    if name == ARGUMENTS && matches!(member, Self::Map(_)) {
                        member.every(&mut |text| take(place, text));
                    } else {
                        member.said(place, take);
                    }
                    place.truncate(length_here);
                }
                place.truncate(length);
            }
            Self::Number(_) | Self::Other => {}
        }
    }

    fn place(&self) -> Option<u64> {
        let Self::Map(members) = self else { return None };
        members.iter().find_map(|(name, member)| match member {
            Self::Number(number) if PLACES.contains(&name.as_str()) => Some(*number),
            _ => None,
        })
    }
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = Node;
            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a JSON value")
            }
            fn visit_str<E>(self, text: &str) -> Result<Node, E> {
                Ok(Node::Text(text.to_owned()))
            }
            fn visit_string<E>(self, text: String) -> Result<Node, E> {
                Ok(Node::Text(text))
            }
            fn visit_u64<E>(self, number: u64) -> Result<Node, E> {
                Ok(Node::Number(number))
            }
            fn visit_i64<E>(self, _: i64) -> Result<Node, E> {
                Ok(Node::Other)
            }
            fn visit_f64<E>(self, _: f64) -> Result<Node, E> {
                Ok(Node::Other)
            }
            fn visit_bool<E>(self, _: bool) -> Result<Node, E> {
                Ok(Node::Other)
            }
            fn visit_unit<E>(self) -> Result<Node, E> {
                Ok(Node::Other)
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Node, A::Error> {
                let mut items = Vec::new();
                while let Some(item) = list.next_element()? {
                    items.push(item);
                }
                Ok(Node::List(items))
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Node, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Node::Map(members))
            }
        }
        deserializer.deserialize_any(Reader)
    }
}

/// The text with one layer of JSON escapes taken off; nothing when there is none to take off. So text inside of JSON
/// inside of a string is seen as well, whether that JSON is whole or a piece of a stream.
#[must_use]
pub(super) fn unescaped(text: &str) -> Option<String> {
    let first = text.find('\\')?;
    let mut out = text.get(..first)?.to_owned();
    let mut rest = text.get(first..)?;
    let mut changed = false;
    while let Some(at) = rest.find('\\') {
        out.push_str(rest.get(..at)?);
        let after = rest.get(at + 1..)?;
        let plain = match after.chars().next() {
            Some('n' | 'r' | 't' | 'b' | 'f') => Some((' ', 1)),
            Some(letter @ ('"' | '\\' | '/')) => Some((letter, 1)),
            Some('u') => code_point(after),
            _ => None,
        };
        let (letter, length) = plain.unwrap_or(('\\', 0));
        changed |= length > 0;
        out.push(letter);
        rest = after.get(length..)?;
    }
    out.push_str(rest);
    changed.then_some(out)
}

/// The character of `uXXXX`, or of two of them that make one, and how long it is written.
fn code_point(text: &str) -> Option<(char, usize)> {
    let unit = |at: usize| u32::from_str_radix(text.get(at..at + 4)?, 16).ok();
    let first = unit(1)?;
    if let Some(letter) = char::from_u32(first) {
        return Some((letter, 5));
    }
    let second = text.get(5..7).filter(|escape| *escape == "\\u").and_then(|_| unit(7));
    let pair = second.filter(|low| (0xdc00..0xe000).contains(low) && (0xd800..0xdc00).contains(&first));
    let letter = pair.and_then(|low| char::from_u32(0x10000 + ((first - 0xd800) << 10) + (low - 0xdc00)));
    Some(letter.map_or((char::REPLACEMENT_CHARACTER, 5), |letter| (letter, 11)))
}
