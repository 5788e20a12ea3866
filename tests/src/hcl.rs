//! An environment that Terraform declares: the HCL of `examples/deploy` and the module of `infra/`, with a provider
//! mirror and the lock file that belongs to it.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use tokio::process::Command;
use tokio::sync::OnceCell;

use crate::declared::caller_key_sha256;
use crate::process::program;
use crate::repository::Files;
use crate::wait::in_time;

/// A provider mirror on disk and a lock file made against it; made once, used by all tests of a process.
#[derive(Debug)]
pub struct Mirror {
    /// Where it is.
    pub path: PathBuf,
    lock: String,
}

static MIRROR: OnceCell<Mirror> = OnceCell::const_new();

/// The mirror with this build's provider.
///
/// # Panics
/// When it cannot be made.
pub async fn mirror() -> &'static Mirror {
    MIRROR.get_or_init(make_mirror).await
}

/// The mirror, when it was made before.
///
/// # Panics
/// When it was not.
#[must_use]
pub fn made() -> &'static Mirror {
    MIRROR.get().expect("the mirror was made")
}

async fn make_mirror() -> Mirror {
    let provider = program("terraform-provider-moorline");
    let path = provider.parent().unwrap().join("moorline-tests-mirror");
    let mut install = Command::new(&provider);
    install.arg("install").arg("--mirror").arg(&path);
    let configuration = done(install).await;
    let scratch = tempfile::tempdir().unwrap();
    let here = scratch.path();
    std::fs::write(here.join("cli.tfrc"), configuration).unwrap();
    for (file, text) in files("http://127.0.0.1:1/v1", "any") {
        let file = here.join(file);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, text).unwrap();
    }
    let mut init = Command::new("terraform");
    init.args(["-chdir=infra", "init", "-backend=false", "-input=false"]).current_dir(here).env_clear();
    init.env("PATH", std::env::var_os("PATH").unwrap_or_default()).env("HOME", here);
    init.env("TF_CLI_CONFIG_FILE", here.join("cli.tfrc")).env("CHECKPOINT_DISABLE", "1");
    done(init).await;
    let lock = std::fs::read_to_string(here.join("infra/.terraform.lock.hcl")).unwrap();
    Mirror { path, lock }
}

async fn done(mut command: Command) -> String {
    command.stdin(Stdio::null()).kill_on_drop(true);
    let output = in_time("a command ends", command.output()).await.expect("the program is on PATH");
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

impl Mirror {
    /// The files of the environment: its document aims at `model` of the provider at `base_url`.
    #[must_use]
    pub fn files(&self, base_url: &str, model: &str) -> Files {
        let mut files = files(base_url, model);
        files.insert("infra/.terraform.lock.hcl".to_owned(), self.lock.clone());
        files
    }
}

fn files(base_url: &str, model: &str) -> Files {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let read = |path: &str| std::fs::read_to_string(root.join(path)).unwrap();
    let edits = [
        ("http://127.0.0.1:8000/v1", base_url),
        ("small-1", model),
        ("demo-small", "small"),
        ("DEMO_PROVIDER_KEY", "PROVIDER_KEY"),
        (&"0".repeat(64), &caller_key_sha256()),
    ];
    let mut main = read("examples/deploy/infra/main.tf");
    for (from, to) in edits {
        assert!(main.contains(from), "examples/deploy/infra/main.tf does not say `{from}` any more");
        main = main.replace(from, to);
    }
    let mut files = Files::from([("infra/main.tf".to_owned(), main)]);
    for file in ["main.tf", "outputs.tf", "variables.tf", "versions.tf"] {
        let path = format!("infra/modules/ai-gateway/{file}");
        let text = read(&path);
        files.insert(path, text);
    }
    files
}
