//! Streams that got their first event and then hear nothing: what each holds of the gateway's memory.
//!
//! The provider sends one event and keeps the stream open; so does the load. Load and provider are this process, the
//! gateway is another: each holds two sockets a stream.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use moorline_admin::{Origin, WriteOptions};
use moorline_tests::wait::until;
use moorline_tests::{Gateway, declared};
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_util::task::TaskTracker;

use crate::http1;
use crate::system::rss_kib;
use crate::workload;

/// Streams at the same time.
const STREAMS: usize = 8_000;
/// Streams that come and go before the first look, so that what every gateway holds is there.
const WARM_UP: usize = 200;
/// Streams that are opened beside each other.
const BESIDE: usize = 100;
/// What the allocator gets to give pages back.
const GIVEN_BACK_WITHIN: Duration = Duration::from_secs(15);
/// What a page of the kernel's has.
const PAGE_KIB: u64 = 4;

const HEAD: &str = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";
const EVENT: &str = "data: {\"id\":\"c\",\"object\":\"chat.completion.chunk\",\"created\":1764000000,\"model\":\"first\",\
                     \"choices\":[{\"index\":0,\"delta\":{\"content\":\"All \"},\"finish_reason\":null}]}\n\n";

/// Measures it. Answers with the table.
pub(crate) async fn measure() -> String {
    let folder = tempfile::tempdir().unwrap();
    let tasks = TaskTracker::new();
    let provider = provider(&tasks).await;
    let gateway = Gateway::start(folder.path(), "gateway").await;
    let mut document = declared::document(&format!("http://{provider}/v1"));
    document["models"][workload::PASSED_THROUGH]["price"] = json!({"input": 2.50, "output": 10.00});
    document["routes"][0]["timeouts"] = json!({
        "connect": "10s", "headers": "60s", "first_token": "60s", "idle": "10m", "total": "20m",
    });
    let options = WriteOptions { origin: Some(Origin::Git), ..WriteOptions::default() };
    gateway.client.put_config(&document, &options).await.unwrap();
    let address: SocketAddr = gateway.data.strip_prefix("http://").unwrap().parse().unwrap();
    let pid = gateway.process().pid().as_raw_pid();

    drop(open(address, WARM_UP).await);
    closed(&gateway).await;
    let (before, kernel_before) = (rss_kib(pid), kernel_kib());
    let streams = open(address, STREAMS).await;
    let (during, kernel) = (rss_kib(pid), kernel_kib());
    drop(streams);
    closed(&gateway).await;
    tokio::time::sleep(GIVEN_BACK_WITHIN).await;
    let after = rss_kib(pid);

    let mebibytes = |kib: u64| kib as f64 / 1024.0;
    let each = |kib: u64| kib as f64 / STREAMS as f64;
    let mut text = "| | gateway's memory (RSS) |\n|---|---|\n".to_owned();
    writeln!(text, "| before | {:.1} MiB |", mebibytes(before)).unwrap();
    writeln!(text, "| with {STREAMS} silent streams | {:.1} MiB |", mebibytes(during)).unwrap();
    writeln!(text, "| after they have gone | {:.1} MiB |", mebibytes(after)).unwrap();
    writeln!(text, "| **a stream** | **{:.1} KiB** |", each(during.saturating_sub(before))).unwrap();
    writeln!(
        text,
        "\nThe kernel holds about {:.0} KiB a stream for all four ends of its two connections, of which half are the gateway's (`Slab` in \
         `/proc/meminfo`, and `mem` in `/proc/net/sockstat`).",
        each(kernel.saturating_sub(kernel_before))
    )
    .unwrap();
    text
}

/// Opens so many streams, and waits until each has its first event.
async fn open(address: SocketAddr, count: usize) -> Vec<TcpStream> {
    let request = Arc::new(workload::ALL[3].request());
    let mut all = Vec::with_capacity(count);
    while all.len() < count {
        let opening = (0..BESIDE.min(count - all.len())).map(|_| one(address, Arc::clone(&request)));
        all.extend(futures_util::future::join_all(opening).await);
    }
    all
}

async fn one(address: SocketAddr, request: Arc<Vec<u8>>) -> TcpStream {
    let mut socket = http1::connect(address).await;
    socket.write_all(&request).await.unwrap();
    let mut heard = Vec::new();
    while memchr::memmem::find(&heard, b"\"All \"").is_none() {
        let read = socket.read_buf(&mut heard).await.unwrap();
        assert!(read > 0, "ended: {}", String::from_utf8_lossy(&heard));
    }
    socket
}

/// Waits until the gateway holds no request any more.
async fn closed(gateway: &Gateway) {
    let client = reqwest::Client::new();
    until("every stream has gone", || async {
        let request = client.get(format!("{}/metrics", gateway.admin));
        let answer = request.bearer_auth(moorline_tests::gateway::ADMIN_TOKEN).send().await.ok()?;
        let page = answer.text().await.ok()?;
        page.lines().any(|line| line == "moorline_gateway_requests_in_flight 0").then_some(())
    })
    .await;
}

/// What the kernel holds: its own objects, of which each socket is several, and what waits in sockets.
fn kernel_kib() -> u64 {
    let memory = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let slab = memory.lines().find_map(|line| line.strip_prefix("Slab:")).unwrap_or_default();
    let slab = slab.trim().trim_end_matches(" kB").parse().unwrap_or(0);
    let sockets = std::fs::read_to_string("/proc/net/sockstat").unwrap_or_default();
    let sockets = sockets.lines().find_map(|line| line.strip_prefix("TCP:")).unwrap_or_default();
    let pages = sockets.split_whitespace().skip_while(|word| *word != "mem").nth(1);
    slab + pages.and_then(|pages| pages.parse::<u64>().ok()).unwrap_or(0) * PAGE_KIB
}

/// A provider that says one thing, and then nothing until its caller goes away.
async fn provider(tasks: &TaskTracker) -> SocketAddr {
    http1::listen(tasks, hold).await
}

async fn hold(mut socket: TcpStream) {
    let mut buffer = Vec::new();
    if http1::next_request(&mut socket, &mut buffer).await.is_none() {
        return;
    }
    drop(buffer);
    let answer = format!("{HEAD}{:x}\r\n{EVENT}\r\n", EVENT.len());
    if socket.write_all(answer.as_bytes()).await.is_ok() {
        let mut left = [0; 16];
        while !matches!(socket.read(&mut left).await, Ok(0) | Err(_)) {}
    }
}
