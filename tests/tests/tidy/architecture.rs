//! docs/architecture.md is what a newcomer reads first: its picture, its table and its crates are those that there are.

use std::collections::BTreeSet;
use std::path::Path;

use super::{allowed, read, root};

const PAGE: &str = "docs/architecture.md";
/// The sentence.
const WORDS: [&str; 9] =
    ["source", "desired", "observe", "diff", "decide", "act", "verify", "record", "notify"];

fn page() -> String {
    read(Path::new(PAGE))
}

/// `{a,b}/c` stands for `a/c` and `b/c`.
fn expanded(path: &str) -> Vec<String> {
    match path.split_once('{').and_then(|(before, rest)| Some((before, rest.split_once('}')?))) {
        Some((before, (names, after))) => {
            names.split(',').map(|name| format!("{before}{name}{after}")).collect()
        }
        None => vec![path.to_owned()],
    }
}

#[test]
fn each_word_of_the_sentence_is_where_the_table_says() {
    let page = page();
    let rows: Vec<Vec<&str>> = page
        .lines()
        .filter(|line| line.starts_with("| "))
        .map(|line| line.trim_matches('|').split('|').map(str::trim).collect())
        .filter(|row: &Vec<_>| row.len() == 4 && row[0] != "word")
        .collect();
    let words: Vec<&str> = rows.iter().map(|row| row[0]).collect();
    assert_eq!(words, WORDS, "a row for each word, in their order");
    for row in rows {
        let paths: Vec<&str> = row[3].split('`').skip(1).step_by(2).collect();
        assert!(!paths.is_empty(), "{row:?}");
        for path in paths.into_iter().flat_map(expanded) {
            let found = ["", "reconciler/"].iter().any(|below| {
                let path = root().join(format!("{below}{path}"));
                path.exists() || path.with_extension("rs").exists()
            });
            assert!(found, "{path} of the row {:?} is not there", row[0]);
        }
    }
}

#[test]
fn the_cycle_reads_as_the_sentence() {
    let code = read(Path::new("reconciler/cycle/src/cycle.rs"));
    let body = code.split_once("pub async fn run(&self)").unwrap().1;
    let body = &body[..body.find("\n    }\n").unwrap()];
    // What is fetched is read from the source; the outbox notifies.
    let said: Vec<Option<usize>> = WORDS[..8]
        .iter()
        .map(|word| {
            let call = if *word == "source" { "self.source".to_owned() } else { format!("self.{word}(") };
            body.find(&call)
        })
        .collect();
    assert!(said.iter().all(Option::is_some), "{said:?}");
    assert!(said.is_sorted(), "the words are not in their order: {said:?}");
}

#[test]
fn the_picture_names_every_facility_and_no_other() {
    let code = read(Path::new("reconciler/cycle/src/facilities.rs"));
    let traits = code.lines().filter_map(|line| line.strip_prefix("pub trait "));
    let names =
        traits.filter_map(|line| line.split([' ', ':', '<']).next()).filter(|name| *name != "Facilities");
    let traits: BTreeSet<&str> = names.collect();
    assert!(traits.len() > 5, "{traits:?}");
    let page = page();
    let sentence =
        page.split_once("`cycle/src/facilities.rs`: ").unwrap().1.split_once(".\n").map(|(text, _)| text);
    let sentence =
        sentence.and_then(|text| text.split_once(". `daemon")).map_or(sentence, |(text, _)| Some(text));
    let named: BTreeSet<&str> = sentence.unwrap().split('`').skip(1).step_by(2).collect();
    assert_eq!(named, traits);
    let picture = page.split("```").nth(1).unwrap();
    // Who is a part of another, or only listens, is not on the picture.
    for name in traits.iter().filter(|name| !matches!(**name, "Gateway" | "Listener")) {
        assert!(picture.contains(name), "{name} is not on the picture");
    }
    let line = picture.lines().find(|line| line.contains("desired → ")).unwrap();
    let shown: Vec<&str> =
        line.split(['│', '→']).map(str::trim).filter(|word| WORDS.contains(word)).collect();
    assert_eq!(shown, WORDS[1..], "the sentence on the picture");
}

#[test]
fn every_crate_has_its_line() {
    let page = page();
    let section = page.split_once("## Crates and who may know whom").unwrap().1;
    let block = section.split("```").nth(1).unwrap();
    let has_line = |folder: &str| {
        let (half, name) = folder.split_once('/').unwrap();
        block.lines().filter_map(|line| line.split('→').next()?.strip_prefix(half)?.strip_prefix('/')).any(
            |left| {
                left.split(|letter: char| !letter.is_alphanumeric() && letter != '-').any(|word| word == name)
            },
        )
    };
    let lacking: Vec<_> = allowed()
        .keys()
        .filter(|package| **package != "moorline-fuzz")
        .map(|package| folder(package))
        .filter(|folder| !has_line(folder))
        .collect();
    assert_eq!(lacking, Vec::<String>::new());
}

/// Where a package is, from the root.
fn folder(package: &str) -> String {
    let name = package.strip_prefix("moorline-").unwrap_or(package);
    match name {
        "moorline" => "reconciler/cli".to_owned(),
        "terraform-provider-moorline" => "gateway/terraform-provider".to_owned(),
        "gateway" => "gateway/server".to_owned(),
        "config" | "translate" | "admin" => format!("gateway/{name}"),
        _ => format!("reconciler/{name}"),
    }
}
