//! Secrets planted in every place that Terraform has for them, and looked for in everything that comes out.

use std::fmt::Write as _;
use std::fs;

use moorline_model::config::chain;

use super::rig::{Events, Rig};
use crate::error::RunError;
use crate::runner::{Planned, Runner as _};

const MARK: &str = "planted";

/// Everything a caller could log, store or show.
fn surfaces(planned: &Planned, events: &Events) -> String {
    let mut all = serde_json::to_string(&planned.summary).unwrap();
    write!(all, "{:?}{planned:?}{:?}", planned.summary, events.seen.lock().unwrap()).unwrap();
    all
}

fn whole(error: &RunError) -> String {
    format!("{error:?}\n{}", chain::of(error))
}

const CODE: &str = r#"
variable "key" {
  sensitive = true
}

variable "many" {
  sensitive = true
  type      = list(object({ secret = string }))
}

variable "generation" {
  default = 1
}

resource "terraform_data" "one" {
  input = {
    generation = var.generation
    plain      = "visible"
    key        = var.key
    nested     = [{ deep = var.many[0].secret }, { deep = "visible" }]
    joined     = "https://user:${var.key}@example.com"
    document   = jsonencode({ password = "planted-in-document", name = "visible" })
    url        = "redis://:planted-in-url@example.com/0"
  }
}

resource "terraform_data" "two" {
  input            = nonsensitive(var.key)
  triggers_replace = [nonsensitive("${var.key}-${var.generation}")]
}

output "key" {
  sensitive = true
  value     = "${var.key}-${var.generation}"
}
"#;

fn rig() -> Rig {
    let mut rig = Rig::new(CODE);
    rig.variable("TF_VAR_key", "planted-in-variable");
    rig.variable("TF_VAR_many", r#"[{ secret = "planted-in-list" }]"#);
    rig.variable("PROVIDER_TOKEN", "planted-in-environment");
    rig
}

#[tokio::test]
async fn no_planted_secret_comes_out_of_plans_states_and_events() {
    let mut rig = rig();
    let events = Events::default();
    let created = rig.plan_telling(&events).await.unwrap();
    // The sweep itself must be able to find them: they are in the plan file.
    assert!(!surfaces(&created, &events).contains(MARK), "{}", surfaces(&created, &events));
    rig.apply(&created.saved).await.unwrap();
    let state_file = fs::read_to_string(rig.path("state/terraform.tfstate")).unwrap();
    for mark in ["planted-in-variable", "planted-in-list", "planted-in-document", "planted-in-url"] {
        assert!(state_file.contains(mark), "{mark} was not planted");
    }

    rig.variable("TF_VAR_generation", "2");
    rig.variable("TF_VAR_key", "planted-in-variable-2");
    rig.variable("TF_VAR_many", r#"[{ secret = "planted-in-list-2" }]"#);
    let changed = rig.plan_telling(&events).await.unwrap();
    let all = surfaces(&changed, &events);
    assert!(!all.contains(MARK), "{all}");
    assert!(all.contains("input.nested[0].deep") && all.contains("(sensitive)"), "{all}");
    assert!(all.contains("input.generation"), "{all}");

    let state = format!("{:?}", rig.runner.state(&rig.job, None, &rig.cancel).await.unwrap());
    assert!(!state.contains(MARK), "{state}");
    assert!(state.contains("visible"));
}

#[tokio::test]
async fn no_planted_secret_comes_out_of_errors() {
    let mut rig = rig();
    let planned = rig.plan().await.unwrap();
    rig.apply(&planned.saved).await.unwrap();
    // The key changes; the old one is now known only from the state, and the code puts it into an error.
    rig.variable("TF_VAR_key", "planted-in-variable-2");
    rig.write(
        "infra/fail.tf",
        "output \"fail\" {\n  value = \"x\"\n  precondition {\n    condition     = var.generation > 100\n    error_message = \"no: planted-in-variable ${nonsensitive(var.many[0].secret)} ${nonsensitive(var.key)}\"\n  }\n}\n",
    );
    let error = rig.plan().await.unwrap_err();
    let all = whole(&error);
    assert!(all.contains("fail.tf:") && all.contains("no: (sensitive) (sensitive) (sensitive)"), "{all}");
    assert!(!all.contains(MARK), "{all}");
}

#[tokio::test]
async fn no_planted_secret_comes_out_of_a_child_that_shouts_it() {
    let mut rig = Rig::fake(
        "if [ \"$1\" = plan ]; then echo \"Error: with $OWN\" >&2; echo \"token=$OWN\" >&2; exit 1; fi",
    );
    rig.variable("OWN", "planted-in-environment");
    let all = whole(&rig.plan().await.unwrap_err());
    assert!(all.contains("with (sensitive)"), "{all}");
    assert!(!all.contains(MARK), "{all}");
}

#[tokio::test]
async fn no_planted_secret_comes_out_of_json_that_cannot_be_read() {
    for json in [
        "{\"format_version\": \"planted\"",
        "{\"format_version\": {\"planted\": 1}}",
        "planted",
        "{\"format_version\":\"9.planted-in-version\"}",
    ] {
        let rig = Rig::fake(&format!("if [ \"$1\" = show ]; then echo '{json}'; exit 0; fi"));
        let error = rig.plan().await.unwrap_err();
        assert!(matches!(error, RunError::Unreadable { .. }), "{error:?}");
        assert!(!whole(&error).contains("planted\"") && !whole(&error).contains("planted-in"), "{error:?}");
    }
}
