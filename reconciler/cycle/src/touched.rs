//! What a new head changes for an environment.
//!
//! In: the head before, and the new one. Out: whether what the environment declares differs between them: its part of
//! `moorline.yaml`, a file of its document, or its Terraform. Only then its keeper wakes before its schedule says so: a
//! commit costs what it touches.

use std::sync::Arc;

use moorline_model::EnvironmentName;
use moorline_model::declaration::{Declaration, Document};

use crate::facilities::Source;
use crate::source_status::Head;

/// Whether a new head touches an environment. Where that cannot be told, it does.
pub async fn touched(source: &impl Source, name: &EnvironmentName, before: &Head, after: &Head) -> bool {
    if before.revision.commit == after.revision.commit {
        return before.declaration != after.declaration;
    }
    match (&before.declaration, &after.declaration) {
        (Ok(old), Ok(new)) => {
            is_declared_anew(old, new, name) || is_read_anew(source, name, before, after).await
        }
        _ => true,
    }
}

fn is_declared_anew(old: &Arc<Declaration>, new: &Arc<Declaration>, name: &EnvironmentName) -> bool {
    old.environment(name) != new.environment(name)
        || old.notifications != new.notifications
        || old.policies != new.policies
}

/// Whether a file of the document, or the Terraform, differs. The declaration does not.
async fn is_read_anew(source: &impl Source, name: &EnvironmentName, before: &Head, after: &Head) -> bool {
    let Ok(declaration) = &after.declaration else { return true };
    let Some(environment) = declaration.environment(name) else { return true };
    let (old, new) = (&before.revision.commit, &after.revision.commit);
    if let Document::Files(paths) = &environment.gateway.document {
        for path in paths {
            match (source.file(old, path).await, source.file(new, path).await) {
                (Ok(old), Ok(new)) if old == new => {}
                _ => return true,
            }
        }
    }
    match &environment.terraform {
        None => false,
        Some(terraform) => {
            let identities = (
                source.terraform_identity(old, terraform).await,
                source.terraform_identity(new, terraform).await,
            );
            !matches!(identities, (Ok(old), Ok(new)) if old == new)
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use moorline_model::declaration::Terraform;
    use moorline_model::{CommitId, Revision};

    use super::*;
    use crate::facilities::Unreadable;

    /// Files by the first digit of the commit and the path.
    #[derive(Default)]
    struct Files(BTreeMap<String, &'static str>);

    impl Source for Files {
        fn declaration_path(&self) -> &str {
            "moorline.yaml"
        }
        async fn file(&self, commit: &CommitId, path: &str) -> Result<Option<Vec<u8>>, Unreadable> {
            match self.0.get(&format!("{}:{path}", &commit.to_string()[..1])) {
                Some(&"unreadable") => Err(Unreadable("no disk".to_owned())),
                text => Ok(text.map(|text| text.as_bytes().to_vec())),
            }
        }
        async fn files(&self, _: &CommitId, _: &str) -> Result<Vec<String>, Unreadable> {
            Ok(Vec::new())
        }
        async fn terraform_identity(&self, commit: &CommitId, of: &Terraform) -> Result<String, Unreadable> {
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
        let of = async |name: &str| touched(files, &name.parse().unwrap(), before, after).await;
        (of("prod").await, of("dev").await)
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
        assert_eq!(both(&same(&[("2:dev.yaml", "unreadable")]), &one, &two).await, (false, true));
        let declared = head("2", ", drift: {heal: [gateway]}", "");
        assert_eq!(both(&same(&[]), &one, &declared).await, (true, false), "its declaration");
        let broken = Head { declaration: Err("line 3".to_owned()), ..two.clone() };
        assert_eq!(both(&same(&[]), &one, &broken).await, (true, true));
        let mended = Head { revision: broken.revision.clone(), ..two };
        assert_eq!(both(&same(&[]), &broken, &mended).await, (true, true), "it can be read now");
        assert_eq!(both(&same(&[]), &mended, &mended).await, (false, false));
    }
}
