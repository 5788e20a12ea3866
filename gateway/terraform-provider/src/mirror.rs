//! `install --mirror DIR`: lays the provider out as a filesystem mirror, from which `terraform init` installs it
//! offline, lock file and all.

use std::path::{Path, PathBuf};
use std::{fs, io};

/// The provider's address below a registry.
const ADDRESS: &str = "moorline/moorline";
/// Terraform and OpenTofu complete `moorline/moorline` with different hosts.
const HOSTS: [&str; 2] = ["registry.terraform.io", "registry.opentofu.org"];
/// This release.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Why the mirror was not written.
#[derive(Debug, thiserror::Error)]
#[error("writing {}", path.display())]
pub struct InstallError {
    /// What could not be written.
    pub path: PathBuf,
    /// Why.
    #[source]
    pub source: io::Error,
}

/// Copies the given program into a mirror and says where it went.
///
/// # Errors
/// [`InstallError`].
pub fn install(mirror: &Path, program: &Path) -> Result<Vec<PathBuf>, InstallError> {
    HOSTS.iter().map(|host| install_for(host, mirror, program)).collect()
}

fn install_for(host: &str, mirror: &Path, program: &Path) -> Result<PathBuf, InstallError> {
    let folder = mirror.join(host).join(ADDRESS).join(VERSION).join(platform());
    let path = folder.join(format!("terraform-provider-moorline_v{VERSION}"));
    let attempt = || {
        fs::create_dir_all(&folder)?;
        // Beside and renamed: a Terraform that installs at this moment finds the old file or the new, never a half.
        let beside = tempfile::NamedTempFile::new_in(&folder)?;
        fs::copy(program, beside.path())?;
        beside.persist(&path).map_err(|error| error.error)?;
        Ok(())
    };
    attempt().map_err(|source| InstallError { path: path.clone(), source })?;
    Ok(path)
}

/// The platform as Go names it.
fn platform() -> String {
    let system = if std::env::consts::OS == "macos" { "darwin" } else { std::env::consts::OS };
    let machine = match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    };
    format!("{system}_{machine}")
}

/// The CLI configuration (`TF_CLI_CONFIG_FILE`) that makes Terraform install from a mirror.
#[must_use]
pub fn cli_configuration(mirror: &Path) -> String {
    let patterns = HOSTS.map(|host| format!("\"{host}/moorline/*\"")).join(", ");
    let path = mirror.display().to_string();
    [
        "provider_installation {",
        "  filesystem_mirror {",
        &format!("    path    = {path:?}"),
        &format!("    include = [{patterns}]"),
        "  }",
        "  direct {",
        &format!("    exclude = [{patterns}]"),
        "  }",
        "}",
        "",
    ]
    .join("\n")
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn the_mirror_has_the_layout_terraform_looks_for_and_an_executable() {
        let mirror = tempfile::tempdir().unwrap();
        let program = mirror.path().join("program");
        fs::write(&program, "#!").unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        let installed = install(mirror.path(), &program).unwrap();
        let below = format!(
            "registry.terraform.io/moorline/moorline/{VERSION}/{}/terraform-provider-moorline_v{VERSION}",
            platform()
        );
        assert_eq!(installed[0], mirror.path().join(below));
        assert_eq!(fs::metadata(&installed[0]).unwrap().permissions().mode() & 0o777, 0o755);
    }
}
