//! No secret value in logs, the record, the API, mails or plan output.

use std::path::{Path, PathBuf};

use moorline_model::rollout::Phase;
use moorline_tests::daemon::{ADMIN_TOKEN, HOOK_SECRET, OPERATOR_TOKEN, VIEWER_TOKEN};
use moorline_tests::declared::CALLER_KEY;
use moorline_tests::gateway::{ADMIN_TOKEN as GATEWAY_TOKEN, PROVIDER_KEY};
use moorline_tests::webhook::{self, Webhook};
use moorline_tests::world::DOCUMENT_TOKEN;
use moorline_tests::{World, until};
use serde_json::json;

/// The value of a sensitive Terraform variable.
const VARIABLE: &str = "variable-value-of-tests";

/// Secrets and what holds them.
const SECRETS: [(&str, &str); 10] = [
    ("the daemon's admin token", ADMIN_TOKEN),
    ("the daemon's operator token", OPERATOR_TOKEN),
    ("the daemon's viewer token", VIEWER_TOKEN),
    ("the webhook's secret", HOOK_SECRET),
    ("the gateways' admin token", GATEWAY_TOKEN),
    ("the provider's key", PROVIDER_KEY),
    ("the document endpoint's token", DOCUMENT_TOKEN),
    ("the caller's key", CALLER_KEY),
    ("the Terraform variable", VARIABLE),
    ("the webhook channel's key", webhook::KEY),
];

#[tokio::test(flavor = "multi_thread")]
async fn no_secret_is_found_anywhere_after_a_deploy_a_rollback_and_a_failed_plan() {
    let mut world = World::with_terraform().await;
    // A sensitive variable that the document carries, so that it passes through plan, state and hand-over.
    let with_variable = |world: &mut World| {
        let main = world.files.get_mut("infra/main.tf").unwrap();
        main.push_str("variable \"secret\" {\n  type      = string\n  sensitive = true\n}\n");
        main.push_str("output \"secret\" {\n  value     = var.secret\n  sensitive = true\n}\n");
    };
    with_variable(&mut world);
    world.declaration["environments"][0]["terraform"]["environment"]["TF_VAR_secret"] =
        json!("env:TF_SECRET");
    world.daemon.set("TF_SECRET", VARIABLE);
    let hook = Webhook::start().await;
    world.declaration["notifications"]["channels"]["hook"] =
        json!({"webhook": {"url": hook.url(), "secret": "env:HOOK_KEY"}});
    world.daemon.set("HOOK_KEY", webhook::KEY);
    world.settle().await;
    let traffic = world.traffic(1);
    traffic.serves("first", 2).await;
    assert_eq!(
        world.provider.authorization().unwrap(),
        format!("Bearer {PROVIDER_KEY}"),
        "it is used, though"
    );

    let back = world.push_broken();
    // The broken one has no variable: its removal is planned, applied and taken back.
    world.ends(&back, &Phase::RolledBack).await;
    world.push_model("second");
    with_variable(&mut world);
    let main = world.files.get_mut("infra/main.tf").unwrap();
    main.push_str("output \"broken\" {\n  value = tonumber(var.secret)\n}\n");
    let failed = world.push("a mistake that would quote the secret");
    world.ends(&failed, &Phase::Failed).await;
    let told = || async { (!world.mail.holding(failed.short()).is_empty()).then_some(()) };
    until("a mail about the failure", told).await;
    traffic.stop_without_failures().await;

    let mut all = everything(&world).await;
    all.extend(hook.taken().iter().map(|message| ("webhook".to_owned(), message.to_string().into_bytes())));
    // What is no secret is found, in the record, the API, a log and a mail: the search itself works.
    for kind in ["moorline.db", "/api/v1/environments/test", "moorlined.log", "mail ", "webhook"] {
        let is_there =
            |(place, text): &(String, Vec<u8>)| place.contains(kind) && contains(text, back.short());
        assert!(all.iter().any(is_there), "{kind} was not searched");
    }
    let mut found = Vec::new();
    for (place, text) in all {
        for (name, secret) in SECRETS {
            if contains(&text, secret) {
                found.push(format!("{name} is in {place}"));
            }
        }
    }
    assert!(found.is_empty(), "{found:#?}");
}

/// Everything that is written or shown, but what is Terraform's or a test's own: the settings name references only,
/// and Terraform's state is where the declared backend keeps it.
async fn everything(world: &World) -> Vec<(String, Vec<u8>)> {
    let mut all = Vec::new();
    let api = world.daemon.api();
    let paths = [
        "/api/v1/environments",
        "/api/v1/environments/test",
        "/api/v1/environments/test/drift",
        "/api/v1/environments/test/rollouts?limit=1000",
        "/api/v1/environments/test/history?limit=1000",
        "/api/v1/environments/test/why",
        "/api/v1/environments/test/document",
        "/api/v1/audit?limit=1000",
        "/metrics",
        "/",
        "/environments/test",
    ];
    for path in paths {
        let text = api.text(path).await.unwrap();
        assert!(text.len() > 20, "{path} answers with next to nothing: {text}");
        all.push((path.to_owned(), text.into_bytes()));
    }
    for gateway in &world.gateways {
        for path in ["/admin/v1/status", "/admin/v1/config"] {
            let request = api.http().get(format!("{}{path}", gateway.admin)).bearer_auth(GATEWAY_TOKEN);
            all.push((path.to_owned(), request.send().await.unwrap().text().await.unwrap().into_bytes()));
        }
    }
    for (number, mail) in world.mail.mails().into_iter().enumerate() {
        all.push((format!("mail {number}"), format!("{}\n{}", mail.text, mail.body()).into_bytes()));
    }
    for file in files(world.folder.path()) {
        let is_terraforms =
            file.file_name().is_some_and(|name| name.to_string_lossy().starts_with("terraform.tfstate"));
        if !is_terraforms && let Ok(bytes) = std::fs::read(&file) {
            all.push((file.display().to_string(), bytes));
        }
    }
    all
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        match entry.file_type() {
            Ok(kind) if kind.is_dir() => found.extend(files(&path)),
            Ok(kind) if kind.is_file() => found.push(path),
            _ => {}
        }
    }
    found
}

fn contains(bytes: &[u8], secret: &str) -> bool {
    bytes.windows(secret.len()).any(|window| window == secret.as_bytes())
}
