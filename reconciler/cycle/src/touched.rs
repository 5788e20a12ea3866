//! What a new head changes, and for whom.
//!
//! In: the head before, and the new one. Out: the environments for which what is declared differs between them: their part of
//! `moorline.yaml`, a file of their document, or their Terraform. The two are compared once for all environments, and only
//! the keepers of these wake before their schedules say so: a commit costs what it touches.

use std::collections::BTreeSet;

use moorline_model::EnvironmentName;
use moorline_model::declaration::{Declaration, Document, Environment};

use crate::facilities::Source;
use crate::source_status::Head;

/// Environments for which something else is declared than before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Touched {
    /// All, or it cannot be told.
    Everybody,
    /// These.
    Only(BTreeSet<EnvironmentName>),
}

impl Touched {
    /// Whether this environment is among them.
    #[must_use]
    pub fn contains(&self, name: &EnvironmentName) -> bool {
        match self {
            Self::Everybody => true,
            Self::Only(names) => names.contains(name),
        }
    }
}

/// Compares two heads.
pub async fn touched(source: &impl Source, before: &Head, after: &Head) -> Touched {
    if before.revision.commit == after.revision.commit {
        return match before.declaration == after.declaration {
            true => Touched::Only(BTreeSet::new()),
            false => Touched::Everybody,
        };
    }
    let (Ok(old), Ok(new)) = (&before.declaration, &after.declaration) else { return Touched::Everybody };
    if old.notifications != new.notifications || old.policies != new.policies {
        return Touched::Everybody;
    }
    let Ok(changed) = source.changed(&before.revision.commit, &after.revision.commit).await else {
        return Touched::Everybody;
    };
    let comparison = Comparison { before, after, changed };
    let mut touched = declared_anew(old, new);
    for environment in &new.environments {
        if !touched.contains(&environment.name) && comparison.differs(source, environment).await {
            touched.insert(environment.name.clone());
        }
    }
    Touched::Only(touched)
}

/// Environments whose part of the declaration differs, or that only one of the two declares.
fn declared_anew(old: &Declaration, new: &Declaration) -> BTreeSet<EnvironmentName> {
    let is_new = |environment: &&Environment| old.environment(&environment.name) != Some(*environment);
    let is_gone = |environment: &&Environment| new.environment(&environment.name).is_none();
    let (new, old) = (new.environments.iter().filter(is_new), old.environments.iter().filter(is_gone));
    new.chain(old).map(|environment| environment.name.clone()).collect()
}

struct Comparison<'a> {
    before: &'a Head,
    after: &'a Head,
    /// Paths that are not the same in both.
    changed: BTreeSet<String>,
}

impl Comparison<'_> {
    /// Whether a file of the document, or the Terraform, differs. The declaration does not.
    async fn differs(&self, source: &impl Source, environment: &Environment) -> bool {
        let has_changed = |path: &String| self.changed.contains(path);
        if let Document::Files(paths) = &environment.gateway.document
            && paths.iter().any(has_changed)
        {
            return true;
        }
        let Some(terraform) = environment.terraform.as_ref().filter(|_| !self.changed.is_empty()) else {
            return false;
        };
        let identities = (
            source.terraform_identity(&self.before.revision.commit, terraform).await,
            source.terraform_identity(&self.after.revision.commit, terraform).await,
        );
        !matches!(identities, (Ok(old), Ok(new)) if old == new)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::Arc;

    use moorline_model::declaration::{ChannelKind, Terraform};
    use moorline_model::{CheckFailed, CommitId, Revision};

    use super::*;

    /// Files by the first digit of the commit and the path.
    #[derive(Default)]
    struct Files(BTreeMap<String, &'static str>);

    impl Source for Files {
        fn declaration_path(&self) -> &str {
            "moorline.yaml"
        }

        fn channel_kinds(&self) -> &'static [ChannelKind] {
            &[]
        }

        async fn file(&self, commit: &CommitId, path: &str) -> Result<Option<Vec<u8>>, CheckFailed> {
            match self.0.get(&format!("{}:{path}", &commit.to_string()[..1])) {
                Some(&"unreadable") => Err(CheckFailed::transient("no disk")),
                text => Ok(text.map(|text| text.as_bytes().to_vec())),
            }
        }
        async fn files(&self, _: &CommitId, _: &str) -> Result<Vec<String>, CheckFailed> {
            Ok(Vec::new())
        }
        async fn changed(&self, old: &CommitId, new: &CommitId) -> Result<BTreeSet<String>, CheckFailed> {
            let paths: BTreeSet<_> =
                self.0.keys().filter_map(|key| key.split_once(':')).map(|(_, path)| path).collect();
            let mut changed = BTreeSet::new();
            for path in paths {
                if self.file(old, path).await? != self.file(new, path).await? {
                    changed.insert(path.to_owned());
                }
            }
            Ok(changed)
        }
        async fn terraform_identity(&self, commit: &CommitId, of: &Terraform) -> Result<String, CheckFailed> {
            let file = self.file(commit, &of.directory).await?;
            Ok(String::from_utf8(file.unwrap_or_default()).unwrap_or_default())
        }
    }

    fn head(digit: &str, prod: &str, dev: &str) -> Head {
        let environment = |name: &str, more: &str| {
            format!(
                "{{name: {name}, gateway: {{document: [{name}.yaml], endpoints: ['http://{name}'], admin_token: 'env:A'}}, \
                 terraform: {{directory: {name}}}{more}}}"
            )
        };
        let text =
            format!("version: 1\nenvironments: [{}, {}]", environment("prod", prod), environment("dev", dev));
        let revision: Revision = serde_json::from_value(serde_json::json!({
            "commit": digit.repeat(40), "author": "me", "message": "m", "committed_at": "2026-11-21T12:00:00Z",
        }))
        .unwrap();
        let declaration = Declaration::parse("moorline.yaml", &text).map(Arc::new);
        Head { revision, declaration: Ok(declaration.unwrap()) }
    }

    async fn both(files: &Files, before: &Head, after: &Head) -> (bool, bool) {
        let touched = touched(files, before, after).await;
        let is = |name: &str| touched.contains(&name.parse().unwrap());
        (is("prod"), is("dev"))
    }

    #[tokio::test]
    async fn a_commit_touches_whom_it_declares_something_else_for_and_nobody_else() {
        let same = |more: &[(&str, &'static str)]| {
            let all = ["prod.yaml", "dev.yaml", "prod", "dev"];
            let files = all.iter().flat_map(|path| ["1", "2"].map(|digit| (format!("{digit}:{path}"), "x")));
            let more = more.iter().map(|(path, text)| ((*path).to_owned(), *text));
            Files(files.chain(more).collect())
        };
        let (one, two) = (head("1", "", ""), head("2", "", ""));
        assert_eq!(both(&same(&[]), &one, &two).await, (false, false));
        assert_eq!(both(&same(&[("2:prod.yaml", "y")]), &one, &two).await, (true, false), "its document");
        assert_eq!(both(&same(&[("2:dev", "y")]), &one, &two).await, (false, true), "its Terraform");
        assert_eq!(both(&same(&[("2:dev.yaml", "unreadable")]), &one, &two).await, (true, true));
        let declared = head("2", ", drift: {heal: [gateway]}", "");
        assert_eq!(both(&same(&[]), &one, &declared).await, (true, false), "its declaration");
        let broken = Head { declaration: Err(CheckFailed::stalled("line 3")), ..two.clone() };
        assert_eq!(both(&same(&[]), &one, &broken).await, (true, true));
        let mended = Head { revision: broken.revision.clone(), ..two };
        assert_eq!(both(&same(&[]), &broken, &mended).await, (true, true), "it can be read now");
        assert_eq!(both(&same(&[]), &mended, &mended).await, (false, false));
    }
}
