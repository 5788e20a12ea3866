//! One form for both of Terraform's syntaxes: what rules look at.
//!
//! A block `resource "a" "b" {}` and the JSON `{"resource": {"a": {"b": {}}}}` become the same maps in maps. Names may
//! be repeated, as blocks are. Everything that is not literal is [`Shape::Computed`].

use std::ops::Deref;

/// A value and its line.
#[derive(Debug, Clone)]
pub(super) struct Node {
    pub(super) line: usize,
    pub(super) shape: Shape,
}

#[derive(Debug, Clone)]
pub(super) enum Shape {
    /// A literal text.
    Text(String),
    /// A block's body or an object.
    Map(Vec<Field>),
    /// A list.
    List(Vec<Node>),
    /// Names joined by dots, as in `provider = aws.west`.
    Reference(String),
    /// A number, a truth value or null, as it is written.
    Literal(String),
    /// Known only at run time.
    Computed,
}

/// A named value.
#[derive(Debug, Clone)]
pub(super) struct Field {
    pub(super) name: String,
    pub(super) line: usize,
    pub(super) node: Node,
}

impl Node {
    /// The fields of a map, or of every map in a list: JSON writes repeated blocks as lists.
    pub(super) fn fields(&self) -> Result<Vec<&Field>, &Self> {
        match &self.shape {
            Shape::Map(fields) => Ok(fields.iter().collect()),
            Shape::List(items) => {
                let mut all = Vec::new();
                for item in items {
                    all.extend(item.fields()?);
                }
                Ok(all)
            }
            _ => Err(self),
        }
    }

    /// The bodies of a block that may be repeated.
    pub(super) fn bodies(&self) -> Vec<&Self> {
        match &self.shape {
            Shape::List(items) => items.iter().flat_map(Self::bodies).collect(),
            _ => vec![self],
        }
    }

    pub(super) fn text(&self) -> Option<&str> {
        match &self.shape {
            Shape::Text(text) => Some(text),
            _ => None,
        }
    }

    /// A name that may be written as a text or as a reference.
    pub(super) fn name(&self) -> Option<&str> {
        match &self.shape {
            Shape::Text(text) | Shape::Reference(text) => Some(text),
            _ => None,
        }
    }
}

/// The first argument of a call, and of others as far as they matter, in parts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Part {
    Text(String),
    /// `path.module`
    Module,
    /// `path.root` or `path.cwd`
    Root,
    /// `terraform.workspace`
    Workspace,
    /// Anything else.
    Unknown,
}

/// A call of a function.
#[derive(Debug, Clone)]
pub(super) struct Call {
    pub(super) line: usize,
    pub(super) function: String,
    pub(super) arguments: Vec<Vec<Part>>,
}

/// A file that was read.
#[derive(Debug)]
pub(super) struct Parsed {
    pub(super) root: Node,
    pub(super) calls: Vec<Call>,
    /// How often its text goes up in a path.
    pub(super) parents: usize,
}

/// A file that could not be read.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Unreadable {
    pub(super) line: usize,
    pub(super) reason: String,
}

/// Offsets of line starts, to number lines.
pub(super) struct LineStarts(Vec<usize>);

impl LineStarts {
    pub(super) fn of(text: &str) -> Self {
        Self(std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect())
    }

    pub(super) fn line(&self, offset: usize) -> usize {
        self.partition_point(|start| *start <= offset)
    }
}

impl Deref for LineStarts {
    type Target = [usize];
    fn deref(&self) -> &[usize] {
        &self.0
    }
}
