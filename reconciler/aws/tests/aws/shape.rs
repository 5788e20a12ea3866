//! The shape of the registry: a kind is one file below `kinds/` and one line of its table, and nobody else knows of it.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

fn source() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

/// The files of code below a folder with their texts, tests and what is for tests left out.
fn files(folder: &Path) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let is_for_tests = path.file_stem().is_some_and(|stem| stem == "tests" || stem == "sample");
        if path.is_dir() {
            found.extend(files(&path));
        } else if path.extension().is_some_and(|end| end == "rs") && !is_for_tests {
            let text = fs::read_to_string(&path).unwrap();
            let code = text.split("#[cfg(test)]\nmod tests").next().unwrap().to_owned();
            found.push((path, code));
        }
    }
    found
}

/// The lines of the table, by the file that each is of.
fn table() -> BTreeMap<String, usize> {
    let text = fs::read_to_string(source().join("kinds.rs")).unwrap();
    let (_, rest) = text.split_once("pub(crate) const KINDS").expect("the table");
    let (table, _) = rest.split_once("];").expect("its end");
    let mut lines = BTreeMap::new();
    for line in table.lines().filter_map(|line| line.trim().strip_prefix("Entry::of::<")) {
        *lines.entry(line.split("::").next().unwrap().to_owned()).or_default() += 1;
    }
    lines
}

#[test]
fn every_file_of_kinds_is_one_line_of_the_table() {
    let kinds = source().join("kinds");
    let mut expected = BTreeMap::new();
    for entry in fs::read_dir(&kinds).unwrap() {
        let path = entry.unwrap().path();
        let stem = path.file_stem().unwrap().to_str().unwrap().to_owned();
        if path.is_dir() {
            assert!(kinds.join(format!("{stem}.rs")).is_file(), "{stem}/ is beside no kind");
        } else if path.extension().is_some_and(|end| end == "rs") {
            expected.insert(stem, 1);
        }
    }
    assert_eq!(table(), expected);
}

#[test]
fn a_file_is_named_after_the_type_that_it_covers() {
    let named: Vec<&str> = moorline_aws::compared().map(|(types, _)| types[0]).collect();
    let files = table();
    assert_eq!(named, files.keys().map(String::as_str).collect::<Vec<_>>());
}

#[test]
fn no_type_is_covered_twice() {
    let mut types: Vec<&str> = moorline_aws::compared().flat_map(|(types, _)| types).copied().collect();
    types.sort_unstable();
    let count = types.len();
    types.dedup();
    assert_eq!(types.len(), count, "{types:?}");
}

#[test]
fn the_operators_guide_names_what_is_compared_and_with_which_permission() {
    let guide = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/operating.md");
    let guide = fs::read_to_string(guide).unwrap();
    let (_, rest) = guide.split_once("## What the AWS lane reads").expect("the section");
    let (section, _) = rest.split_once("\n## ").expect("its end");
    let cells =
        |row: &str| row.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect::<Vec<_>>();
    let rows: Vec<(String, String)> = section
        .lines()
        .filter(|line| line.starts_with("| `"))
        .map(|row| (cells(row)[0].clone(), cells(row)[2].clone()))
        .collect();
    let code = |word: &&str| format!("`{word}`");
    let expected: Vec<(String, String)> = moorline_aws::compared()
        .map(|(types, permission)| (types.iter().map(code).collect::<Vec<_>>().join(", "), code(&permission)))
        .collect();
    assert_eq!(rows, expected);
}

#[test]
fn nothing_outside_of_kinds_names_a_terraform_type_or_a_service_of_aws() {
    for (path, code) in files(&source()) {
        if path.starts_with(source().join("kinds")) || path == source().join("kinds.rs") {
            continue;
        }
        for line in code.lines().filter(|line| !line.trim_start().starts_with("//")) {
            // The SDK's errors have one form for all services, which `read.rs` takes from one of them.
            let line = line.replace("aws_sdk_ecs::config::http", "").replace("aws_sdk_ecs::error", "");
            let known = ["aws_config", "moorline_aws"];
            let names = line.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
            let named: Vec<_> =
                names.filter(|name| name.starts_with("aws_") && !known.contains(name)).collect();
            assert!(named.is_empty(), "{}: {line}", path.display());
        }
    }
}
