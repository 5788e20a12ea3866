//! What a commit declares for one environment.
//!
//! In: the declaration and the document's files as they stand at the commit, and the document that `terraform apply`
//! handed over, if it did. Out: [`Desired`], or every mistake with file and line.

use std::sync::Arc;

use moorline_model::config::{Config, Mistakes, Source};
use moorline_model::declaration::{self, Declaration, Document, Notifications};
use moorline_model::{EnvironmentName, Revision};
use serde_json::Value;

use crate::preflight::rejection;

/// What a commit declares for one environment.
#[derive(Debug, Clone, PartialEq)]
pub struct Desired {
    pub revision: Revision,
    /// The environment as declared there.
    pub environment: Arc<declaration::Environment>,
    /// Where notifications go.
    pub notifications: Notifications,
    /// Folders with policies, relative to the repository's root.
    pub policies: Vec<String>,
    /// The gateway document.
    pub document: DesiredDocument,
    /// Identity of its Terraform; absent when the environment has none.
    pub terraform_tree: Option<String>,
    /// Why the commit is not brought in though it can be read ([`rejection`]).
    pub rejection: Option<String>,
}

impl Desired {
    /// Whether another commit declares the same for the environment, so that one in the other's place changes nothing.
    #[must_use]
    pub fn declares_as(&self, other: &Self) -> bool {
        self.environment == other.environment
            && self.notifications == other.notifications
            && self.policies == other.policies
            && self.document == other.document
            && self.terraform_tree == other.terraform_tree
    }
}

/// The gateway document, as far as it is known before an apply.
#[derive(Debug, Clone, PartialEq)]
pub enum DesiredDocument {
    /// It is known.
    Known(Config),
    /// `terraform apply` will hand it over; it has handed none over yet.
    AwaitsTerraform,
}

impl DesiredDocument {
    /// The document, when it is known.
    #[must_use]
    pub const fn config(&self) -> Option<&Config> {
        match self {
            Self::Known(config) => Some(config),
            Self::AwaitsTerraform => None,
        }
    }
}

/// Why a commit declares nothing that could be brought into force.
#[derive(Debug, thiserror::Error)]
pub enum DesiredError {
    /// The declaration has no such environment.
    #[error("moorline.yaml declares no environment `{name}`: it has {}", known.join(", "))]
    UnknownEnvironment {
        /// The one asked for.
        name: EnvironmentName,
        /// Those it has.
        known: Vec<String>,
    },
    /// The gateway document has mistakes.
    #[error("the gateway document of `{name}` is not valid")]
    Document {
        name: EnvironmentName,
        #[source]
        mistakes: Mistakes,
    },
}

/// Puts together what a commit declares for an environment.
///
/// `files` are the document's layers as read at the commit, in the order declared; `handed_over` is the document that
/// `terraform apply` gave us for this environment, if it is declared to come from there.
///
/// # Errors
/// [`DesiredError`], with every mistake of the document at once.
pub fn desired(
    revision: Revision,
    name: &EnvironmentName,
    declaration: &Declaration,
    files: &[(String, String)],
    handed_over: Option<&Value>,
    terraform_tree: Option<String>,
) -> Result<Desired, DesiredError> {
    let environment = declaration.environment(name).cloned().ok_or_else(|| {
        let known = declaration.environments.iter().map(|environment| format!("`{}`", environment.name));
        DesiredError::UnknownEnvironment { name: name.clone(), known: known.collect() }
    })?;
    let document = match (&environment.gateway.document, handed_over) {
        (Document::Files(_), _) => {
            let layers: Vec<_> = files.iter().map(|(name, text)| Source { name, text }).collect();
            Config::parse(&layers).map(DesiredDocument::Known)
        }
        (Document::Terraform { terraform }, Some(value)) => {
            Config::from_value(terraform, value).map(DesiredDocument::Known)
        }
        (Document::Terraform { .. }, None) => Ok(DesiredDocument::AwaitsTerraform),
    }
    .map_err(|mistakes| DesiredError::Document { name: name.clone(), mistakes })?;
    Ok(Desired {
        rejection: rejection(&environment, &document),
        revision,
        notifications: declaration.notifications.clone(),
        policies: declaration.policies.clone(),
        document,
        // Without Terraform there is no tree that could differ, whatever the caller read.
        terraform_tree: environment.terraform.as_ref().and(terraform_tree),
        environment: Arc::new(environment),
    })
}

#[cfg(test)]
mod tests;
