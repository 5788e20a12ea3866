//! The repository's policies at a commit, and what they say.

use moorline_config::Config;
use moorline_model::rollout::Rollout;
use moorline_plan::desired::Desired;
use moorline_plan::policy::{Denial, Policies, policy_input};
use moorline_source::Repository;

use crate::clock;

/// Asks the policies that the rollout's commit declares. A policy that cannot be read or does not compile refuses, by
/// being an error.
pub(super) async fn denials(
    repository: &Repository,
    rollout: &Rollout,
    current: &Desired,
    document: Option<&Config>,
) -> Result<Vec<Denial>, String> {
    if current.policies.is_empty() {
        return Ok(Vec::new());
    }
    let commit = &current.revision.commit;
    let mut files = Vec::new();
    for folder in &current.policies {
        let paths = repository.files(commit, folder).await.map_err(|error| crate::chain::of(&error))?;
        for path in paths.into_iter().filter(|path| path.ends_with(".rego") && !path.ends_with("_test.rego"))
        {
            let bytes = repository.read(commit, &path).await.map_err(|error| crate::chain::of(&error))?;
            let text = bytes.and_then(|bytes| String::from_utf8(bytes).ok());
            files.push((path.clone(), text.ok_or_else(|| format!("{path} is not UTF-8 text"))?));
        }
    }
    let policies = Policies::compile(&files).map_err(|error| crate::chain::of(&error))?;
    let input = policy_input(current, rollout.terraform.as_ref(), document, clock::now());
    policies.evaluate(&input).map_err(|error| crate::chain::of(&error))
}
