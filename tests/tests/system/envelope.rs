//! What scripts read on stdout when a command fails: one JSON object with a version and an error, whichever command it is.

use std::path::Path;

use moorline_tests::cli::{CommandResult, moorline};
use serde_json::Value;

/// Asserts the envelope, and answers with it.
fn error(result: &CommandResult, code: i32, kind: &str) -> Value {
    assert_eq!(result.code, code, "{result:?}");
    let told = result.json();
    assert_eq!(told["version"], 1, "{told}");
    let error = &told["error"];
    assert_eq!(error["kind"], kind, "{told}");
    let message = error["message"].as_str().unwrap_or_default();
    assert!(
        !message.is_empty() && !message.starts_with("error") && !message.contains("\nerror"),
        "{message:?}"
    );
    assert!(error.get("next").is_some(), "{told}");
    told
}

async fn as_json(words: &[&str]) -> CommandResult {
    moorline(&[words, &["--output", "json"]].concat(), &[]).await
}

#[tokio::test]
async fn commands_about_a_daemon_fail_alike() {
    let acts = ["sync", "approve", "rollback", "hold", "release", "heal", "adopt"];
    for command in ["drift", "history", "status", "why"].into_iter().chain(acts) {
        let mut words = vec![command, "test", "--server", "http://127.0.0.1:1"];
        if acts.contains(&command) {
            words.extend(["--reason", "a test"]);
        }
        error(&as_json(&words).await, 6, "cannot_check");
        error(&as_json(&[command, "test", "--no-such-flag"]).await, 64, "usage");
        error(&as_json(&[command, "test", "--server", "here"]).await, 64, "usage");
    }
}

#[tokio::test]
async fn commands_about_a_checkout_fail_alike_and_keep_what_they_found() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    };
    let path = |path: &Path| path.to_str().unwrap().to_owned();
    let here = path(folder.path());
    write("moorline.yaml", "version: 2\nenvironments: []\n");
    let told = error(&as_json(&["validate", &here]).await, 1, "error");
    assert_eq!(told["valid"], false, "{told}");
    assert!(told["mistakes"][0].as_str().unwrap().contains("moorline.yaml:1"), "{told}");
    error(&as_json(&["plan", "test", &here]).await, 1, "error");
    error(&as_json(&["init", &path(&folder.path().join("missing"))]).await, 1, "error");

    error(&as_json(&["policy", "test", &path(&folder.path().join("missing"))]).await, 1, "error");
    write("none/a.rego", "package moorline.none\n");
    let told = error(&as_json(&["policy", "test", &path(&folder.path().join("none"))]).await, 1, "error");
    assert_eq!(told["tests"], serde_json::json!([]));
    write("fails/a_test.rego", "package moorline.fails\n\ntest_it if { false }\n");
    let told = error(&as_json(&["policy", "test", &path(&folder.path().join("fails"))]).await, 1, "error");
    assert_eq!(told["tests"][0]["passed"], false, "{told}");

    write("moorlined.yaml", "listen: nowhere\n");
    let settings = path(&folder.path().join("moorlined.yaml"));
    error(&as_json(&["daemon", "--config", &settings]).await, 64, "usage");
    for words in
        [&["schema", "no-such"][..], &["completions", "no-such"], &["no-such-command"], &["policy"], &[]]
    {
        error(&as_json(words).await, 64, "usage");
    }
}
