//! Every route, and who may call it.

use std::collections::BTreeSet;

use moorline_web::{Access, routes};
use reqwest::{Method, StatusCode};

use crate::rig::Rig;

const ANONYMOUS: &str = "anonymous";
const CALLERS: [&str; 7] =
    [ANONYMOUS, "nobody's token", "viewer", "operator", "admin", "document-prod", "document-dev"];
const ALL: &[&str] = &CALLERS;
const VIEWERS: &[&str] = &["viewer", "operator", "admin"];
const OPERATORS: &[&str] = &["operator", "admin"];
const ADMINS: &[&str] = &["admin"];
const DOCUMENT_READERS: &[&str] = &["viewer", "operator", "admin", "document-prod"];
const DOCUMENT_WRITERS: &[&str] = &["operator", "admin", "document-prod"];
/// They ask for a signature, which none of these callers gives.
const SIGNED: &[&str] = &[];

/// Written by hand: a new route must be thought about here too.
const MAY_CALL: &[(&str, &str, &[&str])] = &[
    ("GET", "/healthz", ALL),
    ("GET", "/readyz", ALL),
    ("GET", "/metrics", ALL),
    ("POST", "/hooks/generic", SIGNED),
    ("POST", "/hooks/github", SIGNED),
    ("POST", "/hooks/gitlab", SIGNED),
    ("GET", "/", VIEWERS),
    ("GET", "/environments/{name}", VIEWERS),
    ("GET", "/environments/{name}/drift", VIEWERS),
    ("GET", "/environments/{name}/rollouts/{id}", VIEWERS),
    ("GET", "/session", ALL),
    ("POST", "/session", ALL),
    ("POST", "/session/end", ALL),
    ("GET", "/assets/console.css", ALL),
    ("GET", "/assets/live.js", ALL),
    ("GET", "/assets/icon.svg", ALL),
    ("GET", "/api/v1/openapi.json", ALL),
    ("GET", "/api/v1/environments", VIEWERS),
    ("GET", "/api/v1/environments/{name}", VIEWERS),
    ("GET", "/api/v1/environments/{name}/drift", VIEWERS),
    ("GET", "/api/v1/environments/{name}/rollouts", VIEWERS),
    ("GET", "/api/v1/environments/{name}/history", VIEWERS),
    ("GET", "/api/v1/environments/{name}/why", VIEWERS),
    ("GET", "/api/v1/environments/{name}/intents/{id}", VIEWERS),
    ("POST", "/api/v1/environments/{name}/sync", OPERATORS),
    ("POST", "/api/v1/environments/{name}/approve", OPERATORS),
    ("POST", "/api/v1/environments/{name}/rollback", OPERATORS),
    ("POST", "/api/v1/environments/{name}/hold", OPERATORS),
    ("POST", "/api/v1/environments/{name}/release", OPERATORS),
    ("POST", "/api/v1/environments/{name}/heal", OPERATORS),
    ("POST", "/api/v1/environments/{name}/adopt", OPERATORS),
    ("GET", "/api/v1/environments/{name}/document", DOCUMENT_READERS),
    ("PUT", "/api/v1/environments/{name}/document", DOCUMENT_WRITERS),
    ("GET", "/api/v1/events", VIEWERS),
    ("GET", "/api/v1/audit", ADMINS),
];

#[test]
fn the_census_knows_every_route() {
    let served: BTreeSet<_> =
        routes().into_iter().map(|(method, path, _)| (method.to_string(), path)).collect();
    let known: BTreeSet<_> = MAY_CALL.iter().map(|&(method, path, _)| (method.to_owned(), path)).collect();
    assert_eq!(served, known);
}

// Cookies and open reading ask for no token, so a page of another site could make a browser send such a request.
#[test]
fn what_may_be_called_without_a_token_only_reads() {
    for (method, path, access) in routes() {
        assert!(!matches!(access, Access::Viewer | Access::Page) || method == Method::GET, "{method} {path}");
    }
}

#[tokio::test]
async fn each_route_lets_in_whom_it_should_and_nobody_else() {
    let rig = Rig::start().await;
    for &(method, path, may_call) in MAY_CALL {
        let path = path.replace("{name}", "prod").replace("{id}", "00000000-0000-7000-8000-000000000001");
        for caller in CALLERS {
            let method = Method::from_bytes(method.as_bytes()).unwrap();
            let request = rig.request(method.clone(), &path);
            let request = if caller == ANONYMOUS { request } else { request.bearer_auth(caller) };
            let status = request.send().await.unwrap().status();
            let is_let_in = !matches!(status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN);
            assert_eq!(is_let_in, may_call.contains(&caller), "{method} {path} as {caller}: {status}");
        }
    }
    let acted: Vec<String> = rig.audit().await.into_iter().map(|row| row.entry.actor).collect();
    assert!(acted.iter().all(|actor| actor == "operator" || actor == "admin"), "{acted:?}");
}

#[tokio::test]
async fn a_role_that_has_no_token_is_closed_also_to_the_empty_one() {
    let rig = Rig::with("0.0.0.0:0", |web| web.roles = moorline_web::Roles::default()).await;
    for authorization in ["Bearer ", "Bearer", "Basic YWRtaW46", "Bearer admin", ""] {
        let request = rig.request(Method::GET, "/api/v1/environments").header("authorization", authorization);
        assert_eq!(request.send().await.unwrap().status(), StatusCode::UNAUTHORIZED, "{authorization:?}");
    }
}

#[tokio::test]
async fn two_authorization_headers_are_one_too_many() {
    let rig = Rig::start().await;
    let request = rig.request(Method::GET, "/api/v1/audit").bearer_auth("admin").bearer_auth("viewer");
    assert_eq!(request.send().await.unwrap().status(), StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn reading_is_open_only_on_this_machine_and_only_without_a_viewers_token() {
    let open = |web: &mut moorline_web::Web| web.roles.viewer = None;
    let proxied = |web: &mut moorline_web::Web| {
        web.roles.viewer = None;
        web.public_url = Some("https://moorline.example".to_owned());
    };
    let rigs = [
        (Rig::with("127.0.0.1:0", open).await, true),
        (Rig::with("0.0.0.0:0", open).await, false),
        (Rig::with("127.0.0.1:0", proxied).await, false),
        (Rig::start().await, false),
    ];
    for (rig, is_open) in &rigs {
        for path in ["/", "/api/v1/environments", "/api/v1/events"] {
            let answer = rig.request(Method::GET, path).send().await.unwrap();
            assert_eq!(answer.status() == StatusCode::OK, *is_open, "{path}");
        }
        for (method, path) in [
            (Method::POST, "/api/v1/environments/prod/sync"),
            (Method::GET, "/api/v1/audit"),
            (Method::GET, "/api/v1/environments/prod/document"),
        ] {
            let answer = rig.request(method, path).send().await.unwrap();
            assert_eq!(answer.status(), StatusCode::UNAUTHORIZED, "{path}");
        }
        let wrong = rig.get("/api/v1/environments", "nobody's token").await;
        assert_eq!(wrong.status(), StatusCode::UNAUTHORIZED, "a wrong token is not as good as none");
    }
}
