//! YAML text to a tree with places.
//!
//! In: a source's text, which is untrusted. Out: its tree, and what is wrong with its notation. JSON is read as the
//! YAML it nearly is; the few JSON texts that are not YAML are read by [`crate::json`]. Only what a document needs
//! is accepted: one document, text keys, each once, no tags.

pub(crate) mod scalar;

use std::borrow::Cow;
use std::collections::BTreeMap;

use saphyr_parser::{Event, Marker, Parser, ScalarStyle, ScanError, Span, StrInput};

use crate::json;
use crate::tree::{Content, DEPTH_MAX, EXPANDED_BYTES_MAX, NODES_MAX, Node, Path, Place, Segment};

/// The longest text accepted as one source. A document of thousands of routes fits many times.
pub(crate) const TEXT_BYTES_MAX: usize = 1024 * 1024;
/// Most notation mistakes listed of one source.
const WRONGS_MAX: usize = 50;

/// Something wrong with the notation.
#[derive(Debug)]
pub(crate) struct Wrong {
    pub(crate) place: Place,
    pub(crate) path: Path,
    pub(crate) problem: String,
}

/// What a text was read as.
#[derive(Debug)]
pub(crate) struct Parsed {
    /// The tree; absent when the text could not be read to its end.
    pub(crate) tree: Option<Node>,
    /// What is wrong with its notation.
    pub(crate) wrongs: Vec<Wrong>,
}

/// Reads one source.
pub(crate) fn parse(source: usize, text: &str) -> Parsed {
    if text.len() > TEXT_BYTES_MAX {
        let problem = format!("the text has {} bytes: expected at most {TEXT_BYTES_MAX}", text.len());
        let place = Place { source, line: 0, column: 0 };
        return Parsed { tree: None, wrongs: vec![Wrong { place, path: Path::default(), problem }] };
    }
    let mut builder = Builder::new(source, text);
    match builder.document() {
        Ok(tree) => Parsed { tree: Some(tree), wrongs: builder.wrongs },
        Err(stop) => {
            if let Stop::Syntax(_) = stop
                && let Some(parsed) = json::parse(source, text)
            {
                return parsed;
            }
            builder.wrongs.push(stop.into_wrong());
            Parsed { tree: None, wrongs: builder.wrongs }
        }
    }
}

/// Why reading cannot go on.
enum Stop {
    /// The text is not YAML.
    Syntax(Wrong),
    /// It is, but more of it than accepted, or of a kind that is not.
    Refused(Wrong),
}

impl Stop {
    fn into_wrong(self) -> Wrong {
        match self {
            Self::Syntax(wrong) | Self::Refused(wrong) => wrong,
        }
    }
}

/// A scalar as the parser hands it out.
struct Scalar<'text> {
    text: Cow<'text, str>,
    style: ScalarStyle,
}

impl Scalar<'_> {
    fn content(&self) -> Result<Content, &'static str> {
        match self.style {
            ScalarStyle::Plain => scalar::plain(&self.text),
            _ => Ok(Content::Text(self.text.clone().into_owned())),
        }
    }
}

struct Builder<'text> {
    parser: Parser<'text, StrInput<'text>>,
    source: usize,
    /// The parts that carry an anchor, by the parser's number for it.
    anchors: BTreeMap<usize, Node>,
    path: Path,
    nodes: usize,
    bytes: usize,
    wrongs: Vec<Wrong>,
}

impl<'text> Builder<'text> {
    fn new(source: usize, text: &'text str) -> Self {
        Self {
            parser: Parser::new_from_str(text),
            source,
            anchors: BTreeMap::new(),
            path: Path::default(),
            nodes: 0,
            bytes: 0,
            wrongs: Vec::new(),
        }
    }

    fn document(&mut self) -> Result<Node, Stop> {
        let start = Place { source: self.source, line: 1, column: 1 };
        loop {
            match self.next()? {
                (Event::StreamStart | Event::DocumentStart(_), _) => {}
                (Event::StreamEnd, _) => return Ok(Node::empty(start)),
                (event, span) => {
                    let node = self.node(event, span)?;
                    self.end()?;
                    // A file of comments says nothing; it does not delete what is below it.
                    return Ok(if matches!(node.content, Content::Null) { Node::empty(start) } else { node });
                }
            }
        }
    }

    fn end(&mut self) -> Result<(), Stop> {
        loop {
            match self.next()? {
                (Event::StreamEnd, _) => return Ok(()),
                (Event::DocumentStart(_), span) => {
                    return Err(self.refuse(span, "a second document begins here: expected one in a file"));
                }
                _ => {}
            }
        }
    }

    fn next(&mut self) -> Result<(Event<'text>, Span), Stop> {
        match self.parser.next_event() {
            Some(Ok(event)) => Ok(event),
            Some(Err(error)) => Err(self.syntax(&error)),
            None => Ok((Event::StreamEnd, Span::default())),
        }
    }

    fn node(&mut self, event: Event<'text>, span: Span) -> Result<Node, Stop> {
        if self.path.0.len() > DEPTH_MAX {
            return Err(self.refuse(span, format!("nested too deep: expected at most {DEPTH_MAX} levels")));
        }
        self.spend(span, 1, 0)?;
        let place = self.place(span.start);
        let (content, anchor) = match event {
            Event::Alias(anchor) => return self.alias(anchor, span),
            Event::Scalar(text, style, anchor, tag) => {
                self.untagged(tag.is_some(), span);
                self.spend(span, 0, text.len())?;
                let content = Scalar { text, style }.content().unwrap_or_else(|problem| {
                    self.wrong(place, problem);
                    Content::Null
                });
                (content, anchor)
            }
            Event::SequenceStart(anchor, tag) => {
                self.untagged(tag.is_some(), span);
                (self.list()?, anchor)
            }
            Event::MappingStart(anchor, tag) => {
                self.untagged(tag.is_some(), span);
                (self.map()?, anchor)
            }
            _ => return Err(self.refuse(span, "the text ends where a value was expected")),
        };
        let node = Node::new(place, content);
        if anchor != 0 {
            // The copy counts as well, or anchors nested in anchors would multiply unseen.
            self.spend_copy(span, &node)?;
            self.anchors.insert(anchor, node.clone());
        }
        Ok(node)
    }

    fn list(&mut self) -> Result<Content, Stop> {
        let mut items = Vec::new();
        loop {
            match self.next()? {
                (Event::SequenceEnd, _) => return Ok(Content::List(items)),
                (event, span) => {
                    self.path.0.push(Segment::Index(items.len()));
                    items.push(self.node(event, span)?);
                    self.path.0.pop();
                }
            }
        }
    }

    fn map(&mut self) -> Result<Content, Stop> {
        let mut entries: BTreeMap<String, Node> = BTreeMap::new();
        loop {
            let (event, span) = self.next()?;
            let key = match event {
                Event::MappingEnd => return Ok(Content::Map(entries)),
                Event::Scalar(text, style, anchor, tag) => {
                    self.untagged(tag.is_some(), span);
                    self.spend(span, 0, text.len())?;
                    let content = Scalar { text, style }.content().unwrap_or(Content::Null);
                    if anchor != 0 {
                        self.anchors.insert(anchor, Node::new(self.place(span.start), content.clone()));
                    }
                    content
                }
                _ => return Err(self.refuse(span, "a key must be text, not a list, a map or an alias")),
            };
            let place = self.place(span.start);
            let key = self.key(key, place, &entries);
            let (event, span) = self.next()?;
            self.path.0.push(Segment::Key(key.clone().unwrap_or_default()));
            let node = self.node(event, span)?;
            self.path.0.pop();
            if let Some(key) = key {
                // An entry stands at its key: that is where people look for it.
                entries.insert(key, Node { place, ..node });
            }
        }
    }

    /// The entry's key, when it may stand here.
    fn key(&mut self, key: Content, place: Place, entries: &BTreeMap<String, Node>) -> Option<String> {
        let Content::Text(key) = key else {
            self.wrong(place, "a key must be text: put it in quotes");
            return None;
        };
        if key == "<<" {
            self.wrong(
                place,
                "merge keys (`<<`) are not supported: write the fields out, or use a second file as a layer",
            );
            return None;
        }
        if let Some(first) = entries.get(&key) {
            let problem = format!("this key is given twice, first on line {}", first.place.line);
            self.path.0.push(Segment::Key(key));
            self.wrong(place, problem);
            self.path.0.pop();
            return None;
        }
        Some(key)
    }

    fn alias(&mut self, anchor: usize, span: Span) -> Result<Node, Stop> {
        let Some(node) = self.anchors.get(&anchor) else {
            return Err(self.refuse(span, "an alias stands inside the part that it repeats"));
        };
        let node = node.clone();
        self.spend_copy(span, &node)?;
        if self.path.0.len() + height(&node) > DEPTH_MAX {
            return Err(self.refuse(span, format!("nested too deep: expected at most {DEPTH_MAX} levels")));
        }
        Ok(node)
    }

    fn spend_copy(&mut self, span: Span, node: &Node) -> Result<(), Stop> {
        let (nodes, bytes) = extent(node);
        self.spend(span, nodes, bytes)
    }

    fn spend(&mut self, span: Span, nodes: usize, bytes: usize) -> Result<(), Stop> {
        self.nodes += nodes;
        self.bytes += bytes;
        if self.nodes > NODES_MAX {
            return Err(self.refuse(
                span,
                format!("the document is too large: expected at most {NODES_MAX} values, aliases expanded"),
            ));
        }
        if self.bytes > EXPANDED_BYTES_MAX {
            return Err(self.refuse(
                span,
                format!(
                    "the document is too large: expected at most {EXPANDED_BYTES_MAX} bytes, aliases expanded"
                ),
            ));
        }
        Ok(())
    }

    fn untagged(&mut self, tagged: bool, span: Span) {
        if tagged {
            self.wrong(
                self.place(span.start),
                "tags (`!…`) are not supported: write the plain value, in quotes if it is text",
            );
        }
    }

    fn wrong(&mut self, place: Place, problem: impl Into<String>) {
        if self.wrongs.len() < WRONGS_MAX {
            self.wrongs.push(Wrong { place, path: self.path.clone(), problem: problem.into() });
        }
    }

    fn refuse(&self, span: Span, problem: impl Into<String>) -> Stop {
        Stop::Refused(Wrong {
            place: self.place(span.start),
            path: self.path.clone(),
            problem: problem.into(),
        })
    }

    fn syntax(&self, error: &ScanError) -> Stop {
        // The scanner's own words name at most one character of the text, never a value.
        let problem = format!("this is not valid YAML: {}", error.info());
        Stop::Syntax(Wrong { place: self.place(*error.marker()), path: Path::default(), problem })
    }

    fn place(&self, marker: Marker) -> Place {
        let narrow = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        Place {
            source: self.source,
            line: narrow(marker.line()),
            column: narrow(marker.col()).saturating_add(1),
        }
    }
}

/// How many values and bytes of text a part holds.
fn extent(node: &Node) -> (usize, usize) {
    match &node.content {
        Content::Null | Content::Bool(_) | Content::Number(_) => (1, 0),
        Content::Text(text) => (1, text.len()),
        Content::List(items) => items.iter().map(extent).fold((1, 0), |(n, b), (m, c)| (n + m, b + c)),
        Content::Map(entries) => entries.iter().fold((1, 0), |(nodes, bytes), (key, node)| {
            let (n, b) = extent(node);
            (nodes + n, bytes + b + key.len())
        }),
    }
}

/// How many levels a part has below it.
fn height(node: &Node) -> usize {
    node.children().into_iter().map(|(_, child)| 1 + height(child)).max().unwrap_or(0)
}

#[cfg(test)]
mod tests;
