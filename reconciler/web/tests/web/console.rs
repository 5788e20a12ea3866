//! The console's pages and the metrics.

use moorline_model::FailureClass;
use moorline_model::condition::{ConditionStatus, ConditionType};
use moorline_model::environment::{EnvironmentState, Hold, Replica};
use moorline_model::rollout::{Evidence, Phase, Verdict};
use reqwest::{Method, StatusCode};
use serde_json::json;

use crate::actions::waiting;
use crate::rig::{Rig, name, now};

// The one that is escaped already comes first: the history keeps showing those before it, escaped.
const PAYLOADS: [&str; 8] = [
    "&lt;script&gt;alert(1)&lt;/script&gt;",
    "<script>alert(1)</script>",
    "\"><img src=x onerror=alert(1)>",
    "' onmouseover='alert(1)",
    "<svg/onload=alert(1)>",
    "</td></table><iframe src=javascript:alert(1)>",
    "javascript:alert(1)//<a href=",
    "{{7*7}}<!--<style>*{}</style>-->",
];

/// An environment in which every text from outside is the payload.
pub(crate) fn poisoned(payload: &str) -> EnvironmentState {
    let text = payload.to_owned();
    let mut state = EnvironmentState::new(name("prod"));
    for axis in ConditionType::ALL {
        state.conditions.note(axis, ConditionStatus::Bad, payload, now());
    }
    let mut rollout = waiting(payload);
    rollout.revision.message.clone_from(&text);
    rollout.revision.author.clone_from(&text);
    rollout.reason = Some(text.clone());
    let field = || json!({ "subject": text, "field": text, "before": text, "after": text, "unit": text });
    rollout.changes = serde_json::from_value(json!({
        "document": format!("sha256:{}", "0".repeat(64)), "sentence": text, "fields": [field(), field()], "more": 7,
    }))
    .unwrap();
    let plan = rollout.terraform.as_mut().unwrap();
    plan.changes[0].address.clone_from(&text);
    plan.changes[0].attributes = vec![text.clone()];
    rollout.evidence = Some(Evidence {
        facts: [(text.clone(), text.clone())].into(),
        verdict: Verdict::Failed { reasons: vec![text.clone()] },
        ..serde_json::from_value(
            json!({ "phase": Phase::Staging, "verdict": "passed", "facts": {}, "at": now() }),
        )
        .unwrap()
    });
    state.head = Some(rollout.revision.clone());
    state.rollout = Some(rollout);
    state.frozen = Some(text.clone());
    state.holds = vec![Hold { commit: None, reason: text.clone(), by: text.clone(), since: now() }];
    let replica = |error: Option<String>| Replica {
        endpoint: text.clone(),
        instance: Some(text.clone()),
        digest: None,
        commit: Some(text.clone()),
        generation: Some(7),
        candidate: None,
        failure: error.as_ref().map(|_| FailureClass::Waiting { on: text.clone() }),
        error,
        recent: None,
        checked_at: now(),
    };
    state.replicas = vec![replica(None), replica(Some(text.clone()))];
    state.found = serde_json::from_value(json!([{
        "endpoint": text, "digest": format!("sha256:{}", "0".repeat(64)), "origin": text, "actor": text,
        "reason": text, "since": now(), "adopted": {"actor": text, "at": now()},
        "differs": [{"lane": "gateway", "address": text, "path": text, "kind": "changed", "severity": "critical",
            "declared": text, "live": text, "note": text}],
    }]))
    .unwrap();
    state.drift = serde_json::from_value(json!([{
        "lane": "gateway", "address": text, "path": text, "kind": "changed", "severity": "critical",
        "declared": text, "live": text, "note": text, "fingerprint": "0011", "state": "open",
        "first_seen": now(), "last_seen": now()
    }]))
    .unwrap();
    state
}

/// A text as the page must show it.
fn escaped(text: &str) -> String {
    let text = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    text.replace('"', "&quot;").replace('\'', "&#39;")
}

#[tokio::test]
async fn no_text_from_outside_becomes_markup() {
    let rig = Rig::start().await;
    let clean_tags = {
        rig.commit(&poisoned("plain"), &["plain"]).await;
        tags(&rig.page("/").await)
    };
    for payload in PAYLOADS {
        rig.commit(&poisoned(payload), &[payload]).await;
        for path in [
            "/",
            "/environments/prod",
            "/environments/prod/drift",
            "/environments/prod/rollouts/01900000-0000-7000-8000-000000000001",
        ] {
            let page = rig.page(path).await;
            assert!(!page.contains(payload), "{path}: {payload}");
            assert!(page.contains(&escaped(payload)), "{path}: {payload} is not shown");
        }
        let tags = tags(&rig.page("/").await);
        assert_eq!(tags.difference(&clean_tags).next(), None, "{payload}");
    }
}

/// The tags of a page: name and attribute names.
fn tags(page: &str) -> std::collections::BTreeSet<String> {
    page.split('<')
        .skip(1)
        .map(|piece| {
            let tag = piece.split('>').next().unwrap();
            // Without attribute values.
            tag.split('"').step_by(2).collect::<String>()
        })
        .collect()
}

#[tokio::test]
async fn a_page_carries_no_script_or_style_of_its_own_and_asks_nobody_else() {
    let rig = Rig::start().await;
    rig.commit(&poisoned("plain"), &["plain"]).await;
    let page = rig.page("/").await;
    assert_eq!(page.matches("<script").count(), 1);
    assert!(page.contains("<script src=\"/assets/live.js\" defer></script>"));
    for banned in ["<style", "style=", "onclick", "onload", "http://", "https://", "//cdn"] {
        assert!(!page.contains(banned), "{banned}");
    }
    for (path, kind) in [("/assets/console.css", "text/css"), ("/assets/live.js", "text/javascript")] {
        let answer = rig.request(Method::GET, path).send().await.unwrap();
        assert!(answer.headers()["content-type"].to_str().unwrap().starts_with(kind));
        assert!(!answer.text().await.unwrap().is_empty());
    }
}

#[tokio::test]
async fn the_console_shows_all_there_is_to_know_of_an_environment() {
    let rig = Rig::start().await;
    rig.commit(&poisoned("some text"), &["first sync", "drift healed"]).await;
    let page = rig.page("/").await;
    for expected in [
        "failed",
        "Frozen</strong>",
        "<th scope=\"row\">source</th>",
        "<th scope=\"row\">hold</th>",
        "0123456789</code>",
        "aria-current=\"step\">approval",
        "0 to add, 1 to change, 0 to destroy",
        "<a href=\"/environments/prod/drift\">Drift</a> <span class=\"count\">1</span>",
        "Replicas <span class=\"count\">2</span>",
        "changed, critical",
        "cannot check",
        "drift healed",
        "0 s</time> ago",
        "<meta name=\"viewport\"",
        "moorline release prod",
        "<h4>What it changes</h4><p>some text.</p>",
        "<li>some text: some text changes some text</li>",
        "<li>and 7 more</li>",
    ] {
        assert!(page.contains(expected), "{expected}");
    }
    let alone = rig.page("/environments/prod").await;
    assert!(alone.contains("<h3>Rollouts</h3>"));
    for path in ["/environments/nowhere", "/environments/prod/rollouts/x"] {
        assert_eq!(rig.get(path, "viewer").await.status(), StatusCode::NOT_FOUND, "{path}");
    }
}

// A release alone tries the bad commit again at once.
#[tokio::test]
async fn of_a_commit_that_is_held_it_says_that_a_fix_is_the_way() {
    let rig = Rig::start().await;
    let mut state = EnvironmentState::new(name("prod"));
    let wanted = waiting("abc").revision;
    let hold =
        |commit| Hold { commit, reason: "it was bad".to_owned(), by: "moorline".to_owned(), since: now() };
    state.holds = vec![hold(Some(wanted.commit.clone()))];
    state.head = Some(wanted);
    state.frozen = Some("undoing failed".to_owned());
    rig.commit(&state, &[]).await;
    let page = rig.page("/environments/prod").await;
    let held = page.split("<strong>Held</strong>").nth(1).unwrap().split("</p>").next().unwrap();
    let frozen = page.split("<strong>Frozen</strong>").nth(1).unwrap().split("</p>").next().unwrap();
    for notice in [held, frozen] {
        let (fix, release) = (notice.find("Merge a fix"), notice.find("moorline release"));
        assert!(fix.is_some() && fix < release, "{notice}");
    }
}

#[tokio::test]
async fn before_the_first_environment_it_says_what_is_waited_for() {
    let folder = tempfile::tempdir().unwrap();
    let store = format!("sqlite:{}", folder.path().join("empty.db").display());
    let empty = moorline_record::Record::open(&store).await.unwrap();
    let rig = Rig::with("127.0.0.1:0", |web| web.record = empty).await;
    let page = rig.page("/").await;
    assert!(page.contains("The repository cannot be fetched: &lt;gone&gt;"), "{page}");
    let answer: serde_json::Value = rig.get("/api/v1/environments", "viewer").await.json().await.unwrap();
    assert_eq!(answer["waits_for"], "The repository cannot be fetched: <gone>");
    let known: serde_json::Value =
        Rig::start().await.get("/api/v1/environments", "viewer").await.json().await.unwrap();
    assert!(known.get("waits_for").is_none(), "{known}");
}

#[tokio::test]
async fn who_may_not_read_is_shown_how_to_sign_in_and_nothing_else() {
    let rig = Rig::start().await;
    rig.commit(&poisoned("secret name"), &[]).await;
    let answer = rig.request(Method::GET, "/").header("accept", "text/html").send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
    let page = answer.text().await.unwrap();
    assert!(page.contains("action=\"/session\"") && !page.contains("secret name"));
}

#[tokio::test]
async fn metrics_say_how_every_environment_stands() {
    let rig = Rig::start().await;
    let mut state = poisoned("a \"quoted\" text");
    state.frozen = None;
    state.rollout.as_mut().unwrap().phase = Phase::Succeeded;
    rig.commit(&state, &[]).await;
    let answer = rig.request(Method::GET, "/metrics").send().await.unwrap();
    assert_eq!(answer.headers()["content-type"], "text/plain; version=0.0.4; charset=utf-8");
    let text = answer.text().await.unwrap();
    for line in [
        "moorline_environment_axis{environment=\"prod\",axis=\"drift\",standing=\"bad\"} 1",
        "moorline_environment_status{environment=\"prod\",word=\"failed\"} 1",
        "moorline_drift_findings{environment=\"prod\",lane=\"gateway\",state=\"open\"} 1",
        "moorline_last_check_timestamp_seconds{environment=\"prod\",axis=\"source\"} 1795000000",
        "moorline_rollouts_total{environment=\"prod\",phase=\"succeeded\"} 1",
        "moorline_replicas{environment=\"prod\",state=\"unreadable\"} 1",
        "moorline_cycles_total 3",
    ] {
        assert!(text.lines().any(|found| found == line), "{line}\n{text}");
    }
    for absent in ["} 0", "standing=\"good\"", "lane=\"aws\"", "moorline_outbox_pending{"] {
        assert!(!text.contains(absent), "{absent} says nothing\n{text}");
    }
    let mut families: Vec<&str> =
        text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next()).collect();
    let count = families.len();
    families.sort_unstable();
    families.dedup();
    assert_eq!(families.len(), count, "a family is written once");
    assert!(!text.contains("quoted"), "texts of findings are no labels");
}

#[tokio::test]
async fn health_and_readiness_are_two_questions() {
    let rig = Rig::with("127.0.0.1:0", |web| web.ready = std::sync::Arc::new(|| false)).await;
    let status = async |path: &str| rig.request(Method::GET, path).send().await.unwrap().status();
    assert_eq!(status("/healthz").await, StatusCode::OK);
    assert_eq!(status("/readyz").await, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(
        Rig::start().await.request(Method::GET, "/readyz").send().await.unwrap().status(),
        StatusCode::OK
    );
}

#[tokio::test]
async fn what_was_found_at_first_contact_is_shown_before_somebody_adopts_it() {
    let rig = Rig::start().await;
    let finding = json!({
        "lane": "gateway", "address": "10.0.0.1:8788", "path": "routes[0].limits[0].requests", "kind": "changed",
        "severity": "critical", "declared": "1000", "live": "5",
    });
    let mut found = json!({
        "endpoint": "10.0.0.1:8788", "digest": format!("sha256:{}", "0".repeat(64)), "origin": "manual",
        "actor": "jane", "reason": "quick fix", "since": now(), "differs": [finding],
    });
    let mut state = EnvironmentState::new(name("prod"));
    let mut shown = async |found: &serde_json::Value| {
        state.found = serde_json::from_value(json!([found])).unwrap();
        rig.commit(&state, &[]).await;
        rig.page("/environments/prod").await
    };
    let page = shown(&found).await;
    for expected in [
        "moorline adopt prod",
        "<code>moorline rollback prod --reason \"…\"</code>",
        "10.0.0.1:8788",
        "manual, by jane",
        "quick fix",
        "routes[0].limits[0].requests: 5 → 1000",
        "not yet",
    ] {
        assert!(page.contains(expected), "{expected} is not in {page}");
    }
    found["adopted"] = json!({"actor": "ann", "at": now()});
    let page = shown(&found).await;
    assert!(page.contains("by ann, ") && !page.contains("Waits for you"), "{page}");
}

#[tokio::test]
async fn the_last_intents_are_shown_with_their_outcomes() {
    let rig = Rig::start().await;
    let ask = async || {
        let body = json!({ "reason": "too dear" });
        rig.post("/api/v1/environments/prod/hold", "operator", &body).await.json::<serde_json::Value>().await
    };
    let first = ask().await.unwrap()["intent"].as_u64().unwrap();
    let outcome = moorline_model::intent::Outcome::Done { message: "held everything".to_owned() };
    rig.apply_intent(&EnvironmentState::new(name("prod")), moorline_record::IntentId(first), outcome).await;
    ask().await.unwrap();
    let page = rig.page("/environments/prod").await;
    for expected in
        [">operator<", ">hold<", ">too dear<", "done: held everything", "waits for the next cycle"]
    {
        assert!(page.contains(expected), "{expected} is not in {page}");
    }
}
