//! Every route of the admin API, by every method, with every proof and none: a route without a row fails.

use std::collections::{BTreeMap, BTreeSet};

use reqwest::header::{AUTHORIZATION, COOKIE, HOST, ORIGIN};

use crate::harness::{DEADLINE, Gateway, Home, TOKEN, UPSTREAM_KEY, document, git};
use crate::provider::CALLER;

/// Every path and the methods that it takes. Without HEAD, which goes where GET goes.
const ROUTES: [(&str, &[&str]); 12] = [
    ("/admin/v1/status", &["GET"]),
    ("/admin/v1/config", &["GET", "PUT"]),
    ("/admin/v1/config/validate", &["POST"]),
    ("/admin/v1/config/plan", &["POST"]),
    ("/admin/v1/candidate", &["PUT", "PATCH", "DELETE"]),
    ("/admin/v1/candidate/promote", &["POST"]),
    ("/admin/v1/stats", &["GET"]),
    ("/admin/v1/failures", &["GET"]),
    ("/admin/v1/events", &["GET"]),
    ("/admin/v1/drain", &["POST"]),
    ("/admin/v1/openapi.json", &["GET"]),
    ("/metrics", &["GET"]),
];

const METHODS: [&str; 8] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "ANYTHING"];

/// Paths that are none.
const STRANGE: [&str; 8] = [
    "/",
    "/admin",
    "/admin/v1",
    "/admin/v1/none",
    "/admin/v1/status/",
    "/admin/v1//status",
    "/admin/v2/status",
    "/v1/chat/completions",
];

/// The paths that are served.
fn routed() -> BTreeSet<String> {
    let api = moorline_gateway::admin::routes().into_iter().map(|(_, path)| path.to_owned());
    api.chain(["/metrics".to_owned()]).collect()
}

/// A client without any proof of its own. One for all: making one takes longer than asking.
struct Asker {
    http: reqwest::Client,
    admin: String,
}

impl Asker {
    fn new(gateway: &Gateway) -> Self {
        let http = reqwest::Client::builder().no_proxy().tls_certs_only([]).build().unwrap();
        Self { http, admin: gateway.admin.clone() }
    }
}

/// Asks with these headers; the status, the type, and the words of an answer that has an end.
async fn ask(asker: &Asker, method: &str, path: &str, headers: &[(&str, String)]) -> (u16, String, String) {
    let url = format!("{}{path}", asker.admin);
    let mut request = asker.http.request(method.parse().unwrap(), url).timeout(DEADLINE);
    for (name, value) in headers {
        request = request.header(*name, value);
    }
    let answer = request.send().await.unwrap();
    let kind = answer.headers().get("content-type").map(|kind| kind.to_str().unwrap().to_owned());
    let (status, kind) = (answer.status().as_u16(), kind.unwrap_or_default());
    // Events have no end.
    let text = if kind == "text/event-stream" { String::new() } else { answer.text().await.unwrap() };
    (status, kind, text)
}

/// What proves nothing to the admin API.
fn wrong_proofs() -> Vec<Vec<(&'static str, String)>> {
    let bearer = |key: &str| (AUTHORIZATION.as_str(), format!("Bearer {key}"));
    vec![
        vec![],
        vec![bearer("wrong-token")],
        vec![bearer("")],
        vec![bearer(&TOKEN[..TOKEN.len() - 1])],
        vec![bearer(&format!("{TOKEN}x"))],
        vec![bearer(&TOKEN.to_uppercase())],
        vec![bearer(CALLER)],
        vec![(AUTHORIZATION.as_str(), TOKEN.to_owned())],
        vec![(AUTHORIZATION.as_str(), format!("Basic {TOKEN}"))],
        vec![bearer("wrong-token"), bearer(TOKEN)],
        vec![bearer(TOKEN), bearer("wrong-token")],
        vec![("x-api-key", TOKEN.to_owned())],
        vec![(COOKIE.as_str(), format!("authorization=Bearer {TOKEN}"))],
        vec![("x-forwarded-for", "127.0.0.1".to_owned()), ("x-original-url", "/metrics".to_owned())],
    ]
}

#[tokio::test]
async fn every_route_asks_for_the_token_whatever_the_method_and_says_the_same_of_what_is_not_there() {
    let rows: BTreeSet<String> = ROUTES.iter().map(|(path, _)| (*path).to_owned()).collect();
    assert_eq!(rows, routed(), "each route has a row");
    let home = Home::new();
    let gateway = home.start(&["--metrics-token", "env:UPSTREAM_KEY"]).await;
    gateway.client.put_config(&document("a"), &git("c1")).await.unwrap();
    let asker = Asker::new(&gateway);
    let mut words = BTreeMap::<String, BTreeSet<String>>::new();
    for path in ROUTES.iter().map(|(path, _)| *path).chain(STRANGE) {
        for method in METHODS {
            // Open to this host, by address: its own tests say how far.
            if (path, method) == ("/metrics", "GET") {
                continue;
            }
            for proof in wrong_proofs() {
                let (status, kind, text) = ask(&asker, method, path, &proof).await;
                assert_eq!(status, 401, "{method} {path} {proof:?}");
                words.entry(format!("{} {kind}", method == "HEAD")).or_default().insert(text);
            }
        }
    }
    assert!(words.values().all(|words| words.len() == 1), "{words:?}");
    // What opens the metrics page opens nothing else, and the page for nobody else.
    let metrics = vec![(AUTHORIZATION.as_str(), format!("Bearer {UPSTREAM_KEY}"))];
    for (path, methods) in ROUTES.iter().filter(|(path, _)| *path != "/metrics") {
        for method in *methods {
            assert_eq!(ask(&asker, method, path, &metrics).await.0, 401, "{method} {path}");
        }
    }
    for proof in wrong_proofs() {
        let rebound = [proof, vec![(HOST.as_str(), "evil.example".to_owned())]].concat();
        assert_eq!(ask(&asker, "GET", "/metrics", &rebound).await.0, 401, "{rebound:?}");
    }
    let status = gateway.client.status().await.unwrap();
    assert!(!status.draining && status.candidate.is_none() && status.stable.unwrap().generation.0 == 1);
}

#[tokio::test]
async fn with_the_token_each_route_takes_its_own_methods_answers_no_web_page_and_is_none() {
    let home = Home::new();
    let gateway = home.start(&[]).await;
    gateway.client.put_config(&document("a"), &git("c1")).await.unwrap();
    let asker = Asker::new(&gateway);
    let token = (AUTHORIZATION.as_str(), format!("Bearer {TOKEN}"));
    for (path, methods) in ROUTES {
        for method in METHODS {
            // A page in a browser, of any origin, may not even ask.
            for origin in ["http://evil.example", "null", "http://127.0.0.1:8788", ""] {
                let headers = [token.clone(), (ORIGIN.as_str(), origin.to_owned())];
                assert_eq!(ask(&asker, method, path, &headers).await.0, 403, "{method} {path} from {origin}");
            }
            // It would end the gateway.
            if (path, method) == ("/admin/v1/drain", "POST") {
                continue;
            }
            let (status, kind, _) = ask(&asker, method, path, std::slice::from_ref(&token)).await;
            let is_taken = methods.contains(&if method == "HEAD" { "GET" } else { method });
            assert_eq!(status != 405, is_taken, "{method} {path}: {status}");
            // Not found is what a verb about a candidate is told while there is none.
            let is_there = status != 404 || path.starts_with("/admin/v1/candidate");
            assert!(is_there && ![401, 403, 500].contains(&status), "{method} {path}: {status}");
            let is_data = ["application/json", "application/problem+json", "text/plain", "text/event-stream"];
            assert!(
                kind.is_empty() || is_data.iter().any(|data| kind.starts_with(data)),
                "{method} {path} is {kind}: a browser would show it as a page"
            );
        }
    }
    for path in STRANGE {
        assert_eq!(ask(&asker, "GET", path, std::slice::from_ref(&token)).await.0, 404, "{path}");
    }
    let status = gateway.client.status().await.unwrap();
    assert_eq!((status.draining, status.stable.unwrap().generation.0), (false, 1), "nothing was changed");
}
