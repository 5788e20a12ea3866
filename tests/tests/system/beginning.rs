//! Before anything runs: what `init` writes, what `validate` tells, and which secrets the daemon does not start with.

use std::path::Path;
use std::process::Command;

use moorline_tests::cli::{CommandResult, moorline};
use moorline_tests::declared::{self, CALLER_KEY};
use moorline_tests::process::program;
use moorline_tests::{World, until};
use serde_json::{Value, json};

/// Writes a declaration and a gateway document, and validates them.
async fn validated(declaration: &Value, document: &Value, variables: &[(&str, &str)]) -> CommandResult {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("moorline.yaml"), declaration.to_string()).unwrap();
    std::fs::write(folder.path().join("gateway.yaml"), document.to_string()).unwrap();
    moorline(&["validate", folder.path().to_str().unwrap()], variables).await
}

/// A change of the declaration and the document, and what `validate` must say of it.
type Mistake = (&'static str, fn(&mut Value, &mut Value), &'static [&'static str]);

const MISTAKES: [Mistake; 9] = [
    (
        "an endpoint with a path",
        |declared, _| {
            declared["environments"][0]["gateway"]["endpoints"] = json!(["http://127.0.0.1:8788/admin/v1"]);
        },
        &["environments[0].gateway.endpoints[0]", "without a path"],
    ),
    (
        "a probe without a key",
        |declared, _| declared["environments"][0]["verify"]["probes"] = json!([{"model": "small"}]),
        &["environments[0].verify.probes[0]", "sends no key", "401"],
    ),
    (
        "a probe of a model that is not there",
        |declared, _| declared["environments"][0]["verify"]["probes"][0]["model"] = json!("smal"),
        &["environments[0].verify.probes[0].model", "no model `smal`", "`small`"],
    ),
    (
        "a probe that no route serves",
        |_, document| document["routes"][0]["path"] = json!("/v1/embeddings"),
        &["environments[0].verify.probes[0].model", "no route", "404"],
    ),
    (
        "a probe whose key may not",
        |_, document| {
            document["models"]["large"] = document["models"]["small"].clone();
            document["keys"][0]["models"] = json!(["large"]);
        },
        &["environments[0].verify.probes[0].model", "403"],
    ),
    (
        "a status that no answer has",
        |declared, _| declared["environments"][0]["verify"]["probes"][0]["expect_status"] = json!(20),
        &["environments[0].verify.probes[0].expect_status", "200 to 599"],
    ),
    (
        "a placeholder for a hash",
        |_, document| document["keys"][0]["sha256"] = json!("0".repeat(64)),
        &["gateway.yaml", "keys[0].sha256", "a placeholder"],
    ),
    (
        "a secret of a kind that the daemon does not resolve",
        |declared, _| declared["environments"][0]["gateway"]["admin_token"] = json!("ssm:/gateway/token"),
        &["environments[0].gateway.admin_token", "expected env:NAME or file:/path"],
    ),
    (
        "a setting of the daemon's as a secret",
        |declared, _| declared["environments"][0]["gateway"]["admin_token"] = json!("env:MOORLINE_STORE"),
        &["environments[0].gateway.admin_token", "the daemon's own"],
    ),
];

#[tokio::test]
async fn what_can_never_come_to_a_good_end_is_told_before_anything_happens() {
    let good =
        || (declared::declaration(&["http://127.0.0.1:8788"]), declared::document("http://127.0.0.1:1/v1"));
    let (declaration, document) = good();
    let result = validated(&declaration, &document, &[]).await;
    assert_eq!(result.code, 0, "{result:?}");
    for (what, change, expected) in MISTAKES {
        let (mut declaration, mut document) = good();
        change(&mut declaration, &mut document);
        let result = validated(&declaration, &document, &[]).await;
        assert_eq!(result.code, 1, "{what}: {result:?}");
        let line = result.stdout.lines().find(|line| expected.iter().all(|part| line.contains(part)));
        assert!(line.is_some_and(|line| line.contains(".yaml:1:")), "{what}: {result:?}");
    }
}

#[tokio::test]
async fn what_may_be_right_elsewhere_is_a_warning_that_says_who_needs_it() {
    let declaration = declared::declaration(&["http://127.0.0.1:8787"]);
    let document = declared::document("http://127.0.0.1:1/v1");
    let result = validated(&declaration, &document, &[("SMTP_URL", "smtp://mail.example.com")]).await;
    assert_eq!(result.code, 0, "{result:?}");
    let warns = |result: &CommandResult, parts: &[&str]| {
        result
            .stderr
            .lines()
            .any(|line| line.starts_with("warning: ") && parts.iter().all(|part| line.contains(part)))
    };
    assert!(
        warns(&result, &["env:GATEWAY_TOKEN", "the daemon needs it", "gateway.admin_token of `test`"]),
        "{result:?}"
    );
    assert!(warns(&result, &["env:CALLER_KEY", "verify.probes[0].key of `test`"]), "{result:?}");
    assert!(warns(&result, &["env:PROVIDER_KEY", "the gateways of `test` need it"]), "{result:?}");
    assert!(warns(
        &result,
        &["environments[0].gateway.endpoints[0]", "8787 is where gateways listen for callers"]
    ));
    assert!(!result.stderr.contains("SMTP_URL"), "what has a value is not told: {result:?}");

    let key = [("CALLER_KEY", CALLER_KEY)];
    assert!(!validated(&declaration, &document, &key).await.stderr.contains("CALLER_KEY"));
    let other = validated(&declaration, &document, &[("CALLER_KEY", "mk-some-other-key")]).await;
    assert!(
        warns(&other, &["environments[0].verify.probes[0].key", "is no key of the gateway document"]),
        "{other:?}"
    );
    assert!(!format!("{other:?}").contains("mk-some-other-key"));
}

#[tokio::test]
async fn a_daemon_does_not_start_with_tokens_that_anybody_could_guess_or_that_two_roles_share() {
    let folder = tempfile::tempdir().unwrap();
    let settings = folder.path().join("moorlined.yaml");
    let work_dir = folder.path().join("work");
    let text = json!({
        "repository": {"url": folder.path().join("deploy.git")},
        "store": format!("sqlite:{}", folder.path().join("moorline.db").display()),
        "work_dir": work_dir,
        "listen": "127.0.0.1:0",
        "tokens": {"admin": "env:ADMIN_TOKEN", "operator": "env:OPERATOR_TOKEN", "viewer": "env:VIEWER_TOKEN"},
    });
    std::fs::write(&settings, text.to_string()).unwrap();
    let arguments = ["daemon", "--config", settings.to_str().unwrap()];
    let variables = [("ADMIN_TOKEN", "correct-horse"), ("OPERATOR_TOKEN", "hunter2"), ("NO_COLOR", "1")];
    let result = moorline(&arguments, &variables).await;
    assert_eq!(result.code, 1, "{result:?}");
    for part in
        ["tokens.operator (env:OPERATOR_TOKEN) is no token", "expected 8", "tokens.viewer has no value"]
    {
        assert!(result.stderr.contains(part), "{part}: {result:?}");
    }
    assert!(result.stdout.is_empty() && !result.stderr.contains("hunter2"), "{result:?}");
    let variables = [
        ("ADMIN_TOKEN", "correct-horse"),
        ("OPERATOR_TOKEN", "battery-staple"),
        ("VIEWER_TOKEN", "correct-horse"),
    ];
    let result = moorline(&arguments, &variables).await;
    assert!(result.code == 1 && result.stderr.contains("is the same secret as tokens.admin"), "{result:?}");
    assert!(!result.stderr.contains("correct-horse"), "{result:?}");
    assert!(!work_dir.exists(), "nothing was done before");
}

#[tokio::test]
async fn an_address_that_is_in_use_is_told_with_the_setting_that_changes_it() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let settings = folder.path().join("moorlined.yaml");
    let text = json!({
        "repository": {"url": folder.path().join("deploy.git")},
        "store": format!("sqlite:{}", folder.path().join("moorline.db").display()),
        "work_dir": folder.path().join("work"),
        "listen": address,
    });
    std::fs::write(&settings, text.to_string()).unwrap();
    let result = moorline(&["daemon", "--config", settings.to_str().unwrap()], &[("NO_COLOR", "1")]).await;
    assert_eq!(result.code, 1, "{result:?}");
    let told = format!(
        "cannot listen on {address}, which `listen` in the settings, or MOORLINE_LISTEN, changes: Address already in use"
    );
    assert!(result.stderr.contains(&told), "{result:?}");
}

/// A checkout of a bare repository, with what Git needs to be told of who commits.
fn checkout(folder: &Path) {
    let run = |arguments: &[&str]| {
        let output = Command::new("git").args(arguments).current_dir(folder).output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    };
    run(&["init", "--quiet", "--bare", "--initial-branch", "trunk", "deploy.git"]);
    run(&["clone", "--quiet", "deploy.git", "deploy"]);
}

#[tokio::test]
async fn init_looks_at_the_checkout_writes_what_fits_and_shows_its_secrets_once() {
    let folder = tempfile::tempdir().unwrap();
    checkout(folder.path());
    let deploy = folder.path().join("deploy");
    let (home, path) = (folder.path().to_str().unwrap(), deploy.to_str().unwrap());
    let result = moorline(&["init", path, "--output", "json"], &[("HOME", home)]).await;
    assert_eq!(result.code, 0, "{result:?}");
    let result = result.json();
    let secrets: Vec<&str> =
        result["secrets"].as_object().unwrap().values().map(|secret| secret.as_str().unwrap()).collect();
    assert!(secrets.len() == 4 && secrets.iter().all(|secret| secret.len() >= 48), "{result}");
    let read = |name: &str| std::fs::read_to_string(deploy.join(name)).unwrap();
    for name in ["moorline.yaml", "gateway.yaml", "moorlined.yaml"] {
        let text = read(name);
        let schema = text.lines().next().unwrap().strip_prefix("# yaml-language-server: $schema=").unwrap();
        let _: Value = serde_json::from_str(&read(schema)).unwrap();
        assert!(secrets.iter().all(|secret| !text.contains(secret)), "{name} holds a secret");
    }
    let settings = read("moorlined.yaml");
    let repository = std::fs::canonicalize(folder.path().join("deploy.git")).unwrap();
    assert!(
        settings.contains(&repository.display().to_string()) && settings.contains("branch: trunk"),
        "{settings}"
    );
    let valid = moorline(&["validate", path], &[]).await;
    assert_eq!(valid.code, 0, "{valid:?}");
    assert_eq!(result["next"].as_array().unwrap().len(), 3);

    // Once more: nothing is written over, and no new secret is made up.
    let before = read("gateway.yaml");
    let again = moorline(&["init", path, "--output", "json"], &[("HOME", home)]).await.json();
    assert_eq!((&again["wrote"], &again["secrets"]), (&json!([]), &json!({})));
    assert_eq!(read("gateway.yaml"), before);
    assert_eq!(again["not_set"], json!(SECRETS));
    a_second_run_says_how_to_make_new_secrets(path, home).await;

    // A bare repository holds no files.
    let bare = repository.to_str().unwrap();
    let result = moorline(&["init", bare], &[("HOME", home)]).await;
    assert!(
        result.code == 1 && result.stderr.contains("git clone") && result.stdout.is_empty(),
        "{result:?}"
    );
    assert!(!repository.join("moorline.yaml").exists());
}

/// What the files of `init` refer to.
const SECRETS: [&str; 3] = ["GATEWAY_ADMIN_TOKEN", "MOORLINE_ADMIN_TOKEN", "CALLER_KEY"];

async fn a_second_run_says_how_to_make_new_secrets(path: &str, home: &str) {
    let result = moorline(&["init", path], &[("HOME", home)]).await;
    assert!(result.stdout.is_empty() && result.stderr.contains("A secret is shown once"), "{result:?}");
    let lines: Vec<&str> = result.stderr.lines().map(str::trim).collect();
    let of_shell = |line: &&&str| line.starts_with("export ") || line.starts_with("printf ");
    let mut script: Vec<&str> = lines.iter().filter(of_shell).copied().collect();
    assert_eq!(script.len(), 5, "{result:?}");
    script.push("env");
    let output = Command::new("bash").args(["-euc", &script.join("\n")]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let made = String::from_utf8(output.stdout).unwrap();
    for name in [&SECRETS[..], &["MOORLINE_TOKEN"]].concat() {
        let value = made.lines().find_map(|line| line.strip_prefix(&format!("{name}="))).unwrap();
        assert!(value.len() >= 48 && value.chars().all(|c| c.is_ascii_alphanumeric() || c == '-'), "{name}");
    }
    // Where they are set there is nothing to say.
    let mut set = vec![("HOME", home)];
    set.extend(SECRETS.map(|name| (name, "correct-horse")));
    let result = moorline(&["init", path], &set).await;
    assert!(result.code == 0 && !result.stderr.contains("A secret is shown once"), "{result:?}");
}

#[tokio::test]
async fn init_declares_what_it_finds_in_terraform() {
    let folder = tempfile::tempdir().unwrap();
    checkout(folder.path());
    let deploy = folder.path().join("deploy");
    let infra = deploy.join("infra");
    std::fs::create_dir(&infra).unwrap();
    let code = "terraform {\n  required_providers {\n    openai = { source = \"moorline/openai\" }\n  }\n  \
        backend \"s3\" {}\n}\nprovider \"openai\" {}\nresource \"openai_gateway\" \"main\" {\n  name = \"g\"\n}\n";
    std::fs::write(infra.join("main.tf"), code).unwrap();
    let path = deploy.to_str().unwrap();
    let result = moorline(&["init", path], &[("HOME", folder.path().to_str().unwrap())]).await;
    assert_eq!(result.code, 0, "{result:?}");
    assert!(
        result.stderr.contains("Terraform in infra that declares the gateway openai_gateway.main"),
        "{result:?}"
    );
    let declared = std::fs::read_to_string(deploy.join("moorline.yaml")).unwrap();
    for part in ["{terraform: openai_gateway.main}", "directory: infra", "moorline/openai"] {
        assert!(declared.contains(part), "{part}: {declared}");
    }
    assert!(!deploy.join("gateway.yaml").exists(), "the document is Terraform's to declare");
    let valid = moorline(&["validate", path], &[]).await;
    assert_eq!(valid.code, 0, "{valid:?}");
}

#[tokio::test]
async fn the_commands_that_init_names_next_work_as_they_stand() {
    let folder = tempfile::tempdir().unwrap();
    let deploy = folder.path().join("a new checkout");
    std::fs::create_dir(&deploy).unwrap();
    let home = folder.path().to_str().unwrap();
    let result =
        moorline(&["init", deploy.to_str().unwrap(), "--output", "json"], &[("HOME", home)]).await.json();
    // The first of them makes the repository, checks and commits; the others are run by the first hour's test.
    let first = result["next"][0].as_str().unwrap();
    let programs = program("moorline").parent().unwrap().display().to_string();
    let mut command = Command::new("bash");
    command.args(["-c", first]).current_dir(folder.path());
    command.envs([("GIT_AUTHOR_NAME", "Ann"), ("GIT_AUTHOR_EMAIL", "ann@example.com")]);
    command.envs([("GIT_COMMITTER_NAME", "Ann"), ("GIT_COMMITTER_EMAIL", "ann@example.com")]);
    let output =
        command.env("PATH", format!("{programs}:{}", std::env::var("PATH").unwrap())).output().unwrap();
    assert!(output.status.success(), "{first}: {}", String::from_utf8_lossy(&output.stderr));
    let repository = git2::Repository::open(&deploy).unwrap();
    let tree = repository.head().unwrap().peel_to_tree().unwrap();
    for name in ["moorline.yaml", "gateway.yaml", ".moorline"] {
        assert!(tree.get_name(name).is_some(), "{name} is committed");
    }
    assert!(tree.get_name("moorlined.yaml").is_none(), "the daemon's settings are the daemon's");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_without_a_value_is_told_when_the_declaration_is_read() {
    let mut world = World::new().await;
    world.declaration["environments"][0]["verify"]["probes"][0]["key"] = json!("env:NO_SUCH_KEY");
    world.push("a key that nobody set");
    world.daemon.start().await;
    let told = || async {
        let log = world.daemon.log();
        let line = log.lines().find(|line| line.contains("env:NO_SUCH_KEY is not set")).map(str::to_owned);
        line.filter(|line| line.contains("WARN"))
    };
    let line = until("the daemon says what it lacks", told).await;
    for part in ["environment=\"test\"", "environments[0].verify.probes[0].key", "start the daemon again"] {
        assert!(line.contains(part), "{part}: {line}");
    }
}

#[tokio::test]
async fn the_example_validates_as_the_demo_lays_it_out() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let folder = tempfile::tempdir().unwrap();
    let laid_out = [
        ("examples/deploy", ""),
        ("infra/modules/ai-gateway", "infra/modules/ai-gateway"),
        ("policies", "policies"),
    ];
    for (from, to) in laid_out {
        copy(&root.join(from), &folder.path().join(to));
    }
    let result = moorline(&["validate", folder.path().to_str().unwrap()], &[]).await;
    assert_eq!(result.code, 0, "{result:?}");
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}
