//! Decoding past mistakes: what is wrong is noted and set aside, and the rest is decoded again, until it decodes.
//!
//! In: a layered tree. Out: the document that remains, if any, and every mistake. A mistake that only follows from
//! another (a field that is missing because its value was set aside) is not a mistake of the author, and is not
//! reported.

use std::collections::BTreeSet;

use serde::de::DeserializeOwned;
use serde_json::Number;

use super::fault::{Fault, Kind};
use super::reader::Reader;
use crate::tree::{Content, Node, Path, Segment, Standing};

/// Most mistakes looked for; each costs one more decoding.
const TRIES_MAX: usize = 200;

/// A mistake whose place is not looked up yet.
pub(super) struct Noted {
    pub(super) path: Path,
    pub(super) problem: String,
}

/// Decodes a tree as far as it goes.
pub(super) fn decode<T: DeserializeOwned>(tree: &mut Node) -> (Option<T>, Vec<Noted>) {
    let mut pruning = Pruning { tree, noted: Vec::new(), meant: BTreeSet::new() };
    for _ in 0..TRIES_MAX {
        match T::deserialize(Reader(pruning.tree)) {
            Ok(document) => return (Some(document), pruning.noted),
            Err(fault) => {
                if !pruning.set_aside(&fault) {
                    return (None, pruning.noted);
                }
            }
        }
    }
    let problem = "there are more mistakes than are listed here".to_owned();
    pruning.noted.push(Noted { path: Path::default(), problem });
    (None, pruning.noted)
}

struct Pruning<'tree> {
    tree: &'tree mut Node,
    noted: Vec<Noted>,
    /// Fields that a misspelt one was probably meant to be.
    meant: BTreeSet<Path>,
}

impl Pruning<'_> {
    /// Notes a fault and sets aside what it stands on. False: nothing is left to decode.
    fn set_aside(&mut self, fault: &Fault) -> bool {
        let path = self.refined(fault);
        if !self.follows_from_another(&path, &fault.kind) {
            let place = match &fault.kind {
                Kind::MissingField { field } => path.key(field),
                Kind::UnknownField { .. } | Kind::Other { .. } => path.clone(),
            };
            self.noted.push(Noted { path: place, problem: fault.kind.problem() });
        }
        if let Kind::UnknownField { meant: Some(field), .. } = &fault.kind {
            let mut sibling = path.clone();
            sibling.0.pop();
            self.meant.insert(sibling.key(field));
        }
        match (path.0.first(), &fault.kind) {
            // The document itself cannot be set aside: what it cannot be without gets a stand-in.
            (None, Kind::MissingField { field }) => self.stand_in(field),
            (None, _) => false,
            (Some(Segment::Key(field)), _) if self.is_stand_in(field) => {
                let field = field.clone();
                self.stand_in(&field)
            }
            _ => self.remove(&path),
        }
    }

    /// The fault's path. Inside a buffered union the field's own step is lost; its name brings it back.
    fn refined(&self, fault: &Fault) -> Path {
        let path = fault.path();
        if let Kind::UnknownField { field, .. } = &fault.kind
            && path.0.last() != Some(&Segment::Key(field.clone()))
            && self.tree.at(&path.key(field)).is_some()
        {
            return path.key(field);
        }
        path
    }

    fn follows_from_another(&self, path: &Path, kind: &Kind) -> bool {
        if self.tree.along(path).iter().any(|node| matches!(node.standing, Standing::StandIn(_))) {
            return true;
        }
        match kind {
            Kind::MissingField { field } => {
                let field = path.key(field);
                self.meant.contains(&field)
                    || self.tree.at(&field).is_some_and(|node| node.standing == Standing::Removed)
            }
            Kind::UnknownField { .. } => false,
            Kind::Other { .. } => self.tree.at(path).is_some_and(touched_below),
        }
    }

    fn remove(&mut self, path: &Path) -> bool {
        match self.tree.at_mut(path) {
            Some(node) if node.standing != Standing::Removed => {
                node.standing = Standing::Removed;
                true
            }
            // It was removed already, or is not there: trying again would change nothing.
            _ => false,
        }
    }

    fn is_stand_in(&self, field: &str) -> bool {
        let path = Path::default().key(field);
        self.tree.at(&path).is_some_and(|node| matches!(node.standing, Standing::StandIn(_)))
    }

    /// Puts the next stand-in at a field of the document.
    fn stand_in(&mut self, field: &str) -> bool {
        let root = self.tree.place;
        let Content::Map(entries) = &mut self.tree.content else { return false };
        let before = entries.get(field);
        let number = match before.map(|node| node.standing) {
            Some(Standing::StandIn(number)) => number + 1,
            _ => 0,
        };
        let Some(content) = stand_in(number) else { return false };
        let place = before.map_or(root, |node| node.place);
        entries.insert(field.to_owned(), Node { place, content, standing: Standing::StandIn(number) });
        true
    }
}

/// What may stand where something wrong cannot be left out, so that the rest is still checked. One of them fits
/// most fields of a document's first level; nothing is ever reported of them, and no document with one is used.
fn stand_in(number: usize) -> Option<Content> {
    match number {
        0 => Some(Content::Text("stand-in".to_owned())),
        1 => Some(Content::Number(Number::from(1))),
        2 => Some(Content::List(Vec::new())),
        3 => Some(Content::Map(std::collections::BTreeMap::new())),
        _ => None,
    }
}

/// Whether something here or below was set aside or replaced.
pub(super) fn touched(node: &Node) -> bool {
    node.standing != Standing::Declared || touched_below(node)
}

fn touched_below(node: &Node) -> bool {
    node.children().into_iter().any(|(_, child)| touched(child))
}
