//! Sixteen thousand sockets that say nothing, or very little: the real binary, under the default deadlines.

use std::time::{Duration, Instant};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde_json::json;
use sha2::{Digest as _, Sha256};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::task::TaskTracker;

use crate::harness::{Home, document, git, in_time};

const KEY: &str = "vk-slow";
/// Of each kind. Processes here may hold 20,000 descriptors.
const SOCKETS: usize = 8_000;
/// Healthy requests in a measurement.
const REQUESTS: usize = 300;
/// Below this a 99th percentile on a busy machine says nothing: twice the baseline is asked for from here on.
const FLOOR: Duration = Duration::from_millis(100);
/// The deadline of a head, with what a busy machine needs to close so many.
const REAPED_WITHIN: Duration = Duration::from_secs(10 + 15);

/// Answers every request on every connection.
async fn provider(tasks: &TaskTracker) -> std::net::SocketAddr {
    const ANSWER: &str = r#"{"choices":[],"usage":{"prompt_tokens":1,"completion_tokens":1}}"#;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let connections = tasks.clone();
    tasks.spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            connections.spawn(async move {
                let mut request = vec![0; 4_096];
                while stream.read(&mut request).await.is_ok_and(|read| read > 0) {
                    let head = format!(
                        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
                        ANSWER.len()
                    );
                    stream.write_all([head.as_bytes(), ANSWER.as_bytes()].concat().as_slice()).await.unwrap();
                }
            });
        }
    });
    address
}

/// The 99th percentile of healthy requests, one after another on one connection.
async fn healthy(url: &str) -> Duration {
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let body = json!({"model": "m", "messages": [{"role": "user", "content": "ping"}]}).to_string();
    let mut took = Vec::new();
    for _ in 0..REQUESTS {
        let started = Instant::now();
        let reply = in_time(client.post(url).bearer_auth(KEY).body(body.clone()).send()).await.unwrap();
        assert_eq!(reply.status(), 200);
        reply.bytes().await.unwrap();
        took.push(started.elapsed());
    }
    took.sort();
    took[REQUESTS * 99 / 100]
}

/// Holds a socket until the other side ends it, saying nothing or a byte now and then.
async fn hold(mut stream: TcpStream, drips: bool) {
    let mut answer = [0; 64];
    loop {
        if drips && stream.write_all(b"G").await.is_err() {
            return;
        }
        let pause = Duration::from_secs(if drips { 2 } else { 60 });
        if let Ok(Ok(0) | Err(_)) = tokio::time::timeout(pause, stream.read(&mut answer)).await {
            return;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn silent_and_dripping_sockets_hold_nobody_up_and_are_all_reaped_by_their_deadline() {
    let most = getrlimit(Resource::Nofile).maximum;
    setrlimit(Resource::Nofile, Rlimit { current: most, maximum: most }).unwrap();
    let tasks = TaskTracker::new();
    let upstream = provider(&tasks).await;
    let home = Home::new();
    let gateway = home.start(&["--access-log", "off", "--workers", "4"]).await;
    let mut document = document("slow");
    document["providers"]["up"]["base_url"] = json!(format!("http://{upstream}/v1"));
    document["keys"] = json!([{"name": "team", "sha256": hex::encode(Sha256::digest(KEY))}]);
    gateway.client.put_config(&document, &git("c1")).await.unwrap();
    let url = format!("{}/v1/chat/completions", gateway.data);
    let address: std::net::SocketAddr = gateway.data.trim_start_matches("http://").parse().unwrap();
    healthy(&url).await;
    let baseline = healthy(&url).await;

    let sockets = TaskTracker::new();
    for number in 0..2 * SOCKETS {
        let stream = in_time(TcpStream::connect(address)).await.unwrap();
        sockets.spawn(hold(stream, number % 2 == 1));
    }
    sockets.close();
    let all_began = Instant::now();
    let held = sockets.len();
    let beside = healthy(&url).await;
    assert!(held > SOCKETS, "only {held} of them were still there to be measured beside");
    assert!(beside <= 2 * baseline.max(FLOOR), "{beside:?} beside them, {baseline:?} alone");
    let left = REAPED_WITHIN.saturating_sub(all_began.elapsed());
    let reaped = tokio::time::timeout(left, sockets.wait()).await;
    assert!(reaped.is_ok(), "{} sockets are still open", sockets.len());
    healthy(&url).await;
    let metrics = in_time(gateway.raw("GET", "/metrics").send()).await.unwrap().text().await.unwrap();
    let open = metrics.lines().find_map(|line| line.strip_prefix("moorline_gateway_connections ")).unwrap();
    assert!(open.parse::<u32>().unwrap() < 10, "{open} connections are still counted");
}
