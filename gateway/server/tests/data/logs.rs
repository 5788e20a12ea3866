//! What is logged of a request, and what is not.

use std::io;
use std::sync::{Arc, Mutex};

use serde_json::json;
use tracing_subscriber::fmt::MakeWriter;

use super::caller::{CHAT, finish, post};
use super::gateway::{Gateway, KEY, UPSTREAM_KEY, document};
use super::provider::{Provider, failing, json_answer};

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

#[tokio::test]
async fn a_request_is_one_line_without_its_words_and_without_keys() {
    let lines = Lines::default();
    // Workers have threads of their own, so that the subscriber must be everybody's. Only this test sets one.
    let subscriber = tracing_subscriber::fmt()
        .json()
        .with_max_level(tracing::Level::TRACE)
        .with_writer(lines.clone())
        .finish();
    tracing::subscriber::set_global_default(subscriber).unwrap();
    let provider = Provider::start().await;
    provider
        .then(failing(401))
        .then(json_answer(200, &json!({"choices": [{"message": {"content": "canary-answer"}}]})));
    let mut document = document(&provider);
    document["models"]["m"]["targets"] =
        json!([{"provider": "p", "model": "m"}, {"provider": "p", "model": "m2"}]);
    let gateway = Gateway::start(&document);
    let body = json!({"model": "m", "messages": [{"role": "user", "content": "canary-prompt"}]}).to_string();
    let request = post(&gateway, &format!("{CHAT}?q=canary-query")).header("x-request-id", "log-test-1");
    let reply = finish(request.header("cookie", "canary-cookie").body(body)).await;
    assert_eq!(reply.status, 200);
    gateway.counted(1).await;

    let text = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
    let ours = |line: &&str| line.contains("\"target\":\"access\"") && line.contains("log-test-1");
    let access: Vec<&str> = text.lines().filter(ours).collect();
    assert_eq!(access.len(), 1, "{access:?}");
    let fields = &serde_json::from_str::<serde_json::Value>(access[0]).unwrap()["fields"];
    assert_eq!(
        (&fields["status"], &fields["key"], &fields["attempts"]),
        (&json!(200), &json!("caller"), &json!(2))
    );
    assert_eq!((&fields["provider"], &fields["upstream_model"]), (&json!("p"), &json!("m2")));
    for secret in [KEY, UPSTREAM_KEY, "canary"] {
        // Lines of the gateway's own; the test's own client logs what it likes.
        let told = text.lines().find(|line| line.contains(secret) && !line.contains("\"target\":\"reqwest"));
        assert_eq!(told, None, "{secret}");
    }
}
