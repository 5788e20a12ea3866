//! A document as a tree that remembers where each part stands.
//!
//! In: what [`crate::yaml`] and [`crate::json`] build, one tree a source. Out: the layered tree, its plain value,
//! and the place of any path in it. A part can be set aside (`Standing`), so that decoding goes on past a mistake
//! while every other part keeps its index and its place.

use std::collections::BTreeMap;
use std::fmt;

use serde_json::{Number, Value};

/// The deepest nesting accepted. Deeper is an attack or an accident, and every walk here is recursive.
pub(crate) const DEPTH_MAX: usize = 64;
/// Most parts a source may have, counting what an alias expands to.
pub(crate) const NODES_MAX: usize = 100_000;
/// Most bytes of text a source may have, counting what an alias expands to.
pub(crate) const EXPANDED_BYTES_MAX: usize = 8 * 1024 * 1024;
/// The longest key shown whole in a path.
const KEY_SHOWN_MAX: usize = 160;

/// Where a part stands: which source, line and column (from 1; 0 when unknown).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    pub(crate) source: usize,
    pub(crate) line: u32,
    pub(crate) column: u32,
}

/// One part of a document.
#[derive(Debug, Clone)]
pub(crate) struct Node {
    /// Where it stands: a map entry at its key, anything else at its beginning.
    pub(crate) place: Place,
    pub(crate) content: Content,
    pub(crate) standing: Standing,
}

/// What a part holds.
#[derive(Debug, Clone)]
pub(crate) enum Content {
    Null,
    Bool(bool),
    Number(Number),
    Text(String),
    List(Vec<Node>),
    Map(BTreeMap<String, Node>),
}

/// Whether a part takes part in decoding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    /// As written.
    Declared,
    /// Set aside: a mistake stands here, or in something it cannot be without.
    Removed,
    /// Put here in place of something wrong that the document cannot be without.
    StandIn(usize),
}

/// One step of a path.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Segment {
    Key(String),
    Index(usize),
}

/// A path, printed as `routes[0].limits[1].window`.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Path(pub(crate) Vec<Segment>);

impl fmt::Display for Path {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, segment) in self.0.iter().enumerate() {
            match segment {
                Segment::Index(index) => write!(formatter, "[{index}]")?,
                Segment::Key(key) => {
                    let dot = if position > 0 { "." } else { "" };
                    let shown: String = key.chars().take(KEY_SHOWN_MAX).collect();
                    let more = if shown.len() < key.len() { "…" } else { "" };
                    write!(formatter, "{dot}{shown}{more}")?;
                }
            }
        }
        Ok(())
    }
}

impl Path {
    /// The path of a field below this one.
    pub(crate) fn key(&self, key: &str) -> Self {
        let mut path = self.clone();
        path.0.push(Segment::Key(key.to_owned()));
        path
    }
}

impl Node {
    pub(crate) fn new(place: Place, content: Content) -> Self {
        Self { place, content, standing: Standing::Declared }
    }

    /// A map without entries, for a source that says nothing.
    pub(crate) fn empty(place: Place) -> Self {
        Self::new(place, Content::Map(BTreeMap::new()))
    }

    /// Lays `over` upon this part, as [`crate::layer`] does, keeping the place of whichever layer speaks last.
    pub(crate) fn layered(self, over: Self) -> Self {
        match (self.content, over.content) {
            (Content::Map(mut under), Content::Map(entries)) => {
                for (key, node) in entries {
                    if matches!(node.content, Content::Null) {
                        under.remove(&key);
                        continue;
                    }
                    let laid = match under.remove(&key) {
                        Some(below) => below.layered(node),
                        None => node.settled(),
                    };
                    under.insert(key, laid);
                }
                Self::new(over.place, Content::Map(under))
            }
            (_, content) => Self::new(over.place, content).settled(),
        }
    }

    /// Drops the map entries that say `null`: a field that is null is a field that is absent.
    pub(crate) fn settled(self) -> Self {
        let content = match self.content {
            Content::Map(entries) => Content::Map(
                entries
                    .into_iter()
                    .filter(|(_, node)| !matches!(node.content, Content::Null))
                    .map(|(key, node)| (key, node.settled()))
                    .collect(),
            ),
            Content::List(items) => Content::List(items.into_iter().map(Self::settled).collect()),
            scalar => scalar,
        };
        Self { content, ..self }
    }

    /// The plain value.
    pub(crate) fn value(&self) -> Value {
        match &self.content {
            Content::Null => Value::Null,
            Content::Bool(flag) => Value::Bool(*flag),
            Content::Number(number) => Value::Number(number.clone()),
            Content::Text(text) => Value::String(text.clone()),
            Content::List(items) => Value::Array(items.iter().map(Self::value).collect()),
            Content::Map(entries) => {
                Value::Object(entries.iter().map(|(key, node)| (key.clone(), node.value())).collect())
            }
        }
    }

    /// The part one step below.
    pub(crate) fn child(&self, segment: &Segment) -> Option<&Self> {
        match (&self.content, segment) {
            (Content::Map(entries), Segment::Key(key)) => entries.get(key),
            (Content::List(items), Segment::Index(index)) => items.get(*index),
            _ => None,
        }
    }

    /// The part at a path.
    pub(crate) fn at(&self, path: &Path) -> Option<&Self> {
        path.0.iter().try_fold(self, |node, segment| node.child(segment))
    }

    /// The part at a path, to change.
    pub(crate) fn at_mut(&mut self, path: &Path) -> Option<&mut Self> {
        path.0.iter().try_fold(self, |node, segment| match (&mut node.content, segment) {
            (Content::Map(entries), Segment::Key(key)) => entries.get_mut(key),
            (Content::List(items), Segment::Index(index)) => items.get_mut(*index),
            _ => None,
        })
    }

    /// The parts along a path, from this one to the deepest that exists.
    pub(crate) fn along(&self, path: &Path) -> Vec<&Self> {
        let mut nodes = vec![self];
        let mut node = self;
        for segment in &path.0 {
            let Some(below) = node.child(segment) else { break };
            nodes.push(below);
            node = below;
        }
        nodes
    }

    /// Reads a written path. A key may hold dots and brackets (`models.gpt-4.1.price`), so the keys that are there
    /// decide where one ends, the longest first; what does not exist is read as plainly as it can be.
    pub(crate) fn path(&self, text: &str) -> Path {
        let mut path = Path::default();
        let mut node = Some(self);
        let mut rest = text;
        while !rest.is_empty() {
            let (segment, after) = step(node, rest);
            node = node.and_then(|node| node.child(&segment));
            path.0.push(segment);
            rest = after;
        }
        path
    }

    /// The parts directly below, with their steps.
    pub(crate) fn children(&self) -> Vec<(Segment, &Self)> {
        match &self.content {
            Content::List(items) => {
                items.iter().enumerate().map(|(index, node)| (Segment::Index(index), node)).collect()
            }
            Content::Map(entries) => {
                entries.iter().map(|(key, node)| (Segment::Key(key.clone()), node)).collect()
            }
            _ => Vec::new(),
        }
    }
}

/// Takes the first step off a written path.
fn step<'text>(node: Option<&Node>, text: &'text str) -> (Segment, &'text str) {
    if let Some(inside) = text.strip_prefix('[')
        && let Some((index, after)) = inside.split_once(']')
        && let Ok(index) = index.parse()
    {
        return (Segment::Index(index), after.strip_prefix('.').unwrap_or(after));
    }
    let mut longest: Option<&str> = None;
    if let Some(Node { content: Content::Map(entries), .. }) = node {
        longest = entries
            .keys()
            .map(String::as_str)
            .filter(|key| starts_path(text, key))
            .max_by_key(|key| key.len());
    }
    let plain =
        || text.char_indices().skip(1).find(|(_, c)| matches!(c, '.' | '[')).map_or(text.len(), |(at, _)| at);
    let length = longest.map_or_else(plain, str::len);
    let (key, after) = text.split_at(length);
    (Segment::Key(key.to_owned()), after.strip_prefix('.').unwrap_or(after))
}

fn starts_path(text: &str, key: &str) -> bool {
    text.strip_prefix(key).is_some_and(|after| after.is_empty() || after.starts_with(['.', '[']))
}
