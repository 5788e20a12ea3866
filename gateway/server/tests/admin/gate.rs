//! Who gets in.

use reqwest::header::{AUTHORIZATION, HOST, ORIGIN};

use crate::harness::{DEADLINE, Home, TOKEN, command, in_time};

/// Every path and method of the admin API, and some that are none.
const ROUTES: [(&str, &str); 15] = [
    ("GET", "/admin/v1/status"),
    ("GET", "/admin/v1/config"),
    ("PUT", "/admin/v1/config"),
    ("POST", "/admin/v1/config/validate"),
    ("POST", "/admin/v1/config/plan"),
    ("PUT", "/admin/v1/candidate?weight=100%25"),
    ("PATCH", "/admin/v1/candidate"),
    ("DELETE", "/admin/v1/candidate"),
    ("POST", "/admin/v1/candidate/promote"),
    ("GET", "/admin/v1/stats"),
    ("GET", "/admin/v1/events"),
    ("POST", "/admin/v1/drain"),
    ("POST", "/metrics"),
    ("GET", "/admin/v1/no-such-path"),
    ("GET", "/"),
];

#[tokio::test]
async fn without_the_token_every_path_answers_401_and_the_same_words() {
    let home = Home::new();
    let gateway = home.start(&[]).await;
    let http = reqwest::Client::new();
    let mut answers = std::collections::BTreeSet::new();
    for (method, path) in ROUTES {
        let url = format!("{}{path}", gateway.admin);
        for authorization in [None, Some("Bearer wrong"), Some("Basic bWFya2Vy"), Some(TOKEN)] {
            let mut request = http.request(method.parse().unwrap(), &url).timeout(DEADLINE);
            if let Some(value) = authorization {
                request = request.header(AUTHORIZATION, value);
            }
            let answer = request.send().await.unwrap();
            assert_eq!(answer.status(), 401, "{method} {path} {authorization:?}");
            answers.insert(answer.text().await.unwrap());
        }
    }
    assert_eq!(answers.len(), 1, "{answers:?}");
    assert!(!gateway.client.status().await.unwrap().draining);
}

#[tokio::test]
async fn a_web_page_is_refused_even_with_the_token() {
    let home = Home::new();
    let gateway = home.start(&[]).await;
    let answer =
        gateway.raw("GET", "/admin/v1/status").header(ORIGIN, "http://evil.example").send().await.unwrap();
    assert_eq!(answer.status(), 403);
}

#[tokio::test]
async fn metrics_are_open_on_this_host_by_address_only() {
    let home = Home::new();
    let gateway = home.start(&["--metrics-token", "env:UPSTREAM_KEY"]).await;
    let http = reqwest::Client::new();
    let page = || http.get(format!("{}/metrics", gateway.admin)).timeout(DEADLINE);
    assert_eq!(page().send().await.unwrap().status(), 200);
    // A name that was made to resolve to us: only a token helps.
    let rebound = || page().header(HOST, "evil.example");
    assert_eq!(rebound().send().await.unwrap().status(), 401);
    assert_eq!(rebound().bearer_auth(TOKEN).send().await.unwrap().status(), 200);
    assert_eq!(rebound().bearer_auth(crate::harness::UPSTREAM_KEY).send().await.unwrap().status(), 200);
    let status =
        http.get(format!("{}/admin/v1/status", gateway.admin)).bearer_auth(crate::harness::UPSTREAM_KEY);
    assert_eq!(status.send().await.unwrap().status(), 401, "the metrics token opens nothing else");
}

#[tokio::test]
async fn without_an_admin_token_the_gateway_does_not_start() {
    // A line that no machine could follow is a usage error; one whose secret is not here is not.
    for (arguments, code, expected) in [
        (vec![], 64, "--admin-token is needed"),
        (vec!["--admin-token", "env:NOT_SET"], 1, "env:NOT_SET"),
        (vec!["--admin-token", "ssm:/token"], 1, "expected env:NAME or file:/path"),
        (vec!["--admin-token", "sk-literal-marker"], 64, "a literal stands where a reference belongs"),
        (vec!["--admin-token", "env:TOKEN", "--config", "/no/such/file.yaml"], 1, "/no/such/file.yaml"),
        // Who may read metrics may not thereby change what is served.
        (vec!["--admin-token", "env:TOKEN", "--metrics-token", "env:TOKEN"], 1, "are the same token"),
    ] {
        let output = in_time(command(&arguments).output()).await.unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {said}");
        assert!(said.contains(expected), "{arguments:?}: {said}");
        assert!(!said.contains("literal-marker"), "a literal may be the secret itself: {said}");
        assert!(output.stdout.is_empty());
    }
}
