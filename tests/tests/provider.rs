//! Terraform, the provider and the gateway, all real: the document declared in HCL is the one the gateway attests.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "what a test needs and does not get is its report"
)]

use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::time::Duration;

use moorline_admin::{Client, Origin, WriteOptions};
use moorline_config::Secret;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};

const TOKEN: &str = "admin-token-of-this-test";
/// Longest single step.
const DEADLINE: Duration = Duration::from_secs(120);

/// The block of the README.
const MAIN: &str = r#"
terraform {
  required_providers {
    openai = { source = "moorline/moorline" }
  }
}
provider "openai" {}
resource "openai_gateway" "main" {
  name     = "ai-gateway-prod"
  location = "us-east-1"
  route {
    path       = "/v1/chat/*"
    model      = "gpt-4"
    rate_limit = { requests = 1000, window = "1h" }
  }
  tags = { Environment = "production", ManagedBy = "terraform" }
}
data "moorline_status" "now" {
  provider   = openai
  depends_on = [openai_gateway.main]
}
output "gateway_endpoint" { value = openai_gateway.main.endpoint }
output "digest" { value = openai_gateway.main.digest }
output "attested" { value = data.moorline_status.now.digest }
"#;

/// A program of this workspace, built beside this test.
fn program(name: &str) -> PathBuf {
    let here = std::env::current_exe().unwrap();
    let path = here.parent().and_then(Path::parent).unwrap().join(name);
    assert!(
        path.exists(),
        "{} is not built: cargo build -p moorline-gateway -p terraform-provider-moorline",
        path.display()
    );
    path
}

async fn in_time<T>(work: impl Future<Output = T>) -> T {
    tokio::time::timeout(DEADLINE, work).await.expect("it did not end in time")
}

/// A gateway of its own, without a document.
struct Gateway {
    client: Client,
    admin: String,
    data: String,
    _child: Child,
}

impl Gateway {
    async fn start() -> Self {
        let mut child = Command::new(program("moorline-gateway"))
            .args(["--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--admin-token", "env:ADMIN_TOKEN"])
            .env_clear()
            .env("ADMIN_TOKEN", TOKEN)
            .env("OPENAI_API_KEY", "sk-not-a-key")
            .env("RUST_LOG", "error")
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).await.unwrap();
        let said: Value = serde_json::from_str(&line).unwrap();
        let at = |name: &str| format!("http://{}", said["listening"][name].as_str().unwrap());
        let client = Client::new(&at("admin"), Some(Secret::new(TOKEN.to_owned()))).unwrap();
        Self { client, admin: at("admin"), data: at("data"), _child: child }
    }

    async fn document(&self) -> Value {
        self.client.config().await.unwrap().document
    }

    /// Edits the document by hand, as break-glass.
    async fn edit(&self, edit: impl FnOnce(&mut Value)) {
        let mut document = self.document().await;
        edit(&mut document);
        let options = WriteOptions {
            origin: Some(Origin::Manual),
            take_over: true,
            actor: Some("night-shift".to_owned()),
            reason: Some("incident".to_owned()),
            ..WriteOptions::default()
        };
        self.client.put_config(&document, &options).await.unwrap();
    }
}

/// A Terraform working directory, initialised offline from a mirror.
struct Terraform {
    directory: TempDir,
    endpoint: String,
}

impl Terraform {
    async fn init(gateway: &Gateway) -> Self {
        let directory = TempDir::new().unwrap();
        let mirror = directory.path().join("mirror");
        let installed = Command::new(program("terraform-provider-moorline"))
            .arg("install")
            .arg("--mirror")
            .arg(mirror)
            .output();
        let installed = in_time(installed).await.unwrap();
        assert!(installed.status.success(), "{installed:?}");
        std::fs::write(directory.path().join("cli.tfrc"), installed.stdout).unwrap();
        std::fs::write(directory.path().join("main.tf"), MAIN).unwrap();
        let terraform = Self { directory, endpoint: gateway.admin.clone() };
        terraform.ok(&["init", "-input=false"]).await;
        terraform
    }

    async fn run(&self, arguments: &[&str]) -> Output {
        let here = self.directory.path();
        let mut command = Command::new("terraform");
        command.args(arguments).current_dir(here).env_clear().stdin(Stdio::null()).kill_on_drop(true);
        command.env("PATH", std::env::var_os("PATH").unwrap_or_default()).env("HOME", here);
        command.env("TF_CLI_CONFIG_FILE", here.join("cli.tfrc")).env("CHECKPOINT_DISABLE", "1");
        command.env("TF_DATA_DIR", here.join("data")).env("TF_CLI_ARGS", "-no-color");
        command.env("MOORLINE_ENDPOINT", &self.endpoint).env("MOORLINE_TOKEN", TOKEN);
        in_time(command.output()).await.expect("terraform must be on PATH")
    }

    async fn ok(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments).await;
        assert!(output.status.success(), "{}", text(&output));
        String::from_utf8(output.stdout).unwrap()
    }

    async fn assert_nothing_to_do(&self) {
        let plan = self.run(&["plan", "-detailed-exitcode"]).await;
        assert_eq!(plan.status.code(), Some(0), "the plan is not empty: {}", text(&plan));
    }
}

/// What a plan would do to the gateway.
fn actions(plan: &Value) -> Value {
    let changes = plan["resource_changes"].as_array().unwrap();
    changes.iter().find(|change| change["type"] == "openai_gateway").unwrap()["change"]["actions"].clone()
}

fn text(output: &Output) -> String {
    format!("{}\n{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

#[tokio::test]
async fn a_document_declared_in_hcl_is_the_one_the_gateway_attests_from_create_to_destroy() {
    let gateway = in_time(Gateway::start()).await;
    let terraform = Terraform::init(&gateway).await;

    terraform.ok(&["apply", "-auto-approve"]).await;
    let outputs: Value = serde_json::from_str(&terraform.ok(&["output", "-json"]).await).unwrap();
    let output = |name: &str| outputs[name]["value"].as_str().unwrap().to_owned();
    let attested = gateway.client.status().await.unwrap().stable.unwrap();
    assert_eq!(attested.digest.to_string(), output("digest"));
    assert_eq!(output("attested"), output("digest"));
    assert_eq!(output("gateway_endpoint"), gateway.data);
    assert_eq!(attested.origin, Origin::Terraform);
    terraform.assert_nothing_to_do().await;

    gateway.edit(|document| document["routes"][0]["limits"][0]["requests"] = json!(9999)).await;
    terraform.ok(&["plan", "-out=plan"]).await;
    let plan: Value = serde_json::from_str(&terraform.ok(&["show", "-json", "plan"]).await).unwrap();
    assert_eq!(plan["resource_drift"][0]["change"]["after"]["route"][0]["rate_limit"]["requests"], 9999);
    assert_eq!(actions(&plan), json!(["update"]));
    // Another edit after the plan: the plan is stale, and is refused.
    gateway.edit(|document| document["location"] = json!("eu-central-1")).await;
    let stale = terraform.run(&["apply", "plan"]).await;
    assert!(
        !stale.status.success() && text(&stale).contains("changed since it was planned"),
        "{}",
        text(&stale)
    );
    assert_eq!(gateway.document().await["location"], "eu-central-1");

    terraform.ok(&["apply", "-auto-approve"]).await;
    assert_eq!(gateway.document().await["routes"][0]["limits"][0]["requests"], 1000);
    terraform.assert_nothing_to_do().await;

    let second = Terraform::init(&gateway).await;
    second.ok(&["import", "openai_gateway.main", "ai-gateway-prod"]).await;
    second.ok(&["plan", "-out=plan"]).await;
    let plan: Value = serde_json::from_str(&second.ok(&["show", "-json", "plan"]).await).unwrap();
    assert_eq!(actions(&plan), json!(["no-op"]));

    terraform.ok(&["destroy", "-auto-approve"]).await;
    assert_eq!(gateway.document().await, json!({"version": 1, "name": "ai-gateway-prod"}));
}

#[tokio::test]
async fn a_document_of_another_owner_stays() {
    let gateway = in_time(Gateway::start()).await;
    let theirs = json!({"version": 1, "name": "theirs", "location": "eu"});
    let options = WriteOptions { origin: Some(Origin::Git), ..WriteOptions::default() };
    gateway.client.put_config(&theirs, &options).await.unwrap();
    let terraform = Terraform::init(&gateway).await;
    let refused = terraform.run(&["apply", "-auto-approve"]).await;
    assert!(!refused.status.success() && text(&refused).contains("already there"), "{}", text(&refused));
    assert_eq!(gateway.document().await, theirs);
}
