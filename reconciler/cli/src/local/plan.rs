//! `moorline plan`: what merging a checkout would change.
//!
//! Terraform plans the checkout as it is, with the environment's own backend and state; where the gateways can be
//! reached, the document is compared with the one they serve. Nothing is changed.

use std::collections::BTreeMap;
use std::path::Path;

use moorline_admin::Client;
use moorline_config::Config;
use moorline_daemon::clock;
use moorline_daemon::secrets::Secrets;
use moorline_model::CommitId;
use moorline_model::changes::{Changes, NOTHING};
use moorline_model::declaration::{Endpoints, Environment};
use moorline_model::plan::PlanSummary;
use moorline_plan::changes::changes;
use moorline_terraform::{EmbeddedRunner, Event, Job, Progress, Runner};
use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::super::{Exit, Output, PlanArguments, output};
use super::checkout::Checkout;
use crate::chain;

/// Stands for the commit that the checkout will be: it has none yet.
const NO_COMMIT: &str = "0000000000000000000000000000000000000000";

/// Plans one environment of a checkout.
pub(super) async fn plan(checkout: &Checkout, arguments: &PlanArguments, format: Output) -> Exit {
    let Some(environment) = checkout.declaration.environment(&arguments.environment) else {
        let known: Vec<_> =
            checkout.declaration.environments.iter().map(|found| found.name.to_string()).collect();
        let message = format!("no environment `{}`: there is {}", arguments.environment, known.join(", "));
        return output::failed(Exit::Error, &message, None);
    };
    let document = match checkout.document(environment) {
        Ok(document) => document,
        Err(mistakes) => {
            return output::mistaken(Exit::Error, &mistakes);
        }
    };
    let terraform = match Box::pin(terraform_plan(checkout, environment, arguments.mirror.as_deref())).await {
        Ok(terraform) => terraform,
        Err(error) => {
            return output::failed(Exit::Error, &error, None);
        }
    };
    let changes = match &document {
        Some(document) => document_changes(environment, document).await.map(Some),
        None => Ok(None),
    };
    say(environment, terraform.as_ref(), &changes, format)
}

/// Prints what would change, and answers with the exit.
fn say(
    environment: &Environment,
    terraform: Option<&PlanSummary>,
    changes: &Result<Option<Changes>, String>,
    format: Output,
) -> Exit {
    if format == Output::Text {
        print(terraform, changes);
    }
    let result = json!({
        "environment": environment.name,
        "terraform": terraform,
        "document": changes.as_ref().ok(),
        "document_error": changes.as_ref().err(),
    });
    let changes = match changes {
        Ok(changes) => changes.as_ref(),
        Err(error) => {
            let message = format!("the document cannot be compared: {error}");
            return output::failed_with(&result, Exit::CannotCheck, &message, None);
        }
    };
    if format == Output::Json {
        output::json(&result);
    }
    let is_empty = terraform.is_none_or(PlanSummary::is_empty) && changes.is_none_or(Changes::is_empty);
    if is_empty { Exit::Done } else { Exit::Changes }
}

fn print(terraform: Option<&PlanSummary>, changes: &Result<Option<Changes>, String>) {
    if let Some(plan) = terraform {
        output::line(format!("terraform: {}", plan.headline()));
        for change in &plan.changes {
            output::line(format!(
                "  {} {} ({})",
                change.action.as_str(),
                change.address,
                change.attributes.join(", ")
            ));
        }
    }
    match changes {
        Ok(None) => output::line("document: known once Terraform has handed it over"),
        Ok(Some(changes)) if changes.is_empty() => output::line(format!("document: {NOTHING}")),
        Ok(Some(changes)) => {
            output::line(format!("document: {}", changes.sentence));
            changes.lines(usize::MAX).iter().for_each(|line| output::line(format!("  {line}")));
        }
        Err(error) => output::line(format!("document: cannot be compared: {error}")),
    }
}

/// Compares the document with what the first replica serves.
async fn document_changes(environment: &Environment, document: &Config) -> Result<Changes, String> {
    let Endpoints::Urls(urls) = &environment.gateway.endpoints else {
        return Err("the gateways are found through ECS, which this command does not do".to_owned());
    };
    let token = Secrets::own(&environment.gateway.admin_token).map_err(|error| chain::of(&error))?;
    let url = urls.first().ok_or("no gateway is declared")?;
    let client = Client::new(url, Some(token)).map_err(|error| chain::of(&error))?;
    match client.config().await {
        Ok(live) => Ok(changes(Some(&live.document), document.value(), document.digest())),
        Err(error) if error.problem().is_some_and(|problem| problem.is("not-found")) => {
            Ok(changes(None, document.value(), document.digest()))
        }
        Err(error) => Err(chain::after(&error.to_string(), &error)),
    }
}

/// Runs Terraform on a copy of the checkout; nothing is left behind in it.
async fn terraform_plan(
    checkout: &Checkout,
    environment: &Environment,
    mirror: Option<&Path>,
) -> Result<Option<PlanSummary>, String> {
    let Some(terraform) = &environment.terraform else { return Ok(None) };
    let scratch = tempfile::tempdir().map_err(|error| error.to_string())?;
    let tree = scratch.path().join("tree");
    copy(&checkout.root, &tree)?;
    let mut variables = BTreeMap::new();
    for (name, reference) in &terraform.environment {
        variables.insert(name.clone(), Secrets::own(reference).map_err(|error| chain::of(&error))?);
    }
    let job = Job {
        tree,
        commit: NO_COMMIT.parse::<CommitId>().map_err(|error| error.to_string())?,
        environment: terraform.clone(),
        variables,
        run_dir: scratch.path().join("run"),
        data_dir: scratch.path().join("data"),
        mirror: mirror.map(Path::to_owned),
        now: clock::now(),
    };
    let runner = EmbeddedRunner::default();
    let planned = runner.plan(&job, &CancellationToken::new(), &PrintedProgress).await;
    planned.map(|planned| Some(planned.summary)).map_err(|error| chain::of(&error))
}

struct PrintedProgress;

impl Progress for PrintedProgress {
    fn report(&self, event: Event) {
        output::say(format!("terraform: {event:?}"));
    }
}

/// Copies what Git would hold: no `.git`, no `.terraform`, links as they are.
fn copy(from: &Path, to: &Path) -> Result<(), String> {
    let failed = |path: &Path, error: std::io::Error| format!("{} cannot be copied: {error}", path.display());
    std::fs::create_dir_all(to).map_err(|error| failed(to, error))?;
    for entry in std::fs::read_dir(from).map_err(|error| failed(from, error))? {
        let entry = entry.map_err(|error| failed(from, error))?;
        let (path, target) = (entry.path(), to.join(entry.file_name()));
        if matches!(entry.file_name().to_str(), Some(".git" | ".terraform")) {
            continue;
        }
        let kind = entry.file_type().map_err(|error| failed(&path, error))?;
        if kind.is_dir() {
            copy(&path, &target)?;
        } else if kind.is_symlink() {
            let link = std::fs::read_link(&path).map_err(|error| failed(&path, error))?;
            std::os::unix::fs::symlink(link, &target).map_err(|error| failed(&path, error))?;
        } else if kind.is_file() {
            std::fs::copy(&path, &target).map_err(|error| failed(&path, error))?;
        }
    }
    Ok(())
}
