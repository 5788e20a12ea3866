//! The page of drift, where alerts lead.

use moorline_model::comparison::Comparison;
use moorline_model::condition::{ConditionStatus, ConditionType};
use moorline_model::drift::Lane;
use moorline_model::environment::EnvironmentState;
use serde_json::{Value, json};

use crate::rig::{Rig, name, now};

const PAGES: [&str; 3] = ["/", "/environments/prod", "/environments/prod/drift"];
/// What the pages say of drift where nothing differs.
const ALL_IS_WELL: [&str; 3] = ["No open drift.", "<span class=\"count\">0</span>", "Open drift\">0"];

fn finding(address: &str, kind: &str, state: &str) -> Value {
    json!({
        "lane": "aws", "address": address, "path": "min_size", "kind": kind, "severity": "warning",
        "declared": "2", "fingerprint": "0011", "state": state, "first_seen": now(), "last_seen": now()
    })
}

/// Something is in force, and so there is something to compare with.
fn in_force() -> EnvironmentState {
    let applied = serde_json::from_value(json!({
        "revision": {"commit": "1".repeat(40), "author": "ann", "message": "one", "committed_at": now()},
        "digest": format!("sha256:{}", "0".repeat(64)),
        "at": now(),
    }));
    EnvironmentState { applied: Some(applied.unwrap()), ..EnvironmentState::new(name("prod")) }
}

/// What a page says of drift.
fn about_drift(page: &str) -> String {
    let part = page.find("/drift\">Drift</a>").or_else(|| page.find("</span> drift</h1>")).unwrap();
    let table = page.find("Open drift\">").map_or("", |at| page[at..].split("</td>").next().unwrap());
    format!("{table}{}", page[part..].split("<h3>History").next().unwrap())
}

fn replica(address: &str, kind: &str, state: &str) -> Value {
    let mut found = finding(address, kind, state);
    found["lane"] = json!("gateway");
    found
}

#[tokio::test]
async fn the_page_has_every_finding_and_how_to_restore() {
    let rig = Rig::start().await;
    let mut state = in_force();
    state.conditions.note(ConditionType::Drift, ConditionStatus::Attention, "61 differences", now());
    state.lanes.insert(Lane::Aws, Comparison { compared_at: Some(now()), ..Comparison::default() });
    state.lanes.insert(
        Lane::Terraform,
        Comparison { trouble: Some("no <lock>".to_owned()), ..Comparison::default() },
    );
    let mut drift: Vec<_> =
        (0..60).map(|number| replica(&format!("http://n{number}"), "changed", "open")).collect();
    drift.push(finding("aws_lb.main[\"a\"]", "changed", "open"));
    drift.push(finding("aws_lb.unread", "unverifiable", "open"));
    drift.push(replica("http://seen_once", "missing", "suspected"));
    drift.push(finding("aws_lb.quiet", "changed", "ignored"));
    state.drift = serde_json::from_value(json!(drift)).unwrap();
    rig.commit(&state, &[]).await;
    let page = rig.page("/environments/prod/drift").await;
    for number in 0..60 {
        assert!(page.contains(&format!("<th scope=\"row\">http://n{number} ")), "{number}");
    }
    for expected in [
        "61 differences",
        "<strong>Not checked</strong>: terraform: no &lt;lock&gt;",
        "Open <span class=\"count\">62</span>",
        "Suspected <span class=\"count\">1</span>",
        "Ignored <span class=\"count\">1</span>",
        "<code>moorline heal prod</code>",
        "<code>moorline heal prod --only http://n0</code>",
        "<code>moorline heal prod --only &#39;aws_lb.main[&quot;a&quot;]&#39;</code>",
        "and 41 more addresses",
        "data-label=\"Live\">not known",
        "make it readable again",
    ] {
        assert!(page.contains(expected), "{expected}: {page}");
    }
    for nobody_can in ["--only aws_lb.unread", "--only http://seen_once", "--only aws_lb.quiet"] {
        assert!(!page.contains(nobody_can), "{nobody_can}");
    }
    let environment = rig.page("/environments/prod").await;
    assert!(environment.contains("50 of 64"), "the environment's page leads on to the others");

    // Terraform gives several back at once: a command for one of them would be refused.
    state.drift = serde_json::from_value(json!([
        finding("aws_lb.a", "changed", "open"),
        finding("aws_lb.b", "changed", "open"),
    ]))
    .unwrap();
    rig.commit(&state, &[]).await;
    let page = rig.page("/environments/prod/drift").await;
    assert!(page.contains("<code>moorline heal prod</code>.") && !page.contains("--only"), "{page}");
}

#[tokio::test]
async fn what_was_never_compared_is_not_checked_and_never_none() {
    let rig = Rig::start().await;
    let with = |compared_at, trouble: Option<&str>| {
        let mut state = in_force();
        let trouble = trouble.map(str::to_owned);
        state.lanes.insert(Lane::Gateway, Comparison { compared_at, trouble, failure: None });
        state
    };
    for state in [
        EnvironmentState::new(name("prod")),
        in_force(),
        with(None, None),
        with(Some(now()), Some("1 of 2 replicas could not be read")),
    ] {
        rig.commit(&state, &[]).await;
        for path in PAGES {
            let drift = about_drift(&rig.page(path).await);
            assert!(drift.contains("Not checked"), "{path}: {drift}");
            for lie in ALL_IS_WELL {
                assert!(!drift.contains(lie), "{path}: {lie}: {drift}");
            }
        }
    }
    rig.commit(&with(Some(now()), None), &[]).await;
    for path in PAGES {
        let drift = about_drift(&rig.page(path).await);
        assert!(drift.contains("No open drift.") && !drift.contains("Not checked"), "{path}: {drift}");
    }
}

#[tokio::test]
async fn a_page_says_when_it_was_made_by_the_daemons_clock() {
    let rig = Rig::start().await;
    let clock = format!("<meta name=\"moorline-now\" content=\"{}\">", now());
    for path in [PAGES[0], PAGES[1], PAGES[2], "/session"] {
        assert!(rig.page(path).await.contains(&clock), "{path}");
    }
}
