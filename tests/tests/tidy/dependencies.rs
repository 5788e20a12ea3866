//! What `deny.toml` says, held against `Cargo.lock`: licences, banned crates, and versions beside a newer one.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

use super::{read, root};

/// The entries of a list in `deny.toml`: the first quoted text of each line.
fn list(name: &str) -> BTreeSet<String> {
    let text = read(Path::new("deny.toml"));
    let (_, rest) = text.split_once(&format!("\n{name} = [\n")).unwrap();
    let lines = rest.split_once("\n]").unwrap().0.lines();
    lines.filter_map(|line| line.split('"').nth(1)).map(str::to_owned).collect()
}

/// Every crate that is built here: name, version, licence.
fn packages() -> BTreeSet<(String, String, String)> {
    let mut tree = Command::new(env!("CARGO"));
    tree.args([
        "tree",
        "--offline",
        "--locked",
        "--workspace",
        "--edges",
        "normal,build,dev",
        "--prefix",
        "none",
    ]);
    let said = tree.args(["--format", "{p}|{l}|"]).current_dir(root()).output().unwrap();
    assert!(said.status.success(), "{}", String::from_utf8_lossy(&said.stderr));
    let package = |line: &str| {
        let mut parts = line.split('|');
        let (package, licence) = (parts.next()?, parts.next()?);
        let (name, version) = package.split_once(" v")?;
        let version = version.split(' ').next()?;
        Some((name.to_owned(), version.to_owned(), licence.to_owned()))
    };
    String::from_utf8(said.stdout).unwrap().lines().filter_map(package).collect()
}

/// Whether a licence expression is fulfilled: some alternative whose every part is allowed.
fn is_allowed(expression: &str, allowed: &BTreeSet<String>) -> bool {
    let spaced = expression.replace('(', " ( ").replace(')', " ) ").replace('/', " OR ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let mut at = 0;
    let is_so = alternatives(&words, &mut at, allowed);
    is_so && at == words.len()
}

fn alternatives(words: &[&str], at: &mut usize, allowed: &BTreeSet<String>) -> bool {
    let mut is_so = all_of(words, at, allowed);
    while words.get(*at) == Some(&"OR") {
        *at += 1;
        is_so |= all_of(words, at, allowed);
    }
    is_so
}

fn all_of(words: &[&str], at: &mut usize, allowed: &BTreeSet<String>) -> bool {
    let mut is_so = one(words, at, allowed);
    while words.get(*at) == Some(&"AND") {
        *at += 1;
        is_so &= one(words, at, allowed);
    }
    is_so
}

fn one(words: &[&str], at: &mut usize, allowed: &BTreeSet<String>) -> bool {
    let Some(word) = words.get(*at) else { return false };
    *at += 1;
    if *word == "(" {
        let is_so = alternatives(words, at, allowed);
        *at += 1;
        return is_so;
    }
    // An exception permits more, and is a name of its own.
    if words.get(*at) == Some(&"WITH") {
        let with = format!("{word} WITH {}", words.get(*at + 1).unwrap_or(&""));
        *at += 2;
        return allowed.contains(&with);
    }
    allowed.contains(*word)
}

#[test]
fn a_licence_is_allowed_when_one_of_its_alternatives_is() {
    let allowed: BTreeSet<String> = ["MIT", "ISC"].map(str::to_owned).into();
    for good in ["MIT", "MIT/GPL-3.0", "GPL-3.0 OR MIT", "ISC AND (GPL-3.0 OR MIT)", "A WITH B OR MIT"] {
        assert!(is_allowed(good, &allowed), "{good}");
    }
    for bad in ["", "GPL-3.0", "MIT AND GPL-3.0", "(ISC AND GPL-3.0) OR GPL-2.0", "MIT WITH B"] {
        assert!(!is_allowed(bad, &allowed), "{bad}");
    }
}

#[test]
fn every_licence_is_one_that_deny_toml_allows() {
    let allowed = list("allow");
    let packages = packages();
    assert!(packages.len() > 100, "{packages:?}");
    let refused: Vec<_> = packages.iter().filter(|(_, _, licence)| !is_allowed(licence, &allowed)).collect();
    assert_eq!(refused, Vec::<&(String, String, String)>::new());
}

#[test]
fn no_crate_is_built_that_deny_toml_bans() {
    let banned = list("deny");
    assert!(banned.contains("openssl"), "{banned:?}");
    let built: Vec<_> = packages().into_iter().filter(|(name, ..)| banned.contains(name)).collect();
    assert_eq!(built, []);
}

#[test]
fn versions_beside_a_newer_one_stand_in_deny_toml_with_their_reason() {
    let mut versions: BTreeMap<String, Vec<Vec<u64>>> = BTreeMap::new();
    for (name, version, _) in packages() {
        let plain = version.split(['-', '+']).next().unwrap_or_default();
        let numbers = plain.split('.').map(|number| number.parse().unwrap()).collect();
        versions.entry(name).or_default().push(numbers);
    }
    let mut older = BTreeSet::new();
    for (name, mut all) in versions {
        all.sort();
        all.dedup();
        all.pop();
        let text = |numbers: &Vec<u64>| numbers.iter().map(u64::to_string).collect::<Vec<_>>().join(".");
        older.extend(all.iter().map(|version| format!("{name}@{}", text(version))));
    }
    assert_eq!(list("skip"), older);
}
