//! What people request through the API, and the answers.

use moorline_model::condition::{ConditionStatus, ConditionType};
use moorline_model::environment::EnvironmentState;
use moorline_model::intent::{Operation, Outcome};
use moorline_record::IntentId;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::rig::{Rig, name, now, problem};

const COMMIT: &str = "0123456789012345678901234567890123456789";

#[tokio::test]
async fn an_intent_is_audited_and_recorded_and_wakes_the_cycle() {
    let rig = Rig::start().await;
    let mut state = EnvironmentState::new(name("prod"));
    state.applied = Some(deployed(&"f".repeat(40)));
    state.verified = Some(deployed(COMMIT));
    rig.commit(&state, &[]).await;
    let operations = [
        ("sync", json!({}), Operation::Sync),
        (
            "rollback",
            json!({ "reason": "slow", "commit": COMMIT }),
            Operation::Rollback { commit: COMMIT.parse().ok() },
        ),
        ("hold", json!({ "reason": "freeze" }), Operation::Hold { commit: None }),
        ("release", json!({ "reason": "over" }), Operation::Release),
    ];
    for (number, (path, body, operation)) in (1..).zip(operations) {
        let answer = rig.post(&format!("/api/v1/environments/prod/{path}"), "operator", &body).await;
        assert_eq!(answer.status(), StatusCode::ACCEPTED);
        let answered: Value = answer.json().await.unwrap();
        let waiting = rig.record.pending_intents(&name("prod")).await.unwrap();
        let (id, intent) = waiting.last().unwrap();
        assert_eq!((answered["intent"].as_u64(), answered["wish"].as_str()), (Some(id.0), Some(path)));
        assert_eq!((&intent.operation, intent.actor.as_str(), intent.at), (&operation, "operator", now()));
        assert_eq!(rig.wakes(), number);
        let audit = &rig.audit().await[0].entry;
        assert_eq!(
            (audit.action.as_str(), audit.actor.as_str(), audit.target.as_str()),
            (path, "operator", "prod")
        );
    }
}

#[tokio::test]
async fn a_reason_is_written_down_without_the_secret_that_somebody_typed() {
    let rig = Rig::start().await;
    let body =
        json!({ "reason": "key sk-hunter2hunter2 leaked in 3d014b5abc0123456789abcdef0123456789abcd" });
    let answer = rig.post("/api/v1/environments/prod/hold", "operator", &body).await;
    assert_eq!(answer.status(), StatusCode::ACCEPTED);
    let kept = "key (not shown) leaked in 3d014b5abc0123456789abcdef0123456789abcd";
    assert_eq!(rig.record.pending_intents(&name("prod")).await.unwrap()[0].1.reason, kept);
    assert_eq!(rig.audit().await[0].entry.detail, kept);
}

fn deployed(commit: &str) -> moorline_model::rollout::Deployed {
    serde_json::from_value(json!({
        "revision": { "commit": commit, "author": "Ada", "message": "one", "committed_at": now() },
        "digest": format!("sha256:{commit}{}", "0".repeat(24)),
        "at": now(),
    }))
    .unwrap()
}

#[tokio::test]
async fn the_outcome_of_an_intent_is_read_at_its_own_address() {
    let rig = Rig::start().await;
    let answer = rig.post("/api/v1/environments/prod/sync", "operator", &json!({})).await;
    let id = answer.json::<Value>().await.unwrap()["intent"].as_u64().unwrap();
    let path = format!("/api/v1/environments/prod/intents/{id}");
    let answered: Value = rig.get(&path, "viewer").await.json().await.unwrap();
    assert_eq!((&answered["wish"], &answered["outcome"]), (&json!("sync"), &Value::Null));
    // A follower cannot apply it: the answer says who does.
    assert!(answered["waits_for"].as_str().unwrap().contains("the daemon that leads (a)"), "{answered}");

    let mut state = EnvironmentState::new(name("prod"));
    state.rollout = Some(waiting("abc"));
    let rollout = state.rollout.as_ref().unwrap().id;
    let outcome = Outcome::Waits {
        message: "looked; it waits for approval".to_owned(),
        gate: "approval".to_owned(),
        rollout: Some(rollout),
    };
    rig.apply_intent(&state, IntentId(id), outcome).await;
    let answered: Value = rig.get(&path, "viewer").await.json().await.unwrap();
    assert_eq!(
        (&answered["outcome"]["outcome"], &answered["outcome"]["exit_code"]),
        (&json!("waits"), &json!(5))
    );
    assert_eq!(answered["rollout"]["phase"]["phase"], "awaiting_approval", "{answered}");
    assert_eq!((&answered["rollout"]["is_over"], &answered["waits_for"]), (&json!(false), &Value::Null));
    for nowhere in ["prod/intents/99", "prod/intents/x", "files/intents/1"] {
        let answer = rig.get(&format!("/api/v1/environments/{nowhere}"), "viewer").await;
        assert_eq!(problem(answer).await.0, StatusCode::NOT_FOUND, "{nowhere}");
    }
}

#[tokio::test]
async fn what_could_only_be_refused_is_refused_before_it_is_written_down() {
    let rig = Rig::start().await;
    let mut state = EnvironmentState::new(name("prod"));
    state.applied = Some(deployed(COMMIT));
    state.verified = Some(deployed(COMMIT));
    rig.commit(&state, &[]).await;
    let back = async || {
        rig.post("/api/v1/environments/prod/rollback", "operator", &json!({ "reason": "slow" })).await
    };
    let (status, kind, body) = problem(back().await).await;
    assert_eq!((status, kind.as_str()), (StatusCode::CONFLICT, "no-way-back"));
    assert!(body["detail"].as_str().unwrap().contains("no other commit verified healthy here"), "{body}");
    assert_eq!(body["gate"], Value::Null, "it makes no sense, and no gate keeps it");

    let digest = format!("sha256:{}", "f".repeat(64)).parse().unwrap();
    state.verified = Some(moorline_model::rollout::Deployed { digest, ..deployed(&"f".repeat(40)) });
    state.holds = serde_json::from_value(json!([{ "reason": "bad", "by": "ann", "since": now() }])).unwrap();
    rig.commit(&state, &[]).await;
    assert_eq!(problem(back().await).await.2["gate"], "hold");
    assert_eq!((rig.wakes(), rig.audit().await.len()), (0, 0));
    assert!(rig.record.pending_intents(&name("prod")).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_replica_is_named_with_and_without_the_slash_at_the_end_of_its_url() {
    let rig = Rig::start().await;
    let mut state = EnvironmentState::new(name("prod"));
    state.applied = Some(deployed(COMMIT));
    let drift = |address: &str| {
        json!({
            "lane": "gateway", "address": address, "path": "name", "kind": "changed", "severity": "warning",
            "fingerprint": address, "state": "open", "first_seen": now(), "last_seen": now(),
        })
    };
    let known = ["http://10.0.0.1:8788", "http://10.0.0.2:8788/"];
    state.drift = serde_json::from_value(json!(known.map(drift))).unwrap();
    rig.commit(&state, &[]).await;
    for (requested, meant) in [
        ("http://10.0.0.1:8788/", known[0]),
        ("http://10.0.0.2:8788", known[1]),
        ("http://10.0.0.2:8788/", known[1]),
    ] {
        let body = json!({ "only": requested });
        let answer = rig.post("/api/v1/environments/prod/heal", "operator", &body).await;
        assert_eq!(answer.status(), StatusCode::ACCEPTED, "{requested}");
        let intents = rig.record.pending_intents(&name("prod")).await.unwrap();
        let only = Operation::Heal { only: Some(meant.to_owned()) };
        assert_eq!(intents.last().unwrap().1.operation, only, "{requested}");
    }
    let body = json!({ "only": "http://10.0.0.3:8788/" });
    let answer = rig.post("/api/v1/environments/prod/heal", "operator", &body).await;
    assert_eq!(problem(answer).await.1, "nothing-to-heal");
}

#[tokio::test]
async fn without_its_audit_nothing_happens() {
    let rig = Rig::start().await;
    rig.break_table("audit").await;
    let answer = rig.post("/api/v1/environments/prod/sync", "operator", &json!({})).await;
    let (status, kind, body) = problem(answer).await;
    assert_eq!((status, kind.as_str()), (StatusCode::SERVICE_UNAVAILABLE, "unavailable"));
    assert!(!body.to_string().contains("moorline.db"), "paths are for the log: {body}");
    let document = json!({ "version": 1, "name": "a" });
    let request = rig.request(Method::PUT, "/api/v1/environments/prod/document").bearer_auth("operator");
    let answer = request.header("moorline-origin", "terraform").json(&document).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(rig.wakes(), 0);
    assert!(rig.record.pending_intents(&name("prod")).await.unwrap().is_empty());
    assert_eq!(rig.record.handed_over(&name("prod")).await.unwrap(), None);
}

#[tokio::test]
async fn what_is_not_understood_is_refused_and_changes_nothing() {
    let rig = Rig::start().await;
    let long = "x".repeat(1_001);
    let huge = format!("{{\"reason\":\"{}\"}}", "x".repeat(20 << 10));
    for (path, body, status) in [
        ("prod/hold", "{}", 422),
        ("prod/hold", r#"{"reason":"  "}"#, 422),
        ("prod/rollback", "", 422),
        ("prod/rollback", r#"{"reason":"x","commit":"main"}"#, 400),
        ("prod/sync", r#"{"reason":"x","#, 400),
        ("prod/sync", "reason", 400),
        ("prod/sync", r#"{"resaon":"x"}"#, 400),
        ("prod/approve", "{}", 400),
        ("prod/sync", &json!({ "reason": long }).to_string(), 400),
        ("prod/sync", &huge, 413),
        ("nowhere/sync", "{}", 404),
        ("%2e%2e%2fx/sync", "{}", 404),
    ] {
        let request =
            rig.request(Method::POST, &format!("/api/v1/environments/{path}")).bearer_auth("operator");
        let answer = request.body(body.to_owned()).send().await.unwrap();
        assert_eq!(problem(answer).await.0.as_u16(), status, "{path} {body:.40}");
    }
    assert_eq!((rig.wakes(), rig.audit().await.len()), (0, 0));
}

#[tokio::test]
async fn only_the_plan_that_was_seen_and_still_waits_is_approved() {
    let rig = Rig::start().await;
    let approve = async |plan: &str| {
        rig.post("/api/v1/environments/prod/approve", "operator", &json!({ "plan_sha256": plan })).await
    };
    assert_eq!(problem(approve("abc").await).await.1, "not-waiting");
    let mut state = EnvironmentState::new(name("prod"));
    state.rollout = Some(waiting("abc"));
    rig.commit(&state, &[]).await;
    let (status, kind, body) = problem(approve("abd").await).await;
    assert_eq!((status, kind.as_str()), (StatusCode::CONFLICT, "not-waiting"));
    assert!(body["detail"].as_str().unwrap().contains("abc"), "{body}");
    assert_eq!(rig.wakes(), 0);
    assert_eq!(approve("abc").await.status(), StatusCode::ACCEPTED);
}

// Invariant 19.
#[tokio::test]
async fn a_document_that_waits_alone_is_approved_by_its_digest() {
    let rig = Rig::start().await;
    let digest = |digit: char| format!("sha256:{}", digit.to_string().repeat(64));
    let mut state = EnvironmentState::new(name("prod"));
    let mut rollout = waiting("abc");
    rollout.terraform = None;
    rollout.digest = Some(digest('1').parse().unwrap());
    state.rollout = Some(rollout);
    rig.commit(&state, &[]).await;
    let shown: serde_json::Value = rig.get("/api/v1/environments/prod", "viewer").await.json().await.unwrap();
    assert_eq!(shown["waits_for_approval"], json!({ "digest": digest('1') }));
    let approve = async |seen: serde_json::Value| {
        rig.post("/api/v1/environments/prod/approve", "operator", &seen).await
    };
    assert_eq!(problem(approve(json!({ "plan_sha256": "abc" })).await).await.1, "not-waiting");
    assert_eq!(problem(approve(json!({ "digest": digest('2') })).await).await.1, "not-waiting");
    assert_eq!(rig.wakes(), 0);
    assert_eq!(approve(json!({ "digest": digest('1') })).await.status(), StatusCode::ACCEPTED);
}

pub(crate) fn waiting(plan_sha256: &str) -> moorline_model::rollout::Rollout {
    serde_json::from_value(json!({
        "id": "01900000-0000-7000-8000-000000000001",
        "kind": { "kind": "deploy" },
        "revision": { "commit": COMMIT, "author": "Ada", "message": "raise the limit", "committed_at": now() },
        "phase": { "phase": "awaiting_approval" },
        "started_at": now(),
        "phase_since": now(),
        "plan": {},
        "verify": {},
        "terraform": {
            "binding": { "commit": COMMIT, "plan_sha256": plan_sha256, "made_at": now() },
            "changes": [{ "address": "openai_gateway.main", "resource_type": "openai_gateway", "action": "update",
                          "attributes": ["route"] }],
            "outputs": [], "findings": [], "resource_count": 1
        }
    }))
    .unwrap()
}

#[tokio::test]
async fn an_environment_is_shown_with_its_word_conditions_ages_and_rollout() {
    let rig = Rig::start().await;
    let mut state = EnvironmentState::new(name("prod"));
    let earlier = now() - jiff::SignedDuration::from_secs(90);
    state.conditions.note(
        ConditionType::Source,
        ConditionStatus::CannotCheck,
        "the repository is away",
        earlier,
    );
    state.rollout = Some(waiting("abc"));
    rig.commit(&state, &["one", "two", "three"]).await;

    let answered: Value = rig.get("/api/v1/environments/prod", "viewer").await.json().await.unwrap();
    assert_eq!(answered["status"]["word"], "applying");
    assert_eq!(answered["status"]["exit_code"], 3);
    assert_eq!(answered["axes"].as_object().unwrap().len(), 6);
    assert_eq!(answered["axes"]["source"]["standing"], "cannot_check");
    assert_eq!(answered["axes"]["source"]["age_seconds"], 90);
    assert_eq!(
        answered["axes"]["plan"],
        json!({ "standing": "unknown", "because": null, "since": null,
        "checked_at": null, "age_seconds": null })
    );
    assert_eq!(answered["rollout"]["phase"]["phase"], "awaiting_approval");
    let all: Value = rig.get("/api/v1/environments", "viewer").await.json().await.unwrap();
    assert_eq!(all["environments"][0], answered);

    let page: Value =
        rig.get("/api/v1/environments/prod/history?limit=2", "viewer").await.json().await.unwrap();
    assert_eq!(page["events"][0]["message"], "three");
    let next = format!("/api/v1/environments/prod/history?limit=2&before={}", page["next"]);
    let page: Value = rig.get(&next, "viewer").await.json().await.unwrap();
    assert_eq!((&page["events"][0]["message"], &page["next"]), (&json!("one"), &Value::Null));
    let rollouts: Value = rig.get("/api/v1/environments/prod/rollouts", "viewer").await.json().await.unwrap();
    assert_eq!(rollouts["rollouts"][0]["revision"]["author"], "Ada");
    let why: Value = rig.get("/api/v1/environments/prod/why", "viewer").await.json().await.unwrap();
    assert_eq!(why["gates"][0]["gate"], "hold");
    assert_eq!((&why["sentence"], &why["callers"]["affected"]), (&json!("Nothing waits."), &json!(false)));
    let wrong = rig.get("/api/v1/environments/prod/history?limit=many", "viewer").await;
    assert_eq!(problem(wrong).await.0, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn an_environment_with_a_slash_in_its_name_has_an_address_too() {
    let rig = Rig::start().await;
    rig.commit(&EnvironmentState::new(name("eu/prod")), &[]).await;
    let answered: Value = rig.get("/api/v1/environments/eu%2Fprod", "viewer").await.json().await.unwrap();
    assert_eq!(answered["name"], "eu/prod");
    assert!(rig.page("/").await.contains("href=\"/environments/eu%2Fprod\""));
    rig.page("/environments/eu%2Fprod").await;
}

#[tokio::test]
async fn the_audit_is_shown_to_an_admin() {
    let rig = Rig::start().await;
    rig.post("/api/v1/environments/prod/hold", "operator", &json!({ "reason": "freeze" })).await;
    let answered: Value = rig.get("/api/v1/audit?environment=prod", "admin").await.json().await.unwrap();
    assert_eq!(answered["entries"][0]["detail"], "freeze");
    let other: Value = rig.get("/api/v1/audit?environment=dev", "admin").await.json().await.unwrap();
    assert_eq!(other["entries"], json!([]));
}
