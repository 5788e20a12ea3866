//! JSON text and JSON values to a tree.
//!
//! YAML reads nearly all JSON, and knows the places; this reads the rest (surrogate escapes, very long keys), and
//! documents that arrive as values. Neither knows lines.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{self, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::Value;

use crate::tree::{Content, DEPTH_MAX, EXPANDED_BYTES_MAX, NODES_MAX, Node, Path, Place};
use crate::yaml::scalar::{OUT_OF_RANGE, exact};
use crate::yaml::{Parsed, Wrong};

/// Reads a text that YAML refused. None when it is no JSON either, so that YAML's word stands.
pub(crate) fn parse(source: usize, text: &str) -> Option<Parsed> {
    if !text.trim_start().starts_with('{') {
        return None;
    }
    let mut reading = Reading { place: Place { source, line: 0, column: 0 }, ..Reading::default() };
    let mut json = serde_json::Deserializer::from_str(text);
    let read = Part { reading: &mut reading, depth: 0 }.deserialize(&mut json);
    match (read, reading.refused.take()) {
        (_, Some(problem)) => Some(reading.into_parsed(None, Some(problem))),
        (Ok(node), None) if json.end().is_ok() => Some(reading.into_parsed(Some(node), None)),
        _ => None,
    }
}

/// Takes a value as a source.
pub(crate) fn from_value(source: usize, value: &Value) -> Parsed {
    let mut reading = Reading { place: Place { source, line: 0, column: 0 }, ..Reading::default() };
    let read = Part { reading: &mut reading, depth: 0 }.deserialize(value);
    let refused = reading.refused.take();
    let problem = match (&read, refused) {
        (_, Some(problem)) => Some(problem),
        (Err(_), None) => Some("this is not a JSON document".to_owned()),
        (Ok(_), None) => None,
    };
    let node = if problem.is_none() { read.ok() } else { None };
    reading.into_parsed(node, problem)
}

#[derive(Default)]
struct Reading {
    place: Place,
    nodes: usize,
    bytes: usize,
    /// Why reading stopped, when it was not the notation.
    refused: Option<String>,
}

impl Reading {
    fn into_parsed(self, node: Option<Node>, problem: Option<String>) -> Parsed {
        let wrongs = problem
            .into_iter()
            .map(|problem| Wrong { place: self.place, path: Path::default(), problem })
            .collect();
        let tree = node
            .map(|node| if matches!(node.content, Content::Null) { Node::empty(self.place) } else { node });
        Parsed { tree, wrongs }
    }

    fn refuse<E: de::Error>(&mut self, problem: String) -> E {
        self.refused = Some(problem);
        E::custom("refused")
    }

    fn spend<E: de::Error>(&mut self, nodes: usize, bytes: usize) -> Result<(), E> {
        self.nodes += nodes;
        self.bytes += bytes;
        if self.nodes > NODES_MAX || self.bytes > EXPANDED_BYTES_MAX {
            let problem = format!(
                "the document is too large: expected at most {NODES_MAX} values and {EXPANDED_BYTES_MAX} bytes"
            );
            return Err(self.refuse(problem));
        }
        Ok(())
    }
}

/// Reads one part, at a depth.
struct Part<'reading> {
    reading: &'reading mut Reading,
    depth: usize,
}

impl Part<'_> {
    fn node<E>(self, content: Content) -> Result<Node, E> {
        Ok(Node::new(self.reading.place, content))
    }

    fn number<E: de::Error>(self, number: f64) -> Result<Node, E> {
        match exact(number) {
            Some(number) => self.node(Content::Number(number)),
            None => Err(self.reading.refuse(OUT_OF_RANGE.to_owned())),
        }
    }
}

impl<'de> DeserializeSeed<'de> for Part<'_> {
    type Value = Node;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Node, D::Error> {
        if self.depth > DEPTH_MAX {
            return Err(self.reading.refuse(format!("nested too deep: expected at most {DEPTH_MAX} levels")));
        }
        self.reading.spend(1, 0)?;
        deserializer.deserialize_any(self)
    }
}

#[expect(clippy::cast_precision_loss, reason = "beyond 2^53 the number is refused")]
impl<'de> Visitor<'de> for Part<'_> {
    type Value = Node;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a JSON value")
    }
    fn visit_unit<E: de::Error>(self) -> Result<Node, E> {
        self.node(Content::Null)
    }
    fn visit_bool<E: de::Error>(self, flag: bool) -> Result<Node, E> {
        self.node(Content::Bool(flag))
    }
    fn visit_i64<E: de::Error>(self, number: i64) -> Result<Node, E> {
        self.number(number as f64)
    }
    fn visit_u64<E: de::Error>(self, number: u64) -> Result<Node, E> {
        self.number(number as f64)
    }
    fn visit_f64<E: de::Error>(self, number: f64) -> Result<Node, E> {
        self.number(number)
    }
    fn visit_str<E: de::Error>(self, text: &str) -> Result<Node, E> {
        self.reading.spend(0, text.len())?;
        self.node(Content::Text(text.to_owned()))
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Node, A::Error> {
        let mut list = Vec::new();
        while let Some(node) =
            items.next_element_seed(Part { reading: &mut *self.reading, depth: self.depth + 1 })?
        {
            list.push(node);
        }
        self.node(Content::List(list))
    }
    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Node, A::Error> {
        let mut map = BTreeMap::new();
        while let Some(key) = entries.next_key::<String>()? {
            self.reading.spend(0, key.len())?;
            let node =
                entries.next_value_seed(Part { reading: &mut *self.reading, depth: self.depth + 1 })?;
            if map.insert(key.clone(), node).is_some() {
                let shown = Path::default().key(&key);
                return Err(self.reading.refuse(format!("the key `{shown}` is given twice")));
            }
        }
        self.node(Content::Map(map))
    }
}
