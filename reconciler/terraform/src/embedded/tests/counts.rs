//! Which commands a plan and its apply are made of, counted, with the real terraform.

use std::fs;

use super::rig::{BACKEND, Rig};
use crate::embedded::EmbeddedRunner;
use crate::error::{RunError, Step};
use crate::runner::Runner as _;
use crate::runner::StateRead;

fn resource(input: &str) -> String {
    format!("resource \"terraform_data\" \"one\" {{\n  input = \"{input}\"\n}}\n")
}

const PLAN: [&str; 3] = ["plan", "show", "state pull"];
const PLAN_WITH_INIT: [&str; 4] = ["init", "plan", "show", "state pull"];

#[tokio::test]
async fn init_runs_once_and_an_apply_is_one_command() {
    let mut rig = Rig::counting(&resource("first"));
    let planned = rig.plan().await.unwrap();
    assert_eq!(rig.ran(), PLAN_WITH_INIT);
    rig.apply(&planned.saved).await.unwrap();
    assert_eq!(rig.ran(), ["apply"]);

    // Another commit, which changes nothing that `init` reads, in a checkout of its own.
    rig.job.commit = "f".repeat(40).parse().unwrap();
    rig.write("infra/main.tf", &format!("# a comment\n{}", resource("second")));
    let planned = rig.plan().await.unwrap();
    assert_eq!(rig.ran(), PLAN);
    rig.apply(&planned.saved).await.unwrap();
    assert_eq!(rig.ran(), ["apply"]);
    let read = rig.runner.state(&rig.job, None, &rig.cancel).await.unwrap();
    let StateRead::Moved { identity, .. } = read else { panic!("{read:?}") };
    assert_eq!(rig.ran(), ["show", "state pull"]);
    rig.runner.state(&rig.job, Some(&identity), &rig.cancel).await.unwrap();
    assert_eq!(rig.ran(), ["state pull"], "it has not moved");
}

#[tokio::test]
async fn a_workspace_is_selected_once() {
    let mut rig = Rig::counting(&resource("first"));
    let states = rig.path("workspaces").display().to_string();
    rig.job.environment.backend_config.insert("workspace_dir".to_owned(), states);
    rig.job.environment.workspace = "prod".to_owned();
    rig.plan().await.unwrap();
    assert_eq!(rig.ran(), ["init", "plan", "show", "state pull", "workspace select"]);
    let planned = rig.plan().await.unwrap();
    rig.apply(&planned.saved).await.unwrap();
    assert_eq!(rig.ran(), ["apply", "plan", "show", "state pull"]);
    assert!(rig.path("workspaces/prod/terraform.tfstate").exists());
}

#[tokio::test]
async fn init_runs_again_for_whatever_it_reads() {
    type Change = fn(&mut Rig);
    let changes: [(&str, Change); 8] = [
        ("backend", |rig| {
            rig.write("infra/backend.tf", &BACKEND.replace("{}", "{\n    workspace_dir = \"/nowhere\"\n  }"));
        }),
        ("backend_config", |rig| {
            let other = rig.path("other.tfstate").display().to_string();
            rig.job.environment.backend_config.insert("path".to_owned(), other);
        }),
        ("module", |rig| {
            fs::create_dir(rig.job.tree.join("infra/m")).unwrap();
            rig.write("infra/m/m.tf", &resource("module"));
            rig.write("infra/module.tf", "module \"m\" {\n  source = \"./m\"\n}\n");
            rig.job.environment.allow.modules.push("./m".to_owned());
        }),
        ("version", |rig| rig.write("infra/v.tf", "terraform {\n  required_version = \"> 1\"\n}\n")),
        ("lock file", |rig| rig.write("infra/.terraform.lock.hcl", "# other\n")),
        ("mirror", |rig| rig.job.mirror = Some(rig.dir.path().to_owned())),
        ("binary", |rig| {
            let binary = &rig.job.environment.binary;
            let text = fs::read_to_string(binary).unwrap();
            fs::write(binary, format!("{text}# a newer one\n")).unwrap();
        }),
        ("restart", |rig| rig.runner = EmbeddedRunner::default()),
    ];
    for (name, change) in changes {
        let mut rig = Rig::counting(&resource("first"));
        rig.plan().await.unwrap();
        assert_eq!(rig.ran(), PLAN_WITH_INIT);
        change(&mut rig);
        rig.plan().await.unwrap();
        assert_eq!(rig.ran(), PLAN_WITH_INIT, "{name}");
        rig.plan().await.unwrap();
        assert_eq!(rig.ran(), PLAN, "{name}");
    }
}

#[tokio::test]
async fn what_somebody_wrote_into_terraforms_data_is_not_used() {
    let rig = Rig::counting(&resource("first"));
    let planned = rig.plan().await.unwrap();
    rig.apply(&planned.saved).await.unwrap();
    rig.ran();
    // As a provider could: from now on, the state would be somewhere else.
    let data = rig.job.data_dir.join("terraform/terraform.tfstate");
    let text = fs::read_to_string(&data).unwrap();
    fs::write(&data, text.replace("state/terraform.tfstate", "elsewhere.tfstate")).unwrap();
    assert!(rig.plan().await.unwrap().summary.is_empty());
    assert_eq!(rig.ran(), PLAN_WITH_INIT);
}

#[tokio::test]
async fn a_plan_that_asks_for_init_gets_it_once() {
    let asks = "Error: Required plugins are not installed";
    let mut rig = Rig::fake("");
    rig.plan().await.unwrap_err();
    let binary = rig.job.environment.binary.clone();
    // The same file, so that only Terraform itself can know.
    let become_one_that = |script: &str| {
        let ran = rig.path("ran");
        fs::write(&binary, format!("#!/bin/sh\necho \"$1 $2\" >>'{}'\n{script}\n", ran.display())).unwrap();
    };
    become_one_that(&format!("if [ \"$1\" = plan ]; then echo '{asks}' >&2; exit 1; fi"));
    rig.plan().await.unwrap_err();
    rig.ran();
    let error = rig.plan().await.unwrap_err();
    assert!(matches!(error, RunError::Failed { step: Step::Plan, .. }), "{error:?}");
    assert_eq!(rig.ran(), ["init", "plan", "plan", "state pull", "state pull"]);
    // One that fails for another reason is not planned twice.
    become_one_that("if [ \"$1\" = plan ]; then echo 'Error: no' >&2; exit 1; fi");
    rig.plan().await.unwrap_err();
    rig.ran();
    rig.plan().await.unwrap_err();
    assert_eq!(rig.ran(), ["plan", "state pull"]);
    rig.timeout("1m");
}

#[tokio::test]
async fn a_state_whose_providers_are_gone_gets_init_once() {
    const STATE: &str = "if [ \"$1\" = state ]; then echo '{\"serial\": 1, \"lineage\": \"a\"}'; fi";
    let rig = Rig::fake(STATE);
    rig.runner.state(&rig.job, None, &rig.cancel).await.unwrap_err();
    // The same file, so that only Terraform itself can know.
    let script = format!(
        "#!/bin/sh\necho \"$1 $2\" >>'{}'\n{STATE}\n\
         if [ \"$1\" = show ]; then echo 'Error: Required plugins are not installed' >&2; exit 1; fi\n",
        rig.path("ran").display()
    );
    fs::write(&rig.job.environment.binary, script).unwrap();
    rig.runner.state(&rig.job, None, &rig.cancel).await.unwrap_err();
    rig.ran();
    let error = rig.runner.state(&rig.job, None, &rig.cancel).await.unwrap_err();
    assert!(matches!(error, RunError::Failed { step: Step::Show, .. }), "{error:?}");
    assert_eq!(rig.ran(), ["init", "show", "show", "state pull", "state pull"]);
}

#[tokio::test]
async fn after_a_restart_an_apply_learns_the_states_secrets_anew() {
    let mut rig = Rig::counting(&resource("first"));
    let planned = rig.plan().await.unwrap();
    rig.ran();
    rig.runner = EmbeddedRunner::default();
    rig.apply(&planned.saved).await.unwrap();
    assert_eq!(rig.ran(), ["apply", "init", "state pull"]);
}

#[tokio::test]
async fn the_states_secrets_are_kept_out_of_what_a_plan_says_before_they_were_read() {
    // The plan ends first; the state, whose secret it repeats, is read only then.
    let rig = Rig::fake(
        "case \"$1\" in\n\
         plan) echo '{\"type\":\"diagnostic\",\"diagnostic\":{\"severity\":\"error\",\"summary\":\"with planted-in-state\"}}'; : >../../planned; exit 1;;\n\
         state) while [ ! -e ../../planned ]; do /bin/sleep 0.05; done\n\
         echo '{\"serial\":1,\"lineage\":\"l\",\"outputs\":{\"o\":{\"value\":\"planted-in-state\",\"sensitive\":true}}}';;\n\
         esac",
    );
    let error = rig.plan().await.unwrap_err();
    let RunError::Failed { failure, .. } = &error else { panic!("{error:?}") };
    assert_eq!(failure.diagnostics[0].summary, "with (sensitive)");
}

#[tokio::test]
async fn a_plan_that_talks_without_end_is_stopped() {
    let line = r#"{"type":"planned_change","change":{"resource":{"addr":"a.b"},"action":"create"}}"#;
    let rig = Rig::fake(&format!("if [ \"$1\" = plan ]; then exec /usr/bin/yes '{line}'; fi"));
    let error = rig.plan().await.unwrap_err();
    assert!(matches!(error, RunError::TooMuchOutput { step: Step::Plan, .. }), "{error:?}");
}

#[tokio::test]
async fn what_a_plan_says_is_not_told_when_the_states_secrets_are_unknown() {
    let rig = Rig::fake(
        "case \"$1\" in plan) echo 'Error: with planted-in-state' >&2; exit 1;; state) echo 'Error: no state' >&2; exit 1;; esac",
    );
    let error = rig.plan().await.unwrap_err();
    assert!(matches!(error, RunError::Failed { step: Step::State, .. }), "{error:?}");
    assert!(!format!("{error:?}").contains("planted"), "{error:?}");
}
