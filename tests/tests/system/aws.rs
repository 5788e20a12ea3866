//! The AWS lane: live AWS is compared with Terraform's state between plans.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use moorline_model::drift::{Drift, DriftKind, DriftState, Lane};
use moorline_tests::aws::{Emulator, REGION, state};
use moorline_tests::{World, until};
use serde_json::{Value, json};

/// The address in the state's fixture.
const WEB_ACL: &str = "aws_wafv2_web_acl.gateway[0]";

/// A file that grows by a byte each time the state is read.
const READS: &str = "reads-of-the-state";

/// A world whose Terraform says that it made this web ACL. Terraform is the real one, but for `show -json` of the
/// state: its AWS provider cannot be installed offline.
async fn world(emulator: &Emulator, id: &str) -> World {
    let mut world = World::new().await;
    let here = world.folder.path().to_owned();
    let environment = &mut world.declaration["environments"][0];
    environment["terraform"] = json!({
        "binary": wrapper(&here, &state(id, 2000)),
        "directory": "infra",
        "backend_config": {"path": here.join("terraform.tfstate")},
    });
    environment["aws"] = json!({"region": REGION, "endpoint_url": emulator.url});
    environment["schedule"]["plan"] = json!("1h");
    let code = "terraform {\n  backend \"local\" {}\n}\n\nresource \"terraform_data\" \"one\" {\n  input = \"one\"\n}\n";
    world.files.insert("infra/main.tf".to_owned(), code.to_owned());
    world.daemon.set("AWS_ACCESS_KEY_ID", "test");
    world.daemon.set("AWS_SECRET_ACCESS_KEY", "test");
    world
}

fn wrapper(folder: &Path, state: &Value) -> String {
    let told = folder.join("state.json");
    std::fs::write(&told, state.to_string()).unwrap();
    let path = std::env::var_os("PATH").unwrap();
    let real =
        std::env::split_paths(&path).map(|folder| folder.join("terraform")).find(|path| path.is_file());
    let script = format!(
        "#!/bin/sh\nif [ \"$1 $2 $#\" = \"show -json 2\" ]; then echo >> {}; exec /bin/cat {}; fi\nexec {} \"$@\"\n",
        folder.join(READS).display(),
        told.display(),
        real.expect("terraform is on PATH").display()
    );
    let wrapper = folder.join("terraform-with-aws");
    std::fs::write(&wrapper, script).unwrap();
    std::fs::set_permissions(&wrapper, std::fs::Permissions::from_mode(0o755)).unwrap();
    wrapper.display().to_string()
}

/// How often the state was read.
fn reads(world: &World) -> u64 {
    std::fs::metadata(world.folder.path().join(READS)).unwrap().len()
}

/// The findings of the AWS lane.
async fn findings(world: &World) -> Vec<Drift> {
    world.drift().await.drift.into_iter().filter(|drift| drift.finding.lane == Lane::Aws).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rule_changed_by_hand_is_drift_and_silence_is_not_absence() {
    let mut emulator = Emulator::start().await;
    let id = emulator.make_web_acl(2000).await;
    let mut world = world(&emulator, &id).await;
    world.settle().await;
    world.when("AWS was looked at", |environment| environment.looked.contains_key(&Lane::Aws)).await;
    assert_eq!(findings(&world).await, []);

    emulator.set_limit(&id, 100_000).await;
    let drift = until("the changed limit is open drift", || async {
        findings(&world).await.into_iter().find(|drift| drift.state == DriftState::Open)
    })
    .await;
    let finding = drift.finding;
    assert_eq!(finding.address, WEB_ACL);
    assert!(finding.path.contains("limit"), "{finding:?}");
    assert_eq!((finding.declared.as_deref(), finding.live.as_deref()), (Some("2000"), Some("100000")));
    world.mailed(WEB_ACL).await;

    emulator.set_limit(&id, 2000).await;
    until("it is gone", || async { findings(&world).await.is_empty().then_some(()) }).await;
    world.mailed("RESOLVED").await;
    // Every look has asked whether the state moved, and only the first had to read it.
    assert_eq!(reads(&world), 1);

    let code = world.files["infra/main.tf"].replace("\"one\"\n}", "\"two\"\n}");
    world.files.insert("infra/main.tf".to_owned(), code);
    let commit = world.push("another input");
    world.verified(&commit).await;
    emulator.set_limit(&id, 3000).await;
    until("it is found after an apply", || async {
        findings(&world).await.into_iter().find(|drift| drift.finding.live.as_deref() == Some("3000"))
    })
    .await;
    assert_eq!(reads(&world), 2);
    emulator.set_limit(&id, 2000).await;
    until("it is gone again", || async { findings(&world).await.is_empty().then_some(()) }).await;

    emulator.stop().await;
    let drift = until("that AWS cannot be read is said", || async {
        findings(&world).await.into_iter().find(|drift| drift.finding.kind == DriftKind::Unverifiable)
    })
    .await;
    assert_eq!(drift.finding.address, WEB_ACL);
    let kinds: Vec<_> = findings(&world).await.iter().map(|drift| drift.finding.kind).collect();
    assert!(!kinds.contains(&DriftKind::Missing), "{kinds:?}");
}
