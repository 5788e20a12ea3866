//! Looks for gateways in Terraform code that nobody has declared yet.
//!
//! In: a repository's folder. Out: its root modules, and the address of every `openai_gateway` in each, whichever module
//! of the repository it stands in. Nothing is judged here; what cannot be read is passed over.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use super::files::{FILE_BYTES_MAX, Syntax, syntax};
use super::node::{Node, Shape};
use super::{hcl, json, sources};

/// Most folders that are looked into.
const FOLDERS_MAX: usize = 500;
/// How deep folders, and modules in modules, are followed.
const DEPTH_MAX: usize = 6;
/// The resource that is a gateway.
const GATEWAY: &str = "openai_gateway";

/// A root module that was found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RootModule {
    /// Its folder, relative to the repository's root; `.` for the root itself.
    pub directory: String,
    /// The addresses of its gateways, such as `module.gateway.openai_gateway.this`.
    pub gateways: Vec<String>,
    /// Providers that its code asks for by their source.
    pub providers: BTreeSet<String>,
}

/// Lists the root modules of a repository: folders of Terraform code that no other folder of it calls as a module.
#[must_use]
pub fn root_modules(root: &Path) -> Vec<RootModule> {
    let Ok(root) = fs::canonicalize(root) else { return Vec::new() };
    let mut modules = BTreeMap::new();
    read_folders(&root, 0, &mut modules);
    let called: BTreeSet<&PathBuf> = modules.values().flat_map(|module| module.calls.values()).collect();
    let roots = modules.iter().filter(|(folder, _)| !called.contains(folder));
    let found = roots.map(|(folder, module)| {
        let relative = folder.strip_prefix(&root).unwrap_or(folder).to_string_lossy().into_owned();
        let mut found = RootModule {
            directory: if relative.is_empty() { ".".to_owned() } else { relative },
            ..RootModule::default()
        };
        gather(module, &modules, "", 0, &mut found);
        found
    });
    found.collect()
}

/// What is of interest in one folder.
#[derive(Default)]
struct Module {
    gateways: Vec<String>,
    providers: BTreeSet<String>,
    /// Modules of the repository, by the name they are called by.
    calls: BTreeMap<String, PathBuf>,
}

fn gather(
    module: &Module,
    all: &BTreeMap<PathBuf, Module>,
    prefix: &str,
    depth: usize,
    found: &mut RootModule,
) {
    found.gateways.extend(module.gateways.iter().map(|name| format!("{prefix}{GATEWAY}.{name}")));
    found.providers.extend(module.providers.iter().cloned());
    for (name, folder) in module.calls.iter().filter(|_| depth < DEPTH_MAX) {
        if let Some(called) = all.get(folder) {
            gather(called, all, &format!("{prefix}module.{name}."), depth + 1, found);
        }
    }
}

fn read_folders(folder: &Path, depth: usize, modules: &mut BTreeMap<PathBuf, Module>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    let mut module = Module::default();
    let (mut has_code, mut below) = (false, Vec::new());
    for entry in entries.filter_map(Result::ok) {
        let (path, hidden) = (entry.path(), entry.file_name().to_string_lossy().starts_with('.'));
        match entry.file_type() {
            Ok(kind) if kind.is_dir() && !hidden => below.push(path),
            Ok(kind) if kind.is_file() => has_code |= read_file(folder, &path, &mut module).is_some(),
            _ => {}
        }
    }
    if has_code {
        modules.insert(folder.to_owned(), module);
    }
    for folder in below {
        if depth < DEPTH_MAX && modules.len() < FOLDERS_MAX {
            read_folders(&folder, depth + 1, modules);
        }
    }
}

/// Reads one file of code into its module; `None` when it is none.
fn read_file(folder: &Path, path: &Path, module: &mut Module) -> Option<()> {
    let syntax = syntax(path)?;
    let is_small = fs::metadata(path).is_ok_and(|metadata| metadata.len() <= FILE_BYTES_MAX);
    let text = is_small.then(|| fs::read_to_string(path).ok()).flatten()?;
    let parsed = match syntax {
        Syntax::Json => json::parse(&text),
        Syntax::Hcl => hcl::parse(&text),
    };
    let root = parsed.ok()?.root;
    for (name, node) in fields(&root) {
        match name {
            "resource" => {
                let gateways = fields(node).filter(|(kind, _)| *kind == GATEWAY);
                module
                    .gateways
                    .extend(gateways.flat_map(|(_, named)| fields(named)).map(|(name, _)| name.to_owned()));
            }
            "module" => {
                for (name, call) in fields(node) {
                    let source =
                        fields(call).find(|(field, _)| *field == "source").and_then(|(_, node)| node.text());
                    let source = source.filter(|source| sources::is_local(source));
                    let called = source.and_then(|source| sources::normal(&folder.join(source)));
                    module.calls.extend(called.map(|called| (name.to_owned(), called)));
                }
            }
            "terraform" => {
                let required = fields(node).filter(|(field, _)| *field == "required_providers");
                let required = required.flat_map(|(_, providers)| fields(providers));
                module.providers.extend(required.filter_map(|(_, provider)| source_of(provider)));
            }
            _ => {}
        }
    }
    Some(())
}

/// The source of one entry of `required_providers`.
fn source_of(provider: &Node) -> Option<String> {
    let source = fields(provider).find(|(field, _)| *field == "source").and_then(|(_, node)| node.text());
    source.map(sources::provider)
}

/// The named parts of a block, or of every block of that name.
fn fields(node: &Node) -> impl Iterator<Item = (&str, &Node)> {
    let named = |node| match node {
        &Node { shape: Shape::Map(ref fields), .. } => fields.as_slice(),
        _ => &[],
    };
    let all: Vec<_> = node.bodies().into_iter().flat_map(named).collect();
    all.into_iter().map(|field| (field.name.as_str(), &field.node))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(files: &[(&str, &str)]) -> Vec<RootModule> {
        let folder = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = folder.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        root_modules(folder.path())
    }

    #[test]
    fn a_gateway_is_found_in_whichever_module_it_stands() {
        let found = found(&[
            (
                "infra/main.tf",
                "terraform {\n  required_providers {\n    openai = { source = \"moorline/openai\" }\n  }\n}\n\
                 module \"gateway\" { source = \"./modules/gateway\" }\n\
                 module \"other\" { source = \"hashicorp/consul/aws\" }\n",
            ),
            ("infra/modules/gateway/main.tf", "resource \"openai_gateway\" \"this\" {\n  name = \"g\"\n}\n"),
            ("infra/.terraform/modules/x/main.tf", "resource \"openai_gateway\" \"hidden\" {}\n"),
            ("network/main.tf.json", "{\"resource\": {\"aws_vpc\": {\"main\": {}}}}"),
            ("broken/main.tf", "resource {{{"),
        ]);
        let expected = RootModule {
            directory: "infra".to_owned(),
            gateways: vec!["module.gateway.openai_gateway.this".to_owned()],
            providers: BTreeSet::from(["moorline/openai".to_owned()]),
        };
        assert_eq!(
            found,
            [expected, RootModule { directory: "network".to_owned(), ..RootModule::default() }]
        );
    }

    #[test]
    fn a_root_module_at_the_root_has_a_name_too() {
        let found = found(&[("main.tf", "resource \"openai_gateway\" \"main\" {}\n")]);
        assert_eq!((found.len(), found[0].directory.as_str()), (1, "."));
        assert_eq!(found[0].gateways, ["openai_gateway.main"]);
    }
}
