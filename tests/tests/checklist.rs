//! The page of what must be right (`docs/checklist.md`) names tests that are there.

#![expect(clippy::unwrap_used, reason = "what a test needs and does not get is its report")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

const PAGE: &str = include_str!("../../docs/checklist.md");

/// Every file of code, by its path from the repository's root.
fn files(folder: &Path, found: &mut BTreeMap<String, String>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() && !path.ends_with("target") {
            files(&path, found);
        } else if path.extension().is_some_and(|ends| ends == "rs") {
            found.insert(path.to_string_lossy().into_owned(), std::fs::read_to_string(path).unwrap());
        }
    }
}

/// Whether a file holds a test of this name: a function right below an attribute that makes it one, or a property.
fn has_test(text: &str, name: &str) -> bool {
    let Some(at) = text.find(&format!("fn {name}(")) else { return false };
    let line_begins = text[..at].rfind('\n').map_or(0, |end| end + 1);
    let (own, above) = (text[line_begins..at].trim(), text[..line_begins].lines().rev());
    let is_attribute = |line: &&str| line.trim().starts_with("#[") || line.trim().starts_with("///");
    let is_test = above.take_while(is_attribute).any(|line| line.contains("test"));
    is_test && ["", "async"].contains(&own)
}

/// The names in a row: what stands in code spans and has a `::`.
fn names(row: &str) -> impl Iterator<Item = (&str, &str)> {
    row.split('`').skip(1).step_by(2).filter_map(|span| span.split_once(".rs::"))
}

#[test]
fn every_test_that_the_checklist_names_is_there_and_every_row_names_one() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().unwrap();
    let mut all = BTreeMap::new();
    for folder in ["gateway", "tests"] {
        files(&root.join(folder), &mut all);
    }
    let (mut wrong, mut rows, mut named) = (Vec::new(), 0, 0);
    let is_row = |line: &&str| line.starts_with("| ") && !line.starts_with("| claim ");
    for row in PAGE.lines().filter(is_row) {
        rows += 1;
        let (claim, proof) = row.trim_matches('|').split_once('|').unwrap();
        let tests: Vec<_> = names(proof).collect();
        if tests.is_empty() && !proof.trim().starts_with("not claimed: ") {
            wrong.push(format!("{} names no test", claim.trim()));
        }
        for (file, test) in tests {
            named += 1;
            let end = PathBuf::from(format!("{file}.rs"));
            let fits: Vec<_> = all.iter().filter(|(path, _)| Path::new(path).ends_with(&end)).collect();
            match fits.as_slice() {
                [(_, text)] if has_test(text, test) => {}
                [(path, _)] => wrong.push(format!("{path} has no test {test}")),
                fits => wrong.push(format!("{} files end in {}", fits.len(), end.display())),
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(rows > 80 && named > 120, "{rows} rows, {named} tests");
}
