//! The document where it is kept: an object in S3, a web address, and files beside them.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::{HeaderMap, StatusCode};
use moorline_admin::{Origin, Status};
use serde_json::json;
use sha2::{Digest as _, Sha256};

use crate::emulator::Emulator;
use crate::harness::{Gateway, Home, digest, document, in_time, ready, until};
use crate::serving::Serving;

const FAST: [&str; 2] = ["--config-poll", "100ms"];
const TOKEN: &str = "marker-config-token-4718";

/// Waits until the document of this name serves.
async fn serves(gateway: &Gateway, name: &str) -> Status {
    let wanted = digest(&document(name));
    until(gateway, |status| status.stable.as_ref().is_some_and(|stable| stable.digest == wanted)).await
}

fn with<'a>(place: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    [&["--config", place], &FAST[..], more].concat()
}

#[tokio::test]
async fn an_object_is_followed_and_what_it_said_last_outlives_it() {
    let aws = Emulator::shared();
    aws.create_bucket("followed").await;
    aws.put_object("followed", "a/gateway.yaml", &document("a").to_string()).await;
    let (home, place) = (Home::new(), "s3://followed/a/gateway.yaml");
    let gateway = home.start_in(&aws.environment(), &with(place, &[])).await;
    let status = serves(&gateway, "a").await;
    assert_eq!(status.stable.unwrap().origin, Origin::File);
    assert!(status.sources[0].place == place && status.sources[0].problem.is_none(), "{:?}", status.sources);

    aws.put_object("followed", "a/gateway.yaml", &document("b").to_string()).await;
    serves(&gateway, "b").await;
    aws.put_object("followed", "a/gateway.yaml", r#"{"version": 1, "name": "c", "surprise": 1}"#).await;
    let status = until(&gateway, |status| !status.rejected.is_empty()).await;
    assert_eq!(status.stable.unwrap().digest, digest(&document("b")));
    assert_eq!(status.rejected[0].mistakes[0].file, place);

    aws.delete_object("followed", "a/gateway.yaml").await;
    let status = until(&gateway, |status| status.sources[0].problem.is_some()).await;
    assert!(status.sources[0].problem.as_ref().unwrap().contains("NoSuchKey"), "{:?}", status.sources);
    assert_eq!(gateway.log().matches("the document cannot be read").count(), 1);
    gateway.killed().await;

    // It boots with nothing to read, and serves what was good last.
    let gateway = home.start_in(&aws.environment(), &with(place, &[])).await;
    let status = serves(&gateway, "b").await;
    assert_eq!((status.sources[0].checked, status.sources[0].problem.is_some()), (None, true));
    assert_eq!(ready(&gateway).await, 200);
    let metrics = gateway.raw("GET", "/metrics").send().await.unwrap().text().await.unwrap();
    assert!(metrics.contains("moorline_gateway_sources_failing 1\n"), "{metrics}");
    aws.put_object("followed", "a/gateway.yaml", &document("d").to_string()).await;
    let status = serves(&gateway, "d").await;
    assert!(status.sources[0].checked.is_some());
}

/// What a web server has, and how often it sent it whole or not at all.
#[derive(Default)]
struct Site {
    text: Option<String>,
    token: Option<&'static str>,
    whole: usize,
    unchanged: usize,
}

type Shared = Arc<Mutex<Site>>;

async fn site() -> (Shared, Serving) {
    let shared = Shared::default();
    let router = Router::new()
        .route("/gateway.yaml", get(read))
        .route("/elsewhere", get(|| async { axum::response::Redirect::temporary("/gateway.yaml") }))
        .with_state(Arc::clone(&shared));
    (shared, Serving::start(router).await)
}

async fn read(State(site): State<Shared>, headers: HeaderMap) -> Response {
    let mut site = site.lock().unwrap();
    let header = |name: &str| headers.get(name).map(|value| value.to_str().unwrap().to_owned());
    if site.token.is_some_and(|token| header("authorization") != Some(format!("Bearer {token}"))) {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    let Some(text) = site.text.clone() else { return StatusCode::NOT_FOUND.into_response() };
    let etag = format!("\"{}\"", hex::encode(Sha256::digest(&text)));
    if header("if-none-match").as_ref() == Some(&etag) {
        site.unchanged += 1;
        return (StatusCode::NOT_MODIFIED, [("etag", etag)]).into_response();
    }
    site.whole += 1;
    ([("etag", etag)], text).into_response()
}

#[tokio::test]
async fn a_web_address_is_asked_with_its_tag_and_read_whole_only_when_it_changed() {
    let (site, serving) = site().await;
    *site.lock().unwrap() =
        Site { text: Some(document("a").to_string()), token: Some(TOKEN), ..Site::default() };
    let home = Home::new();
    home.write("token", "marker-wrong-token");
    let reference = format!("file:{}", home.path("token").display());
    let place = format!("{}/gateway.yaml?signature=marker-signature", serving.url);
    let gateway = home.start_in(&[], &with(&place, &["--config-token", &reference])).await;
    let status = until(&gateway, |status| status.sources[0].problem.is_some()).await;
    assert!(status.sources[0].problem.as_ref().unwrap().contains("401"), "{:?}", status.sources);
    assert_eq!((status.stable, ready(&gateway).await), (None, 503));
    // A token that was refused is looked up again.
    home.write("token", TOKEN);
    serves(&gateway, "a").await;
    in_time(async {
        while site.lock().unwrap().unchanged < 3 {
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
    })
    .await;
    assert_eq!(site.lock().unwrap().whole, 1);
    site.lock().unwrap().text = Some(document("b").to_string());
    let status = serves(&gateway, "b").await;
    assert_eq!(status.sources[0].place, format!("{}/gateway.yaml", serving.url));
    let told = format!("{}{:?}", gateway.log(), gateway.client.status().await.unwrap());
    assert!(!told.contains(TOKEN) && !told.contains("marker-wrong"), "{told}");
    let ours = |line: &&str| line.contains("marker-signature") && line.contains("moorline");
    assert_eq!(told.lines().find(ours), None);
}

#[tokio::test]
async fn an_answer_that_is_too_large_or_leads_elsewhere_is_none() {
    let (site, serving) = site().await;
    site.lock().unwrap().text = Some(" ".repeat((4 << 20) + 1));
    for (path, problem) in [("gateway.yaml", "at most 4194304 bytes"), ("elsewhere", "307")] {
        let place = format!("{}/{path}", serving.url);
        let gateway = Home::new().start_in(&[], &with(&place, &[])).await;
        let status = gateway.client.status().await.unwrap();
        assert!(status.sources[0].problem.as_ref().unwrap().contains(problem), "{:?}", status.sources);
        assert_eq!(status.stable, None);
    }
}

#[tokio::test]
async fn layers_of_every_kind_make_one_document_as_soon_as_all_are_there() {
    let (aws, (site, serving)) = (Emulator::shared(), site().await);
    aws.create_bucket("layers").await;
    let home = Home::new();
    home.write("base.yaml", &document("base").to_string());
    let (file, web) = (home.path("base.yaml"), format!("{}/gateway.yaml", serving.url));
    site.lock().unwrap().text = Some("{location: us-east-1}".to_owned());
    let places = ["--config", file.to_str().unwrap(), "--config", &web, "--config", "s3://layers/top"];
    let gateway = home.start_in(&aws.environment(), &[&places[..], &FAST].concat()).await;
    // Two of three: nothing serves that nobody declared.
    let status = gateway.client.status().await.unwrap();
    let problems: Vec<bool> = status.sources.iter().map(|source| source.problem.is_some()).collect();
    assert_eq!((status.stable, problems), (None, vec![false, false, true]));
    aws.put_object("layers", "top", "{name: top}").await;
    let mut whole = document("top");
    whole["location"] = json!("us-east-1");
    let serves = async |document: &serde_json::Value| {
        let wanted = digest(document);
        until(&gateway, |status| status.stable.as_ref().is_some_and(|stable| stable.digest == wanted)).await
    };
    serves(&whole).await;
    home.write("base.yaml", &{
        let mut base = document("base");
        base["tags"] = json!({"a": "b"});
        base.to_string()
    });
    whole["tags"] = json!({"a": "b"});
    serves(&whole).await;
}

#[tokio::test]
async fn a_file_that_is_gone_at_the_start_is_stood_in_for_by_what_was_kept() {
    let home = Home::new();
    home.write("gateway.yaml", &document("a").to_string());
    let path = home.path("gateway.yaml");
    let arguments = ["--config", path.to_str().unwrap()];
    let gateway = home.start(&arguments).await;
    serves(&gateway, "a").await;
    gateway.killed().await;
    std::fs::remove_file(&path).unwrap();
    let gateway = home.start(&arguments).await;
    let status = serves(&gateway, "a").await;
    assert!(status.sources[0].checked.is_none() && status.sources[0].problem.is_some());
    home.write("gateway.yaml", &document("b").to_string());
    serves(&gateway, "b").await;
}
