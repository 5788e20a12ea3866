//! What holds of the repository as a whole: who may know whom, how files are named and opened, that links lead
//! somewhere and dashboards show what there is.

#![expect(clippy::unwrap_used, reason = "what a test needs and does not get is its report")]

#[path = "tidy/architecture.rs"]
mod architecture;
#[path = "tidy/dependencies.rs"]
mod dependencies;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use moorline_tests::{Api, Gateway, World, declared};
use serde_json::Value;

/// Longest file of code, in lines, its unit tests not counted.
const LINES_MAX: usize = 500;

/// Who may depend on whom, by package; the design's section 2. No other edges.
fn allowed() -> BTreeMap<&'static str, Vec<&'static str>> {
    let reconciler = [
        "moorline-model",
        "moorline-source",
        "moorline-terraform",
        "moorline-aws",
        "moorline-plan",
        "moorline-record",
        "moorline-notify",
        "moorline-api",
        "moorline-web",
    ];
    let mut allowed = BTreeMap::from([
        ("moorline-config", vec![]),
        ("moorline-translate", vec!["moorline-config"]),
        ("moorline-admin", vec!["moorline-config"]),
        ("moorline-gateway", vec!["moorline-config", "moorline-translate", "moorline-admin"]),
        ("terraform-provider-moorline", vec!["moorline-config", "moorline-admin"]),
        ("moorline-model", vec!["moorline-config"]),
        ("moorline-api", vec!["moorline-admin", "moorline-model"]),
        ("moorline-web", vec!["moorline-model", "moorline-record", "moorline-api"]),
        ("moorline-fuzz", vec!["moorline-config", "moorline-translate"]),
        (
            "moorline-cycle",
            vec!["moorline-config", "moorline-admin", "moorline-model", "moorline-plan", "moorline-record"],
        ),
        (
            "moorline-daemon",
            [&reconciler[..], &["moorline-cycle", "moorline-config", "moorline-admin"]].concat(),
        ),
        (
            "moorline-demo",
            vec![
                "moorline-config",
                "moorline-admin",
                "moorline-model",
                "moorline-terraform",
                "moorline-daemon",
            ],
        ),
        (
            "moorline",
            vec![
                "moorline-config",
                "moorline-admin",
                "moorline-model",
                "moorline-source",
                "moorline-terraform",
                "moorline-plan",
                "moorline-api",
                "moorline-cycle",
                "moorline-notify",
                "moorline-daemon",
                "moorline-demo",
            ],
        ),
    ]);
    for name in &reconciler[1..7] {
        allowed.insert(name, vec!["moorline-model"]);
    }
    allowed
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().unwrap()
}

/// The files that Git knows or would add.
fn tracked(ends: &str) -> Vec<PathBuf> {
    let repository = git2::Repository::open(root()).unwrap();
    let mut options = git2::StatusOptions::new();
    options.include_untracked(true).recurse_untracked_dirs(true).include_ignored(false);
    let mut names: BTreeSet<PathBuf> = BTreeSet::new();
    for entry in repository.index().unwrap().iter() {
        names.insert(String::from_utf8(entry.path).unwrap().into());
    }
    for status in repository.statuses(Some(&mut options)).unwrap().iter() {
        names.insert(status.path().unwrap().into());
    }
    let is_wanted = |path: &PathBuf| path.to_string_lossy().ends_with(ends) && root().join(path).is_file();
    names.into_iter().filter(is_wanted).collect()
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(root().join(path)).unwrap()
}

#[test]
fn crates_know_only_whom_they_may() {
    let mut metadata = Command::new(env!("CARGO"));
    metadata.args(["metadata", "--no-deps", "--offline", "--format-version", "1"]).current_dir(root());
    let metadata: Value = serde_json::from_slice(&metadata.output().unwrap().stdout).unwrap();
    let allowed = allowed();
    let mut seen = BTreeSet::new();
    let mut wrong = Vec::new();
    for package in metadata["packages"].as_array().unwrap() {
        let name = package["name"].as_str().unwrap();
        if name == "moorline-tests" {
            continue;
        }
        seen.insert(name);
        let may = allowed.get(name).unwrap_or_else(|| panic!("{name} is in no edge of the design"));
        for dependency in package["dependencies"].as_array().unwrap() {
            let other = dependency["name"].as_str().unwrap();
            if dependency["path"].is_string() && !may.contains(&other) {
                wrong.push(format!("{name} -> {other}"));
            }
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
    assert_eq!(seen, allowed.keys().copied().collect());
}

#[test]
fn nothing_is_named_after_what_it_is_not() {
    let meaningless = ["utils", "util", "common", "misc", "helpers", "helper", "mod.rs"];
    let is_meaningless = |path: &PathBuf| {
        let parts = path.iter().map(|part| part.to_string_lossy().into_owned());
        let mut named = parts.filter(|part| {
            meaningless.contains(&part.as_str()) || meaningless.contains(&part.trim_end_matches(".rs"))
        });
        named.next().is_some()
    };
    let found: Vec<_> = tracked("").into_iter().filter(is_meaningless).collect();
    assert_eq!(found, Vec::<PathBuf>::new());
}

#[test]
fn every_module_opens_by_saying_what_it_is_for() {
    // A module's unit tests need no more than their name.
    let silent = |path: &PathBuf| !path.ends_with("tests.rs") && !read(path).starts_with("//!");
    let found: Vec<_> = tracked(".rs").into_iter().filter(silent).collect();
    assert_eq!(found, Vec::<PathBuf>::new());
}

#[test]
fn no_file_holds_more_than_one_idea() {
    let mut found = Vec::new();
    for path in tracked(".rs") {
        let text = read(&path);
        let own = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default().lines().count();
        let is_test = path.iter().any(|part| part == "tests" || part == "tests.rs");
        if own > LINES_MAX && (!is_test || path.starts_with("tests/src")) {
            found.push(format!("{}: {own} lines", path.display()));
        }
    }
    assert_eq!(found, Vec::<String>::new());
}

#[test]
fn every_policy_has_tests() {
    let policies: Vec<_> =
        tracked(".rego").into_iter().filter(|path| path.parent() == Some(Path::new("policies"))).collect();
    assert!(policies.len() >= 3, "{policies:?}");
    for policy in policies {
        let name = policy.file_stem().unwrap().to_string_lossy().into_owned();
        let tests = root().join(format!("policies/tests/{name}_test.rego"));
        let text = std::fs::read_to_string(&tests).unwrap_or_else(|_| panic!("{name} has no tests"));
        assert!(text.contains("test_"), "{name} has no tests");
    }
}

/// A document without its blocks and spans of code, where brackets are no links.
fn without_code(text: &str) -> String {
    let prose = text.split("\n```").step_by(2).flat_map(str::lines);
    prose.map(|line| line.split('`').step_by(2).collect::<String>() + "\n").collect()
}

#[test]
fn links_in_documents_lead_somewhere() {
    let mut broken = Vec::new();
    let mut links = 0;
    for path in tracked(".md") {
        let text = without_code(&read(&path));
        for rest in text.split("](").skip(1) {
            let target = rest.split([')', ' ']).next().unwrap_or_default();
            let file = target.split('#').next().unwrap_or_default();
            if file.is_empty() || file.contains("://") || file.starts_with("mailto:") {
                continue;
            }
            links += 1;
            if !root().join(path.parent().unwrap()).join(file).exists() {
                broken.push(format!("{}: {target}", path.display()));
            }
        }
    }
    assert_eq!(broken, Vec::<String>::new());
    assert!(links > 0, "no link was found at all");
}

#[test]
fn the_operators_guide_names_every_gate_in_the_order_of_the_table() {
    let table = read(Path::new("reconciler/plan/src/gates/table.rs"));
    let rows = table.split_once("static GATES").and_then(|(_, rest)| rest.split_once("];")).unwrap().0;
    let gates: Vec<&str> = rows
        .lines()
        .filter_map(|line| line.trim().strip_prefix("&super::")?.strip_suffix("::GATE,"))
        .collect();
    // `example` is a gate of the tests alone.
    let gates: Vec<&str> = gates.into_iter().filter(|name| *name != "example").collect();
    assert!(gates.len() > 10, "{gates:?}");
    let guide = read(Path::new("docs/operating.md"));
    let section = guide.split_once("## Gates").unwrap().1.split("\n## ").next().unwrap();
    let rows = section.lines().filter_map(|line| line.strip_prefix("| ")?.split(" |").next());
    let told: Vec<&str> = rows.filter(|name| *name != "gate").collect();
    assert_eq!(told, gates, "docs/operating.md has a row for each gate");
}

#[test]
fn a_gate_is_a_file_and_a_line_and_deciding_names_none() {
    let table = read(Path::new("reconciler/plan/src/gates/table.rs"));
    let in_table: BTreeSet<String> = table
        .split("&super::")
        .skip(1)
        .filter_map(|rest| Some(rest.split_once("::GATE")?.0.to_owned()))
        .collect();
    let is_gate = |path: &PathBuf| read(path).contains("static GATE: Gate");
    let folder = Path::new("reconciler/plan/src/gates");
    let files: Vec<_> = tracked(".rs").into_iter().filter(|path| path.starts_with(folder)).collect();
    let names = |path: &PathBuf| path.file_stem().unwrap().to_string_lossy().into_owned();
    let gates: BTreeSet<String> = files.iter().filter(|path| is_gate(path)).map(names).collect();
    assert_eq!(in_table, gates, "each gate is in the table, and each line has its file");
    for gate in &gates {
        let text = read(&folder.join(format!("{gate}.rs")));
        assert!(text.contains(&format!("name: \"{gate}\"")), "{gate}.rs is called otherwise");
    }
    for path in tracked(".rs").into_iter().filter(|path| path.starts_with("reconciler/plan/src/decide")) {
        let text = read(&path);
        assert!(!text.contains("hold_on(") && !text.contains("situation.blocked"), "{}", path.display());
    }
}

#[test]
fn who_moves_a_rollout_knows_steps_and_no_strategy() {
    let crates = ["reconciler/plan/src", "reconciler/cycle/src", "reconciler/web/src"];
    let is_of_them =
        |path: &PathBuf| crates.iter().any(|of| path.starts_with(of)) && !path.ends_with("tests.rs");
    let files: Vec<_> = tracked(".rs").into_iter().filter(is_of_them).collect();
    assert!(files.len() > 50, "{files:?}");
    for path in files {
        let text = read(&path);
        assert!(!text.contains("RolloutStrategy") && !text.contains("\"canary\""), "{}", path.display());
    }
}

/// Names of metrics that a dashboard or a rule asks for and shows nothing without. A query that says what is shown
/// then, as for a feature that may not be declared at all, asks for none.
fn asked(text: &str) -> BTreeSet<String> {
    let lines = text.lines().filter(|line| !line.contains("or on() vector(0)"));
    let words = lines.flat_map(|line| line.split(|c: char| !c.is_ascii_alphanumeric() && c != '_'));
    words.filter(|word| word.starts_with("moorline_")).map(str::to_owned).collect()
}

/// Names of the samples on a page of metrics. A family that is described and has none shows as "No data".
fn samples(page: &str) -> impl Iterator<Item = String> {
    let lines = page.lines().filter(|line| !line.starts_with('#'));
    lines.map(|line| line.split([' ', '{']).next().unwrap_or_default().to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn every_metric_of_the_dashboards_is_there_before_anything_happens() {
    let mut world = World::with_canary().await;
    world.settle().await;
    // One that nobody asked for anything, not even a probe.
    let gateway = Gateway::start(world.folder.path(), "fresh").await;
    gateway.client.put_config(&world.document, &declared::written()).await.unwrap();
    let page = async |api: Api| api.text("/metrics").await.unwrap();
    let daemon = page(world.daemon.api()).await;
    let gateway = page(Api::new(&gateway.admin, Some(moorline_tests::gateway::ADMIN_TOKEN))).await;
    let there: BTreeSet<String> = samples(&daemon).chain(samples(&gateway)).collect();
    assert!(there.len() > 10, "{there:?}");

    let files: Vec<_> = tracked("").into_iter().filter(|path| path.starts_with("dashboards")).collect();
    assert!(files.iter().any(|path| path.extension().is_some_and(|ends| ends == "json")), "{files:?}");
    let mut missing = Vec::new();
    for path in files.iter().filter(|path| path.extension().is_some_and(|ends| ends != "md")) {
        let asked = asked(&read(path)).into_iter();
        missing.extend(
            asked.filter(|name| !there.contains(name)).map(|name| format!("{}: {name}", path.display())),
        );
    }
    assert_eq!(missing, Vec::<String>::new(), "of {there:#?}");
}
