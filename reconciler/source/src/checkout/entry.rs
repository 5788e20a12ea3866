//! Which names may stand in a tree, and how a refused one is reported.

use std::collections::HashSet;
use std::fmt;

/// Longest name most file systems take.
const NAME_MAX: usize = 255;

/// An entry of a tree that was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefusedEntry {
    /// Its path, made printable.
    pub path: String,
    pub problem: EntryProblem,
}

impl fmt::Display for RefusedEntry {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "`{}` {}", self.path, self.problem)
    }
}

/// Why an entry of a tree is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EntryProblem {
    /// Another repository.
    Submodule,
    /// A link to an absolute path, or to one above the root.
    LinkLeaves,
    /// A link whose target goes up after it went down, is empty, too long or no text: it cannot be judged.
    LinkUnclear,
    /// `.git`, or what some file system takes for it.
    GitDirectory,
    /// Empty, `.`, `..`, or with a slash inside.
    Traversal,
    /// Not UTF-8, with a control character or a backslash, or too long.
    Name,
    /// The same name twice, or twice but for case.
    Collision,
    /// A kind of entry Git does not know.
    Kind,
}

impl fmt::Display for EntryProblem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Submodule => "is a submodule, and submodules are not fetched",
            Self::LinkLeaves => "is a link that leaves the tree",
            Self::LinkUnclear => "is a link whose target cannot be judged: `..` may stand at its begin only",
            Self::GitDirectory => "names Git's own directory",
            Self::Traversal => "has a name that leads elsewhere",
            Self::Name => "has a name that is no plain text, or is too long",
            Self::Collision => "stands there twice, perhaps in another case",
            Self::Kind => "is no file, directory or link",
        })
    }
}

/// Judges the names of one directory.
#[derive(Default)]
pub(super) struct Names {
    seen: HashSet<String>,
}

impl Names {
    /// The name as text, or why it is refused.
    pub(super) fn judge<'n>(&mut self, name: &'n [u8]) -> Result<&'n str, EntryProblem> {
        if matches!(name, b"" | b"." | b"..") || name.contains(&b'/') {
            return Err(EntryProblem::Traversal);
        }
        let text = std::str::from_utf8(name).map_err(|_| EntryProblem::Name)?;
        if text.len() > NAME_MAX || text.chars().any(|c| c.is_control() || c == '\\') {
            return Err(EntryProblem::Name);
        }
        if is_git_directory(text) {
            return Err(EntryProblem::GitDirectory);
        }
        // One commit must mean the same tree on every machine, also where case does not count.
        if self.seen.insert(text.to_lowercase()) { Ok(text) } else { Err(EntryProblem::Collision) }
    }
}

/// Whether some file system takes a name for `.git`: case, invisible characters (HFS+), dots, spaces and streams at
/// the end and the short name (NTFS).
fn is_git_directory(name: &str) -> bool {
    let visible: String = name
        .chars()
        .filter(|c| !matches!(c, '\u{200c}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{206a}'..='\u{206f}' | '\u{feff}'))
        .collect::<String>()
        .to_lowercase();
    let plain = visible.split(':').next().unwrap_or_default().trim_end_matches(['.', ' ']);
    matches!(plain, ".git" | "git~1")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judge(name: &str) -> Result<&str, EntryProblem> {
        Names::default().judge(name.as_bytes())
    }

    #[test]
    fn plain_names_pass() {
        for name in ["main.tf", ".gitignore", ".gitmodules", "git", "ünï", "a b", "-rf", "..."] {
            assert_eq!(judge(name), Ok(name));
        }
    }

    #[test]
    fn names_that_some_file_system_reads_otherwise_are_refused() {
        for name in
            [".git", ".GIT", ".Git ", ".git.", ".git::$INDEX", "git~1", "GIT~1", ".g\u{200c}it", ".git . ."]
        {
            assert_eq!(judge(name), Err(EntryProblem::GitDirectory), "{name:?}");
        }
        for name in ["", ".", "..", "a/b", "../x"] {
            assert_eq!(judge(name), Err(EntryProblem::Traversal), "{name:?}");
        }
        for name in ["a\nb", "a\u{1b}b", "..\\x", &"x".repeat(256)] {
            assert_eq!(judge(name), Err(EntryProblem::Name), "{name:?}");
        }
        assert_eq!(Names::default().judge(b"\xff"), Err(EntryProblem::Name));
    }

    #[test]
    fn two_names_that_differ_in_case_alone_collide() {
        let mut names = Names::default();
        assert_eq!(names.judge(b"Main.tf"), Ok("Main.tf"));
        assert_eq!(names.judge(b"main.tf"), Err(EntryProblem::Collision));
    }
}
