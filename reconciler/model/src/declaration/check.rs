//! The rules of `moorline.yaml` that its types cannot say.

use std::collections::{BTreeMap, BTreeSet};

use moorline_config::check::Problem;

use super::{ChannelKind, Declaration, Document, Endpoints, Environment, Terraform, notify, unsupported};

/// What a final answer's status may be.
const STATUSES: std::ops::RangeInclusive<u16> = 200..=599;

/// Lists every rule the declaration breaks. `kinds`: those of channels; `None` leaves their settings unread.
pub(super) fn check(declaration: &Declaration, kinds: Option<&[ChannelKind]>) -> Vec<Problem> {
    let mut problems = Problems(Vec::new());
    if declaration.environments.is_empty() {
        problems.add("environments".to_owned(), "expected at least one environment");
    }
    let (mut names, mut gateways) = (BTreeSet::new(), BTreeMap::new());
    for (index, environment) in declaration.environments.iter().enumerate() {
        let at = format!("environments[{index}]");
        if !names.insert(&environment.name) {
            problems.add(format!("{at}.name"), format!("`{}` is declared twice", environment.name));
        }
        check_gateway(environment, &at, &mut problems);
        check_owner(environment, &at, &mut gateways, &mut problems);
        if let Some(terraform) = &environment.terraform {
            check_terraform(terraform, &format!("{at}.terraform"), &mut problems);
        }
        check_rollout(environment, &at, &mut problems);
        check_aws(environment, &at, &mut problems);
    }
    for (index, folder) in declaration.policies.iter().enumerate() {
        problems.relative_path(format!("policies[{index}]"), folder);
    }
    let names: Vec<_> = declaration.environments.iter().map(|environment| &environment.name).collect();
    problems.0.extend(notify::check(&declaration.notifications, &names, kinds));
    for named in declaration.references() {
        if let Some(problem) = unsupported(&named.reference) {
            problems.add(named.path, problem);
        }
    }
    problems.0
}

struct Problems(Vec<Problem>);

impl Problems {
    fn add(&mut self, path: String, problem: impl Into<String>) {
        self.0.push(Problem { path, problem: problem.into() });
    }

    /// A path stays inside the repository: relative, and made of plain parts.
    fn relative_path(&mut self, path: String, text: &str) {
        let is_plain = !text.is_empty()
            && !text.starts_with('/')
            && !text.contains(['\\', '\0'])
            && text.trim_end_matches('/').split('/').all(|part| !part.is_empty() && part != "..");
        if !is_plain {
            self.add(
                path,
                format!("`{text}` must be a path inside the repository, relative and without `..`"),
            );
        }
    }
}

fn check_gateway(environment: &Environment, at: &str, problems: &mut Problems) {
    match &environment.gateway.document {
        Document::Files(files) if files.is_empty() => {
            problems.add(format!("{at}.gateway.document"), "expected at least one file");
        }
        Document::Files(files) => {
            for (index, file) in files.iter().enumerate() {
                problems.relative_path(format!("{at}.gateway.document[{index}]"), file);
            }
        }
        Document::Terraform { terraform } => {
            let path = format!("{at}.gateway.document.terraform");
            if !terraform.contains("openai_gateway.") {
                problems.add(
                    path,
                    format!("`{terraform}` is no openai_gateway resource: expected `openai_gateway.NAME`"),
                );
            } else if environment.terraform.is_none() {
                problems.add(path, "the environment has no `terraform` that could hand the document over");
            }
        }
    }
    match &environment.gateway.endpoints {
        Endpoints::Urls(urls) if urls.is_empty() => {
            problems.add(format!("{at}.gateway.endpoints"), "expected at least one admin URL");
        }
        Endpoints::Urls(urls) => {
            for (index, text) in urls.iter().enumerate() {
                if let Err(problem) = admin_url(text) {
                    problems.add(format!("{at}.gateway.endpoints[{index}]"), problem);
                }
            }
        }
        Endpoints::Ecs { .. } => {
            let problem = "an ECS service is not looked up by this release: list the replicas' admin URLs";
            problems.add(format!("{at}.gateway.endpoints.ecs"), problem);
        }
    }
}

/// The address of an admin API. Everything behind the host is Moorline's own to say.
fn admin_url(text: &str) -> Result<(), &'static str> {
    let rest = text.strip_prefix("http://").or_else(|| text.strip_prefix("https://"));
    let rest = rest.ok_or("expected an http:// or https:// URL")?;
    if rest.contains('@') {
        return Err("expected a URL without a user: the token is `admin_token`, a reference");
    }
    if rest.contains(['?', '#']) {
        return Err("expected a URL without `?` and `#`");
    }
    if rest.strip_suffix('/').unwrap_or(rest).contains(['/', '\\']) {
        return Err(
            "expected a URL without a path, such as http://10.0.1.10:8788: what follows is `/admin/v1/…` always",
        );
    }
    let is_url = !text.contains(char::is_whitespace) && url::Url::parse(text).is_ok_and(|url| url.has_host());
    if is_url { Ok(()) } else { Err("expected an http:// or https:// URL with a host") }
}

/// A gateway serves one document: two environments that share one would heal each other's without end.
fn check_owner<'a>(
    environment: &'a Environment,
    at: &str,
    owners: &mut BTreeMap<String, &'a Environment>,
    problems: &mut Problems,
) {
    let Endpoints::Urls(urls) = &environment.gateway.endpoints else { return };
    for (index, text) in urls.iter().enumerate() {
        let url = url::Url::parse(text).map_or_else(|_| text.clone(), |url| url.to_string());
        if let Some(owner) = owners.insert(url.trim_end_matches('/').to_owned(), environment) {
            let problem = format!("`{text}` is a gateway of `{}` already", owner.name);
            problems.add(format!("{at}.gateway.endpoints[{index}]"), problem);
        }
    }
}

fn check_terraform(terraform: &Terraform, at: &str, problems: &mut Problems) {
    problems.relative_path(format!("{at}.directory"), &terraform.directory);
    for (index, file) in terraform.var_files.iter().enumerate() {
        problems.relative_path(format!("{at}.var_files[{index}]"), file);
    }
    if terraform.binary.is_empty() || terraform.binary.starts_with('-') {
        problems.add(format!("{at}.binary"), "expected terraform, tofu or an absolute path of one");
    }
    if terraform.binary.rsplit('/').next() == Some("terragrunt") {
        let problem = "terragrunt is not supported by this release: expected terraform or tofu, with the module as `directory`";
        problems.add(format!("{at}.binary"), problem);
    }
    let is_plain =
        |text: &str| !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c));
    if !is_plain(&terraform.workspace) || terraform.workspace.starts_with('-') {
        problems.add(format!("{at}.workspace"), "expected letters, digits and any of `-_.`");
    }
    for name in terraform.environment.keys() {
        // These would let a repository replace a provider or turn checks off behind the static gate's back.
        let is_ours = name.starts_with("TF_") && !name.starts_with("TF_VAR_");
        if is_ours || matches!(name.as_str(), "PATH" | "HOME" | "LD_PRELOAD" | "LD_LIBRARY_PATH") {
            problems
                .add(format!("{at}.environment.{name}"), "is set by Moorline itself and cannot be declared");
        }
    }
}

fn check_rollout(environment: &Environment, at: &str, problems: &mut Problems) {
    for found in environment.rollout.problems() {
        problems.add(format!("{at}.rollout.{}", found.path), found.problem);
    }
    for (index, probe) in environment.verify.probes.iter().enumerate() {
        if !STATUSES.contains(&probe.expect_status) {
            let problem =
                format!("expected the status of an answer, {} to {}", STATUSES.start(), STATUSES.end());
            problems.add(format!("{at}.verify.probes[{index}].expect_status"), problem);
        }
    }
    if environment.verify.min_requests == 0 && environment.verify.probes.is_empty() {
        problems.add(
            format!("{at}.verify.min_requests"),
            "0 needs at least one probe: without traffic or probes nothing is ever verified",
        );
    }
}

fn check_aws(environment: &Environment, at: &str, problems: &mut Problems) {
    let Some(aws) = &environment.aws else { return };
    if let Some(text) = &aws.endpoint_url
        && !url::Url::parse(text).is_ok_and(|url| matches!(url.scheme(), "http" | "https"))
    {
        problems.add(format!("{at}.aws.endpoint_url"), "expected an http:// or https:// URL");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(environments: &[(&str, &str)]) -> Vec<String> {
        let environments: Vec<_> = environments
            .iter()
            .map(|(name, endpoints)| {
                format!(
                    "{{name: {name}, gateway: {{document: [g.yaml], endpoints: [{endpoints}], admin_token: 'env:A'}}}}"
                )
            })
            .collect();
        let text = format!("version: 1\nenvironments: [{}]", environments.join(", "));
        match Declaration::parse("moorline.yaml", &text) {
            Ok(_) => Vec::new(),
            Err(mistakes) => mistakes.to_string().lines().map(str::to_owned).collect(),
        }
    }

    #[test]
    fn a_gateway_has_one_environment() {
        assert!(problems(&[("dev", "'http://a:1'"), ("prod", "'http://a:2', 'http://b:1'")]).is_empty());
        for shared in ["'http://a:1/'", "'http://A:1'", "'http://b:1', 'http://b:1'"] {
            let problems = problems(&[("dev", "'http://a:1'"), ("prod", shared)]).join("\n");
            assert!(problems.contains("is a gateway of"), "{shared}: {problems}");
        }
    }

    #[test]
    fn an_address_is_of_an_admin_api_and_of_nothing_below_it() {
        assert!(
            problems(&[("dev", "'https://gateway.internal'"), ("prod", "'http://[::1]:8788/'")]).is_empty()
        );
        for address in [
            "'http://a:8788/admin/v1'",
            "'http://a:8788/?x=1'",
            "'http://a:8788#x'",
            "'a:8788'",
            "'127.0.0.1:8788'",
            "'ftp://a'",
        ] {
            assert!(!problems(&[("dev", address)]).is_empty(), "{address}");
        }
    }

    #[test]
    fn an_address_holds_no_secret() {
        for address in ["'http://me@a:1'", "'http://me:hunter2@a:1'", "'http://:hunter2@a:1'"] {
            assert!(!problems(&[("dev", address)]).is_empty(), "{address}");
        }
    }
}
