//! Blocks: refuses those that are not allowed, and collects what a module uses.

use std::path::{Path, PathBuf};

use super::{CONFIG_FILE_OPTIONS, Rules};
use crate::gate::node::{Field, Node};

/// What the blocks of one module name.
#[derive(Default)]
pub(super) struct Module {
    /// `required_providers`: local name, source, file and line.
    pub(super) required: Vec<(String, String, PathBuf, usize)>,
    /// Local names of providers in use: name, file, line, and by what.
    pub(super) used: Vec<(String, PathBuf, usize, String)>,
    /// Module sources.
    pub(super) modules: Vec<(String, PathBuf, usize)>,
    pub(super) has_backend: bool,
}

impl Rules<'_> {
    pub(super) fn blocks(&mut self, file: &Path, root: &Node, module: &mut Module) {
        for field in self.fields(file, root) {
            match field.name.as_str() {
                "terraform" => self.each(field, |rules, body| rules.terraform(file, body, module)),
                "provider" => self.provider_blocks(file, field, module),
                "resource" | "data" | "ephemeral" => self.resources(file, field, module),
                "module" => self.module_calls(file, field, module),
                "check" => self.checks(file, field, module),
                "removed" | "import" | "moved" => {
                    self.each(field, |rules, body| rules.resource_body(file, body, None, module));
                }
                // `//` is how JSON comments.
                "variable" | "output" | "locals" | "//" => {}
                other => {
                    let reason = format!("`{}` is not a block that the gate knows", short(other));
                    self.refuse(file, field.line, reason);
                }
            }
        }
    }

    fn fields<'n>(&mut self, file: &Path, node: &'n Node) -> Vec<&'n Field> {
        node.fields().unwrap_or_else(|wrong| {
            self.refuse(file, wrong.line, "expected a block or an object, written out");
            Vec::new()
        })
    }

    fn each(&mut self, field: &Field, mut body: impl FnMut(&mut Self, &Node)) {
        for node in field.node.bodies() {
            body(self, node);
        }
    }

    fn terraform(&mut self, file: &Path, body: &Node, module: &mut Module) {
        for field in self.fields(file, body) {
            match field.name.as_str() {
                "required_providers" => {
                    for provider in self.fields(file, &field.node) {
                        self.required_provider(file, provider, module);
                    }
                }
                "backend" => {
                    for backend in self.fields(file, &field.node) {
                        module.has_backend = true;
                        self.backend(file, backend);
                    }
                }
                "required_version" | "experiments" | "provider_meta" | "language" | "//" => {}
                "cloud" => self.refuse(file, field.line, "`cloud` runs elsewhere: declare a backend"),
                other => {
                    let reason = format!("`terraform.{}` is not an option that the gate knows", short(other));
                    self.refuse(file, field.line, reason);
                }
            }
        }
    }

    fn required_provider(&mut self, file: &Path, field: &Field, module: &mut Module) {
        let mut add = |source: &str| {
            module.required.push((field.name.clone(), source.to_owned(), file.to_owned(), field.line));
        };
        // The old form gives a version only.
        if field.node.text().is_some() {
            return add(&field.name);
        }
        let fields = self.fields(file, &field.node);
        let sources: Vec<&&Field> = fields.iter().filter(|inner| inner.name == "source").collect();
        if sources.is_empty() {
            add(&field.name);
        }
        for inner in sources {
            match inner.node.text() {
                Some(source) => add(source),
                None => self.refuse(file, inner.line, "the source of a provider must be written out"),
            }
        }
    }

    fn backend(&mut self, file: &Path, field: &Field) {
        if !self.declared.allow.backends.contains(&field.name) {
            let reason = format!("the backend `{}` is not in `terraform.allow.backends`", short(&field.name));
            self.refuse(file, field.line, reason);
        }
        self.backend_kind = Some(field.name.clone());
        for body in field.node.bodies() {
            for option in self.fields(file, body) {
                if CONFIG_FILE_OPTIONS.contains(&option.name.as_str()) {
                    self.config_file(file, option);
                }
                if option.name == "path" {
                    self.backend_path = option.node.text().map(str::to_owned);
                }
            }
        }
    }

    fn config_file(&mut self, file: &Path, option: &Field) {
        let reason = format!("`{}` names a file that can name a program to run", option.name);
        self.refuse(file, option.line, reason);
    }

    fn provider_blocks(&mut self, file: &Path, field: &Field, module: &mut Module) {
        for provider in self.fields(file, &field.node) {
            let by = format!("provider {}", short(&provider.name));
            module.used.push((provider.name.clone(), file.to_owned(), provider.line, by));
            for body in provider.node.bodies() {
                for option in self.fields(file, body) {
                    if CONFIG_FILE_OPTIONS.contains(&option.name.as_str()) {
                        self.config_file(file, option);
                    }
                }
            }
        }
    }

    fn resources(&mut self, file: &Path, field: &Field, module: &mut Module) {
        for kind in self.fields(file, &field.node) {
            for named in self.fields(file, &kind.node) {
                for body in named.node.bodies() {
                    let by = format!("{} {}.{}", field.name, short(&kind.name), short(&named.name));
                    let implied = kind.name.split('_').next().unwrap_or_default();
                    self.resource_body(file, body, Some((implied, by.as_str(), named.line)), module);
                    if kind.name == "terraform_remote_state" {
                        self.remote_state(file, body);
                    }
                }
            }
        }
    }

    fn resource_body(
        &mut self,
        file: &Path,
        body: &Node,
        implied: Option<(&str, &str, usize)>,
        module: &mut Module,
    ) {
        let mut own_provider = false;
        for option in self.fields(file, body) {
            match option.name.as_str() {
                "provisioner" => {
                    self.refuse(file, option.line, "a provisioner runs programs: use a resource instead");
                }
                "provider" => {
                    own_provider = true;
                    let by = implied.map_or("provider", |(_, by, _)| by).to_owned();
                    match option.node.name().and_then(|name| name.split('.').next()) {
                        Some(name) => module.used.push((name.to_owned(), file.to_owned(), option.line, by)),
                        None => self.refuse(file, option.line, "`provider` must be written out"),
                    }
                }
                _ => {}
            }
        }
        if let (Some((name, by, line)), false) = (implied, own_provider) {
            module.used.push((name.to_owned(), file.to_owned(), line, by.to_owned()));
        }
    }

    fn remote_state(&mut self, file: &Path, body: &Node) {
        for option in self.fields(file, body).into_iter().filter(|option| option.name == "backend") {
            let backend = option.node.text().unwrap_or_default();
            if !self.declared.allow.backends.iter().any(|allowed| allowed == backend) {
                let backend = if backend.is_empty() { "(not written out)" } else { backend };
                let reason = format!(
                    "the remote state's backend `{}` is not in `terraform.allow.backends`",
                    short(backend)
                );
                self.refuse(file, option.line, reason);
            }
        }
    }

    fn module_calls(&mut self, file: &Path, field: &Field, module: &mut Module) {
        for call in self.fields(file, &field.node) {
            for body in call.node.bodies() {
                let options = self.fields(file, body);
                let mut sources = options.iter().filter(|option| option.name == "source").peekable();
                if sources.peek().is_none() && !is_override(file) {
                    self.refuse(file, call.line, format!("the module `{}` has no source", short(&call.name)));
                }
                for source in sources {
                    match source.node.text() {
                        Some(text) => module.modules.push((text.to_owned(), file.to_owned(), source.line)),
                        None => self.refuse(file, source.line, "the source of a module must be written out"),
                    }
                }
            }
        }
    }

    fn checks(&mut self, file: &Path, field: &Field, module: &mut Module) {
        for check in self.fields(file, &field.node) {
            for body in check.node.bodies() {
                for inner in self.fields(file, body).into_iter().filter(|inner| inner.name == "data") {
                    self.resources(file, inner, module);
                }
            }
        }
    }
}

/// Files that are laid over others need not repeat what those say.
fn is_override(file: &Path) -> bool {
    let name = file.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let stem = name.split('.').next().unwrap_or_default();
    stem == "override" || stem.ends_with("_override")
}

fn short(text: &str) -> String {
    crate::diagnostic::shorten(text, 64)
}
