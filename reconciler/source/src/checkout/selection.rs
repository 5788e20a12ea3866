//! Which part of a tree is written.

use std::collections::{BTreeMap, BTreeSet};

/// A directory of the tree: all of it, or only some entries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Selection {
    /// Everything below.
    All,
    /// These entries, by name.
    Some(BTreeMap<String, Self>),
}

impl Selection {
    /// Files and directories by their paths, each with all that is below it. The empty path and `.` are the root.
    pub(crate) fn of(paths: &BTreeSet<String>) -> Self {
        let mut root = Self::Some(BTreeMap::new());
        for path in paths {
            let mut at = &mut root;
            for name in path.split('/').filter(|name| !matches!(*name, "" | ".")) {
                match at {
                    // A directory above is written whole.
                    Self::All => break,
                    Self::Some(entries) => {
                        at = entries.entry(name.to_owned()).or_insert_with(|| Self::Some(BTreeMap::new()));
                    }
                }
            }
            *at = Self::All;
        }
        root
    }

    /// What is written of an entry of this directory; `None` when nothing is.
    pub(super) fn entry(&self, name: &[u8]) -> Option<&Self> {
        match self {
            Self::All => Some(self),
            Self::Some(entries) => entries.get(std::str::from_utf8(name).ok()?),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn selection(paths: &[&str]) -> Selection {
        Selection::of(&paths.iter().map(|path| (*path).to_owned()).collect())
    }

    fn is_written(selection: &Selection, path: &str) -> bool {
        path.split('/').try_fold(selection, |at, name| at.entry(name.as_bytes())).is_some()
    }

    #[test]
    fn a_path_is_written_with_all_below_it_and_nothing_beside_it() {
        let selection = selection(&["infra/prod/", "modules/a", "vars/prod.tfvars"]);
        for path in ["infra/prod/main.tf", "infra/prod/x/y", "modules/a/m.tf", "vars/prod.tfvars"] {
            assert!(is_written(&selection, path), "{path}");
        }
        for path in ["infra/test", "modules/b", "modules/ab", "vars/test.tfvars", "main.tf"] {
            assert!(!is_written(&selection, path), "{path}");
        }
    }

    #[test]
    fn the_root_and_a_directory_above_win() {
        assert_eq!(selection(&["."]), Selection::All);
        for paths in [["infra", "infra/prod"], ["infra/prod", "infra"]] {
            assert!(is_written(&selection(&paths), "infra/test/main.tf"), "{paths:?}");
        }
    }
}
