//! One fixture for each way around the gate, in `tests/gate/`, and their verdicts in one snapshot to read through.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use moorline_model::declaration::Terraform;

use super::{inspect, inspect_fetched};

fn declared() -> Terraform {
    serde_json::from_value(serde_json::json!({"directory": "infra"})).unwrap()
}

/// Unpacks a fixture: `-- path --` begins a file, `-- path -> target --` is a link.
fn unpack(text: &str, root: &Path) {
    let mut files: BTreeMap<String, String> = BTreeMap::new();
    let mut open = None;
    for line in text.split_inclusive('\n') {
        let head = line.trim_end().strip_prefix("-- ").and_then(|line| line.strip_suffix(" --"));
        match (head.map(|head| (head, head.split_once(" -> "))), &open) {
            (Some((_, Some((path, target)))), _) => {
                let path = root.join(path);
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                symlink(target, path).unwrap();
                open = None;
            }
            (Some((path, None)), _) => {
                files.entry(path.to_owned()).or_default();
                open = Some(path.to_owned());
            }
            (None, Some(path)) => files.get_mut(path).unwrap().push_str(line),
            (None, None) => {}
        }
    }
    for (path, text) in files {
        let path = root.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
}

fn verdict(text: &str) -> String {
    let root = tempfile::tempdir().unwrap();
    unpack(text, root.path());
    match inspect(root.path(), &declared()) {
        Ok(report) => format!("allowed: {:?}\n", report.providers),
        Err(refusals) => refusals.0.iter().fold(String::new(), |mut all, refusal| {
            writeln!(all, "{refusal}").unwrap();
            all
        }),
    }
}

#[test]
fn every_fixture_gets_its_verdict() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/gate");
    let mut names: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    names.sort();
    let mut all = String::new();
    for path in names {
        let text = fs::read_to_string(&path).unwrap();
        let name = path.file_stem().unwrap().to_str().unwrap();
        let verdict = verdict(&text);
        assert_eq!(verdict.starts_with("allowed"), name.starts_with("allowed"), "{name}: {verdict}");
        let note = text.lines().next().unwrap_or_default();
        write!(all, "{name} {note}\n{verdict}\n").unwrap();
    }
    insta::assert_snapshot!(all);
}

#[test]
fn a_folder_outside_the_repository_is_refused() {
    let root = tempfile::tempdir().unwrap();
    fs::create_dir(root.path().join("tree")).unwrap();
    for directory in ["..", "/", "missing"] {
        let declared = Terraform { directory: directory.to_owned(), ..declared() };
        assert!(inspect(&root.path().join("tree"), &declared).is_err(), "{directory}");
    }
}

#[test]
fn backend_options_of_the_declaration_are_held_to_the_same_rules() {
    let root = tempfile::tempdir().unwrap();
    unpack("-- infra/main.tf --\nterraform {\n  backend \"local\" {}\n}\n", root.path());
    let with = |options: &[(&str, &str)], workspace: &str| {
        let mut declared = declared();
        declared.workspace = workspace.to_owned();
        declared.backend_config = options.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        inspect(root.path(), &declared).map_err(|refusals| refusals.to_string())
    };
    assert!(with(&[("path", "/state")], "default").is_ok());
    assert!(with(&[("path", "state")], "default").unwrap_err().contains("absolute `path`"));
    assert!(with(&[("path", "/state")], "prod").unwrap_err().contains("workspace_dir"));
    assert!(with(&[("path", "/state"), ("workspace_dir", "/states")], "prod").is_ok());
    for name in ["shared_config_files", "-x", "a b", ""] {
        let refused = with(&[("path", "/state"), (name, "x")], "default").unwrap_err();
        assert!(refused.contains("backend option"), "{name}: {refused}");
    }
}

#[test]
fn variable_files_and_modules_that_are_not_allowed_are_named() {
    let root = tempfile::tempdir().unwrap();
    unpack(
        "-- infra/main.tf --\nterraform {\n  backend \"s3\" {}\n}\nmodule \"a\" {\n  source = \"./a\"\n}\n-- infra/a/main.tf --\nlocals {}\n",
        root.path(),
    );
    let mut declared = declared();
    declared.var_files = vec!["prod.tfvars".to_owned()];
    declared.allow.modules = vec!["./modules".to_owned()];
    let refusals = inspect(root.path(), &declared).unwrap_err();
    let told: Vec<String> = refusals.0.iter().map(ToString::to_string).collect();
    assert_eq!(
        told,
        [
            "infra/main.tf:5: the module `./a` is not in `terraform.allow.modules`",
            "infra/prod.tfvars: the variable file is no file of the repository",
        ]
    );
}

#[test]
fn a_module_from_elsewhere_is_read_like_our_own_once_it_is_fetched() {
    let data = tempfile::tempdir().unwrap();
    let modules = data.path().join("modules");
    let manifest = serde_json::json!({"Modules": [
        {"Key": "", "Source": "", "Dir": "."},
        {"Key": "x", "Source": "acme/x/aws", "Dir": modules.join("x")},
    ]});
    unpack(
        &format!(
            "-- modules/modules.json --\n{manifest}\n-- modules/x/main.tf --\nmodule \"y\" {{\n  source = \"./y\"\n}}\n-- modules/x/y/main.tf --\ndata \"external\" \"e\" {{\n}}\n"
        ),
        data.path(),
    );
    let refusals = inspect_fetched(&modules, &declared()).unwrap_err();
    assert_eq!(refusals.0[0].file, "x/y/main.tf");
    fs::write(modules.join("x/y/main.tf"), "locals {}\n").unwrap();
    inspect_fetched(&modules, &declared()).unwrap();
}
