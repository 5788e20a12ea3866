//! The document endpoint, as the Terraform provider uses it.

use moorline_model::config::Digest;
use reqwest::{Method, Response, StatusCode};
use serde_json::{Value, json};

use crate::rig::{Rig, name, problem};

const PATH: &str = "/api/v1/environments/prod/document";

async fn put(rig: &Rig, document: &Value, headers: &[(&str, &str)]) -> Response {
    let mut request = rig.request(Method::PUT, PATH).bearer_auth("document-prod");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.json(document).send().await.unwrap()
}

const TERRAFORM: (&str, &str) = ("moorline-origin", "terraform");

fn document(tag: &str) -> Value {
    json!({ "version": 1, "name": "ai-gateway-prod", "tags": { "Environment": tag } })
}

#[tokio::test]
async fn a_document_is_handed_over_and_read_back_as_the_provider_expects_it() {
    let rig = Rig::start().await;
    let (status, kind, _) = problem(rig.get(PATH, "document-prod").await).await;
    assert_eq!((status, kind.as_str()), (StatusCode::NOT_FOUND, "not-found"));

    let (one, digest) = (document("one"), Digest::of(&document("one")));
    let answer = put(&rig, &one, &[TERRAFORM]).await;
    assert_eq!((answer.status(), rig.wakes()), (StatusCode::OK, 1));
    let audit = &rig.audit().await[0].entry;
    assert_eq!(
        (audit.actor.as_str(), audit.action.as_str(), audit.detail.as_str()),
        ("terraform", "document.put", digest.to_string().as_str())
    );

    let answer = rig.get(PATH, "viewer").await;
    assert_eq!(answer.headers()["etag"], format!("\"{digest}\""));
    let answered: Value = answer.json().await.unwrap();
    let expected = json!({
        "digest": digest, "document": one, "fingerprints": {}, "endpoint": "http://10.0.1.10:8787"
    });
    assert_eq!(answered, expected);

    put(&rig, &one, &[TERRAFORM]).await;
    assert_eq!(rig.wakes(), 1, "the same document again wakes nobody");
}

#[tokio::test]
async fn a_write_that_saw_another_document_is_refused_with_both_named() {
    let rig = Rig::start().await;
    let digest = |tag: &str| Digest::of(&document(tag)).to_string();
    let quoted = |tag: &str| format!("\"{}\"", digest(tag));
    let first = put(&rig, &document("one"), &[TERRAFORM, ("if-match", &quoted("none"))]).await;
    assert_eq!(problem(first).await.0, StatusCode::PRECONDITION_FAILED);
    let any = put(&rig, &document("one"), &[TERRAFORM, ("if-match", "*")]).await;
    assert_eq!(problem(any).await.0, StatusCode::PRECONDITION_FAILED);

    put(&rig, &document("one"), &[TERRAFORM]).await;
    let second = put(&rig, &document("two"), &[TERRAFORM, ("if-match", &quoted("one"))]).await;
    assert_eq!(second.status(), StatusCode::OK);
    let stale = put(&rig, &document("three"), &[TERRAFORM, ("if-match", &quoted("one"))]).await;
    let (status, kind, body) = problem(stale).await;
    assert_eq!((status, kind.as_str()), (StatusCode::PRECONDITION_FAILED, "precondition-failed"));
    let detail = body["detail"].as_str().unwrap();
    assert!(detail.contains(&digest("one")) && detail.contains(&digest("two")), "{detail}");
    let any = put(&rig, &document("four"), &[TERRAFORM, ("if-match", "*")]).await;
    assert_eq!(any.status(), StatusCode::OK);

    for wrong in ["one", "\"one\"", "W/\"x\"", &digest("four")] {
        let answer = put(&rig, &document("five"), &[TERRAFORM, ("if-match", wrong)]).await;
        assert_eq!(problem(answer).await.0, StatusCode::BAD_REQUEST, "{wrong}");
    }
    let kept = rig.record.handed_over(&name("prod")).await.unwrap().unwrap();
    assert_eq!((kept.document, rig.wakes()), (document("four"), 3));
}

#[tokio::test]
async fn a_write_of_another_owner_is_refused_and_both_are_named() {
    let rig = Rig::start().await;
    for headers in [&[][..], &[("moorline-origin", "manual")], &[("moorline-origin", "git")]] {
        let (status, kind, body) = problem(put(&rig, &document("one"), headers).await).await;
        assert_eq!((status, kind.as_str()), (StatusCode::CONFLICT, "owned-by-another"));
        assert!(body["detail"].as_str().unwrap().contains("terraform"), "{body}");
    }
    let request = rig.request(Method::PUT, "/api/v1/environments/files/document").bearer_auth("operator");
    let answer = request.header(TERRAFORM.0, TERRAFORM.1).json(&document("one")).send().await.unwrap();
    let (_, kind, body) = problem(answer).await;
    assert_eq!(kind, "owned-by-another");
    let detail = body["detail"].as_str().unwrap();
    assert!(detail.contains("git") && detail.contains("terraform"), "{detail}");
    assert_eq!((rig.wakes(), rig.audit().await.len()), (0, 0));
}

#[tokio::test]
async fn a_bad_document_is_refused_with_its_mistakes_and_changes_nothing() {
    let rig = Rig::start().await;
    put(&rig, &document("one"), &[TERRAFORM]).await;
    let mut bad = document("two");
    bad["modles"] = json!({});
    let (status, kind, body) = problem(put(&rig, &bad, &[TERRAFORM]).await).await;
    assert_eq!((status, kind.as_str()), (StatusCode::UNPROCESSABLE_ENTITY, "invalid-document"));
    let mistakes = body["mistakes"].as_array().unwrap();
    assert!(mistakes.iter().any(|mistake| mistake["path"] == "modles"), "{body}");

    let truncated = rig
        .request(Method::PUT, PATH)
        .bearer_auth("document-prod")
        .header(TERRAFORM.0, TERRAFORM.1)
        .body("{\"version\": 1, ")
        .send();
    assert_eq!(problem(truncated.await.unwrap()).await.0, StatusCode::BAD_REQUEST);
    let large = json!({ "version": 1, "name": "x".repeat(5 << 20) });
    assert_eq!(problem(put(&rig, &large, &[TERRAFORM]).await).await.0, StatusCode::PAYLOAD_TOO_LARGE);
    let kept = rig.record.handed_over(&name("prod")).await.unwrap().unwrap();
    assert_eq!((kept.document, rig.wakes()), (document("one"), 1));
}

#[tokio::test]
async fn before_the_repository_was_read_there_is_no_telling_whose_a_document_is() {
    let rig = Rig::with("127.0.0.1:0", |web| web.documents = tokio::sync::watch::channel(None).1).await;
    let (status, kind, _) = problem(rig.get(PATH, "operator").await).await;
    assert_eq!((status, kind.as_str()), (StatusCode::SERVICE_UNAVAILABLE, "unavailable"));
    assert_eq!(rig.get(PATH, "document-prod").await.status(), StatusCode::UNAUTHORIZED);
}
