//! The secrets that the written files refer to: taken from the environment where they are set, else made up.

use moorline_config::Secret;
use sha2::{Digest as _, Sha256};

use super::InitError;
use super::surroundings::Surroundings;
use moorline_daemon::random;

/// A secret that the files refer to by its variable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Wanted(&'static str, &'static str);

impl Wanted {
    /// What opens the gateway's admin API.
    pub(super) const GATEWAY_ADMIN: Self = Self("GATEWAY_ADMIN_TOKEN", "");
    /// What callers and probes show the gateway.
    pub(super) const CALLER: Self = Self("CALLER_KEY", "mk-");
    /// What opens the daemon's API.
    pub(super) const ADMIN: Self = Self("MOORLINE_ADMIN_TOKEN", "");
    /// What opens the document endpoint for Terraform.
    pub(super) const DOCUMENT: Self = Self("DOCUMENT_TOKEN", "");
    const ALL: [Self; 4] = [Self::GATEWAY_ADMIN, Self::ADMIN, Self::CALLER, Self::DOCUMENT];
}

/// A secret, and the variable it goes by.
#[derive(Debug, Clone)]
pub(super) struct Made {
    pub(super) wanted: Wanted,
    pub(super) name: &'static str,
    pub(super) value: Secret,
    is_new: bool,
}

impl Made {
    /// The secret of the environment, or a new one.
    pub(super) fn get(wanted: Wanted, variable: impl Fn(&str) -> Option<String>) -> Result<Self, InitError> {
        let Wanted(name, prefix) = wanted;
        let Some(value) = variable(name) else {
            let value = Secret::new(format!("{prefix}{}", random::secret()?.expose()));
            return Ok(Self { wanted, name, value, is_new: true });
        };
        let value = Secret::new(value);
        if value.as_token().is_err() {
            return Err(InitError::Secret { name });
        }
        Ok(Self { wanted, name, value, is_new: false })
    }

    /// What a gateway document holds of it.
    pub(super) fn sha256(&self) -> String {
        hex::encode(Sha256::digest(self.value.expose()))
    }

    /// The line that gives it to a shell.
    pub(super) fn export(&self) -> String {
        format!("export {}={}", self.name, shell(self.value.expose()))
    }
}

/// What a shell must be given: the new ones, and what goes with them.
pub(super) fn exports(
    secrets: &[Made],
    surroundings: &Surroundings,
    variable: impl Fn(&str) -> Option<String>,
) -> Vec<Made> {
    let mut exports: Vec<Made> = secrets.iter().filter(|made| made.is_new).cloned().collect();
    let of = |wanted: Wanted| secrets.iter().find(move |made| made.wanted == wanted);
    // The command line shows the daemon what the daemon asks for.
    if let Some(admin) =
        of(Wanted::ADMIN).filter(|admin| admin.is_new || variable("MOORLINE_TOKEN").is_none())
    {
        exports.push(Made { name: "MOORLINE_TOKEN", ..admin.clone() });
    }
    // No secret, but a reference needs a variable.
    if let Some(document) = of(Wanted::DOCUMENT).filter(|_| variable("DOCUMENT_ENDPOINT").is_none()) {
        let address = format!("http://{}/api/v1/environments/dev/document", surroundings.listen);
        exports.push(Made { name: "DOCUMENT_ENDPOINT", value: Secret::new(address), ..document.clone() });
    }
    exports
}

/// The secrets that the files refer to, and that this shell does not have: an earlier run showed them, that once.
pub(super) fn not_set(
    files: &[String],
    exports: &[Made],
    variable: impl Fn(&str) -> Option<String>,
) -> Vec<&'static str> {
    let is_named = |name: &str| files.iter().any(|text| text.contains(&format!("env:{name}")));
    let is_here = |name: &str| variable(name).is_some() || exports.iter().any(|made| made.name == name);
    let names = Wanted::ALL.into_iter().map(|Wanted(name, _)| name);
    names.filter(|name| is_named(name) && !is_here(name)).collect()
}

/// The lines that make a new secret and put it where the old one was.
pub(super) fn anew(name: &str) -> Vec<String> {
    let prefix = Wanted::ALL.into_iter().find(|wanted| wanted.0 == name).map_or("", |wanted| wanted.1);
    let mut lines =
        vec![format!("export {name}=\"{prefix}$(head -c 24 /dev/urandom | od -An -v -tx1 | tr -d ' \\n')\"")];
    if name == Wanted::ADMIN.0 {
        lines.push(format!("export MOORLINE_TOKEN=\"${name}\""));
    }
    if name == Wanted::CALLER.0 {
        lines.push(format!("printf %s \"${name}\" | sha256sum    # put it into gateway.yaml: keys, sha256"));
    }
    lines
}

/// A word as a POSIX shell takes it, whatever is in it.
pub(super) fn shell(text: &str) -> String {
    let is_plain =
        !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || "-_./:@%+=,".contains(c));
    if is_plain { text.to_owned() } else { format!("'{}'", text.replace('\'', r"'\''")) }
}
