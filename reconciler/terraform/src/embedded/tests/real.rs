//! Against the real terraform, with its built-in `terraform_data` and a local backend: nothing is fetched.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use jiff::ToSpan as _;
use moorline_model::FailureClass;
use moorline_model::plan::Action;
use serde_json::Value;

use super::rig::{Events, Fifo, Rig, within};
use crate::embedded::discard;
use crate::error::{RunError, Stale, Step};
use crate::runner::{Applied, Event, Runner as _, Silent, StateIdentity, StateRead};

const ONE: &str = "resource \"terraform_data\" \"one\" {\n  input = \"first\"\n}\n";

fn stale(result: Result<Applied, RunError>) -> Stale {
    match result {
        Err(RunError::PlanStale(stale)) => stale,
        other => panic!("expected a stale plan, got {other:?}"),
    }
}

#[tokio::test]
async fn a_plan_is_made_and_applied_and_the_next_plan_is_empty() {
    let rig = Rig::new(ONE);
    let events = Events::default();
    let planned = rig.plan_telling(&events).await.unwrap();
    assert_eq!(planned.summary.headline(), "1 to add, 0 to change, 0 to destroy");
    assert_eq!(planned.summary.changes[0].address, "terraform_data.one");
    let created = Event::Planned { address: "terraform_data.one".to_owned(), action: Action::Create };
    assert!(events.seen.lock().unwrap().contains(&created));
    let mode = |path: &std::path::Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&planned.saved.path), mode(&rig.job.run_dir)), (0o600, 0o700));
    let left: Vec<_> =
        fs::read_dir(&rig.job.run_dir).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["plan.tfplan"]);

    let applied = rig.apply(&planned.saved).await.unwrap();
    assert_eq!(applied, Applied { added: 1, changed: 0, destroyed: 0 });
    assert!(!rig.job.run_dir.exists());

    let again = rig.plan().await.unwrap();
    assert!(again.summary.is_empty(), "{:?}", again.summary);
    assert!(again.summary.findings.is_empty(), "{:?}", again.summary.findings);
    assert_eq!(again.summary.resource_count, 1);
    assert_eq!(again.summary.binding.state_serial, Some(1));
    discard(&again.saved);
    assert!(!rig.job.run_dir.exists());
}

#[tokio::test]
async fn a_workspace_of_its_own_has_a_state_of_its_own() {
    let mut rig = Rig::new(ONE);
    let states = rig.path("workspaces").display().to_string();
    rig.job.environment.backend_config.insert("workspace_dir".to_owned(), states);
    rig.job.environment.workspace = "prod".to_owned();
    let planned = rig.plan().await.unwrap();
    rig.apply(&planned.saved).await.unwrap();
    assert!(rig.path("workspaces/prod/terraform.tfstate").exists());
    rig.job.environment.workspace = "default".to_owned();
    assert_eq!(rig.plan().await.unwrap().summary.changes.len(), 1);
}

#[tokio::test]
async fn a_plan_is_refused_when_the_state_has_changed_since() {
    let mut rig = Rig::new(ONE);
    let first = rig.plan().await.unwrap();
    let other_run = rig.path("other-run");
    let first_run = std::mem::replace(&mut rig.job.run_dir, other_run);
    let second = rig.plan().await.unwrap();
    rig.apply(&second.saved).await.unwrap();
    rig.job.run_dir = first_run;
    assert_eq!(stale(rig.apply(&first.saved).await), Stale::StateChanged);
    assert!(!first.saved.path.exists());
}

/// The state, which is not the one that is known.
async fn read(rig: &Rig, known: Option<&StateIdentity>) -> (StateIdentity, Value) {
    match rig.runner.state(&rig.job, known, &rig.cancel).await.unwrap() {
        StateRead::Moved { identity, state } => (identity, state),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_state_is_read_again_only_after_it_moved() {
    let rig = Rig::new(ONE);
    rig.apply(&rig.plan().await.unwrap().saved).await.unwrap();
    let (first, _) = read(&rig, None).await;
    let again = rig.runner.state(&rig.job, Some(&first), &rig.cancel).await.unwrap();
    assert_eq!(again, StateRead::Unmoved);

    rig.write("infra/main.tf", &ONE.replace("one", "two"));
    rig.apply(&rig.plan().await.unwrap().saved).await.unwrap();
    let (second, state) = read(&rig, Some(&first)).await;
    assert!(second.serial > first.serial && second.lineage == first.lineage);
    assert!(state.to_string().contains("two"), "{state}");
    // The same serial of another state is another state.
    let other = StateIdentity { lineage: "other".to_owned(), ..second.clone() };
    assert_eq!(read(&rig, Some(&other)).await.0, second);
}

#[tokio::test]
async fn a_plan_of_another_commit_an_old_plan_and_another_file_are_refused() {
    let mut rig = Rig::new(ONE);
    let planned = rig.plan().await.unwrap();
    let mut other = planned.saved.clone();
    other.binding.commit = "f".repeat(40).parse().unwrap();
    // Every refusal throws the plan away, so each is asked of a copy.
    let keep = rig.path("keep");
    fs::copy(&planned.saved.path, &keep).unwrap();
    let restore = || {
        fs::create_dir_all(&rig.job.run_dir).unwrap();
        fs::copy(&keep, &planned.saved.path).unwrap();
    };
    assert!(matches!(stale(rig.apply(&other).await), Stale::OtherCommit { .. }));
    assert_eq!(stale(rig.apply(&planned.saved).await), Stale::NoFile);
    restore();
    fs::write(&planned.saved.path, "something else").unwrap();
    assert_eq!(stale(rig.apply(&planned.saved).await), Stale::OtherFile);

    restore();
    let made_at = rig.job.now;
    rig.job.now = made_at + 601.seconds();
    assert_eq!(stale(rig.apply(&planned.saved).await), Stale::TooOld { age_seconds: 601, max_seconds: 600 });
    rig.job.now = made_at - 1.seconds();
    fs::create_dir_all(&rig.job.run_dir).unwrap();
    fs::copy(&keep, &planned.saved.path).unwrap();
    assert!(matches!(stale(rig.apply(&planned.saved).await), Stale::TooOld { .. }));
    rig.job.now = made_at + 600.seconds();
    fs::create_dir_all(&rig.job.run_dir).unwrap();
    fs::copy(&keep, &planned.saved.path).unwrap();
    rig.apply(&planned.saved).await.unwrap();
}

#[tokio::test]
async fn bad_code_is_an_error_with_its_place() {
    let rig = Rig::new("resource \"terraform_data\" \"one\" {\n  input = var.nope\n}\n");
    let error = rig.plan().await.unwrap_err();
    let RunError::Failed { step: Step::Plan, failure } = &error else { panic!("{error:?}") };
    assert_eq!(failure.exit_code, Some(1));
    assert_eq!(failure.diagnostics[0].location.as_deref(), Some("main.tf:2"));
    assert_eq!(failure.diagnostics[0].summary, "Reference to undeclared input variable");
    assert!(!error.class().may_pass());
    assert!(!rig.job.run_dir.exists());
}

#[tokio::test]
async fn providers_without_a_lock_file_are_refused_with_the_next_step() {
    let rig = Rig::new(
        "terraform {\n  required_providers {\n    openai = { source = \"moorline/moorline\" }\n  }\n}\nprovider \"openai\" {}\n",
    );
    let error = rig.plan().await.unwrap_err();
    assert!(matches!(error, RunError::LockFileMissing { .. }), "{error:?}");
    assert!(error.to_string().contains("terraform providers lock"), "{error}");
    rig.write("infra/.terraform.lock.hcl", "");
    let error = rig.plan().await.unwrap_err();
    assert!(matches!(error, RunError::Failed { step: Step::Init, .. }), "{error:?}");
}

/// An apply of a resource that says when it has begun, and then takes long.
fn slow_rig() -> (Rig, Fifo) {
    let rig = Rig::new("").without_gate();
    let ready = rig.fifo("ready");
    let main = format!(
        "resource \"terraform_data\" \"slow\" {{\n  provisioner \"local-exec\" {{\n    command = \"echo > {}; exec sleep 50\"\n  }}\n}}\n",
        rig.path("ready").display()
    );
    rig.write("infra/main.tf", &main);
    (rig, ready)
}

#[tokio::test]
async fn a_held_lock_is_transient_and_names_its_holder_and_a_cancelled_apply_leaves_state_and_no_lock() {
    let (rig, ready) = slow_rig();
    let planned = rig.plan().await.unwrap();
    let apply = rig.apply(&planned.saved);
    let meanwhile = async {
        ready.opened().await;
        let mut other = rig.job.clone();
        other.run_dir = rig.path("other-run");
        other.data_dir = rig.path("other-data");
        let runner = rig.runner.clone().with_lock_timeout("0s");
        let locked = within(runner.plan(&other, &rig.cancel, &Silent)).await.unwrap_err();
        assert!(matches!(locked.class(), FailureClass::Waiting { on } if !on.is_empty()));
        let RunError::Locked { step: Step::Plan, holder } = locked else { panic!("{locked:?}") };
        assert_eq!(holder.operation.as_deref(), Some("apply"));
        assert!(holder.who.is_some());
        rig.cancel.cancel();
    };
    let (applied, ()) = tokio::join!(apply, meanwhile);
    let error = applied.unwrap_err();
    assert!(matches!(error, RunError::Cancelled { step: Step::Apply }), "{error:?}");
    assert!(error.may_have_changed());

    // The interrupted resource is in the state, marked for replacement, and the lock is free.
    let mut rig = rig;
    rig.cancel = tokio_util::sync::CancellationToken::new();
    let next = rig.plan().await.unwrap();
    assert_eq!(next.summary.changes[0].action, Action::Replace);
    assert_eq!(next.summary.resource_count, 1);
}

#[tokio::test]
async fn a_cancelled_plan_stops_while_it_waits_for_a_lock() {
    let (rig, ready) = slow_rig();
    let planned = rig.plan().await.unwrap();
    let stop_apply = rig.cancel.clone();
    let meanwhile = async {
        ready.opened().await;
        let mut other = rig.job.clone();
        other.run_dir = rig.path("other-run");
        other.data_dir = rig.path("other-data");
        let (events, cancel) = (Events::default(), tokio_util::sync::CancellationToken::new());
        let plan = rig.runner.plan(&other, &cancel, &events);
        let (planned, ()) = tokio::join!(within(plan), async {
            events.until(|event| *event == Event::Step(Step::Plan)).await;
            cancel.cancel();
        });
        let error = planned.unwrap_err();
        assert!(matches!(error, RunError::Cancelled { step: Step::Plan }), "{error:?}");
        assert!(!error.may_have_changed());
        assert!(!other.run_dir.exists());
        stop_apply.cancel();
    };
    let (applied, ()) = tokio::join!(rig.apply(&planned.saved), meanwhile);
    assert!(applied.is_err());
}

#[tokio::test]
async fn a_state_that_is_read_is_redacted() {
    let mut rig = Rig::new(
        "variable \"key\" {\n  sensitive = true\n}\nresource \"terraform_data\" \"one\" {\n  input = { key = var.key, name = \"plain\" }\n}\n",
    );
    rig.variable("TF_VAR_key", "marker-of-a-key");
    assert_eq!(rig.runner.state(&rig.job, None, &rig.cancel).await.unwrap(), StateRead::Absent);
    let planned = rig.plan().await.unwrap();
    rig.apply(&planned.saved).await.unwrap();
    let state = read(&rig, None).await.1;
    let values = &state["values"]["root_module"]["resources"][0]["values"];
    assert_eq!(values["input"]["key"], "(sensitive)");
    // The copy that the provider made carries no mark.
    assert_eq!(values["output"]["key"], "(sensitive)");
    assert_eq!(values["output"]["name"], "plain");
    assert!(!state.to_string().contains("marker"));
}

#[tokio::test]
async fn a_module_from_elsewhere_is_fetched_and_read_before_its_providers_are() {
    let mut rig = Rig::new("");
    let repository = rig.path("module");
    fs::create_dir(&repository).unwrap();
    fs::write(repository.join("main.tf"), "data \"external\" \"x\" {\n  program = [\"id\"]\n}\n").unwrap();
    let git = |arguments: &[&str]| {
        let identity = ["-c", "user.name=t", "-c", "user.email=t@example.com"];
        let done = std::process::Command::new("git")
            .arg("-C")
            .arg(&repository)
            .args(identity)
            .args(arguments)
            .output();
        assert!(done.unwrap().status.success());
    };
    git(&["init", "-q"]);
    git(&["add", "."]);
    git(&["commit", "-q", "-m", "module"]);
    let source = format!("git::file://{}", repository.display());
    rig.write("infra/main.tf", &format!("module \"x\" {{\n  source = \"{source}\"\n}}\n"));
    let refused = |error: RunError| match error {
        RunError::Refused { refusals, .. } => refusals.to_string(),
        other => panic!("{other:?}"),
    };
    assert!(refused(rig.plan().await.unwrap_err()).contains("terraform.allow.modules"));

    rig.job.environment.allow.modules.push(source);
    let told = refused(rig.plan().await.unwrap_err());
    assert!(told.starts_with("x/main.tf:1: the provider `hashicorp/external`"), "{told}");

    fs::write(repository.join("main.tf"), "resource \"terraform_data\" \"x\" {\n}\n").unwrap();
    git(&["commit", "-q", "-a", "-m", "harmless"]);
    fs::remove_dir_all(&rig.job.data_dir).unwrap();
    let planned = rig.plan().await.unwrap();
    assert_eq!(planned.summary.changes[0].address, "module.x.terraform_data.x");
}
