//! `moorline init`: a declaration, a gateway document and the daemon's settings, which fit each other.
//!
//! In: a checkout, and what its surroundings say. Out: files that were not there yet, and the secrets that they refer
//! to, as lines for a shell on stdout: shown this once, and written nowhere. `eval "$(moorline init)"` takes them in.

mod documents;
mod made;
mod repository;
mod surroundings;

use std::io::{IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};

use moorline_config::{Config, Mistakes, Source};
use moorline_model::declaration::{Declaration, Document};
use moorline_terraform::gate::{RootModule, root_modules};
use serde_json::{Value, json};

use super::super::{Exit, InitArguments, Output, SchemaDocument, output};
use crate::chain;
use documents::{DEFAULT_MODEL, File};
use made::{Made, Wanted};
use moorline_daemon::random::NoRandomBytes;
use repository::{Found, RepositoryError};
use surroundings::Surroundings;

/// The files that refer to secrets.
const FILES: [&str; 3] = ["moorline.yaml", "gateway.yaml", "moorlined.yaml"];

/// The schemas that the files' first lines name, for editors.
const SCHEMAS: [(&str, SchemaDocument); 3] = [
    (".moorline/schema/repository.json", SchemaDocument::Repository),
    (".moorline/schema/gateway.json", SchemaDocument::Gateway),
    (".moorline/schema/daemon.json", SchemaDocument::Daemon),
];

/// Why nothing, or not everything, was written.
#[derive(Debug, thiserror::Error)]
enum InitError {
    /// The folder is not there.
    #[error("{} is no folder: make it, or clone your repository into it", path.display())]
    Folder {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    /// The folder is not the place.
    #[error(transparent)]
    Repository(#[from] RepositoryError),
    /// No secret could be made up.
    #[error(transparent)]
    Random(#[from] NoRandomBytes),
    /// A secret of the environment is none.
    #[error(
        "{name} is set, and is no key: expected 8 to 1024 visible ASCII characters, or unset it and get a new one"
    )]
    Secret { name: &'static str },
    /// What the surroundings say does not make a document.
    #[error("the gateway document would not be valid; see OPENAI_BASE_URL and --model:\n{0}")]
    Document(Mistakes),
    /// A file cannot be written.
    #[error("{} cannot be written", path.display())]
    Write {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
}

/// What was done.
struct Done {
    wrote: Vec<String>,
    left_alone: Vec<String>,
    found: Vec<String>,
    secrets: Vec<Made>,
    /// Secrets that the files name and that this shell lacks.
    not_set: Vec<&'static str>,
    next: Vec<String>,
}

/// Looks, writes what is not there yet, and prints what comes next.
pub(in super::super) fn init(arguments: &InitArguments, format: Output) -> Exit {
    let done = match prepare(arguments) {
        Ok(done) => done,
        Err(error) => {
            return output::failed(Exit::Error, &chain::of(&error), None);
        }
    };
    match format {
        Output::Json => output::json(&done.json()),
        Output::Text => done.say(),
    }
    Exit::Done
}

fn prepare(arguments: &InitArguments) -> Result<Done, InitError> {
    let directory = std::fs::canonicalize(&arguments.directory)
        .map_err(|source| InitError::Folder { path: arguments.directory.clone(), source })?;
    let repository = repository::look(&directory)?;
    let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let surroundings = Surroundings::read(&directory, variable);
    let modules = root_modules(&directory);
    let present = Present::read(&directory);
    let terraform = modules.iter().find(|found| !found.gateways.is_empty());

    let writes_declaration = present.declaration.is_none();
    let writes_document = !present.has_document && terraform.is_none() && present.needs_document();
    let writes_settings = !directory.join("moorlined.yaml").exists();
    let wanted = [
        writes_declaration.then_some(Wanted::GATEWAY_ADMIN),
        writes_document.then_some(Wanted::CALLER),
        writes_settings.then_some(Wanted::ADMIN),
        (writes_declaration && terraform.is_some()).then_some(Wanted::DOCUMENT),
    ];
    let mut secrets = Vec::new();
    for wanted in wanted.into_iter().flatten() {
        secrets.push(Made::get(wanted, variable)?);
    }
    let model = arguments.model.clone().or_else(|| present.model.clone());
    let model = model.unwrap_or_else(|| DEFAULT_MODEL.to_owned());
    let mut files = Vec::new();
    if writes_declaration {
        files.push(documents::declaration(&surroundings, terraform, &model));
    }
    if let Some(caller) = secrets.iter().find(|made| made.wanted == Wanted::CALLER) {
        let file = documents::gateway(&surroundings, &model, &caller.sha256());
        let source = Source { name: file.path, text: &file.text };
        Config::parse_new(&[source]).map_err(InitError::Document)?;
        files.push(file);
    }
    if writes_settings {
        files.push(documents::settings(&surroundings, &repository));
    }
    files.extend(SCHEMAS.map(|(path, document)| File {
        path,
        text: serde_json::to_string_pretty(&super::schema_of(document)).unwrap_or_default() + "\n",
    }));
    let (wrote, left_alone) = write(&directory, files)?;
    std::fs::create_dir_all(&surroundings.work_dir)
        .map_err(|source| InitError::Write { path: surroundings.work_dir.clone(), source })?;
    let found = describe_found(&repository, &modules, &present);
    let next = next(&arguments.directory, &repository, &surroundings, &wrote);
    let exports = made::exports(&secrets, &surroundings, variable);
    let texts = FILES.map(|name| std::fs::read_to_string(directory.join(name)).unwrap_or_default());
    let not_set = made::not_set(&texts, &exports, variable);
    Ok(Done { wrote, left_alone, found, secrets: exports, not_set, next })
}

/// What the checkout holds already.
#[derive(Default)]
struct Present {
    /// `moorline.yaml`: `None` when it is not there, `Err` when it has mistakes.
    declaration: Option<Result<Declaration, ()>>,
    has_document: bool,
    /// A model that a probe can ask for.
    model: Option<String>,
}

impl Present {
    fn read(directory: &Path) -> Self {
        let text = |name: &str| std::fs::read_to_string(directory.join(name)).ok();
        let declaration =
            text("moorline.yaml").map(|text| Declaration::parse("moorline.yaml", &text).map_err(drop));
        let document = text("gateway.yaml");
        let parsed =
            document.as_ref().and_then(|text| Config::parse(&[Source { name: "gateway.yaml", text }]).ok());
        Self {
            declaration,
            has_document: document.is_some(),
            model: parsed.and_then(|document| documents::probed_model(&document)),
        }
    }

    /// Whether what is declared, or will be, is a document in `gateway.yaml`.
    fn needs_document(&self) -> bool {
        match &self.declaration {
            None => true,
            Some(Err(())) => false,
            Some(Ok(declaration)) => declaration.environments.iter().any(|environment| {
                matches!(&environment.gateway.document, Document::Files(files) if files.iter().any(|file| file == "gateway.yaml"))
            }),
        }
    }
}

/// Writes the files that are not there yet; what is there is left alone.
fn write(directory: &Path, files: Vec<File>) -> Result<(Vec<String>, Vec<String>), InitError> {
    let (mut wrote, mut left_alone) = (Vec::new(), Vec::new());
    for file in files {
        let path = directory.join(file.path);
        let failed = |source| InitError::Write { path: path.clone(), source };
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).map_err(failed)?;
        }
        match std::fs::File::options().write(true).create_new(true).open(&path) {
            Ok(mut created) => {
                created.write_all(file.text.as_bytes()).map_err(failed)?;
                wrote.push(file.path.to_owned());
            }
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
                left_alone.push(file.path.to_owned());
            }
            Err(error) => return Err(failed(error)),
        }
    }
    Ok((wrote, left_alone))
}

/// What was found, one sentence each.
fn describe_found(repository: &Found, modules: &[RootModule], present: &Present) -> Vec<String> {
    let mut found = vec![match (&repository.remote, repository.is_repository) {
        (Some(remote), _) => {
            format!("a checkout of {} ({remote}), branch {}", repository.url, repository.branch)
        }
        (None, true) => format!(
            "a checkout without a remote that the daemon can watch: it will watch {} itself, branch {}",
            repository.url, repository.branch
        ),
        (None, false) => "no Git repository here yet: the first of the next commands makes one".to_owned(),
    }];
    for module in modules {
        found.push(match module.gateways.as_slice() {
            [] => format!(
                "Terraform in {} without a gateway: to let Moorline run it, declare `terraform: {{directory: {0}}}`",
                module.directory
            ),
            [address] => format!("Terraform in {} that declares the gateway {address}", module.directory),
            [address, others @ ..] => format!(
                "Terraform in {} that declares the gateway {address}, and {} more: one environment each",
                module.directory,
                others.len()
            ),
        });
    }
    match &present.declaration {
        Some(Err(())) => {
            found.push("a moorline.yaml with mistakes: `moorline validate` names them".to_owned());
        }
        Some(Ok(_)) => found.push("a moorline.yaml".to_owned()),
        None if present.has_document => {
            found.push("a gateway.yaml: set CALLER_KEY to one of its keys, for probes".to_owned());
        }
        None => {}
    }
    found
}

/// The three commands that come next. They work as they stand.
fn next(directory: &Path, repository: &Found, surroundings: &Surroundings, wrote: &[String]) -> Vec<String> {
    let is_here = directory == Path::new(".");
    let shown = made::shell(&directory.display().to_string());
    let git = if is_here { "git".to_owned() } else { format!("git -C {shown}") };
    let validate =
        if is_here { "moorline validate".to_owned() } else { format!("moorline validate {shown}") };
    let settings = if is_here { "moorlined.yaml".to_owned() } else { format!("{shown}/moorlined.yaml") };
    let work_dir = made::shell(&surroundings.work_dir.display().to_string());
    let branch = made::shell(&repository.branch);
    let mut first = Vec::new();
    if !repository.is_repository {
        first.push(format!("{git} init --initial-branch {branch}"));
    }
    first.push(validate);
    // The daemon's settings belong where the daemon runs. What nobody wrote just now is not ours to commit.
    let mut commits: Vec<&str> = wrote
        .iter()
        .filter_map(|path| path.split('/').next())
        .filter(|path| *path != "moorlined.yaml")
        .collect();
    commits.dedup();
    if !commits.is_empty() {
        first.push(format!("{git} add {}", commits.join(" ")));
        first.push(format!("{git} commit -m 'Declare the gateway'"));
        first.extend(
            repository
                .remote
                .as_ref()
                .map(|remote| format!("{git} push -u {} {branch}", made::shell(remote))),
        );
    }
    vec![
        first.join(" && "),
        format!(
            "moorline-gateway --admin-token env:GATEWAY_ADMIN_TOKEN --state {work_dir}/gateway > {work_dir}/gateway.log 2>&1 &"
        ),
        format!("moorline daemon --config {settings} > {work_dir}/daemon.log 2>&1 &"),
    ]
}

impl Done {
    fn say(&self) {
        for found in &self.found {
            output::say(format!("Found {found}."));
        }
        for path in &self.left_alone {
            output::say(format!("{path} is already there and was left alone."));
        }
        if !self.wrote.is_empty() {
            output::say(format!("Wrote {}.", self.wrote.join(", ")));
        }
        let names: Vec<&str> = self.secrets.iter().map(|made| made.name).collect();
        if !names.is_empty() {
            let names = names.join(", ");
            output::say(if std::io::stdout().is_terminal() {
                format!(
                    "{names}: made for you, shown this once and written nowhere. Paste the lines into the shells in which \
                     the gateway, the daemon and the command line run, and keep them where you keep secrets:"
                )
            } else {
                format!("{names}: made for you, written to stdout this once and nowhere else.")
            });
        }
        self.secrets.iter().for_each(|made| output::line(made.export()));
        if !self.not_set.is_empty() {
            output::say(format!(
                "{}: named in these files, and not set here. A secret is shown once, when it is made up: set it from where \
                 you keep secrets, or make a new one, and start the gateway and the daemon with that:",
                self.not_set.join(", ")
            ));
            let lines = self.not_set.iter().flat_map(|name| made::anew(name));
            lines.for_each(|line| output::say(format!("  {line}")));
        }
        output::say("Next:");
        self.next.iter().for_each(|command| output::say(format!("  {command}")));
    }

    fn json(&self) -> Value {
        let secrets: serde_json::Map<String, Value> =
            self.secrets.iter().map(|made| (made.name.to_owned(), json!(made.value.expose()))).collect();
        json!({
            "wrote": self.wrote,
            "left_alone": self.left_alone,
            "found": self.found,
            "secrets": secrets,
            "not_set": self.not_set,
            "next": self.next,
        })
    }
}

#[cfg(test)]
mod tests;
