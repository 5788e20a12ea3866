//! A commit that Terraform declares: planned, applied, handed over, rolled out, and taken back the same way.

use moorline_api::views::{EnvironmentView, IntentRequest};
use moorline_api::{ClientError, EffectiveConfig, endpoints};
use moorline_model::rollout::Phase;
use moorline_model::status::StatusWord;
use moorline_tests::{Shown as _, World, declared};
use serde_json::{Value, json};

/// What Terraform last handed over, by the daemon's document endpoint.
async fn handed_over(world: &World) -> EffectiveConfig {
    world.daemon.client().document(&declared::environment()).await.unwrap()
}

/// The hash of the rollout's plan: what a person approves.
fn planned(environment: &EnvironmentView) -> String {
    let plan = environment.rollout.as_ref().and_then(|rollout| rollout.terraform.as_ref());
    plan.unwrap().binding.plan_sha256.clone()
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
    let digest = environment.applied.unwrap().digest;
    let good = digest.to_string();
    assert_eq!(world.digests().await, [good.clone(), good.clone()]);
    assert_eq!(handed_over(&world).await.digest, digest);
    traffic.serves("second", 4).await;
    let in_order = ["terraform.plan", "terraform.apply", "document.put", "gateway.stage"];
    assert_eq!(world.audit().await[..4], in_order);

    let bad = world.push_broken();
    let environment = world.ends(&bad, &Phase::RolledBack).await;
    assert_eq!(environment.verified_commit(), Some(&second));
    assert_eq!(environment.holds[0].commit, Some(bad));
    assert_eq!(world.digests().await, [good.clone(), good]);
    assert_eq!(handed_over(&world).await.digest, digest, "Terraform hands the verified document over again");
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
    let environment = world.ends(&bad, &Phase::Failed).await;
    let reason = environment.rollout.unwrap().reason.unwrap();
    assert!(reason.contains(&format!("main.tf:{line}")), "{reason}");
    assert!(reason.contains("not_there"), "{reason}");
    assert_eq!(environment.status.word, StatusWord::Failed);
    assert_eq!((world.digests().await, serial(&world)), (digests, serial_before));
    world.mailed(&format!("main.tf:{line}")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_that_turned_stale_is_never_applied() {
    let mut world = World::with_terraform().await;
    world.settle().await;
    world.declaration["environments"][0]["apply"] = json!({"approval": "required"});
    let second = world.push_model("second");
    let seen = planned(&world.ends(&second, &Phase::AwaitingApproval).await);

    // Somebody applies something else meanwhile: the state is not the one that was planned on.
    let mut other = state(&world);
    let serial_of_other = serial(&world) + 5;
    other["serial"] = serial_of_other.into();
    std::fs::write(world.folder.path().join("terraform.tfstate"), other.to_string()).unwrap();
    let approve = async |plan: &str| {
        let request = IntentRequest { plan_sha256: Some(plan.to_owned()), ..IntentRequest::default() };
        world.submit(&endpoints::APPROVE, &request).await
    };
    approve(&seen).await.unwrap();

    // The approval was of another plan: it is planned anew, and a person is asked again.
    let again = |environment: &EnvironmentView| {
        let rollout = environment.rollout_of(&second);
        rollout.is_some_and(|rollout| rollout.stale_plans == 1 && rollout.phase == Phase::AwaitingApproval)
    };
    let new = planned(&world.when("a new plan waits", again).await);
    assert_ne!(new, seen);
    assert_eq!(serial(&world), serial_of_other, "nothing was applied");
    let late = approve(&seen).await;
    assert!(matches!(&late, Err(ClientError::Refused(problem)) if problem.status == 409), "{late:?}");
    approve(&new).await.unwrap();
    world.verified(&second).await;
    assert!(serial(&world) > serial_of_other);
    let audit = world.audit().await;
    let planned = audit.iter().filter(|action| *action == "terraform.plan").count();
    assert_eq!(planned, 3, "first, second, and second anew: {audit:?}");
}
