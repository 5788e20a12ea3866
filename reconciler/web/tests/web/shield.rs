//! What stands in front of every route, and the console's session.

use std::io::{Read as _, Write as _};

use reqwest::{Method, StatusCode};
use serde_json::json;

use crate::rig::{Rig, WAIT, problem};

#[tokio::test]
async fn every_answer_restricts_the_browser_to_this_site() {
    let rig = Rig::start().await;
    for (method, path) in [
        (Method::GET, "/"),
        (Method::GET, "/healthz"),
        (Method::GET, "/metrics"),
        (Method::GET, "/nowhere"),
        (Method::DELETE, "/healthz"),
        (Method::POST, "/hooks/generic"),
        (Method::GET, "/assets/live.js"),
        (Method::GET, "/api/v1/environments"),
    ] {
        let answer = rig.request(method, path).send().await.unwrap();
        let policy = answer.headers()["content-security-policy"].to_str().unwrap().to_owned();
        assert!(policy.starts_with("default-src 'none'") && !policy.contains("unsafe"), "{path}: {policy}");
        assert_eq!(answer.headers()["x-content-type-options"], "nosniff", "{path}");
        assert_eq!(answer.headers()["x-frame-options"], "DENY", "{path}");
        assert_eq!(answer.headers()["cache-control"], "no-store", "{path}");
    }
    let (status, kind, _) = problem(rig.get("/nowhere", "admin").await).await;
    assert_eq!((status, kind.as_str()), (StatusCode::NOT_FOUND, "not-found"));
    let answer = rig.request(Method::DELETE, "/api/v1/audit").bearer_auth("admin").send().await.unwrap();
    assert_eq!(problem(answer).await.0, StatusCode::METHOD_NOT_ALLOWED);
}

#[tokio::test]
async fn on_loopback_only_our_own_names_are_answered() {
    let rig =
        Rig::with("127.0.0.1:0", |web| web.public_url = Some("https://moorline.example/".to_owned())).await;
    let port = rig.address.port();
    for (host, is_ours) in [
        (format!("127.0.0.1:{port}"), true),
        (format!("localhost:{port}"), true),
        ("[::1]".to_owned(), true),
        ("moorline.example".to_owned(), true),
        (format!("rebound.example:{port}"), false),
        ("127.0.0.1.rebound.example".to_owned(), false),
        ("localhost.rebound.example".to_owned(), false),
    ] {
        for method in [Method::GET, Method::POST] {
            let path = if method == Method::GET { "/healthz" } else { "/hooks/generic" };
            let answer = rig.request(method, path).header("host", &host).send().await.unwrap();
            assert_eq!(answer.status() != StatusCode::FORBIDDEN, is_ours, "{host}");
        }
    }
}

#[tokio::test]
async fn a_request_of_another_sites_page_is_refused_on_every_verb() {
    let rig = Rig::start().await;
    for (origin, is_ours) in [
        (format!("http://{}", rig.address), true),
        ("https://elsewhere.example".to_owned(), false),
        ("null".to_owned(), false),
    ] {
        for (method, path) in
            [(Method::GET, "/"), (Method::POST, "/api/v1/environments/prod/sync"), (Method::POST, "/session")]
        {
            let request = rig.request(method, path).bearer_auth("admin").header("origin", &origin);
            let status = request.send().await.unwrap().status();
            assert_eq!(status != StatusCode::FORBIDDEN, is_ours, "{origin} {path}: {status}");
        }
    }
}

#[tokio::test]
async fn a_request_without_a_host_is_refused() {
    let rig = Rig::start().await;
    let address = rig.address;
    let answer = tokio::task::spawn_blocking(move || {
        let mut stream = std::net::TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(WAIT)).unwrap();
        stream.write_all(b"GET /healthz HTTP/1.1\r\nConnection: close\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    });
    assert!(answer.await.unwrap().starts_with("HTTP/1.1 400"));
}

#[tokio::test]
async fn signing_in_lets_one_look_and_nothing_more() {
    let rig = Rig::start().await;
    let sign_in = async |token: &str| {
        rig.request(Method::POST, "/session").form(&[("token", token)]).send().await.unwrap()
    };
    let refused = sign_in("nobody's").await;
    assert_eq!(refused.status(), StatusCode::UNAUTHORIZED);
    assert!(refused.headers().get("set-cookie").is_none());
    assert_eq!(sign_in("").await.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(sign_in("document-prod").await.status(), StatusCode::UNAUTHORIZED);

    let answer = sign_in("admin").await;
    assert_eq!(
        (answer.status(), &answer.headers()["location"]),
        (StatusCode::SEE_OTHER, &"/".parse().unwrap())
    );
    let cookie = answer.headers()["set-cookie"].to_str().unwrap().to_owned();
    assert!(cookie.contains("HttpOnly") && cookie.contains("SameSite=Lax"), "{cookie}");
    assert!(!cookie.contains("admin"));
    let cookie = cookie.split(';').next().unwrap().to_owned();

    let with = async |method: Method, path: &str| {
        let request = rig.request(method, path).header("cookie", &cookie);
        request.json(&json!({})).send().await.unwrap().status()
    };
    assert_eq!(with(Method::GET, "/").await, StatusCode::OK);
    assert_eq!(with(Method::GET, "/api/v1/environments/prod").await, StatusCode::OK);
    assert_eq!(with(Method::GET, "/api/v1/audit").await, StatusCode::UNAUTHORIZED);
    assert_eq!(with(Method::POST, "/api/v1/environments/prod/sync").await, StatusCode::UNAUTHORIZED);
    assert_eq!(with(Method::GET, "/api/v1/environments/prod/document").await, StatusCode::UNAUTHORIZED);

    with(Method::POST, "/session/end").await;
    assert_eq!(with(Method::GET, "/").await, StatusCode::UNAUTHORIZED);
}
