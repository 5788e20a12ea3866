//! Text to a typed document, every mistake at once.
//!
//! In: layered YAML or JSON sources, and the rules of the document type. Out: the typed document, its plain value
//! and where each path stands; or every mistake in notation, shape and rules.
//!
//! ```
//! use moorline_config::{Source, decode};
//!
//! #[derive(Debug, serde::Deserialize)]
//! #[serde(deny_unknown_fields)]
//! struct Boat {
//!     name: String,
//!     berths: u8,
//! }
//!
//! let base = Source { name: "base.yaml", text: "name: Alma\nberths: 4\n" };
//! let over = Source { name: "over.yaml", text: "berths: 6\n" };
//! assert_eq!(decode::<Boat>(&[base, over]).unwrap().document.berths, 6);
//!
//! let wrong = Source { name: "over.yaml", text: "berths: many\nnmae: Berta\n" };
//! let mistakes = decode::<Boat>(&[base, wrong]).unwrap_err();
//! assert_eq!(
//!     mistakes.to_string(),
//!     "over.yaml:1:1: berths: expected a whole number from 0 to 255, found text\n\
//!      over.yaml:2:1: nmae: this field is not known: expected `name` or `berths`; did you mean `name`?"
//! );
//! ```

mod fault;
mod prune;
mod reader;
mod shape;
mod words;

use serde::de::DeserializeOwned;
use serde_json::Value;

pub use self::shape::{TextOrMap, text_or_map};
use crate::check::Problem;
use crate::tree::{Content, Node, Path, Place, Standing};
use crate::yaml::Parsed;
use crate::{Mistake, Mistakes, json, yaml};

/// A text and the name to report it by.
#[derive(Debug, Clone, Copy)]
pub struct Source<'a> {
    /// File name or URL, for mistakes.
    pub name: &'a str,
    /// The text.
    pub text: &'a str,
}

/// A document that decoded.
#[derive(Debug)]
pub struct Decoded<T> {
    /// The typed document.
    pub document: T,
    /// The layered value it was read from.
    pub value: Value,
    /// Where each part stands.
    places: Places,
}

impl<T> Decoded<T> {
    /// Gives each problem its file, line and column: those of its path in the last layer that says it, or of the
    /// nearest part around it that exists.
    #[must_use]
    pub fn locate(&self, problems: Vec<Problem>) -> Mistakes {
        self.places
            .mistakes(problems.into_iter().map(|found| (self.places.tree.path(&found.path), found.problem)))
    }
}

/// Decodes layered sources (later wins) into a document type, reporting every mistake.
///
/// # Errors
/// Syntax errors, unknown fields, wrong types and missing fields, each with its place.
pub fn decode<T: DeserializeOwned>(sources: &[Source<'_>]) -> Result<Decoded<T>, Mistakes> {
    decode_checked(sources, |_| Vec::new())
}

/// Decodes as [`decode`] does, and checks the document's own rules. Where part of the text is wrong, the rules are
/// still checked on the rest, and what they say of the wrong part is left out.
///
/// # Errors
/// Every mistake of notation, of shape and of `rules`, at once, in the order they stand in the files.
pub fn decode_checked<T: DeserializeOwned>(
    sources: &[Source<'_>],
    rules: impl FnOnce(&T) -> Vec<Problem>,
) -> Result<Decoded<T>, Mistakes> {
    let names = sources.iter().map(|source| source.name.to_owned()).collect();
    let parsed =
        sources.iter().enumerate().map(|(number, source)| yaml::parse(number, source.text)).collect();
    finish(names, parsed, rules)
}

/// Decodes a document that is one JSON value already, and checks its rules. `name` stands for the file; there are
/// no lines.
///
/// # Errors
/// As [`decode_checked`].
pub fn decode_value<T: DeserializeOwned>(
    name: &str,
    value: &Value,
    rules: impl FnOnce(&T) -> Vec<Problem>,
) -> Result<Decoded<T>, Mistakes> {
    finish(vec![name.to_owned()], vec![json::from_value(0, value)], rules)
}

fn finish<T: DeserializeOwned>(
    names: Vec<String>,
    parsed: Vec<Parsed>,
    rules: impl FnOnce(&T) -> Vec<Problem>,
) -> Result<Decoded<T>, Mistakes> {
    let mut places = Places { names, tree: Node::empty(Place::default()) };
    let mut wrongs = Vec::new();
    let mut whole = true;
    for source in parsed {
        wrongs.extend(source.wrongs);
        match source.tree {
            Some(tree) => {
                let under = std::mem::replace(&mut places.tree, Node::empty(Place::default()));
                places.tree = under.layered(tree);
            }
            None => whole = false,
        }
    }
    let mut mistakes: Vec<Placed> = wrongs
        .into_iter()
        .map(|wrong| Placed { place: wrong.place, path: wrong.path, problem: wrong.problem })
        .collect();
    // With a whole layer unread, everything else would be guesswork.
    if !whole {
        return Err(places.named(mistakes));
    }

    let value = places.tree.value();
    let (document, noted) = prune::decode::<T>(&mut places.tree);
    mistakes.extend(noted.into_iter().map(|noted| places.placed(noted.path, noted.problem)));
    if let Some(document) = &document {
        let mut names = Vec::new();
        names_set_aside(&places.tree, None, &mut names);
        for Problem { path, problem } in rules(document) {
            let path = places.tree.path(&path);
            if !places.follows_from_pruning(&path, &names) {
                mistakes.push(places.placed(path, problem));
            }
        }
    }
    match document {
        Some(document) if mistakes.is_empty() => Ok(Decoded { document, value, places }),
        _ => Err(places.named(mistakes)),
    }
}

/// The layered tree, and the names of the sources it came from.
#[derive(Debug)]
struct Places {
    names: Vec<String>,
    tree: Node,
}

/// A mistake before its file has a name.
struct Placed {
    place: Place,
    path: Path,
    problem: String,
}

impl Places {
    fn placed(&self, path: Path, problem: String) -> Placed {
        let place = self.tree.along(&path).last().map_or_else(Place::default, |node| node.place);
        Placed { place, path, problem }
    }

    fn mistakes(&self, found: impl Iterator<Item = (Path, String)>) -> Mistakes {
        self.named(found.map(|(path, problem)| self.placed(path, problem)).collect())
    }

    /// Sorts mistakes as they stand in the files, and names those.
    fn named(&self, mut found: Vec<Placed>) -> Mistakes {
        found.sort_by(|a, b| (a.place, &a.path).cmp(&(b.place, &b.path)));
        let named = found.into_iter().map(|placed| Mistake {
            file: self.names.get(placed.place.source).cloned().unwrap_or_default(),
            line: placed.place.line,
            column: placed.place.column,
            path: words::printable(&placed.path.to_string()),
            problem: words::printable(&placed.problem),
        });
        Mistakes(named.collect())
    }

    /// Whether a rule's problem only follows from something that was set aside: something there, above or below
    /// was, or the text there is one of its `names`.
    fn follows_from_pruning(&self, path: &Path, names: &[&str]) -> bool {
        let along = self.tree.along(path);
        if along.iter().any(|node| node.standing != Standing::Declared) {
            return true;
        }
        let Some(node) = along.last().filter(|_| along.len() == path.0.len() + 1) else {
            return false;
        };
        match &node.content {
            Content::Text(text) => names.contains(&text.as_str()),
            _ => prune::touched(node),
        }
    }
}

/// The names by which other parts may speak of what was set aside: its key, its `name`, the keys it holds.
fn names_set_aside<'tree>(node: &'tree Node, key: Option<&'tree str>, names: &mut Vec<&'tree str>) {
    if node.standing != Standing::Declared {
        names.extend(key);
        names_held(node, names);
        return;
    }
    match &node.content {
        Content::Map(entries) => {
            for (key, child) in entries {
                names_set_aside(child, Some(key), names);
            }
        }
        Content::List(items) => items.iter().for_each(|item| names_set_aside(item, None, names)),
        _ => {}
    }
}

fn names_held<'tree>(node: &'tree Node, names: &mut Vec<&'tree str>) {
    match &node.content {
        Content::Map(entries) => {
            names.extend(entries.keys().map(String::as_str));
            if let Some(Node { content: Content::Text(name), .. }) = entries.get("name") {
                names.push(name);
            }
        }
        Content::List(items) => items.iter().for_each(|item| names_held(item, names)),
        _ => {}
    }
}

#[cfg(test)]
mod tests;
