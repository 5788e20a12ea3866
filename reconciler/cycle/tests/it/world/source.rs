//! Commits: a declaration, a document, and a policy where the commit is to be refused.

use std::collections::BTreeSet;

use jiff::Timestamp;
use moorline_cycle::facilities::{AwsReads, Clock, Listener, ResolveError, Run, RunFailed, Secrets, Source};
use moorline_model::config::{Reference, Secret};
use moorline_model::declaration::{Aws, ChannelKind, Environment, Terraform};
use moorline_model::drift::Finding;
use moorline_model::{CheckFailed, CommitId, EnvironmentName, Revision, RolloutId};
use moorline_plan::Decision;
use moorline_plan::gates::SituationSnapshot;
use serde_json::{Value, json};

use super::{Around, Commit};

/// The key that probes show.
const KEY: &str = "probe-key";
/// A policy that refuses everything.
const POLICY: &str = "package moorline.test\n\ndeny contains \"not like this\" if true\n";

impl Commit {
    /// Its `moorline.yaml`.
    pub(super) fn declaration(&self) -> String {
        let mut environment = json!({
            "name": "prod",
            "gateway": {
                "document": ["gateway.yaml"],
                "endpoints": ["http://a:8788"],
                "admin_token": "env:TOKEN",
            },
            "verify": {"probes": [{"model": "gpt-4o", "key": "env:PROBE_KEY"}]},
        });
        merge(&mut environment, &self.options);
        let policies: &[&str] = if self.is_denied { &["policies"] } else { &[] };
        json!({"version": 1, "environments": [environment], "policies": policies}).to_string()
    }
}

fn merge(into: &mut Value, over: &Value) {
    match (into, over) {
        (Value::Object(into), Value::Object(over)) => {
            for (key, value) in over {
                merge(into.entry(key.clone()).or_insert(Value::Null), value);
            }
        }
        (into, over) => *into = over.clone(),
    }
}

impl Source for Around {
    fn declaration_path(&self) -> &str {
        "moorline.yaml"
    }

    fn channel_kinds(&self) -> &'static [ChannelKind] {
        &[]
    }

    async fn file(&self, commit: &CommitId, path: &str) -> Result<Option<Vec<u8>>, CheckFailed> {
        let world = self.world();
        let commit = world.at(commit).unwrap();
        Ok(match path {
            "moorline.yaml" => Some(commit.declaration().into_bytes()),
            "gateway.yaml" => Some(commit.document.value().to_string().into_bytes()),
            "policies/test.rego" => Some(POLICY.as_bytes().to_vec()),
            _ => None,
        })
    }

    async fn files(&self, _commit: &CommitId, folder: &str) -> Result<Vec<String>, CheckFailed> {
        self.world().read(folder)?;
        Ok(vec![format!("{folder}/test.rego")])
    }

    async fn changed(&self, old: &CommitId, new: &CommitId) -> Result<BTreeSet<String>, CheckFailed> {
        let mut changed = BTreeSet::new();
        for path in ["moorline.yaml", "gateway.yaml"] {
            if self.file(old, path).await? != self.file(new, path).await? {
                changed.insert(path.to_owned());
            }
        }
        if self.files(old, ".").await != self.files(new, ".").await {
            changed.insert("a policy".to_owned());
        }
        Ok(changed)
    }

    async fn terraform_identity(&self, commit: &CommitId, _: &Terraform) -> Result<String, CheckFailed> {
        self.world().at(commit).and_then(|commit| commit.tree.clone()).ok_or(CheckFailed::stalled("no tree"))
    }
}

impl Clock for Around {
    fn now(&self) -> Timestamp {
        self.world().now
    }

    fn rollout_id(&self) -> RolloutId {
        let mut world = self.world();
        world.rollouts += 1;
        format!("00000000-0000-7000-8000-{:012}", world.rollouts).parse().unwrap()
    }
}

impl Secrets for Around {
    fn secret(&self, _reference: &Reference) -> Result<Secret, ResolveError> {
        Ok(Secret::new(KEY.to_owned()))
    }
}

impl AwsReads for Around {
    async fn aws_findings(&self, _run: &Run<'_>, _declared: &Aws) -> Result<Vec<Finding>, RunFailed> {
        Ok(Vec::new())
    }
}

impl Listener for Around {
    fn observed(&self, _name: &EnvironmentName, _declared: &Environment) {}

    fn decided(&self, _name: &EnvironmentName, decision: &Decision, _read: SituationSnapshot) {
        self.world().decided = Some(decision.clone());
    }

    fn fast_forwarded(&self, _name: &EnvironmentName, _before: &CommitId, _head: &Revision) {}

    fn notification_queued(&self) {}
}
