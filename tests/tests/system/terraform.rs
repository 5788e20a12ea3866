//! A commit that Terraform declares: planned, applied, handed over, rolled out, and taken back the same way.

use moorline_tests::World;
use serde_json::{Value, json};

/// What Terraform last handed over, by the daemon's document endpoint.
async fn handed_over(world: &World) -> Value {
    world.daemon.api().read("/environments/test/document").await.unwrap()
}

/// The serial of Terraform's state.
fn serial(world: &World) -> u64 {
    state(world)["serial"].as_u64().unwrap()
}

fn state(world: &World) -> Value {
    let text = std::fs::read_to_string(world.folder.path().join("terraform.tfstate")).unwrap();
    serde_json::from_str(&text).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_apply_hands_the_document_over_and_a_bad_one_is_applied_back() {
    let mut world = World::with_terraform().await;
    let first = world.settle().await;
    let traffic = world.traffic(2);
    let second = world.push_model("second");
    let environment = world.verified(&second).await;
    assert_ne!(first, second);
    let good = environment["applied"]["digest"].as_str().unwrap().to_owned();
    assert_eq!(world.digests().await, [good.clone(), good.clone()]);
    assert_eq!(handed_over(&world).await["digest"], good);
    traffic.serves("second", 4).await;
    let in_order = ["terraform.plan", "terraform.apply", "document.put", "gateway.stage"];
    assert_eq!(world.audit().await[..4], in_order);

    let bad = world.push_broken();
    let environment = world.ends(&bad, "rolled_back").await;
    assert_eq!(environment["verified"]["revision"]["commit"], second);
    assert_eq!(environment["holds"][0]["commit"], bad);
    assert_eq!(world.digests().await, [good.clone(), good.clone()]);
    assert_eq!(handed_over(&world).await["digest"], good, "Terraform hands the verified document over again");
    let audit = world.audit().await;
    let back =
        ["gateway.stage", "gateway.undo", "terraform.plan_back", "terraform.apply_back", "document.put"];
    assert!(audit.ends_with(&back.map(str::to_owned)), "{audit:?}");
    traffic.stop_without_failures().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_terraform_that_exits_1_fails_with_file_and_line_and_changes_nothing() {
    let mut world = World::with_terraform().await;
    world.settle().await;
    let (digests, serial_before) = (world.digests().await, serial(&world));
    let main = world.files.get_mut("infra/main.tf").unwrap();
    let line = main.lines().count() + 2;
    main.push_str("output \"broken\" {\n  value = local.not_there\n}\n");
    let bad = world.push("a mistake in HCL");
    let environment = world.ends(&bad, "failed").await;
    let reason = environment["rollout"]["reason"].as_str().unwrap();
    assert!(reason.contains(&format!("main.tf:{line}")), "{reason}");
    assert!(reason.contains("not_there"), "{reason}");
    assert_eq!(environment["status"]["word"], "failed");
    assert_eq!((world.digests().await, serial(&world)), (digests, serial_before));
    world.mailed(&format!("main.tf:{line}")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_that_turned_stale_is_never_applied() {
    let mut world = World::with_terraform().await;
    world.settle().await;
    world.declaration["environments"][0]["apply"] = json!({"approval": "required"});
    let second = world.push_model("second");
    let environment = world.ends(&second, "awaiting_approval").await;
    let seen = environment["rollout"]["terraform"]["binding"]["plan_sha256"].clone();

    // Somebody applies something else meanwhile: the state is not the one that was planned on.
    let mut other = state(&world);
    let serial_of_other = serial(&world) + 5;
    other["serial"] = serial_of_other.into();
    std::fs::write(world.folder.path().join("terraform.tfstate"), other.to_string()).unwrap();
    let approved = world.daemon.api().post("/environments/test/approve", &json!({"plan_sha256": seen})).await;
    assert_eq!(approved.status, 202, "{approved:?}");

    // The approval was of another plan: it is planned anew, and a person is asked again.
    let again = |environment: &Value| {
        let rollout = &environment["rollout"];
        rollout["stale_plans"] == 1 && rollout["phase"]["phase"] == "awaiting_approval"
    };
    let environment = world.when("a new plan waits", again).await;
    let new = environment["rollout"]["terraform"]["binding"]["plan_sha256"].clone();
    assert_ne!(new, seen);
    assert_eq!(serial(&world), serial_of_other, "nothing was applied");
    let late = world.daemon.api().post("/environments/test/approve", &json!({"plan_sha256": seen})).await;
    assert_eq!(late.status, 409, "{late:?}");
    let approved = world.daemon.api().post("/environments/test/approve", &json!({"plan_sha256": new})).await;
    assert_eq!(approved.status, 202, "{approved:?}");
    world.verified(&second).await;
    assert!(serial(&world) > serial_of_other);
    let audit = world.audit().await;
    let planned = audit.iter().filter(|action| *action == "terraform.plan").count();
    assert_eq!(planned, 3, "first, second, and second anew: {audit:?}");
}
