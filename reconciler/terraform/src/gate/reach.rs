//! Which paths of the repository a root module reads: what has to be checked out for it.
//!
//! The walk is the gate's own, over what is checked out so far: what it looked for and is not there yet is checked out
//! next, until it lacks nothing. So what Terraform gets is what the gate has read.
//!
//! Paths are also handed to providers as plain texts (`filename = "../lambda.zip"`), of which no walk can know which are
//! paths. A path that leaves its folder needs a `..`, or a function that takes a path apart. So where the code, a
//! variable file or a variable holds a `..` that is not part of a module's source or of a path that a function reads, or
//! where such a function is called, nothing is known, and all of the repository is checked out.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use moorline_model::Secret;
use moorline_model::declaration::Terraform;

use super::node::{Call, Part};
use super::{sources, walk};

/// Functions that may be given a folder's path: they read what it names, or add to it.
const ADDS_TO_PATHS: [&str; 7] =
    ["abspath", "basename", "coalesce", "format", "join", "jsonencode", "formatlist"];

/// What a root module reads of its repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reach {
    /// These files and folders, relative to the repository's root, and nothing else.
    Paths(BTreeSet<String>),
    /// Only Terraform knows.
    Unknown,
}

/// What the gate's walk finds out about paths.
#[derive(Default)]
pub(super) struct Found {
    looked_for: BTreeSet<PathBuf>,
    /// How many `..` the code holds, and how many of them are in paths that were looked for.
    parents: usize,
    parents_looked_for: usize,
    takes_paths_apart: bool,
}

impl Found {
    /// The text of a file of code.
    pub(super) fn code(&mut self, parents: usize) {
        self.parents += parents;
    }

    /// A path that is written out and was looked for.
    pub(super) fn looked_for(&mut self, path: Option<PathBuf>, parents: usize) {
        self.looked_for.extend(path);
        self.parents_looked_for += parents;
    }

    /// A call of a function that reads no file.
    pub(super) fn called(&mut self, call: &Call) {
        let function = call.function.strip_prefix("core::").unwrap_or(&call.function);
        let has_path = call.arguments.iter().flatten().any(|part| matches!(part, Part::Module | Part::Root));
        self.takes_paths_apart |= function == "dirname" || (has_path && !ADDS_TO_PATHS.contains(&function));
    }
}

/// The paths that a checkout has to hold for this Terraform, as far as it follows from what is checked out in `root`.
#[must_use]
pub fn reach(root: &Path, declared: &Terraform, variables: &BTreeMap<String, Secret>) -> Reach {
    paths(root, declared, variables).map_or(Reach::Unknown, Reach::Paths)
}

fn paths(
    root: &Path,
    declared: &Terraform,
    variables: &BTreeMap<String, Secret>,
) -> Option<BTreeSet<String>> {
    let root = fs::canonicalize(root).ok()?;
    let mut wanted = BTreeSet::from([root.join(&declared.directory)]);
    // What is declared at first: these paths are where everything begins.
    wanted.extend(declared.var_files.iter().map(|file| root.join(&declared.directory).join(file)));
    let values = variables.values().map(|value| parents(value.expose()));
    if values.chain(value_files(&root, declared).map(|text| parents(&text))).any(|parents| parents > 0) {
        return None;
    }
    if let Ok(walked) = walk(&root, declared) {
        let found = walked.rules.found;
        let has_remote_modules = !walked.rules.report.remote_modules.is_empty();
        if has_remote_modules || found.takes_paths_apart || found.parents != found.parents_looked_for {
            return None;
        }
        wanted.extend(found.looked_for);
    }
    wanted
        .iter()
        .map(|path| {
            let path = sources::normal(path)?;
            Some(path.strip_prefix(&root).ok()?.to_str()?.to_owned())
        })
        .collect()
}

/// The files with values of variables that Terraform reads.
fn value_files(root: &Path, declared: &Terraform) -> impl Iterator<Item = String> {
    let directory = root.join(&declared.directory);
    let of_directory = fs::read_dir(&directory).into_iter().flatten().flatten().map(|entry| entry.path());
    let of_directory = of_directory.filter(|path| {
        let name = path.to_string_lossy();
        name.ends_with(".tfvars") || name.ends_with(".tfvars.json")
    });
    let declared: Vec<PathBuf> = declared.var_files.iter().map(|file| directory.join(file)).collect();
    // One that is no text holds no path.
    of_directory.chain(declared).filter_map(|path| fs::read_to_string(path).ok())
}

/// How often a text says `..` as part of a path.
pub(super) fn parents(text: &str) -> usize {
    let bytes = text.as_bytes();
    let is_up = |at: usize| {
        let before = at.checked_sub(1).and_then(|at| bytes.get(at)).copied();
        let after = bytes.get(at + 2).copied();
        let is_name = |byte: Option<u8>| {
            byte.is_some_and(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-'))
        };
        let is_border =
            |byte: Option<u8>| byte.is_none_or(|byte| matches!(byte, b'/' | b'\\' | b'"' | b'\''));
        !is_name(before) && !is_name(after) && (is_border(before) || is_border(after))
    };
    text.match_indices("..").filter(|(at, _)| is_up(*at)).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    const BACKEND: &str = "terraform {\n  backend \"s3\" {}\n}\n";

    fn declared() -> Terraform {
        serde_json::from_value(serde_json::json!({
            "directory": "infra/prod",
            "var_files": ["../prod.tfvars"],
            "allow": {"modules": ["./", "hashicorp/consul/aws"]},
        }))
        .unwrap()
    }

    fn reached(files: &[(&str, &str)], variables: &[(&str, &str)]) -> Reach {
        let folder = tempfile::tempdir().unwrap();
        for (path, text) in [("infra/prod/backend.tf", BACKEND)].iter().chain(files) {
            let path = folder.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let variables = variables.iter().map(|(name, value)| {
            let value = Secret::new((*value).to_owned());
            ((*name).to_owned(), value)
        });
        reach(folder.path(), &declared(), &variables.collect())
    }

    fn paths(more: &[&str]) -> Reach {
        let all = ["infra/prod", "infra/prod.tfvars"].iter().chain(more);
        Reach::Paths(all.map(|path| (*path).to_owned()).collect())
    }

    fn main(code: &str) -> Reach {
        reached(&[("infra/prod/main.tf", code)], &[])
    }

    #[test]
    fn what_stays_in_its_directory_needs_nothing_else() {
        let code = "# and so on ... see .. above\nlocals {\n  a = concat(var.list...)\n  b = \"a..b\"\n  \
            c = file(\"${path.module}/x.json\")\n  d = \"${path.module}/lambda.zip\"\n  e = path.root\n}\n";
        assert_eq!(main(code), paths(&["infra/prod/x.json"]));
    }

    #[test]
    fn modules_templates_and_files_are_followed_as_the_gate_follows_them() {
        let code = "module \"a\" {\n  source = \"../../modules/a\"\n}\nlocals {\n  \
            t = templatefile(\"${path.module}/../shared/t.tpl\", {})\n}\n";
        // Not checked out yet: it is looked for.
        assert_eq!(main(code), paths(&["infra/shared/t.tpl", "modules/a"]));
        let module = "module \"b\" {\n  source = \"../b\"\n}\n";
        let template = "cd ../elsewhere\n${file(\"../../deep\")}";
        let files =
            [("infra/prod/main.tf", code), ("modules/a/main.tf", module), ("infra/shared/t.tpl", template)];
        assert_eq!(reached(&files, &[]), paths(&["deep", "infra/shared/t.tpl", "modules/a", "modules/b"]));
    }

    #[test]
    fn a_path_that_only_a_provider_understands_is_not_known() {
        for code in [
            "resource \"aws_lambda_function\" \"x\" {\n  filename = \"../lambda.zip\"\n}\n",
            "locals {\n  a = \"${path.module}/..\"\n}\n",
            "locals {\n  a = join(\"/\", [\"..\", \"x\"])\n}\n",
            "locals {\n  a = dirname(local.x)\n}\n",
            "locals {\n  a = replace(path.module, \"prod\", \"shared\")\n}\n",
            "module \"x\" {\n  source = \"hashicorp/consul/aws\"\n}\n",
            "module \"x\" {\n  source = \"../../m\"\n  dist = \"../../dist\"\n}\n",
            "locals {\n  t = templatefile(\"${path.module}/t.tpl\", { p = \"../x\" })\n}\n",
        ] {
            assert_eq!(main(code), Reach::Unknown, "{code}");
        }
    }

    #[test]
    fn values_of_variables_may_be_paths_too() {
        let value = "dist = \"../../dist\"\n";
        for path in ["infra/prod.tfvars", "infra/prod/x.auto.tfvars", "infra/prod/terraform.tfvars.json"] {
            assert_eq!(reached(&[(path, value)], &[]), Reach::Unknown, "{path}");
        }
        assert_eq!(reached(&[], &[("TF_VAR_dist", "../../dist")]), Reach::Unknown);
        assert_eq!(reached(&[], &[("TF_CLI_ARGS_plan", "-var-file=../x")]), Reach::Unknown);
        assert_eq!(reached(&[], &[("TF_VAR_name", "a..b")]), paths(&[]));
    }

    #[test]
    fn a_path_that_leaves_the_repository_is_left_to_the_gate() {
        let mut declared = declared();
        declared.var_files = vec!["../../../etc/passwd".to_owned()];
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(reach(folder.path(), &declared, &BTreeMap::new()), Reach::Unknown);
    }
}
