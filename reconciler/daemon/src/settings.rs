//! The daemon's settings: `moorlined.yaml`, with `MOORLINE_…` variables laid over it.
//!
//! `MOORLINE_REPOSITORY__URL=…` sets `repository.url`; two underscores go one level down.

use std::path::{Path, PathBuf};

use moorline_config::{Mistakes, Source};
use moorline_model::bootstrap::Bootstrap;
use serde_json::{Map, Value};

/// Why the settings cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// The file cannot be read.
    #[error("{} cannot be read", path.display())]
    Read {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    /// Nothing says where the repository is.
    #[error("no settings are given: --config moorlined.yaml, or at least MOORLINE_REPOSITORY__URL")]
    Absent,
    /// The settings have mistakes.
    #[error("the daemon's settings have mistakes:\n{0}")]
    Invalid(Mistakes),
}

/// Top-level keys of the settings; variables that begin otherwise are the command line's own (`MOORLINE_TOKEN`).
const KEYS: [&str; 7] = ["repository", "store", "work_dir", "listen", "public_url", "tokens", "terraform"];

/// Reads the settings.
///
/// # Errors
/// See [`SettingsError`].
pub fn load(
    path: Option<&Path>,
    variables: impl Iterator<Item = (String, String)>,
) -> Result<Bootstrap, SettingsError> {
    let mut texts = Vec::new();
    if let Some(path) = path {
        let text = std::fs::read_to_string(path)
            .map_err(|source| SettingsError::Read { path: path.to_owned(), source })?;
        texts.push((path.display().to_string(), text));
    }
    let overlay = from_variables(variables);
    if !overlay.is_empty() {
        texts.push(("environment".to_owned(), Value::Object(overlay).to_string()));
    }
    if texts.is_empty() {
        return Err(SettingsError::Absent);
    }
    let sources: Vec<Source<'_>> = texts.iter().map(|(name, text)| Source { name, text }).collect();
    Bootstrap::parse(&sources).map_err(SettingsError::Invalid)
}

/// Whether a variable of this name is one of the settings.
pub(crate) fn is_setting(variable: &str) -> bool {
    setting(variable).is_some()
}

/// The setting's path that a variable names.
fn setting(variable: &str) -> Option<Vec<String>> {
    let path: Vec<_> = variable.strip_prefix("MOORLINE_")?.split("__").map(str::to_ascii_lowercase).collect();
    path.first().is_some_and(|first| KEYS.contains(&first.as_str())).then_some(path)
}

fn from_variables(variables: impl Iterator<Item = (String, String)>) -> Map<String, Value> {
    let mut overlay = Map::new();
    for (name, value) in variables {
        if let Some(path) = setting(&name) {
            insert(&mut overlay, &path, value);
        }
    }
    overlay
}

fn insert(map: &mut Map<String, Value>, path: &[String], value: String) {
    match path {
        [] => {}
        [last] => {
            map.insert(last.clone(), Value::String(value));
        }
        [first, rest @ ..] => {
            let below = map.entry(first.clone()).or_insert_with(|| Value::Object(Map::new()));
            if let Value::Object(below) = below {
                insert(below, rest, value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_are_laid_over_the_file_and_others_are_left_alone() {
        let variables = [
            ("MOORLINE_REPOSITORY__URL", "/srv/deploy.git"),
            ("MOORLINE_LISTEN", "127.0.0.1:9"),
            ("MOORLINE_TOKEN", "of the command line"),
            ("HOME", "/root"),
        ];
        let variables = variables.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned()));
        let bootstrap = load(None, variables).unwrap();
        assert_eq!(bootstrap.repository.url, "/srv/deploy.git");
        assert_eq!(bootstrap.listen, "127.0.0.1:9");
    }
}
