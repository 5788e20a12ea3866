//! `moorline validate`: every mistake that can be seen in the files, before anything happens.
//!
//! In: a checkout, the daemon's settings when they lie in it, and this machine's variables. Out: mistakes, with which
//! nothing would work, and warnings: what may be right where the daemon and the gateways run.

use std::collections::BTreeMap;

use moorline_config::check::Problem;
use moorline_config::{Config, Mistakes, Reference, Source};
use moorline_cycle::facilities::ResolveError;
use moorline_daemon::secrets::Secrets;
use moorline_model::bootstrap::Bootstrap;
use moorline_model::declaration::Environment;
use moorline_plan::preflight;
use moorline_source::RemoteUrl;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::super::{CheckoutArguments, Exit, Output, output};
use super::checkout::Checkout;

/// Where the daemon's settings lie, if they lie in the checkout.
const SETTINGS: &str = "moorlined.yaml";

/// What was found.
#[derive(Debug, Default)]
struct Findings {
    mistakes: Vec<String>,
    warnings: Vec<String>,
}

/// Checks a checkout and prints all that was found.
pub(in super::super) fn validate(arguments: &CheckoutArguments, format: Output) -> Exit {
    let mut findings = Findings::default();
    let settings = findings.settings(&arguments.directory.join(SETTINGS));
    let count = match Checkout::open(&arguments.directory, &arguments.file) {
        Ok(checkout) => {
            findings.checkout(&checkout, settings.as_ref());
            checkout.declaration.environments.len()
        }
        Err(mistakes) => {
            findings.mistakes.extend(mistakes);
            0
        }
    };
    let result = findings.say(format);
    if findings.mistakes.is_empty() {
        let environments = if count == 1 { "environment" } else { "environments" };
        output::say(format!("{} is valid: {count} {environments}.", arguments.file));
        if format == Output::Json {
            output::json(&result);
        }
        Exit::Done
    } else {
        let mistakes = if findings.mistakes.len() == 1 { "mistake" } else { "mistakes" };
        let message = format!("{} {mistakes}.", findings.mistakes.len());
        output::say(&message);
        output::failed_with(&result, Exit::Error, &message, None)
    }
}

impl Findings {
    /// Prints for people, and answers with the JSON for scripts.
    fn say(&mut self, format: Output) -> Value {
        for found in [&mut self.mistakes, &mut self.warnings] {
            found.sort();
            found.dedup();
        }
        if format == Output::Text {
            self.mistakes.iter().for_each(output::line);
            self.warnings.iter().for_each(|warning| output::say(format!("warning: {warning}")));
        }
        json!({ "valid": self.mistakes.is_empty(), "mistakes": self.mistakes, "warnings": self.warnings })
    }

    fn add(&mut self, mistakes: &Mistakes) {
        self.mistakes.extend(mistakes.0.iter().map(ToString::to_string));
    }

    /// The daemon's settings, where they lie in the checkout too.
    fn settings(&mut self, path: &std::path::Path) -> Option<Bootstrap> {
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return None,
            Err(error) => {
                self.mistakes.push(format!("{SETTINGS} cannot be read: {error}"));
                return None;
            }
        };
        let settings = Bootstrap::parse(&[Source { name: SETTINGS, text: &text }]);
        let settings = settings.map_err(|mistakes| self.add(&mistakes)).ok()?;
        if let Err(error) = settings.repository.url.parse::<RemoteUrl>() {
            self.mistakes.push(format!("{SETTINGS}: repository.url: {error}"));
        }
        Some(settings)
    }

    fn checkout(&mut self, checkout: &Checkout, settings: Option<&Bootstrap>) {
        self.mistakes.extend(checkout.mistakes());
        let secrets = settings.map(Secrets::new).unwrap_or_default();
        self.references(checkout, &secrets);
        let mut absent = BTreeMap::new();
        for (index, environment) in checkout.declaration.environments.iter().enumerate() {
            // The mistakes of a document were added above.
            let document = checkout.document(environment).ok().flatten();
            self.fit(checkout, index, environment, document.as_ref(), settings);
            for (_, reference) in document.iter().flat_map(|document| document.references()) {
                if is_absent(&Secrets::own(reference)) {
                    absent.entry(reference.to_string()).or_insert_with(|| environment.name.to_string());
                }
            }
        }
        for (reference, environment) in absent {
            self.warnings.push(format!(
                "{reference} has no value here: the gateways of `{environment}` need it where they run"
            ));
        }
    }

    /// Secrets of the declaration that can never be resolved, or not on this machine.
    fn references(&mut self, checkout: &Checkout, secrets: &Secrets) {
        let (mut problems, mut warned) = (Vec::new(), Vec::new());
        for named in checkout.declaration.references() {
            match secrets.declared(&named.reference) {
                Ok(_) => {}
                Err(error @ (ResolveError::Kind(_) | ResolveError::Reserved(_))) => {
                    problems.push(Problem { path: named.path, problem: error.to_string() });
                }
                Err(ResolveError::Unset(_) | ResolveError::File { .. })
                    if warned.contains(&named.reference) => {}
                Err(ResolveError::Unset(_) | ResolveError::File { .. }) => {
                    warned.push(named.reference.clone());
                    let whose = named.environment.map(|name| format!(" of `{name}`")).unwrap_or_default();
                    self.warnings.push(format!(
                        "{} has no value here: the daemon needs it where it runs, as {}{whose}",
                        named.reference,
                        named
                            .path
                            .split_once('.')
                            .filter(|_| !whose.is_empty())
                            .map_or(&*named.path, |(_, path)| path),
                    ));
                }
            }
        }
        self.add(&checkout.locate(problems));
    }

    /// What does not fit together.
    fn fit(
        &mut self,
        checkout: &Checkout,
        index: usize,
        environment: &Environment,
        document: Option<&Config>,
        settings: Option<&Bootstrap>,
    ) {
        let placed = |problems: Vec<Problem>| {
            let below = |problem: Problem| Problem {
                path: format!("environments[{index}].{}", problem.path),
                ..problem
            };
            checkout.locate(problems.into_iter().map(below).collect())
        };
        if let Some(document) = document {
            self.add(&placed(preflight::errors(environment, document)));
        }
        let document = document.map(|document| &**document);
        let warnings = placed(preflight::warnings(environment, document, settings, &sha256_of));
        self.warnings.extend(warnings.0.iter().map(ToString::to_string));
    }
}

/// The SHA-256 of the value that a reference has on this machine.
fn sha256_of(reference: &Reference) -> Option<String> {
    Secrets::own(reference).ok().map(|secret| hex::encode(Sha256::digest(secret.expose())))
}

/// Whether a reference that this machine could resolve has no value on it. Other kinds are a gateway's to look up.
fn is_absent<T>(resolved: &Result<T, ResolveError>) -> bool {
    matches!(resolved, Err(ResolveError::Unset(_) | ResolveError::File { .. }))
}
