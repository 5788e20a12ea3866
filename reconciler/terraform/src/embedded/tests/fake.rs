//! Against programs that misbehave: they hang, fork, flood, look around, and leave states behind.

use std::collections::BTreeSet;
use std::fs;
use std::time::Duration;

use moorline_model::plan::PlanBinding;

use super::rig::{COMMIT, Rig};
use crate::error::{RunError, Step};
use crate::runner::{Applied, Runner as _, SavedPlan, StateIdentity, StateRead};

/// A plan that only a fake terraform would take.
fn some_plan(rig: &Rig) -> SavedPlan {
    use sha2::{Digest as _, Sha256};
    let path = rig.job.run_dir.join("plan.tfplan");
    fs::create_dir_all(&rig.job.run_dir).unwrap();
    fs::write(&path, "plan").unwrap();
    let binding = PlanBinding {
        commit: COMMIT.parse().unwrap(),
        plan_sha256: hex::encode(Sha256::digest("plan")),
        state_serial: None,
        state_lineage: None,
        made_at: rig.job.now,
    };
    SavedPlan { path, binding }
}

const APPLIED: &str =
    r#"echo '{"type":"change_summary","changes":{"add":1,"change":2,"remove":3,"operation":"apply"}}'"#;

fn is_alive(pid: &str) -> bool {
    // A zombie is as good as gone.
    let stat = fs::read_to_string(format!("/proc/{}/stat", pid.trim())).unwrap_or_default();
    stat.rsplit(')').next().is_some_and(|rest| !rest.trim().is_empty() && !rest.trim().starts_with('Z'))
}

#[tokio::test]
async fn a_child_that_hangs_and_heeds_no_signal_is_killed_by_its_deadline() {
    let mut rig =
        Rig::fake("trap '' INT TERM\nif [ \"$1\" = plan ]; then echo $$ >../../pid; while :; do :; done; fi");
    rig.timeout("1s");
    let error = rig.plan().await.unwrap_err();
    assert!(matches!(error, RunError::TimedOut { step: Step::Plan, .. }), "{error:?}");
    assert!(error.class().may_pass());
    assert!(!is_alive(&fs::read_to_string(rig.path("pid")).unwrap()));
    assert!(!rig.job.run_dir.exists());
}

#[tokio::test]
async fn a_cancelled_child_gets_one_interrupt_and_time_to_end() {
    let mut rig = Rig::fake(
        "if [ \"$1\" = apply ]; then\n\
         trap 'echo interrupted >>../../signals; done=1' INT\n\
         trap 'echo terminated >>../../signals' TERM\n\
         echo >../../started\n\
         while [ -z \"$done\" ]; do /bin/sleep 0.05; done\n\
         read -t 1 x </dev/null; echo saved >../../saved; exit 1\nfi",
    );
    rig.runner = rig.runner.clone().with_grace(Duration::from_secs(30));
    let started = rig.fifo("started");
    let plan = some_plan(&rig);
    let (applied, ()) = tokio::join!(rig.apply(&plan), async {
        started.opened().await;
        rig.cancel.cancel();
    });
    assert!(matches!(applied, Err(RunError::Cancelled { step: Step::Apply })), "{applied:?}");
    assert_eq!(fs::read_to_string(rig.path("signals")).unwrap(), "interrupted\n");
    assert!(rig.path("saved").exists());
}

#[tokio::test]
async fn what_a_child_forked_goes_with_it() {
    let rig = Rig::fake(
        "if [ \"$1\" = plan ]; then for i in 1 2 3; do (trap '' HUP INT TERM; exec /bin/sleep 1000) & echo $! >>../../pids; done; exit 1; fi",
    );
    let error = rig.plan().await.unwrap_err();
    assert!(matches!(error, RunError::Failed { step: Step::Plan, .. }), "{error:?}");
    let pids = fs::read_to_string(rig.path("pids")).unwrap();
    assert_eq!(pids.lines().count(), 3);
    for pid in pids.lines() {
        // The signal is sent before the run returns; the kernel may take a moment to end the process.
        super::rig::within(async {
            while is_alive(pid) {
                tokio::task::yield_now().await;
            }
        })
        .await;
    }
}

#[tokio::test]
async fn a_run_that_is_dropped_leaves_no_process() {
    let rig = Rig::fake(
        "if [ \"$1\" = plan ]; then echo $$ >../../pid; echo >../../started; exec /bin/sleep 1000; fi",
    );
    let started = rig.fifo("started");
    tokio::select! {
        planned = rig.plan() => panic!("{planned:?}"),
        () = started.opened() => {}
    }
    let pid = fs::read_to_string(rig.path("pid")).unwrap();
    super::rig::within(async {
        while is_alive(&pid) {
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert!(!rig.job.run_dir.exists());
}

#[tokio::test]
async fn a_gibibyte_on_standard_error_is_read_and_forgotten() {
    let rig = Rig::fake(
        "if [ \"$1\" = plan ]; then /usr/bin/head -c 1073741824 /dev/zero >&2; echo 'Error: at the end' >&2; exit 1; fi",
    );
    let error = rig.plan().await.unwrap_err();
    let RunError::Failed { failure, .. } = &error else { panic!("{error:?}") };
    assert_eq!(failure.diagnostics.len(), 1);
    assert!(failure.to_string().len() < 4096);
}

#[tokio::test]
async fn an_apply_writes_to_files_so_that_it_outlives_this_process() {
    let rig = Rig::fake(&format!(
        "if [ \"$1\" = apply ]; then x=$(/bin/readlink /proc/$$/fd/1 /proc/$$/fd/2); echo \"$x\" >../../outputs; {APPLIED}; echo 'Error: words' >&2; exit 1; fi"
    ));
    let error = rig.apply(&some_plan(&rig)).await.unwrap_err();
    let outputs = fs::read_to_string(rig.path("outputs")).unwrap();
    let run = rig.job.run_dir.display();
    assert_eq!(outputs, format!("{run}/apply.jsonl\n{run}/apply.stderr\n"));
    let RunError::Failed { failure, .. } = &error else { panic!("{error:?}") };
    assert_eq!(failure.diagnostics[0].summary, "words");
}

#[tokio::test]
async fn an_apply_that_is_dropped_is_interrupted_and_not_killed() {
    let rig = Rig::fake(
        "if [ \"$1\" = apply ]; then trap 'done=1' INT; echo >../../started; while [ -z \"$done\" ]; do /bin/sleep 0.05; done; echo >../../saved; fi",
    );
    let (started, saved) = (rig.fifo("started"), rig.fifo("saved"));
    let plan = some_plan(&rig);
    tokio::select! {
        applied = rig.apply(&plan) => panic!("{applied:?}"),
        () = started.opened() => {}
    }
    saved.opened().await;
}

#[tokio::test]
async fn an_endless_document_is_stopped() {
    let rig = Rig::fake("if [ \"$1\" = show ]; then exec /usr/bin/tr '\\0' x </dev/zero; fi");
    let error = rig.plan().await.unwrap_err();
    assert!(matches!(error, RunError::TooMuchOutput { step: Step::Show, .. }), "{error:?}");
}

#[tokio::test]
async fn an_endless_line_does_not_hide_the_next() {
    let mut rig = Rig::fake(&format!(
        "if [ \"$1\" = apply ]; then /usr/bin/head -c 9000000 /dev/zero; echo; {APPLIED}; exit 0; fi"
    ));
    let plan = some_plan(&rig);
    let applied = rig.apply(&plan).await.unwrap();
    assert_eq!(applied, Applied { added: 1, changed: 2, destroyed: 3 });
    rig.timeout("1m");
}

#[tokio::test]
async fn a_child_sees_what_is_declared_and_no_open_files_of_ours() {
    let mut rig = Rig::fake(
        "if [ \"$1\" = plan ]; then /usr/bin/env >../../env; /bin/ls -l /proc/self/fd >../../fds; /bin/cat; pwd >../../cwd; fi",
    );
    rig.variable("OWN", "declared");
    // One that is open in this process, as sockets and databases are.
    let _open = fs::File::open(rig.path("terraform")).unwrap();
    let error = rig.plan().await.unwrap_err();
    assert!(matches!(error, RunError::Unreadable { step: Step::Show, .. }), "{error:?}");
    let env = fs::read_to_string(rig.path("env")).unwrap();
    let names: BTreeSet<&str> = env.lines().filter_map(|line| Some(line.split_once('=')?.0)).collect();
    let ours = ["HOME", "TMPDIR", "TF_DATA_DIR", "TF_CLI_CONFIG_FILE", "TF_IN_AUTOMATION", "TF_INPUT"];
    let rest = ["CHECKPOINT_DISABLE", "LANG", "OWN"];
    // A shell adds these three itself.
    let shell = ["PWD", "SHLVL", "_"];
    let unexpected: Vec<_> = names
        .iter()
        .filter(|name| !ours.iter().chain(&rest).chain(&shell).any(|known| known == *name))
        .collect();
    assert!(unexpected.is_empty(), "{unexpected:?}");
    assert!(ours.iter().chain(&rest).all(|name| names.contains(name)), "{env}");
    let fds = fs::read_to_string(rig.path("fds")).unwrap();
    let numbers: BTreeSet<u32> =
        fds.lines().filter_map(|line| line.split_once(" -> ")?.0.rsplit(' ').next()?.parse().ok()).collect();
    // The standard three, the folder that the listing itself has open, and what was open before this process began.
    let inherited = crate::inherited_descriptors().into_iter().map(|(number, _)| number);
    let expected: BTreeSet<u32> = (0..4).chain(inherited).collect();
    assert!(numbers.is_subset(&expected), "{fds}");
    assert!(fds.contains("0 -> /dev/null"), "{fds}");
    assert_eq!(
        fs::read_to_string(rig.path("cwd")).unwrap().trim(),
        rig.job.tree.join("infra").to_str().unwrap()
    );
}

#[tokio::test]
async fn a_state_that_could_not_be_written_is_kept_and_blocks() {
    let rig = Rig::fake("if [ \"$1\" = apply ]; then echo '{\"serial\":7}' >errored.tfstate; exit 1; fi");
    let plan = some_plan(&rig);
    let error = rig.apply(&plan).await.unwrap_err();
    let RunError::StateNotWritten { path } = &error else { panic!("{error:?}") };
    assert!(error.may_have_changed() && !error.class().may_pass());
    assert_eq!(fs::read_to_string(path).unwrap(), "{\"serial\":7}\n");
    assert!(!rig.job.run_dir.exists());
    let again = rig.plan().await.unwrap_err();
    assert!(matches!(again, RunError::StateNotWritten { .. }), "{again:?}");
    fs::remove_file(path).unwrap();
    assert!(!matches!(rig.plan().await.unwrap_err(), RunError::StateNotWritten { .. }));
}

#[tokio::test]
async fn nothing_runs_before_the_gate_has_let_the_code_through() {
    let rig = Rig::fake("echo \"$1\" >>../../ran");
    rig.write("infra/main.tf", "data \"external\" \"x\" {\n  program = [\"id\"]\n}\n");
    let error = rig.plan().await.unwrap_err();
    let RunError::Refused { refusals, .. } = &error else { panic!("{error:?}") };
    assert!(refusals.to_string().starts_with("infra/main.tf:1: "), "{refusals}");
    let error = rig.apply(&some_plan(&rig)).await.unwrap_err();
    assert!(matches!(error, RunError::Refused { .. }), "{error:?}");
    assert!(!rig.path("ran").exists());
    assert!(!rig.job.run_dir.exists());
}

#[tokio::test]
async fn a_missing_binary_and_one_of_the_repository_are_refused() {
    let mut rig = Rig::new("");
    rig.job.environment.binary = rig.path("terraform").display().to_string();
    assert!(matches!(rig.plan().await.unwrap_err(), RunError::BinaryMissing(_)));
    fs::copy("/bin/sh", rig.job.tree.join("terraform")).unwrap();
    rig.job.environment.binary = rig.job.tree.join("terraform").display().to_string();
    let error = rig.plan().await.unwrap_err();
    assert!(
        matches!(error, RunError::BinaryMissing(crate::locate::LocateError::InsideTree { .. })),
        "{error:?}"
    );
}

#[tokio::test]
async fn a_state_that_is_known_is_not_shown() {
    let rig = Rig::fake(
        "echo \"$1 $2\" >>../../commands\n\
         case \"$1 $2\" in\n\
         'state pull') echo '{\"serial\": 3, \"lineage\": \"a\"}';;\n\
         'show -json') echo '{\"format_version\": \"1.0\", \"values\": {\"root_module\": {}}}';;\n\
         esac",
    );
    let known = StateIdentity { serial: 3, lineage: "a".to_owned() };
    let first = rig.runner.state(&rig.job, None, &rig.cancel).await.unwrap();
    assert!(matches!(first, StateRead::Moved { identity, .. } if identity == known));
    assert_eq!(rig.runner.state(&rig.job, Some(&known), &rig.cancel).await.unwrap(), StateRead::Unmoved);
    let commands = fs::read_to_string(rig.path("commands")).unwrap();
    assert_eq!(commands.matches("state pull").count(), 2, "{commands}");
    assert_eq!(commands.matches("show -json").count(), 1, "{commands}");
}
