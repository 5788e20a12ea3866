//! The files that `init` writes: the templates beside this file, filled in so that the three fit each other.

use moorline_config::document::Document;
use moorline_terraform::gate::RootModule;
use serde_json::json;

use super::repository::Found;
use super::surroundings::Surroundings;

/// A file to write: its path inside the checkout, and its text.
pub(super) struct File {
    pub(super) path: &'static str,
    pub(super) text: String,
}

/// A model that probes ask for when nothing says which are there: a cheap one of OpenAI's.
pub(super) const DEFAULT_MODEL: &str = "gpt-4o-mini";
/// Its price in USD per million tokens, in and out.
const DEFAULT_PRICE: &str = "\n    price: {input: 0.15, output: 0.60}  # USD per million tokens";

/// `moorline.yaml`.
pub(super) fn declaration(surroundings: &Surroundings, terraform: Option<&RootModule>, model: &str) -> File {
    let document = terraform.and_then(|found| found.gateways.first());
    let document =
        document.map_or_else(|| "[gateway.yaml]".to_owned(), |address| format!("{{terraform: {address}}}"));
    let text = include_str!("moorline.yaml")
        .replace("@DOCUMENT@", &document)
        .replace("@ADMIN@", &quoted(&format!("http://{}", surroundings.admin)))
        .replace("@TERRAFORM@", &terraform.map(terraform_section).unwrap_or_default())
        .replace("@MODEL@", &quoted(model));
    File { path: "moorline.yaml", text }
}

/// The section of a root module that was found, with what its code uses today.
fn terraform_section(found: &RootModule) -> String {
    let providers: Vec<&str> = found.providers.iter().map(String::as_str).collect();
    let providers = if providers.is_empty() { vec!["moorline/moorline", "hashicorp/aws"] } else { providers };
    format!(
        "      document_token: env:DOCUMENT_TOKEN    # opens this document for Terraform, and nothing else
    terraform:
      directory: {}
      # All that Terraform's process sees of an environment.
      environment: {{MOORLINE_ENDPOINT: env:DOCUMENT_ENDPOINT, MOORLINE_TOKEN: env:DOCUMENT_TOKEN}}
      allow: {{providers: {}}}  # what the code uses today; all else is refused
",
        quoted(&found.directory),
        json!(providers),
    )
}

/// `gateway.yaml`: one provider, one model, one key.
pub(super) fn gateway(surroundings: &Surroundings, model: &str, caller_sha256: &str) -> File {
    let (name, provider) = match (&surroundings.provider_url, surroundings.has_provider_key) {
        (None, _) => ("openai", "openai: {kind: openai, api_key: env:OPENAI_API_KEY}".to_owned()),
        (Some(url), true) => {
            let url = quoted(url);
            ("openai", format!("openai: {{kind: openai, base_url: {url}, api_key: env:OPENAI_API_KEY}}"))
        }
        (Some(url), false) => {
            ("local", format!("local: {{kind: openai_compatible, base_url: {}}}", quoted(url)))
        }
    };
    let price = if model == DEFAULT_MODEL && name == "openai" { DEFAULT_PRICE } else { "" };
    let text = include_str!("gateway.yaml")
        .replace("@PROVIDER@", &provider)
        .replace("@NAME@", name)
        .replace("@PRICE@", price)
        .replace("@MODEL@", &quoted(model))
        .replace("@SHA256@", &quoted(caller_sha256));
    File { path: "gateway.yaml", text }
}

/// `moorlined.yaml`.
pub(super) fn settings(surroundings: &Surroundings, repository: &Found) -> File {
    let token = if repository.is_https {
        "\n  # token: env:GIT_TOKEN                    # a private repository asks for one"
    } else {
        ""
    };
    let work_dir = surroundings.work_dir.display().to_string();
    let text = include_str!("moorlined.yaml")
        .replace("@URL@", &quoted(&repository.url))
        .replace("@BRANCH@", &quoted(&repository.branch))
        .replace("@TOKEN@", token)
        .replace("@STORE@", &quoted(&format!("sqlite:{work_dir}/moorline.db")))
        .replace("@WORK_DIR@", &quoted(&work_dir))
        .replace("@LISTEN@", &quoted(&surroundings.listen));
    File { path: "moorlined.yaml", text }
}

/// A model that a document's probes can ask for: one that its route for chats serves and a key may use.
pub(super) fn probed_model(document: &Document) -> Option<String> {
    let serves = |path: &str| match path.strip_suffix('*') {
        Some(prefix) => "/v1/chat/completions".starts_with(prefix),
        None => path == "/v1/chat/completions",
    };
    let route = document.routes.iter().find(|route| serves(&route.path))?;
    let may = |model: &&moorline_config::ModelName| {
        document.keys.iter().any(|key| key.models.as_ref().is_none_or(|models| models.contains(model)))
    };
    let served = |model: &&moorline_config::ModelName| {
        route.models.as_ref().is_none_or(|models| models.contains(model)) && may(model)
    };
    document.models.keys().find(served).map(ToString::to_string)
}

/// A text as YAML takes it, whatever is in it.
fn quoted(text: &str) -> String {
    let is_plain = text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || "-_./".contains(c))
        && !["true", "false", "null", "yes", "no", "on", "off", "y", "n"]
            .contains(&text.to_ascii_lowercase().as_str());
    if is_plain { text.to_owned() } else { json!(text).to_string() }
}
