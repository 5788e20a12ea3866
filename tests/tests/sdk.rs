//! The official SDKs run unmodified against the gateway, over providers that speak OpenAI's protocol and Anthropic's
//! alike. The same scripts run against such a provider directly too, so that a script is known to be right.

#![expect(clippy::unwrap_used, reason = "what a test needs and does not get is its report")]

use std::path::{Path, PathBuf};
use std::process::Stdio;

use moorline_admin::{Origin, WriteOptions};
use moorline_tests::declared::{CALLER_KEY, caller_key_sha256};
use moorline_tests::dialect::{Dialect, MODEL};
use moorline_tests::gateway::PROVIDER_KEY;
use moorline_tests::{Gateway, in_time};
use serde_json::json;
use tempfile::TempDir;
use tokio::process::Command;

/// A gateway before both kinds of providers.
struct Field {
    openai: Dialect,
    anthropic: Dialect,
    gateway: Gateway,
    _folder: TempDir,
}

/// A model of the gateway's whose provider speaks OpenAI's protocol of chats, one whose speaks Anthropic's, and one whose
/// is OpenAI itself: it has responses, too.
const OVER_OPENAI: &str = "over-openai";
const OVER_OPENAI_ITSELF: &str = "over-openai-itself";
const OVER_ANTHROPIC: &str = "over-anthropic";

impl Field {
    async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (openai, anthropic) = (Dialect::openai().await, Dialect::anthropic().await);
        let gateway = Gateway::start(folder.path(), "gateway").await;
        let provider =
            |kind: &str, url: String| json!({"kind": kind, "base_url": url, "api_key": "env:PROVIDER_KEY"});
        let model = |provider: &str| json!({"targets": [{"provider": provider, "model": MODEL}]});
        let document = json!({
            "version": 1,
            "name": "ai-gateway-sdk",
            "providers": {
                "openai": provider("openai_compatible", format!("{}/v1", openai.url())),
                "anthropic": provider("anthropic", format!("{}/v1", anthropic.url())),
                "itself": provider("openai", format!("{}/v1", openai.url())),
            },
            "models": {
                OVER_OPENAI: model("openai"), OVER_ANTHROPIC: model("anthropic"), OVER_OPENAI_ITSELF: model("itself"),
            },
            // Retries are the SDKs' here.
            "routes": [{"path": "/v1/*", "retry": {"attempts": 1}}],
            "keys": [{"name": "caller", "sha256": caller_key_sha256()}],
        });
        let options = WriteOptions { origin: Some(Origin::Git), ..WriteOptions::default() };
        gateway.client.put_config(&document, &options).await.unwrap();
        Self { openai, anthropic, gateway, _folder: folder }
    }
}

/// Where the SDKs are installed, see `.ci/tools.py`.
fn tools() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("../.tools");
    std::env::var_os("MOORLINE_TOOLS").map_or(here, PathBuf::from)
}

/// Runs a script, and answers with what it found to work.
async fn run(script: &str, url: &str, key: &str, model: &str, embedding_model: Option<&str>) -> Vec<String> {
    let tools = tools();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("sdk");
    // Node looks for packages beside the script, so the script stands beside the packages.
    let (program, path) = if script.ends_with(".py") {
        (tools.join("venv/sdk/bin/python"), folder.join(script))
    } else {
        let beside = tools.join("node").join(script);
        std::fs::copy(folder.join(script), &beside).unwrap();
        (tools.join("bin/node"), beside)
    };
    assert!(program.exists(), "{} is not there: python3 .ci/tools.py sdk", program.display());
    let mut command = Command::new(program);
    command.arg(path).env_clear().stdin(Stdio::null()).kill_on_drop(true);
    command.env("BASE_URL", url).env("KEY", key).env("MODEL", model);
    if let Some(model) = embedding_model {
        command.env("EMBEDDING_MODEL", model);
    }
    let output = in_time(script, command.output()).await.unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{script} with {model} at {url}:\n{said}\n{complaint}");
    said.lines().filter_map(|line| line.strip_prefix("ok ")).map(str::to_owned).collect()
}

/// An SDK of OpenAI's: directly, over a provider of its own dialect, and over one of the other.
async fn openai(script: &str, checks: usize) {
    let field = Field::start().await;
    let directly = run(script, &field.openai.url(), PROVIDER_KEY, MODEL, Some(MODEL)).await;
    assert_eq!(directly.len(), checks, "{directly:?}");
    for model in [OVER_OPENAI, OVER_ANTHROPIC] {
        let through = run(script, &field.gateway.data, CALLER_KEY, model, Some(OVER_OPENAI)).await;
        assert_eq!(through, directly, "with {model}");
    }
}

/// The same for responses: passed through, and translated to chats of either dialect.
async fn responses(script: &str, checks: usize) {
    let field = Field::start().await;
    let directly = run(script, &field.openai.url(), PROVIDER_KEY, MODEL, None).await;
    assert_eq!(directly.len(), checks, "{directly:?}");
    for model in [OVER_OPENAI_ITSELF, OVER_OPENAI, OVER_ANTHROPIC] {
        let through = run(script, &field.gateway.data, CALLER_KEY, model, None).await;
        assert_eq!(through, directly, "with {model}");
    }
}

/// The same for one of Anthropic's.
async fn anthropic(script: &str, checks: usize) {
    let field = Field::start().await;
    let directly = run(script, &field.anthropic.url(), PROVIDER_KEY, MODEL, None).await;
    assert_eq!(directly.len(), checks, "{directly:?}");
    for model in [OVER_ANTHROPIC, OVER_OPENAI] {
        let through = run(script, &field.gateway.data, CALLER_KEY, model, None).await;
        assert_eq!(through, directly, "with {model}");
    }
}

#[tokio::test]
async fn the_openai_sdk_for_python_works_over_both_kinds_of_providers() {
    openai("openai_chat.py", 14).await;
}

#[tokio::test]
async fn the_openai_sdk_for_node_works_over_both_kinds_of_providers() {
    openai("openai_chat.mjs", 12).await;
}

#[tokio::test]
async fn responses_of_the_openai_sdk_for_python_work_over_both_kinds_of_providers() {
    responses("openai_responses.py", 12).await;
}

#[tokio::test]
async fn responses_of_the_openai_sdk_for_node_work_over_both_kinds_of_providers() {
    responses("openai_responses.mjs", 10).await;
}

#[tokio::test]
async fn the_anthropic_sdk_for_python_works_over_both_kinds_of_providers() {
    anthropic("anthropic_messages.py", 11).await;
}

#[tokio::test]
async fn the_anthropic_sdk_for_node_works_over_both_kinds_of_providers() {
    anthropic("anthropic_messages.mjs", 11).await;
}
