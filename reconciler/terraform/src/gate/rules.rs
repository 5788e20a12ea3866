//! The rules: what each block of a module may say.

mod blocks;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use moorline_model::declaration::Terraform;

use super::files::{self, ModuleFiles};
use super::node::{Call, Part, Unreadable};
use super::paths::{self, Bases, Reads};
use super::reach::{Found, parents};
use super::sources::{self, BUILT_IN};
use super::tree::relative;
use super::{GateReport, Refusal, hcl, init};
use blocks::Module;

/// Options that name configuration files of a cloud's SDK; such a file can name a program to run.
const CONFIG_FILE_OPTIONS: [&str; 3] =
    ["shared_config_files", "shared_credentials_files", "shared_credentials_file"];

/// What one module comes to.
pub(super) struct Outcome {
    /// Whether it declares a backend.
    pub(super) has_backend: bool,
    /// The folders of the modules it calls.
    pub(super) calls: Vec<PathBuf>,
}

pub(super) struct Rules<'a> {
    root: PathBuf,
    directory: PathBuf,
    declared: &'a Terraform,
    // Modules fetched from elsewhere may call those they came with.
    is_fetched: bool,
    backend_path: Option<String>,
    backend_kind: Option<String>,
    bytes: u64,
    refusals: Vec<Refusal>,
    pub(super) report: GateReport,
    pub(super) found: Found,
}

impl<'a> Rules<'a> {
    pub(super) fn new(root: PathBuf, directory: PathBuf, declared: &'a Terraform) -> Self {
        Self {
            root,
            directory,
            declared,
            is_fetched: false,
            backend_path: None,
            backend_kind: None,
            bytes: 0,
            refusals: Vec::new(),
            report: GateReport::default(),
            found: Found::default(),
        }
    }

    pub(super) fn fetched(root: PathBuf, declared: &'a Terraform) -> Self {
        Self { is_fetched: true, ..Self::new(root.clone(), root, declared) }
    }

    pub(super) fn take_refusals(&mut self) -> Vec<Refusal> {
        std::mem::take(&mut self.refusals)
    }

    /// Whether code could not be read, so that what is missing in it means nothing.
    pub(super) fn is_hopeless(&self) -> bool {
        self.report.files == 0
    }

    pub(super) fn count_bytes(&mut self, bytes: u64) -> u64 {
        self.bytes += bytes;
        self.bytes
    }

    pub(super) fn refuse(&mut self, file: &Path, line: usize, reason: impl Into<String>) {
        let file = relative(&self.root, file);
        self.refusals.push(Refusal { file, line: Some(line), reason: reason.into() });
    }

    pub(super) fn refuse_folder(&mut self, folder: &Path, reason: String) {
        self.refusals.push(Refusal { file: relative(&self.root, folder), line: None, reason });
    }

    pub(super) fn refuse_backend(&mut self, reason: &str) {
        let directory = self.directory.clone();
        self.refuse_folder(&directory, reason.to_owned());
    }

    pub(super) fn unreadable(&mut self, file: &Path, unreadable: Unreadable) {
        self.refuse(file, unreadable.line, unreadable.reason);
    }

    /// One module: its blocks, then what they use together.
    pub(super) fn module(&mut self, folder: &Path, files: &ModuleFiles) -> Outcome {
        self.report.files += files.0.len();
        let mut module = Module::default();
        for (file, parsed) in &files.0 {
            self.found.code(parsed.parents);
            self.blocks(file, &parsed.root, &mut module);
            let read = init::of_file(&parsed.root);
            if read.as_deref() != Some("") {
                let place = relative(&self.root, file);
                self.report.read_by_init.push(read.map(|text| format!("{place}: {text}")));
            }
            for call in &parsed.calls {
                self.call(file, folder, call);
            }
        }
        self.providers(&module);
        let calls = self.calls(folder, &module);
        Outcome { has_backend: module.has_backend, calls }
    }

    fn call(&mut self, file: &Path, folder: &Path, call: &Call) {
        let reads = paths::reads(&call.function);
        if reads == Reads::Nothing {
            return self.found.called(call);
        }
        if reads == Reads::UnseenTemplate {
            return self.refuse(file, call.line, "`templatestring` runs a template that cannot be read here");
        }
        let (root, directory) = (self.root.clone(), self.directory.clone());
        let bases =
            Bases { root: &root, directory: &directory, module: folder, workspace: &self.declared.workspace };
        match paths::target(call, &bases) {
            Err(reason) => self.refuse(file, call.line, reason),
            Ok(target) => {
                self.found.looked_for(Some(target.clone()), parents_of(call));
                if reads == Reads::Template {
                    self.template(&target, file, folder, call.line);
                }
            }
        }
    }

    /// A template may call functions as well.
    fn template(&mut self, template: &Path, file: &Path, folder: &Path, line: usize) {
        let calls = files::text(template, self).and_then(|text| hcl::template_file_calls(&text));
        match calls {
            // Templates cannot run templates, so this does not go on.
            Ok(calls) => {
                for call in calls {
                    if paths::reads(&call.function) == Reads::Template {
                        self.refuse(template, call.line, "a template runs another template");
                    } else {
                        // Of a template only the paths that it reads count; the rest is not for Terraform.
                        self.found.code(parents_of(&call));
                        self.call(template, folder, &call);
                    }
                }
            }
            Err(unreadable) => {
                let name = relative(&self.root, template);
                self.refuse(file, line, format!("the template `{name}` {}", unreadable.reason));
            }
        }
    }

    /// Every provider that is named, and those that a type implies.
    fn providers(&mut self, module: &Module) {
        let mut named: BTreeMap<&str, ()> = BTreeMap::new();
        for (name, source, file, line) in &module.required {
            named.insert(name, ());
            self.provider(source, file, *line, None);
        }
        for (name, file, line, used_by) in &module.used {
            if !named.contains_key(name.as_str()) {
                let implied = if name == "terraform" { BUILT_IN.to_owned() } else { name.clone() };
                self.provider(&implied, file, *line, Some(used_by));
            }
        }
    }

    fn provider(&mut self, source: &str, file: &Path, line: usize, used_by: Option<&str>) {
        let name = sources::provider(source);
        if !sources::is_provider_allowed(&name, &self.declared.allow.providers) {
            let by = used_by.map(|by| format!(" (used by `{by}`)")).unwrap_or_default();
            self.refuse(
                file,
                line,
                format!("the provider `{name}`{by} is not in `terraform.allow.providers`"),
            );
        } else if name != BUILT_IN {
            self.report.uses_plugins = true;
            self.report.providers.insert(name);
        }
    }

    fn calls(&mut self, folder: &Path, module: &Module) -> Vec<PathBuf> {
        let mut folders = Vec::new();
        for (source, file, line) in &module.modules {
            if !sources::is_local(source) {
                if sources::is_remote_allowed(source, &self.declared.allow.modules) {
                    self.report.remote_modules.insert(source.clone());
                } else {
                    let source = crate::diagnostic::shorten(source, 200);
                    self.refuse(
                        file,
                        *line,
                        format!("the module `{source}` is not in `terraform.allow.modules`"),
                    );
                }
                continue;
            }
            self.found.looked_for(sources::normal(&folder.join(source)), parents(source));
            let called = std::fs::canonicalize(folder.join(source)).ok().filter(|called| called.is_dir());
            let Some(called) = called.filter(|called| called.starts_with(&self.root)) else {
                self.refuse(file, *line, format!("the module `{source}` is no folder of the repository"));
                continue;
            };
            let allowed = &self.declared.allow.modules;
            if self.is_fetched || sources::is_local_allowed(&called, &self.root, &self.directory, allowed) {
                folders.push(called);
            } else {
                self.refuse(
                    file,
                    *line,
                    format!("the module `{source}` is not in `terraform.allow.modules`"),
                );
            }
        }
        folders
    }

    /// What the declaration itself says beside the code.
    pub(super) fn check_declared(&mut self) {
        let config = &self.declared.backend_config;
        for name in config.keys() {
            let is_plain =
                !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || "_.-".contains(c));
            if !is_plain || name.starts_with('-') || CONFIG_FILE_OPTIONS.contains(&name.as_str()) {
                self.refuse_backend(&format!(
                    "the backend option `{}` is not allowed",
                    name.escape_default()
                ));
            }
        }
        if self.backend_kind.as_deref() == Some("local") {
            let is_absolute = |path: Option<&String>| path.is_some_and(|path| path.starts_with('/'));
            if !is_absolute(config.get("path").or(self.backend_path.as_ref())) {
                self.refuse_backend(
                    "the local backend needs an absolute `path`: beside the code, the state would be lost together with the private checkout",
                );
            }
            if self.declared.workspace != "default" && !is_absolute(config.get("workspace_dir")) {
                self.refuse_backend("the local backend needs an absolute `workspace_dir` for a workspace");
            }
        }
        for file in &self.declared.var_files {
            let path = self.directory.join(file);
            let is_inside =
                std::fs::canonicalize(&path).is_ok_and(|path| path.is_file() && path.starts_with(&self.root));
            if !is_inside {
                self.refuse_folder(&path, "the variable file is no file of the repository".to_owned());
            }
        }
    }
}

/// How often the path that a call reads goes up.
fn parents_of(call: &Call) -> usize {
    let parts = call.arguments.first().into_iter().flatten();
    parts.map(|part| if let Part::Text(text) = part { parents(text) } else { 0 }).sum()
}
