//! What is logged of a request, and what is not.

use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use moorline_gateway::access::{AccessLog, Destination, Finisher};
use moorline_gateway::command_line::LogFormat;
use moorline_gateway::gauges::Gauges;
use serde_json::{Value, json};
use tracing_subscriber::fmt::MakeWriter;

use super::caller::{CHAT, Wire, ask, chat, finish, post};
use super::gateway::{Gateway, KEY, UPSTREAM_KEY, document};
use super::provider::{DONE, EVENT, Provider, failing, json_answer, soon, stream};

#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Lines {
    type Writer = Self;
    fn make_writer(&self) -> Self {
        self.clone()
    }
}

/// An access log in a file.
pub(crate) fn log_to(path: &Path, format: LogFormat) -> (AccessLog, Finisher) {
    AccessLog::start(Destination::File(path.to_owned()), format, &Arc::<Gauges>::default()).unwrap()
}

/// The lines of an access log, once there are so many.
pub(crate) async fn lines(path: &Path, count: usize) -> Vec<Value> {
    soon(async {
        loop {
            let text = tokio::fs::read_to_string(path).await.unwrap_or_default();
            if text.lines().count() >= count && text.ends_with('\n') {
                return text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await
}

#[tokio::test]
async fn a_request_is_one_line_without_its_words_and_without_keys() {
    let others = Lines::default();
    // Workers have threads of their own, so that the subscriber must be everybody's. Only this test sets one.
    let subscriber = tracing_subscriber::fmt()
        .json()
        .with_max_level(tracing::Level::TRACE)
        .with_writer(others.clone())
        .finish();
    tracing::subscriber::set_global_default(subscriber).unwrap();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("access.log");
    let (access_log, _end) = log_to(&path, LogFormat::Json);
    let provider = Provider::start().await;
    provider
        .then(failing(500))
        .then(json_answer(200, &json!({"choices": [{"message": {"content": "canary-answer"}}]})));
    let mut document = document(&provider);
    document["models"]["m"]["targets"] =
        json!([{"provider": "p", "model": "m"}, {"provider": "p", "model": "m2"}]);
    let gateway = Gateway::start_with(&document, |config| config.access_log = access_log);
    let body = json!({"model": "m", "messages": [{"role": "user", "content": "canary-prompt"}]}).to_string();
    let request = post(&gateway, &format!("{CHAT}?q=canary-query")).header("x-request-id", "log-test-1");
    let reply = finish(request.header("cookie", "canary-cookie").body(body)).await;
    assert_eq!(reply.status, 200);

    let access = lines(&path, 1).await;
    assert_eq!(access.len(), 1, "{access:?}");
    let line = &access[0];
    assert_eq!((&line["id"], &line["path"]), (&json!("log-test-1"), &json!(CHAT)));
    assert_eq!(
        (&line["status"], &line["key"], &line["attempts"]),
        (&json!(200), &json!("caller"), &json!(2))
    );
    assert_eq!((&line["provider"], &line["upstream_model"]), (&json!("p"), &json!("m2")));
    let told = String::from_utf8(others.0.lock().unwrap().clone()).unwrap();
    for secret in [KEY, UPSTREAM_KEY, "canary"] {
        assert!(!line.to_string().contains(secret), "{secret}: {line}");
        // Lines of the gateway's own; the test's own client logs what it likes.
        let told = told.lines().find(|line| line.contains(secret) && !line.contains("\"target\":\"reqwest"));
        assert_eq!(told, None, "{secret}");
    }
}

#[tokio::test]
async fn nothing_a_caller_sends_begins_a_line_of_its_own() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("access.log");
    let (access_log, _end) = log_to(&path, LogFormat::Json);
    let provider = Provider::start().await;
    let gateway = Gateway::start_with(&document(&provider), |config| config.access_log = access_log);
    let forged = "{\"target\":\"access\",\"id\":\"forged\"}";
    let mut wire = Wire::open(gateway.address).await;
    for (method, asked) in [
        ("GET", "/v1/%0a%0dforged".to_owned()),
        ("GET", "/v1/\u{202e}\u{2028}x".to_owned()),
        ("GET", format!("/v1/{forged}")),
        ("X-A-METHOD-OF-ITS-OWN-THAT-IS-LONG", "/v1/x".to_owned()),
    ] {
        wire.send(format!("{method} {asked} HTTP/1.1\r\nhost: g\r\nx-request-id: a\tb\r\n\r\n").as_bytes())
            .await;
        let answer = String::from_utf8_lossy(&wire.read_until(b"}}").await).into_owned();
        assert!(answer.starts_with("HTTP/1.1 404 "), "{answer}");
    }
    ask(&gateway, &chat()).await;
    let access = lines(&path, 5).await;
    assert_eq!(access.len(), 5, "{access:?}");
    assert!(access.iter().all(|line| line["id"] != "forged" && line["id"] != "a\tb"), "{access:?}");
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(text.bytes().all(|byte| byte == b'\n' || (b' '..=b'~').contains(&byte)), "{text}");
}

#[tokio::test]
async fn lines_of_one_connection_keep_their_order_and_the_end_writes_what_is_left() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("access.log");
    let (access_log, end) = log_to(&path, LogFormat::Json);
    let provider = Provider::start().await;
    let gateway = Gateway::start_with(&document(&provider), |config| config.access_log = access_log);
    let mut wire = Wire::open(gateway.address).await;
    for number in 0..300 {
        wire.send(format!("GET /v1/{number} HTTP/1.1\r\nhost: g\r\n\r\n").as_bytes()).await;
        wire.read_until(b"}}").await;
    }
    drop(wire);
    gateway.drain.cancel();
    gateway.ended().await;
    assert!(end.finish(Duration::from_secs(10)).await);
    let text = std::fs::read_to_string(&path).unwrap();
    let paths: Vec<String> = text
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap()["path"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(paths, (0..300).map(|number| format!("/v1/{number}")).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_log_that_was_moved_away_goes_on_in_a_new_file() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("access.log");
    let (access_log, _end) = log_to(&path, LogFormat::Json);
    let provider = Provider::start().await;
    let gateway = Gateway::start_with(&document(&provider), |config| config.access_log = access_log);
    ask(&gateway, &chat()).await;
    lines(&path, 1).await;
    std::fs::rename(&path, directory.path().join("access.log.1")).unwrap();
    ask(&gateway, &chat()).await;
    assert_eq!(lines(&path, 1).await.len(), 1);
}

/// Requests and answers of every kind, each with a word that must not be found anywhere.
async fn ask_with_canaries(gateway: &Gateway, provider: &Provider) {
    let prompt = |stream| {
        let content = "canary-prompt \u{202e}\n{\"target\":\"access\"}";
        json!({"model": "m", "stream": stream, "messages": [{"role": "user", "content": content}]})
    };
    provider
        .then(json_answer(200, &json!({"choices": [{"message": {"content": "canary-answer"}}]})))
        .then(stream(&[
            EVENT,
            b"data: {\"choices\":[{\"delta\":{\"content\":\"canary-answer\"}}]}\n\n",
            DONE,
        ]))
        .then(json_answer(400, &json!({"error": {"message": "canary-answer"}})));
    for body in [prompt(false), prompt(true), prompt(false)] {
        ask(gateway, &body).await;
    }
}

#[tokio::test]
async fn words_are_logged_only_where_it_is_declared_with_an_owner_and_only_until_it_ends() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("access.log");
    let (access_log, _end) = log_to(&path, LogFormat::Json);
    let provider = Provider::start().await;
    let mut document = document(&provider);
    let gateway = Gateway::start_with(&document, |config| config.access_log = access_log);
    ask_with_canaries(&gateway, &provider).await;
    let by_default = lines(&path, 3).await;
    assert!(!json!(by_default).to_string().contains("canary"), "{by_default:?}");

    let expires: jiff::Timestamp = "2026-12-01T00:00:00Z".parse().unwrap();
    let expires_at = u64::try_from(expires.as_millisecond()).unwrap();
    document["routes"][0]["log_bodies"] = json!({"owner": "ann", "expires": expires});
    gateway.set_now(expires_at - 1);
    gateway.swap(&document);
    ask_with_canaries(&gateway, &provider).await;
    let declared = lines(&path, 6).await.split_off(3);
    for line in &declared {
        assert_eq!(line["log_bodies_owner"], "ann");
        assert!(line["request_body"].as_str().unwrap().contains("canary-prompt"), "{line}");
        assert!(line["response_body"].as_str().unwrap().contains("canary-answer"), "{line}");
        assert!(line["request_body_bytes"].as_u64().unwrap() > 50, "{line}");
    }
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(!text.contains('\u{202e}') && text.lines().count() == 6, "{text}");

    // The same document, a moment later.
    gateway.set_now(expires_at);
    ask_with_canaries(&gateway, &provider).await;
    let expired = lines(&path, 9).await.split_off(6);
    assert!(!json!(expired).to_string().contains("canary"), "{expired:?}");
    assert!(expired.iter().all(|line| line.get("log_bodies_owner").is_none()));
}
