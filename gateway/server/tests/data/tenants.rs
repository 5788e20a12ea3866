//! Two tenants on the same connections, targets and caches: neither ever sees a word of the other's.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};

use super::caller::{CHAT, client, finish};
use super::gateway::{Gateway, KEY, OTHER_KEY, document};
use super::provider::{Provider, spawn};

/// A provider that says back its caller's own mark, in every way in which a provider answers: well, in a refusal that
/// repeats it, half and then gone, late in a stream.
struct Echo {
    address: SocketAddr,
    asked: Arc<AtomicUsize>,
    task: JoinHandle<()>,
}

impl Drop for Echo {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Echo {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let asked = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&asked);
        let task = spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                connections.spawn(converse(stream, Arc::clone(&count)));
            }
        });
        Self { address, asked, task }
    }
}

/// Answers on a connection until it breaks off, by an answer's own fault or by ours.
async fn converse(mut stream: TcpStream, asked: Arc<AtomicUsize>) {
    let mut buffer = Vec::new();
    while let Some((head, body)) = read(&mut stream, &mut buffer).await {
        let number = asked.fetch_add(1, Ordering::Relaxed);
        let asked: Value = serde_json::from_slice(&body).unwrap();
        let words = head.lines().find_map(|line| line.strip_prefix("user-agent: ")).unwrap();
        let (bytes, goes_on) = said(words, asked["stream"] == true, number);
        if stream.write_all(&bytes).await.is_err() || !goes_on {
            return;
        }
    }
}

async fn read(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> Option<(String, Vec<u8>)> {
    loop {
        let head = buffer.windows(4).position(|window| window == b"\r\n\r\n").map(|at| at + 4);
        if let Some(end) = head {
            let text = String::from_utf8(buffer[..end].to_vec()).unwrap();
            let length = text.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
            let whole = end + length.parse::<usize>().unwrap();
            if buffer.len() >= whole {
                let body = buffer[end..whole].to_vec();
                buffer.drain(..whole);
                return Some((text, body));
            }
        }
        if stream.read_buf(buffer).await.ok()? == 0 {
            return None;
        }
    }
}

/// The bytes of an answer with these words in it, and whether the connection goes on after it.
fn said(words: &str, streams: bool, number: usize) -> (Vec<u8>, bool) {
    let whole = |status: u16, body: Value| {
        let body = body.to_string();
        let head = "content-type: application/json\r\nx-request-id: up\r\n";
        format!("HTTP/1.1 {status} S\r\n{head}content-length: {}\r\n\r\n{body}", body.len()).into_bytes()
    };
    let error = json!({"error": {"message": format!("cannot do {words}"), "code": words, "param": words}});
    match number % 7 {
        0 => (whole(400, error), true),
        1 => (whole(500, error), true),
        2 => (whole(429, error), true),
        // Half an answer, and then nothing more ever.
        3 => {
            let mut half = whole(200, json!({"choices": [{"message": {"content": words}}]}));
            half.truncate(half.len() - 3);
            (half, false)
        }
        _ if !streams => (whole(200, json!({"choices": [{"message": {"content": words}}]})), true),
        4 => (events(words, false), false),
        _ => (events(words, true), true),
    }
}

fn events(words: &str, ends: bool) -> Vec<u8> {
    let mut all =
        "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n".to_owned();
    let event = format!("data: {}\n\n", json!({"choices": [{"index": 0, "delta": {"content": words}}]}));
    for event in [event.clone(), event].into_iter().chain(ends.then(|| "data: [DONE]\n\n".to_owned())) {
        all += &format!("{:x}\r\n{event}\r\n", event.len());
    }
    // The one that does not end leaves half a chunk behind.
    all += if ends { "0\r\n\r\n" } else { "40\r\ndata: {\"choices\"" };
    all.into_bytes()
}

/// Everything in a text that is a tenant's word.
fn marks(text: &str) -> Vec<&str> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '-');
    words.filter(|word| word.starts_with("mark-")).collect()
}

/// One of a few questions, which both tenants ask in the same words.
struct Question {
    key: &'static str,
    /// The tenant's own, in a header that travels and makes no other question of it.
    mark: &'static str,
    body: Value,
}

impl Question {
    fn drawn(number: u64) -> Self {
        let (key, mark) =
            if number.is_multiple_of(2) { (KEY, "mark-first") } else { (OTHER_KEY, "mark-second") };
        let said = json!([{"role": "user", "content": format!("question {}", number / 2 % 4)}]);
        Self { key, mark, body: json!({"model": "m", "stream": number / 8 % 2 == 1, "messages": said}) }
    }
}

#[tokio::test]
async fn no_answer_error_retry_fallback_or_kept_answer_holds_a_word_of_another_tenant() {
    let (one, other) = (Echo::start().await, Echo::start().await);
    let unused = Provider::start().await;
    let mut refusals = 0;
    for cache in [None, Some("key")] {
        let mut document = document(&unused);
        let at = |echo: &Echo| json!({"kind": "openai_compatible", "base_url": format!("http://{}/v1", echo.address)});
        document["providers"] = json!({"p": at(&one), "q": at(&other)});
        document["models"] = json!({
            "m": {"targets": [{"provider": "p", "model": "m"}, {"provider": "q", "model": "m"}], "fallback": ["n"], "breaker": {"failures": 1000}},
            "n": {"targets": [{"provider": "q", "model": "n"}], "breaker": {"failures": 1000}},
        });
        document["routes"][0]["retry"] = json!({"attempts": 2, "backoff": "1ms"});
        if let Some(share) = cache {
            document["routes"][0]["cache"] = json!({"ttl": "1h", "share": share});
        }
        // One worker: both tenants come by the same connections to the providers.
        let gateway = Gateway::start_with(&document, |config| config.workers = Some(1));
        let (mut asking, mut ended, mut drawn) = (JoinSet::new(), Vec::new(), 7_u64);
        for _ in 0..1_000 {
            drawn = drawn.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let Question { key, mark, body } = Question::drawn(drawn >> 33);
            let request = client().post(gateway.url(CHAT)).bearer_auth(key).header("user-agent", mark);
            let ask = async move {
                let reply = finish(request.body(body.to_string())).await;
                let told = format!("{:?}\n{}", reply.headers, reply.text());
                let stranger = marks(&told).into_iter().find(|found| *found != mark).map(str::to_owned);
                assert_eq!(stranger, None, "{mark} was told: {told}");
                let hit = reply.header("x-moorline-cache") == Some("hit");
                (reply.status, hit, !marks(&told).is_empty())
            };
            asking.spawn(ask);
            // Many at once, and some one after the other.
            if asking.len() >= 8 {
                ended.push(asking.join_next().await.unwrap().unwrap());
            }
        }
        ended.extend(asking.join_all().await);
        // All of it happened: answers, refusals that repeat the prompt, failures of all targets, and hits.
        let mut statuses = BTreeMap::<u16, usize>::new();
        for (status, _, _) in &ended {
            *statuses.entry(*status).or_default() += 1;
        }
        let with_words = ended.iter().filter(|(_, _, has_words)| *has_words).count();
        let hits = ended.iter().filter(|(_, is_hit, _)| *is_hit).count();
        assert!(statuses[&200] > 100 && with_words > 100, "{statuses:?}, {with_words} with words");
        assert_eq!(hits > 100, cache.is_some(), "{hits} hits: {statuses:?}");
        refusals += statuses.get(&400).copied().unwrap_or(0);
    }
    assert!(refusals > 50, "{refusals}");
    assert!(one.asked.load(Ordering::Relaxed) > 400 && other.asked.load(Ordering::Relaxed) > 50);
}
