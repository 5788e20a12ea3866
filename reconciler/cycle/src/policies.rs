//! The repository's policies at a commit, and what they say.

use jiff::Timestamp;
use moorline_config::Config;
use moorline_model::rollout::Rollout;
use moorline_model::{CheckFailed, CommitId};
use moorline_plan::desired::Desired;
use moorline_plan::policy::{Denial, Policies, PolicyError, policy_input};

use crate::facilities::Source;

/// Why the policies could not be asked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AskPoliciesError {
    /// The commit could not be read.
    #[error(transparent)]
    Unread(#[from] CheckFailed),
    #[error("there is no policy (*.rego) in {folder}")]
    Empty { folder: String },
    #[error("{path} is not UTF-8 text")]
    NotText { path: String },
    /// One does not compile, or cannot be evaluated.
    #[error(transparent)]
    Policy(#[from] PolicyError),
}

impl From<AskPoliciesError> for CheckFailed {
    fn from(error: AskPoliciesError) -> Self {
        match error {
            AskPoliciesError::Unread(failed) => failed,
            // What is wrong with a policy stays in its commit.
            AskPoliciesError::Empty { .. }
            | AskPoliciesError::NotText { .. }
            | AskPoliciesError::Policy(_) => Self::stalled(crate::chain::of(&error)),
        }
    }
}

/// Asks the policies that the rollout's commit declares. A policy that cannot be read or does not compile refuses, by
/// being an error, and so does a folder in which there is none: it may be the wrong one.
pub(crate) async fn denials(
    source: &impl Source,
    rollout: &Rollout,
    current: &Desired,
    document: Option<&Config>,
    now: Timestamp,
) -> Result<Vec<Denial>, AskPoliciesError> {
    if current.policies.is_empty() {
        return Ok(Vec::new());
    }
    let files = read(source, &current.revision.commit, &current.policies).await?;
    let input = policy_input(current, rollout.terraform.as_ref(), document, now);
    Ok(Policies::compile(&files)?.evaluate(&input)?)
}

/// The policies in these folders at a commit, without their tests.
async fn read(
    source: &impl Source,
    commit: &CommitId,
    folders: &[String],
) -> Result<Vec<(String, String)>, AskPoliciesError> {
    let mut files = Vec::new();
    for folder in folders {
        let mut paths = source.files(commit, folder).await?;
        paths.retain(|path| path.ends_with(".rego") && !path.ends_with("_test.rego"));
        if paths.is_empty() {
            return Err(AskPoliciesError::Empty { folder: folder.clone() });
        }
        for path in paths {
            let bytes = source.file(commit, &path).await?;
            match bytes.and_then(|bytes| String::from_utf8(bytes).ok()) {
                Some(text) => files.push((path, text)),
                None => return Err(AskPoliciesError::NotText { path }),
            }
        }
    }
    Ok(files)
}

#[cfg(test)]
mod tests {
    use moorline_model::FailureClass;
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
                "away" => return Err(CheckFailed::transient("the disk was slow")),
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
            let refused = CheckFailed::from(read(&["policies", wrong]).await.unwrap_err());
            assert!(refused.because.contains(wrong), "{refused}");
            assert_eq!(refused.class, FailureClass::Stalled);
        }
        let away = CheckFailed::from(read(&["away"]).await.unwrap_err());
        assert_eq!(away.class, FailureClass::Transient);
    }
}
