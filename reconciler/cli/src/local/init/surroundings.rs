//! What `init` takes from the environment, by the names that the gateway, the daemon and the official SDKs know: so a
//! gateway on another port, or a provider on this machine, is declared without a question.

use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

/// Where things are, and what is there already.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Surroundings {
    /// Address of the gateway's admin API.
    pub(super) admin: String,
    /// Where the daemon listens.
    pub(super) listen: String,
    /// Base URL of a provider that is not OpenAI itself.
    pub(super) provider_url: Option<String>,
    /// Whether there is a key for the provider.
    pub(super) has_provider_key: bool,
    /// Where the daemon and the gateway keep their state.
    pub(super) work_dir: PathBuf,
}

impl Surroundings {
    /// Reads them. `directory` is the checkout's folder.
    pub(super) fn read(directory: &Path, variable: impl Fn(&str) -> Option<String>) -> Self {
        let or = |name: &str, default: &str| variable(name).unwrap_or_else(|| default.to_owned());
        let home = variable("HOME").map(|home| PathBuf::from(home).join(".local/state"));
        let state = variable("XDG_STATE_HOME").map(PathBuf::from).or(home);
        let state = state.filter(|path| path.is_absolute()).unwrap_or_else(|| PathBuf::from("/var/lib"));
        Self {
            admin: or("MOORLINE_GATEWAY_ADMIN", "127.0.0.1:8788"),
            listen: or("MOORLINE_LISTEN", "127.0.0.1:8080"),
            provider_url: variable("OPENAI_BASE_URL"),
            has_provider_key: variable("OPENAI_API_KEY").is_some(),
            work_dir: state.join("moorline").join(own_name(directory)),
        }
    }
}

/// A folder's name that no other checkout on this machine has.
fn own_name(directory: &Path) -> String {
    let name = directory.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let plain: String =
        name.chars().map(|c| if c.is_ascii_alphanumeric() || "-_.".contains(c) { c } else { '-' }).collect();
    let hash = hex::encode(Sha256::digest(directory.as_os_str().as_encoded_bytes()));
    let hash: String = hash.chars().take(6).collect();
    if plain.is_empty() { hash } else { format!("{plain}-{hash}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_names_are_those_of_the_gateway_the_daemon_and_the_sdks() {
        let nothing = Surroundings::read(Path::new("/srv/deploy"), |_| None);
        assert_eq!((nothing.admin.as_str(), nothing.listen.as_str()), ("127.0.0.1:8788", "127.0.0.1:8080"));
        assert!(nothing.work_dir.starts_with("/var/lib/moorline"));
        let found = Surroundings::read(Path::new("/srv/deploy"), |name| Some(format!("/{name}")));
        assert_eq!(found.provider_url.as_deref(), Some("/OPENAI_BASE_URL"));
        assert!(found.work_dir.starts_with("/XDG_STATE_HOME/moorline"));
        let other = Surroundings::read(Path::new("/home/ann/deploy"), |_| None);
        assert_ne!(other.work_dir, nothing.work_dir, "two checkouts of one name do not share a record");
    }
}
