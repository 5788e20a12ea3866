//! Which symbolic links may stand in a tree.
//!
//! A link is judged by its text alone. `..` may stand at the begin of a target only, and no more often than the link
//! is deep. So going up happens from the link's own directory, which is a real one, and never through another link;
//! going down from there stays inside, and a link that is met on the way was judged by the same rule.

use super::entry::EntryProblem;

/// Longest target that is looked at.
pub(super) const TARGET_MAX: u64 = 4096;

/// Judges the target of a link that stands `depth` directories below the root.
pub(super) fn judge(target: &[u8], depth: usize) -> Result<&str, EntryProblem> {
    let text = std::str::from_utf8(target).map_err(|_| EntryProblem::LinkUnclear)?;
    if text.is_empty() || text.chars().any(|c| c.is_control() || c == '\\') {
        return Err(EntryProblem::LinkUnclear);
    }
    if text.starts_with('/') {
        return Err(EntryProblem::LinkLeaves);
    }
    let mut ups = 0;
    let mut has_gone_down = false;
    for part in text.split('/') {
        match part {
            "" | "." => {}
            ".." if has_gone_down => return Err(EntryProblem::LinkUnclear),
            ".." => ups += 1,
            _ => has_gone_down = true,
        }
    }
    if ups > depth { Err(EntryProblem::LinkLeaves) } else { Ok(text) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_inside_the_tree_pass() {
        for (target, depth) in
            [("a", 0), ("a/b", 0), ("../a", 1), ("../../a/b", 2), ("./a", 0), ("..", 1), ("a/", 0)]
        {
            assert_eq!(judge(target.as_bytes(), depth), Ok(target));
        }
    }

    #[test]
    fn links_out_of_the_tree_are_refused() {
        for (target, depth) in [("/etc/passwd", 3), ("..", 0), ("../../a", 1), ("./../a", 0)] {
            assert_eq!(judge(target.as_bytes(), depth), Err(EntryProblem::LinkLeaves), "{target}");
        }
        // `a` may itself be a link to the root: `a/..` is then above it.
        for target in ["a/..", "a/../../b", "", "a\0b"] {
            assert_eq!(judge(target.as_bytes(), 5), Err(EntryProblem::LinkUnclear), "{target}");
        }
    }
}
