//! What a browser is shown when it is refused, and where signing in leads it.

use reqwest::{Method, RequestBuilder, Response, StatusCode};

use crate::rig::{Rig, problem};

/// What Chromium and Firefox say of a page.
const BROWSER: &str = "text/html,application/xhtml+xml,application/xml;q=0.9,image/webp,*/*;q=0.8";

fn browse(rig: &Rig, method: Method, path: &str) -> RequestBuilder {
    rig.request(method, path).header("accept", BROWSER)
}

/// The text of an answer that is a page.
async fn page(answer: Response) -> (StatusCode, String) {
    let status = answer.status();
    assert_eq!(answer.headers()["content-type"], "text/html; charset=utf-8", "{status}");
    assert!(answer.headers().contains_key("content-security-policy"));
    (status, answer.text().await.unwrap())
}

async fn sign_in(rig: &Rig, token: &str, next: &str) -> Response {
    let form = [("token", token), ("next", next)];
    browse(rig, Method::POST, "/session").form(&form).send().await.unwrap()
}

#[tokio::test]
async fn a_form_of_our_own_names_its_origin() {
    let rig = Rig::start().await;
    let answer = browse(&rig, Method::GET, "/session").send().await.unwrap();
    // With `no-referrer` a browser sends `Origin: null` along with the form, which is refused.
    assert_eq!(answer.headers()["referrer-policy"], "same-origin");
    let own = format!("http://{}", rig.address);
    for (origin, is_ours) in [(own.as_str(), true), ("null", false), ("https://elsewhere.example", false)] {
        for path in ["/session", "/session/end"] {
            let form = browse(&rig, Method::POST, path).header("origin", origin).form(&[("token", "viewer")]);
            let answer = form.send().await.unwrap();
            if is_ours {
                assert_eq!(answer.status(), StatusCode::SEE_OTHER, "{path}");
                continue;
            }
            assert!(answer.headers().get("set-cookie").is_none());
            let (status, text) = page(answer).await;
            assert_eq!(status, StatusCode::FORBIDDEN, "{origin} {path}");
            assert!(text.contains("another site") && text.contains("<a href=\"/\">"), "{text}");
        }
    }
}

#[tokio::test]
async fn a_refusal_is_a_page_for_a_browser_and_a_problem_for_a_program() {
    let rig = Rig::start().await;
    for (method, path, status) in [
        (Method::GET, "/nothing/here", StatusCode::NOT_FOUND),
        (Method::GET, "/favicon.ico", StatusCode::NOT_FOUND),
        (Method::GET, "/environments/nowhere", StatusCode::NOT_FOUND),
        (Method::GET, "/environments/%FF", StatusCode::BAD_REQUEST),
        (Method::GET, "/environments/prod/rollouts/x", StatusCode::NOT_FOUND),
        (Method::PUT, "/", StatusCode::METHOD_NOT_ALLOWED),
    ] {
        let answer = browse(&rig, method.clone(), path).bearer_auth("viewer").send().await.unwrap();
        let (seen, text) = page(answer).await;
        assert_eq!(seen, status, "{path}");
        assert!(text.contains("<a href=\"/\">All environments</a>"), "{path}: no way on: {text}");
        assert!(!text.contains("urn:moorline"), "{path}: {text}");
    }
    for (accept, path) in [
        ("application/json", "/nothing/here"),
        ("*/*", "/nothing/here"),
        ("*/*", "/environments/nowhere"),
        (BROWSER, "/api/v1/nothing"),
        (BROWSER, "/api/v1/environments/nowhere"),
    ] {
        let request = rig.request(Method::GET, path).header("accept", accept).bearer_auth("viewer");
        let (status, kind, _) = problem(request.send().await.unwrap()).await;
        assert_eq!((status, kind.as_str()), (StatusCode::NOT_FOUND, "not-found"), "{accept} {path}");
    }
    // What is no text is refused by a library first; a program is answered as of everything else.
    for path in
        ["/api/%FF", "/api/v1/environments/%FF", "/environments/%FF", "/environments/%FF/rollouts/%FF"]
    {
        let accept = if path.starts_with("/api") { BROWSER } else { "*/*" };
        let answer = rig.request(Method::GET, path).header("accept", accept).bearer_auth("viewer").send();
        let (status, kind, _) = problem(answer.await.unwrap()).await;
        let expected = if path == "/api/%FF" { "not-found" } else { "malformed" };
        assert!(status.is_client_error() && kind == expected, "{path}: {status} {kind}");
    }
    let unsigned = browse(&rig, Method::GET, "/api/v1/environments").send().await.unwrap();
    assert_eq!(problem(unsigned).await.0, StatusCode::UNAUTHORIZED);
    let unsigned = rig.request(Method::GET, "/").header("accept", "*/*").send().await.unwrap();
    assert_eq!(problem(unsigned).await.0, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn signing_in_leads_to_the_page_one_wanted_also_at_the_second_try() {
    let rig = Rig::start().await;
    let wanted = "/environments/prod?a=1&b=%22%3E";
    let (status, form) = page(browse(&rig, Method::GET, wanted).send().await.unwrap()).await;
    assert_eq!(status, StatusCode::UNAUTHORIZED);
    let kept = "name=\"next\" value=\"/environments/prod?a=1&amp;b=%22%3E\"";
    assert!(form.contains(kept), "{form}");
    assert!(!form.contains("role=\"alert\""), "nothing went wrong yet: {form}");

    let (status, form) = page(sign_in(&rig, "nobody's", wanted).await).await;
    assert_eq!(status, StatusCode::UNAUTHORIZED);
    assert!(form.contains(kept) && form.contains("That token is unknown."), "{form}");

    let answer = sign_in(&rig, "viewer", wanted).await;
    assert_eq!(answer.status(), StatusCode::SEE_OTHER);
    assert_eq!(answer.headers()["location"], wanted);
    let cookie = answer.headers()["set-cookie"].to_str().unwrap().split(';').next().unwrap().to_owned();
    let (status, text) =
        page(browse(&rig, Method::GET, wanted).header("cookie", cookie).send().await.unwrap()).await;
    assert!(status == StatusCode::OK && text.contains("prod"), "{status}");

    let refused = rig.request(Method::POST, "/session").header("accept", BROWSER).body("not a form");
    assert_eq!(page(refused.send().await.unwrap()).await.0, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn signing_in_leads_nowhere_else() {
    let rig = Rig::start().await;
    let long = format!("/{}", "a".repeat(10_000));
    for next in [
        "",
        "//evil.example",
        "/\\evil.example",
        "https://evil.example",
        "https:evil.example",
        "/\t//evil.example",
        "/\r\nset-cookie: a=b",
        "/../\\evil.example",
        "javascript:alert(1)",
        "/api/v1/audit",
        "/session",
        long.as_str(),
    ] {
        let answer = sign_in(&rig, "viewer", next).await;
        assert_eq!(answer.status(), StatusCode::SEE_OTHER, "{next:?}");
        assert_eq!(answer.headers()["location"], "/", "{next:?}");
        let (_, form) = page(sign_in(&rig, "nobody's", next).await).await;
        assert!(form.contains("name=\"next\" value=\"/\""), "{next:?}: {form}");
    }
}
