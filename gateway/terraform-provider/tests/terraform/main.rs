//! The provider under the real Terraform: installed from a mirror, offline, against a document endpoint.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "what a test needs and does not get is its report"
)]

mod endpoint;
mod plugin;
mod workspace;

use serde_json::{Value, json};

use endpoint::{Endpoint, TOKEN};
use workspace::Workspace;

/// The block of the design, with the endpoint and token from the environment.
const DESIGN: &str = r#"
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
output "gateway_endpoint" { value = openai_gateway.main.endpoint }
"#;

fn workspace(endpoint: &Endpoint, main: &str) -> Workspace {
    Workspace::new(&endpoint.url, TOKEN, main)
}

fn requests(document: &Value) -> &Value {
    &document["routes"][0]["limits"][0]["requests"]
}

#[test]
fn a_gateway_is_created_updated_in_place_and_destroyed_with_empty_plans_between() {
    let endpoint = Endpoint::start();
    let workspace = workspace(&endpoint, DESIGN);
    let lock = std::fs::read_to_string(workspace.directory.path().join(".terraform.lock.hcl")).unwrap();
    assert!(lock.contains("registry.terraform.io/moorline/moorline"), "{lock}");

    workspace.apply().ok();
    let created = endpoint.document().unwrap();
    assert_eq!(created["name"], "ai-gateway-prod");
    assert_eq!(created["tags"]["ManagedBy"], "terraform");
    assert_eq!(*requests(&created), 1000);
    workspace.assert_nothing_to_do();
    let output = workspace.run(&["output", "-raw", "gateway_endpoint"]).ok();
    assert_eq!(output.stdout, "http://gateway.test:8787");

    workspace.write(&DESIGN.replace("1000", "50"));
    let plan = workspace.plan();
    assert_eq!(plan["resource_changes"][0]["change"]["actions"], json!(["update"]));
    workspace.apply().ok();
    assert_eq!(*requests(&endpoint.document().unwrap()), 50);
    workspace.assert_nothing_to_do();

    workspace.run(&["destroy", "-auto-approve"]).ok();
    assert_eq!(endpoint.document().unwrap(), json!({"version": 1, "name": "ai-gateway-prod"}));
    let writes = endpoint.writes();
    assert!(writes.iter().all(|write| write.origin == "terraform"));
    assert_eq!(writes.iter().map(|write| write.if_match.is_some()).collect::<Vec<_>>(), [false, true, true]);
}

/// A block around a document, in the given form.
fn with_document(document: &str) -> String {
    format!(
        r#"
terraform {{
  required_providers {{
    openai = {{ source = "moorline/moorline" }}
  }}
}}
resource "openai_gateway" "main" {{
  name     = "g"
  document = {document}
}}
"#
    )
}

const DOCUMENT: &str = r#"jsonencode({
  providers = { local = { kind = "openai_compatible", base_url = "http://127.0.0.1:1/v1" } }
  models    = { "gpt-4" = { targets = [{ provider = "local", model = "gpt-4" }], price = null } }
  routes    = [{ path = "/v1/*", limits = [{ requests = 10, window = "1h" }] }]
})"#;

#[test]
fn a_document_keeps_its_text_while_its_meaning_stays() {
    let endpoint = Endpoint::start();
    let workspace = workspace(&endpoint, &with_document(DOCUMENT));
    workspace.apply().ok();
    workspace.assert_nothing_to_do();

    let reordered = r#"<<-JSON
      { "routes": [ {"limits": [{"window": "1h", "requests": 10}], "path": "/v1/*"} ],
        "models": { "gpt-4": { "targets": [{ "model": "gpt-4", "provider": "local" }] } },
        "providers": { "local": { "base_url": "http://127.0.0.1:1/v1", "kind": "openai_compatible" } } }
    JSON
    "#;
    workspace.write(&with_document(reordered));
    workspace.assert_nothing_to_do();
    workspace.write(&with_document(&reordered.replace("10}", "11}")));
    assert_eq!(workspace.run(&["plan", "-detailed-exitcode"]).code, 2);
}

#[test]
fn a_live_edit_is_drift_at_the_attribute_that_people_wrote_and_apply_heals_it() {
    let endpoint = Endpoint::start();
    let workspace = workspace(&endpoint, DESIGN);
    workspace.apply().ok();
    endpoint.edit("manual", |document| document["routes"][0]["limits"][0]["requests"] = json!(9999));

    let plan = workspace.plan();
    let drift = &plan["resource_drift"][0]["change"];
    assert_eq!(drift["after"]["route"][0]["rate_limit"]["requests"], 9999);
    assert_eq!(drift["before"]["route"][0]["rate_limit"]["requests"], 1000);
    let change = &plan["resource_changes"][0]["change"];
    assert_eq!(change["actions"], json!(["update"]));
    let differing = |name: &&String| change["before"][name.as_str()] != change["after"][name.as_str()];
    let names: Vec<_> = change["after"].as_object().unwrap().keys().filter(differing).collect();
    assert_eq!(names, ["digest", "route"]);

    workspace.apply().ok();
    assert_eq!(*requests(&endpoint.document().unwrap()), 1000);
    workspace.assert_nothing_to_do();
}

#[test]
fn what_a_block_cannot_say_is_drift_too() {
    let endpoint = Endpoint::start();
    let workspace = workspace(&endpoint, DESIGN);
    workspace.apply().ok();
    endpoint.edit("manual", |document| document["routes"][0]["cache"] = json!({"ttl": "5m"}));
    let plan = workspace.plan();
    assert!(plan["resource_drift"][0]["change"]["after"]["document"].as_str().unwrap().contains("cache"));
    workspace.apply().ok();
    assert!(endpoint.document().unwrap()["routes"][0].get("cache").is_none());
    workspace.assert_nothing_to_do();
}

#[test]
fn a_gateway_is_imported_by_its_name_with_nothing_left_to_do() {
    let endpoint = Endpoint::start();
    let first = workspace(&endpoint, DESIGN);
    first.apply().ok();
    let second = workspace(&endpoint, DESIGN);
    second.run(&["import", "openai_gateway.main", "someone-else"]).failed_saying(&["is `ai-gateway-prod`"]);
    second.run(&["import", "openai_gateway.main", "ai-gateway-prod"]).ok();
    second.assert_nothing_to_do();
    assert_eq!(second.state("openai_gateway.main"), first.state("openai_gateway.main"));
}

#[test]
fn an_import_into_a_document_block_changes_nothing_but_the_state() {
    let endpoint = Endpoint::start();
    workspace(&endpoint, &with_document(DOCUMENT)).apply().ok();
    let before = endpoint.document();
    let second = workspace(&endpoint, &with_document(DOCUMENT));
    second.run(&["import", "openai_gateway.main", "g"]).ok();
    second.apply().ok();
    assert_eq!(endpoint.document(), before);
    second.assert_nothing_to_do();
}

#[test]
fn mistakes_are_reported_at_their_attributes_and_nothing_is_written() {
    let endpoint = Endpoint::start();
    let wrong = DESIGN.replace("\"1h\"", "\"soon\"").replace("\"/v1/chat/*\"", "\"chat\"");
    let workspace = workspace(&endpoint, &wrong);
    let checked = workspace.run(&["validate", "-json"]);
    let said: Value = serde_json::from_str(&checked.stdout).unwrap();
    let lines: Vec<_> =
        said["diagnostics"].as_array().unwrap().iter().map(|d| d["snippet"]["code"].clone()).collect();
    let at = |text: &str| lines.iter().any(|line| line.as_str().is_some_and(|line| line.contains(text)));
    assert!(at("soon") && at("chat"), "{}", checked.stdout);
    assert_ne!(workspace.apply().code, 0);
    assert!(endpoint.document().is_none());
}

#[test]
fn a_document_that_names_an_unknown_provider_is_refused_before_the_plan() {
    let endpoint = Endpoint::start();
    let wrong = DOCUMENT.replace("provider = \"local\"", "provider = \"nobody\"");
    let workspace = workspace(&endpoint, &with_document(&wrong));
    workspace.run(&["plan"]).failed_saying(&["Mistake in the document", "nobody"]);
}

#[test]
fn a_literal_secret_is_refused_and_never_printed() {
    let endpoint = Endpoint::start();
    let in_document = with_document(
        "jsonencode({\n providers = { o = { kind = \"openai\",\n api_key = \"sk-live-4711\" } }\n})",
    );
    let in_resource = DESIGN.to_owned()
        + "\nresource \"openai_provider\" \"o\" {\n  name = \"o\"\n  api_key = \"sk-live-4711\"\n}\n";
    for main in [in_document, in_resource] {
        let workspace = workspace(&endpoint, &main);
        let refused = workspace.run(&["plan"]).failed_saying(&["api_key", "reference belongs"]);
        assert!(!refused.to_string().contains("sk-live"), "{refused}");
    }
    assert!(endpoint.document().is_none());
}

#[test]
fn a_plan_made_against_another_document_is_not_applied() {
    let endpoint = Endpoint::start();
    let workspace = workspace(&endpoint, DESIGN);
    workspace.apply().ok();
    workspace.write(&DESIGN.replace("1000", "50"));
    workspace.run(&["plan", "-out=stale"]).ok();
    endpoint.edit("manual", |document| document["location"] = json!("eu-central-1"));
    workspace
        .run(&["apply", "stale"])
        .failed_saying(&["changed since it was planned", "Nothing was written"]);
    let now = endpoint.document().unwrap();
    assert_eq!((now["location"].as_str(), requests(&now)), (Some("eu-central-1"), &json!(1000)));
}

#[test]
fn another_owners_document_is_neither_replaced_nor_updated_unless_taken_over() {
    let endpoint = Endpoint::start();
    let theirs = json!({"version": 1, "name": "theirs", "location": "eu"});
    endpoint.hold("git", theirs.clone());
    let workspace = workspace(&endpoint, DESIGN);
    workspace.apply().failed_saying(&["already there", "written by git"]);
    assert_eq!(endpoint.document().unwrap(), theirs);

    let taking = DESIGN.replace("location = ", "take_over = true\n  location = ");
    workspace.write(&taking);
    workspace.apply().ok();
    workspace.assert_nothing_to_do();

    endpoint.edit("git", |document| document["location"] = json!("eu"));
    workspace.write(DESIGN);
    workspace.apply().failed_saying(&["Another owner holds the document", "take_over"]);
    assert_eq!(endpoint.document().unwrap()["location"], "eu");
}

#[test]
fn the_daemons_address_is_taken_as_it_is_and_the_commit_handed_on() {
    let endpoint = Endpoint::start();
    let daemon = format!("{}/api/v1/environments/demo/document", endpoint.url);
    let workspace = Workspace::new(&daemon, TOKEN, DESIGN);
    workspace.run_with(&["apply", "-auto-approve"], &[("MOORLINE_COMMIT", "0123abc")]).ok();
    assert_eq!(endpoint.writes()[0].commit.as_deref(), Some("0123abc"));
    workspace.assert_nothing_to_do();
}

#[test]
fn a_document_that_is_gone_is_declared_again() {
    let endpoint = Endpoint::start();
    let workspace = workspace(&endpoint, DESIGN);
    workspace.apply().ok();
    endpoint.lose();
    assert_eq!(workspace.plan()["resource_changes"][0]["change"]["actions"], json!(["create"]));
    workspace.apply().ok();
    assert!(endpoint.document().is_some());
}

#[test]
fn a_destroyed_gateway_is_created_again() {
    let endpoint = Endpoint::start();
    let workspace = workspace(&endpoint, DESIGN);
    workspace.apply().ok();
    workspace.run(&["destroy", "-auto-approve"]).ok();
    workspace.apply().ok();
    assert_eq!(*requests(&endpoint.document().unwrap()), 1000);
}

#[test]
fn what_cannot_be_read_is_an_error_and_never_gone() {
    let endpoint = Endpoint::start();
    let workspace = workspace(&endpoint, DESIGN);
    workspace.apply().ok();
    drop(endpoint);
    workspace.run(&["plan"]).failed_saying(&["cannot be used", "refuses connections"]);
    assert_eq!(workspace.state("openai_gateway.main")["name"], "ai-gateway-prod");
}

#[test]
fn a_wrong_token_is_refused_with_the_next_step() {
    let endpoint = Endpoint::start();
    let workspace = Workspace::new(&endpoint.url, "wrong", DESIGN);
    workspace.apply().failed_saying(&["refused the token", "MOORLINE_TOKEN"]);
}

#[test]
fn the_token_is_never_logged_and_the_plugin_ends_when_told() {
    let endpoint = Endpoint::start();
    let workspace = workspace(&endpoint, DESIGN);
    let log = workspace.directory.path().join("log");
    let environment = [("TF_LOG", "TRACE"), ("TF_LOG_PATH", log.to_str().unwrap())];
    workspace.run_with(&["apply", "-auto-approve"], &environment).ok();
    let log = std::fs::read_to_string(log).unwrap();
    assert!(log.contains("document handed over"), "the provider's own log lines are missing");
    assert!(!log.contains(TOKEN));
    assert!(!log.contains("failed to exit gracefully"));
}

#[test]
fn upstream_providers_join_the_one_document() {
    let endpoint = Endpoint::start();
    let main = r#"
terraform {
  required_providers {
    openai = { source = "moorline/moorline" }
  }
}
resource "openai_provider" "one" {
  name    = "one"
  api_key = "env:OPENAI_API_KEY"
}
resource "openai_provider" "two" {
  name     = "two"
  base_url = "https://eu.example.com/v1"
}
resource "anthropic_provider" "claude" {
  provider = openai
  name     = "claude"
  api_key  = "secretsmanager:ai-gateway/anthropic-api-key"
}
resource "openai_gateway" "main" {
  name      = "g"
  providers = [openai_provider.one.declaration, openai_provider.two.declaration]
  document = jsonencode({
    models = { gpt = { targets = [{ provider = openai_provider.two.name, model = "gpt-4o" }] } }
  })
  route {
    path  = "/v1/*"
    model = "gpt"
  }
}
data "moorline_status" "now" {
  provider   = openai
  depends_on = [openai_gateway.main]
}
output "digest" { value = [data.moorline_status.now.digest, openai_gateway.main.digest, data.moorline_status.now.origin] }
output "claude" { value = anthropic_provider.claude.declaration }
"#;
    let workspace = workspace(&endpoint, main);
    workspace.apply().ok();
    let document = endpoint.document().unwrap();
    assert_eq!(document["providers"]["one"]["api_key"], "env:OPENAI_API_KEY");
    assert_eq!(document["providers"]["two"]["base_url"], "https://eu.example.com/v1");
    assert!(workspace.run(&["output", "-raw", "claude"]).ok().stdout.contains("secretsmanager:ai-gateway/"));
    let output: Value =
        serde_json::from_str(&workspace.run(&["output", "-json", "digest"]).ok().stdout).unwrap();
    assert_eq!(output[0], output[1]);
    assert_eq!(output[2], "terraform");
    workspace.assert_nothing_to_do();

    endpoint.edit("manual", |document| document["providers"]["one"]["api_key"] = json!("env:OTHER"));
    let plan = workspace.plan();
    assert!(
        plan["resource_drift"][0]["change"]["after"]["providers"][0].as_str().unwrap().contains("env:OTHER")
    );
    workspace.apply().ok();
    workspace.assert_nothing_to_do();
}

#[test]
fn values_known_only_after_apply_are_waited_for() {
    let endpoint = Endpoint::start();
    let main = with_document("jsonencode({ tags = { made = terraform_data.made.id } })")
        + "\nresource \"terraform_data\" \"made\" {}\n";
    let workspace = workspace(&endpoint, &main);
    let plan = workspace.plan();
    let changes = plan["resource_changes"].as_array().unwrap();
    let gateway = changes.iter().find(|change| change["type"] == "openai_gateway").unwrap();
    assert_eq!(gateway["change"]["after_unknown"]["document"], true);
    assert_eq!(gateway["change"]["after_unknown"]["digest"], true);
    workspace.apply().ok();
    assert!(endpoint.document().unwrap()["tags"]["made"].as_str().unwrap().len() > 10);
    workspace.assert_nothing_to_do();
}

#[test]
fn the_module_is_valid_and_its_plan_is_empty_after_apply() {
    let endpoint = Endpoint::start();
    let module = concat!(env!("CARGO_MANIFEST_DIR"), "/../../infra/modules/ai-gateway");
    let main = format!(
        r#"
terraform {{
  required_providers {{
    openai = {{ source = "moorline/moorline" }}
  }}
}}
module "gateway" {{
  source             = "./module"
  name               = "demo"
  providers_document = {{ local = {{ kind = "openai_compatible", base_url = "http://127.0.0.1:1/v1" }} }}
  models_document    = {{ "gpt-4o" = {{ targets = [{{ provider = "local", model = "gpt-4o" }}] }} }}
  keys               = [{{ name = "demo", sha256 = "{}" }}]
  routes = [
    {{ path = "/v1/chat/*", model = "gpt-4o", rate_limit = {{ requests = 1000, window = "1h" }} }},
    {{ path = "/v1/*" }},
  ]
}}
output "endpoint" {{ value = module.gateway.endpoint }}
output "digest" {{ value = module.gateway.digest }}
"#,
        "ab".repeat(32)
    );
    let workspace = Workspace::around_module(&endpoint.url, TOKEN, &main, module);
    workspace.run(&["validate"]).ok();
    workspace.apply().ok();
    workspace.assert_nothing_to_do();
    let document = endpoint.document().unwrap();
    assert_eq!(document["tags"], json!({"ManagedBy": "terraform"}));
    assert_eq!(document["routes"].as_array().unwrap().len(), 2);
    assert_eq!(workspace.run(&["output", "-raw", "endpoint"]).ok().stdout, "http://gateway.test:8787");
    workspace.run(&["fmt", "-check", "-recursive", module]).ok();

    let second = Workspace::around_module(&endpoint.url, TOKEN, &main, module);
    second.run(&["import", "module.gateway.openai_gateway.this", "demo"]).ok();
    second.assert_nothing_to_do();
}
