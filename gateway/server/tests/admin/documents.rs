//! The stable document: read, check, compare, replace, refuse.

use moorline_admin::{Origin, WriteOptions};
use serde_json::{Value, json};

use crate::harness::{Gateway, Home, digest, document, git, problem};

async fn with_document(home: &Home) -> Gateway {
    let gateway = home.start(&[]).await;
    gateway.client.put_config(&document("a"), &git("c1")).await.unwrap();
    gateway
}

/// That `a` serves, as generation 1.
async fn assert_unchanged(gateway: &Gateway) {
    let stable = gateway.client.status().await.unwrap().stable.unwrap();
    assert_eq!((stable.digest, stable.generation.0, stable.origin), (digest(&document("a")), 1, Origin::Git));
}

#[tokio::test]
async fn a_document_is_read_back_as_written_with_its_digest_as_etag() {
    let home = Home::new();
    let gateway = home.start(&[]).await;
    assert_eq!(problem(gateway.client.config().await).1, "not-found");
    // A first document can be probed: where requests go is known before there is one.
    assert_eq!(gateway.client.status().await.unwrap().endpoint.as_deref(), Some(gateway.data.as_str()));
    let status = gateway.client.put_config(&document("a"), &git("c1")).await.unwrap();
    let stable = status.stable.unwrap();
    assert_eq!((stable.commit.as_deref(), stable.origin), (Some("c1"), Origin::Git));
    let config = gateway.client.config().await.unwrap();
    assert_eq!((config.digest, &config.document), (digest(&document("a")), &document("a")));
    assert_eq!(config.endpoint.as_deref(), Some(gateway.data.as_str()));
    assert_eq!(config.fingerprints["env:UPSTREAM_KEY"].as_ref().unwrap().len(), 8);
    let answer = gateway.raw("GET", "/admin/v1/config").send().await.unwrap();
    assert_eq!(answer.headers()["etag"].to_str().unwrap(), format!("\"{}\"", config.digest));
}

#[tokio::test]
async fn writing_what_serves_changes_only_what_is_attested() {
    let home = Home::new();
    let gateway = with_document(&home).await;
    let first = gateway.client.status().await.unwrap();
    assert_eq!(gateway.client.put_config(&document("a"), &git("c1")).await.unwrap(), first);
    let stable = gateway.client.put_config(&document("a"), &git("c2")).await.unwrap().stable.unwrap();
    assert_eq!((stable.generation.0, stable.commit.as_deref()), (1, Some("c2")));
}

#[tokio::test]
async fn if_match_lets_one_of_two_writers_through_and_names_both_digests_to_the_other() {
    let home = Home::new();
    let gateway = with_document(&home).await;
    let write = WriteOptions { if_match: Some(digest(&document("a"))), ..git("c2") };
    let (one, two) = (document("b"), document("c"));
    let (one, two) =
        tokio::join!(gateway.client.put_config(&one, &write), gateway.client.put_config(&two, &write));
    let (won, lost) = if one.is_ok() { (one, two) } else { (two, one) };
    let won = won.unwrap().stable.unwrap();
    let (status, kind, detail) = problem(lost);
    assert_eq!((status, kind.as_str()), (412, "precondition-failed"));
    assert!(
        detail.contains(&digest(&document("a")).to_string()) && detail.contains(&won.digest.to_string()),
        "{detail}"
    );
}

#[tokio::test]
async fn another_owner_is_refused_with_both_named_unless_it_takes_over() {
    let home = Home::new();
    let gateway = with_document(&home).await;
    let terraform = WriteOptions { origin: Some(Origin::Terraform), ..WriteOptions::default() };
    let (status, kind, detail) = problem(gateway.client.put_config(&document("b"), &terraform).await);
    assert_eq!((status, kind.as_str()), (409, "owned-by-another"));
    assert!(detail.contains("`git`") && detail.contains("`terraform`"), "{detail}");
    assert_unchanged(&gateway).await;
    let taken = WriteOptions { take_over: true, ..terraform };
    let stable = gateway.client.put_config(&document("b"), &taken).await.unwrap().stable.unwrap();
    assert_eq!((stable.origin, stable.generation.0), (Origin::Terraform, 2));
}

#[tokio::test]
async fn a_manual_write_says_who_and_why_and_is_attested_as_such() {
    let home = Home::new();
    let gateway = with_document(&home).await;
    let nameless = WriteOptions { origin: Some(Origin::Manual), take_over: true, ..WriteOptions::default() };
    let who = |actor: &str| WriteOptions { actor: Some(actor.to_owned()), ..nameless.clone() };
    for write in [nameless.clone(), who("Zoë"), WriteOptions { origin: None, ..nameless.clone() }] {
        assert_eq!(problem(gateway.client.put_config(&document("b"), &write).await).1, "malformed");
    }
    assert_unchanged(&gateway).await;
    let write = WriteOptions { reason: Some("upstream down\nsince 5".to_owned()), ..who("Zoë") };
    let stable = gateway.client.put_config(&document("b"), &write).await.unwrap().stable.unwrap();
    assert_eq!((stable.origin, stable.actor.as_deref()), (Origin::Manual, Some("Zoë")));
    assert_eq!(stable.reason.as_deref(), Some("upstream down since 5"));
}

#[tokio::test]
async fn bad_input_is_refused_plainly_and_changes_nothing() {
    let home = Home::new();
    let gateway = with_document(&home).await;
    let put = |path: &str| gateway.raw("PUT", path).header("moorline-origin", "git");
    let large = format!("{{\"name\": \"{}\"}}", "x".repeat(5 << 20));
    let good = document("b").to_string();
    for (request, status, kind) in [
        (put("/admin/v1/config").body("{\"version\": 1, \"na"), 400, "malformed"),
        (put("/admin/v1/config").body("version: 1"), 400, "malformed"),
        (put("/admin/v1/config").body(""), 400, "malformed"),
        (put("/admin/v1/config").body(large), 413, "too-large"),
        (put("/admin/v1/config").body("[]"), 422, "invalid-document"),
        (put("/admin/v1/config").header("if-match", "\"x\"").body(good.clone()), 400, "malformed"),
        (put("/admin/v1/config").header("moorline-take-over", "maybe").body(good.clone()), 400, "malformed"),
        (
            gateway.raw("PUT", "/admin/v1/config").header("moorline-origin", "file").body(good.clone()),
            400,
            "malformed",
        ),
        (
            gateway.raw("PUT", "/admin/v1/config").header("moorline-origin", "me").body(good.clone()),
            400,
            "malformed",
        ),
        (put("/admin/v1/candidate?weight=200%25").body(good.clone()), 400, "malformed"),
        (put("/admin/v1/candidate?wait=1").body(good), 400, "malformed"),
        (gateway.raw("GET", "/admin/v1/stats?generation=x"), 400, "malformed"),
        (gateway.raw("GET", "/admin/v1/nothing"), 404, "not-found"),
        (gateway.raw("DELETE", "/admin/v1/config"), 405, "malformed"),
    ] {
        let built = request.try_clone().unwrap().build().unwrap();
        let answer = request.send().await.unwrap();
        let what = format!("{} {} {:?}", built.method(), built.url(), built.headers());
        assert_eq!(answer.status().as_u16(), status, "{what}");
        assert_eq!(answer.headers()["content-type"], "application/problem+json", "{what}");
        let problem: Value = answer.json().await.unwrap();
        assert_eq!(problem["type"], format!("urn:moorline:problem:{kind}"), "{what}: {problem}");
        assert_eq!(problem["status"], status, "{what}");
    }
    assert_unchanged(&gateway).await;
    assert_eq!(gateway.client.status().await.unwrap().candidate, None);
}

#[tokio::test]
async fn a_bad_document_is_told_mistake_by_mistake_and_the_good_one_serves_on() {
    let home = Home::new();
    let gateway = with_document(&home).await;
    let mut bad = document("b");
    bad["providers"]["up"]["api_key"] = json!("env:NOT_SET");
    let error = gateway.client.put_config(&bad, &git("c2")).await.unwrap_err();
    let mistakes = error.problem().unwrap().mistakes.clone();
    assert_eq!((error.problem().unwrap().status, mistakes.len()), (422, 1));
    assert!(
        mistakes[0].path == "providers.up.api_key" && mistakes[0].problem.contains("env:NOT_SET"),
        "{mistakes:?}"
    );
    assert_unchanged(&gateway).await;
    let validation = gateway.client.validate(&bad).await.unwrap();
    assert!(!validation.valid && validation.mistakes == mistakes);
    let rejected = gateway.client.status().await.unwrap().rejected;
    assert_eq!((rejected.len(), &rejected[0].mistakes), (1, &mistakes));
    let metrics = gateway.raw("GET", "/metrics").send().await.unwrap().text().await.unwrap();
    assert!(metrics.contains("moorline_gateway_config_rejected 1\n"), "{metrics}");
    assert!(gateway.log().contains("env:NOT_SET"));
    gateway.client.put_config(&document("b"), &git("c3")).await.unwrap();
    assert!(gateway.client.status().await.unwrap().rejected.is_empty());
}

#[tokio::test]
async fn a_literal_secret_is_refused_and_appears_nowhere() {
    let home = Home::new();
    let gateway = with_document(&home).await;
    let mut literal = document("b");
    literal["providers"]["up"]["api_key"] = json!("marker-literal-4713");
    let error = gateway.client.put_config(&literal, &git("c2")).await.unwrap_err();
    assert_eq!(error.problem().unwrap().status, 422);
    let told = format!("{error:?}{:?}{}", gateway.client.status().await.unwrap(), gateway.log());
    assert!(!told.contains("marker-literal"), "{told}");
    assert_unchanged(&gateway).await;
}

#[tokio::test]
async fn a_plan_tells_the_difference_and_whom_it_touches() {
    let home = Home::new();
    let gateway = with_document(&home).await;
    let same = gateway.client.plan(&document("a")).await.unwrap();
    assert!(same.changes.is_empty() && same.touched.routes.is_empty());
    let mut other = document("a");
    other["providers"]["up"]["base_url"] = json!("http://127.0.0.1:10/v1");
    let plan = gateway.client.plan(&other).await.unwrap();
    assert_eq!((plan.before, plan.after), (Some(digest(&document("a"))), digest(&other)));
    assert_eq!(
        plan.changes.iter().map(|change| change.path.as_str()).collect::<Vec<_>>(),
        ["providers.up.base_url"]
    );
    assert_eq!((plan.touched.providers, plan.touched.models), (vec!["up".to_owned()], vec!["m".to_owned()]));
    assert_eq!(plan.touched.routes, ["/v1/chat/*"]);
    assert_unchanged(&gateway).await;
    assert!(gateway.client.status().await.unwrap().rejected.is_empty());
}
