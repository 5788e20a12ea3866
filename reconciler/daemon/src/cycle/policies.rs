//! The repository's policies at a commit, and what they say.

use moorline_config::Config;
use moorline_model::CommitId;
use moorline_model::rollout::Rollout;
use moorline_plan::desired::Desired;
use moorline_plan::policy::{Denial, Policies, policy_input};
use moorline_source::Repository;

use crate::clock;

/// Asks the policies that the rollout's commit declares. A policy that cannot be read or does not compile refuses, by
/// being an error, and so does a folder in which there is none: it may be the wrong one.
pub(super) async fn denials(
    repository: &Repository,
    rollout: &Rollout,
    current: &Desired,
    document: Option<&Config>,
) -> Result<Vec<Denial>, String> {
    if current.policies.is_empty() {
        return Ok(Vec::new());
    }
    let files = read(repository, &current.revision.commit, &current.policies).await?;
    let policies = Policies::compile(&files).map_err(|error| crate::chain::of(&error))?;
    let input = policy_input(current, rollout.terraform.as_ref(), document, clock::now());
    policies.evaluate(&input).map_err(|error| crate::chain::of(&error))
}

/// The policies in these folders at a commit, without their tests.
async fn read(
    repository: &Repository,
    commit: &CommitId,
    folders: &[String],
) -> Result<Vec<(String, String)>, String> {
    let mut files = Vec::new();
    for folder in folders {
        let mut paths = repository.files(commit, folder).await.map_err(|error| crate::chain::of(&error))?;
        paths.retain(|path| path.ends_with(".rego") && !path.ends_with("_test.rego"));
        if paths.is_empty() {
            return Err(format!("there is no policy (*.rego) in {folder}"));
        }
        for path in paths {
            let bytes = repository.read(commit, &path).await.map_err(|error| crate::chain::of(&error))?;
            let text = bytes.and_then(|bytes| String::from_utf8(bytes).ok());
            files.push((path.clone(), text.ok_or_else(|| format!("{path} is not UTF-8 text"))?));
        }
    }
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_folder_without_a_policy_refuses() {
        let folder = tempfile::tempdir().unwrap();
        let files = [("policies/one.rego", "package moorline.one"), ("tests/one_test.rego", "package t")];
        let (repository, head) = crate::sample::repository(folder.path(), &files).await;
        let read = async |folders: &[&str]| {
            let folders: Vec<_> = folders.iter().map(|&folder| folder.to_owned()).collect();
            read(&repository, &head.commit, &folders).await
        };
        assert_eq!(read(&["policies"]).await.unwrap().len(), 1);
        for wrong in ["polices", "tests"] {
            let refused = read(&["policies", wrong]).await.unwrap_err();
            assert!(refused.contains(wrong), "{refused}");
        }
    }
}
