//! The repository's policies at a commit, and what they say.

use jiff::Timestamp;
use moorline_config::Config;
use moorline_model::CommitId;
use moorline_model::rollout::Rollout;
use moorline_plan::desired::Desired;
use moorline_plan::policy::{Denial, Policies, policy_input};

use crate::facilities::Source;

/// Asks the policies that the rollout's commit declares. A policy that cannot be read or does not compile refuses, by
/// being an error, and so does a folder in which there is none: it may be the wrong one.
pub(crate) async fn denials(
    source: &impl Source,
    rollout: &Rollout,
    current: &Desired,
    document: Option<&Config>,
    now: Timestamp,
) -> Result<Vec<Denial>, String> {
    if current.policies.is_empty() {
        return Ok(Vec::new());
    }
    let files = read(source, &current.revision.commit, &current.policies).await?;
    let policies = Policies::compile(&files).map_err(|error| crate::chain::of(&error))?;
    let input = policy_input(current, rollout.terraform.as_ref(), document, now);
    policies.evaluate(&input).map_err(|error| crate::chain::of(&error))
}

/// The policies in these folders at a commit, without their tests.
async fn read(
    source: &impl Source,
    commit: &CommitId,
    folders: &[String],
) -> Result<Vec<(String, String)>, String> {
    let mut files = Vec::new();
    for folder in folders {
        let mut paths = source.files(commit, folder).await.map_err(|error| crate::chain::of(&error))?;
        paths.retain(|path| path.ends_with(".rego") && !path.ends_with("_test.rego"));
        if paths.is_empty() {
            return Err(format!("there is no policy (*.rego) in {folder}"));
        }
        for path in paths {
            let bytes = source.file(commit, &path).await.map_err(|error| crate::chain::of(&error))?;
            let text = bytes.and_then(|bytes| String::from_utf8(bytes).ok());
            files.push((path.clone(), text.ok_or_else(|| format!("{path} is not UTF-8 text"))?));
        }
    }
    Ok(files)
}

#[cfg(test)]
mod tests {
    use moorline_model::CheckFailed;
    use moorline_model::declaration::{ChannelKind, Terraform};

    use std::collections::BTreeSet;

    use super::*;

    /// One folder with a policy, and one with tests only.
    struct Folders;

    impl Source for Folders {
        fn declaration_path(&self) -> &str {
            "moorline.yaml"
        }

        fn channel_kinds(&self) -> &'static [ChannelKind] {
            &[]
        }

        async fn file(&self, _: &CommitId, _: &str) -> Result<Option<Vec<u8>>, CheckFailed> {
            Ok(Some(b"package moorline.one".to_vec()))
        }
        async fn files(&self, _: &CommitId, folder: &str) -> Result<Vec<String>, CheckFailed> {
            Ok(match folder {
                "policies" => vec!["policies/one.rego".to_owned()],
                "tests" => vec!["tests/one_test.rego".to_owned()],
                _ => Vec::new(),
            })
        }
        async fn changed(&self, _: &CommitId, _: &CommitId) -> Result<BTreeSet<String>, CheckFailed> {
            Ok(BTreeSet::new())
        }
        async fn terraform_identity(&self, _: &CommitId, _: &Terraform) -> Result<String, CheckFailed> {
            Ok(String::new())
        }
    }

    #[tokio::test]
    async fn a_folder_without_a_policy_refuses() {
        let head: CommitId = "1".repeat(40).parse().unwrap();
        let read = async |folders: &[&str]| {
            let folders: Vec<_> = folders.iter().map(|&folder| folder.to_owned()).collect();
            read(&Folders, &head, &folders).await
        };
        assert_eq!(read(&["policies"]).await.unwrap().len(), 1);
        for wrong in ["polices", "tests"] {
            let refused = read(&["policies", wrong]).await.unwrap_err();
            assert!(refused.contains(wrong), "{refused}");
        }
    }
}
