//! Bad input: the right status, in the caller's dialect, counted, and nothing held.

use moorline_admin::ErrorKind;
use serde_json::json;

use super::caller::{CHAT, Wire, ask, chat, client, finish, post, request};
use super::gateway::{Gateway, KEY, document};
use super::provider::{Provider, soon};

#[tokio::test]
async fn bodies_that_are_not_one_json_object_are_refused() {
    let provider = Provider::start().await;
    let gateway = Gateway::start(&document(&provider));
    let deep = format!("{{\"model\":\"m\",\"x\":{}", "[".repeat(100_000));
    let mut count = 0;
    for (body, code) in [
        (&b""[..], "invalid_json"),
        (b"hello", "invalid_json"),
        (b"[]", "invalid_json"),
        (b"null", "invalid_json"),
        (b"{\"model\":\"m\"", "invalid_json"),
        (b"{\"model\":\"m\"}{}", "invalid_json"),
        (b"{\"model\":\"m\",}", "invalid_json"),
        (b"{\"model\":\"m\",\"x\":\"\xff\"}", "invalid_json"),
        (b"{\"model\":\"m\",\"model\":\"n\"}", "invalid_json"),
        (b"{\"model\":\"m\",\"Model\":\"n\"}", "invalid_json"),
        (b"{\"model\":\"m\",\"stream\":true,\"stream\":false}", "invalid_json"),
        (b"{\"model\":5}", "invalid_json"),
        (b"{\"model\":\"m\",\"stream\":\"yes\"}", "invalid_json"),
        (b"{\"messages\":[]}", ""),
        (deep.as_bytes(), "invalid_json"),
    ] {
        let reply = finish(post(&gateway, CHAT).body(body.to_vec())).await;
        let shown = String::from_utf8_lossy(&body[..body.len().min(60)]);
        assert_eq!((reply.status, reply.error_code().as_str()), (400, code), "{shown}");
        assert_eq!(reply.json()["error"]["type"], "invalid_request_error");
        assert_eq!(reply.header("content-type"), Some("application/json"));
        count += 1;
    }
    let stats = gateway.counted(count).await;
    assert_eq!(stats.total.errors[&ErrorKind::BadRequest], count);
    assert_eq!(provider.requests_left().await, 0);
    assert_eq!(ask(&gateway, &chat()).await.status, 200);
}

#[tokio::test]
async fn a_body_over_the_limit_is_refused_before_it_is_read_or_while() {
    let provider = Provider::start().await;
    let gateway = Gateway::start_with(&document(&provider), |config| config.body_bytes_max = 1_000);
    let fits = json!({"model": "m", "x": "y".repeat(900)}).to_string();
    assert_eq!(finish(post(&gateway, CHAT).body(fits)).await.status, 200);
    let mut wire = Wire::open(gateway.address).await;
    let head = format!("POST {CHAT} HTTP/1.1\r\nhost: g\r\nauthorization: Bearer {KEY}\r\n");
    wire.send(format!("{head}content-length: 104857600\r\n\r\n").as_bytes()).await;
    let answer = wire.read_to_end().await;
    assert!(answer.starts_with("HTTP/1.1 413 ") && answer.contains("request_too_large"), "{answer}");
    let mut wire = Wire::open(gateway.address).await;
    wire.send(format!("{head}transfer-encoding: chunked\r\n\r\n400\r\n{}\r\n", "x".repeat(1_024)).as_bytes())
        .await;
    let answer = wire.read_to_end().await;
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
}

#[tokio::test]
async fn paths_and_methods_that_are_not_served_are_refused_in_openai_s_shape() {
    let provider = Provider::start().await;
    let gateway = Gateway::start(&document(&provider));
    for (method, path, status, allow) in [
        ("GET", CHAT, 405, Some("POST")),
        ("DELETE", CHAT, 405, Some("POST")),
        ("POST", "/v1/models", 405, Some("GET, HEAD")),
        ("POST", "/healthz", 405, Some("GET, HEAD")),
        ("POST", "/v1/chat/completions/", 404, None),
        ("POST", "/v1//chat/completions", 404, None),
        ("POST", "/v1/chat/../chat/completions/x", 404, None),
        ("POST", "/v1/CHAT/completions", 404, None),
        ("GET", "/admin/v1/config", 404, None),
        ("GET", "/metrics", 404, None),
    ] {
        let method = reqwest::Method::from_bytes(method.as_bytes()).unwrap();
        let reply = finish(client().request(method, gateway.url(path)).bearer_auth(KEY)).await;
        assert_eq!((reply.status, reply.header("allow")), (status, allow), "{path}");
        assert_eq!(reply.json()["error"]["type"], "invalid_request_error");
    }
}

#[tokio::test]
async fn a_compressed_body_cannot_be_looked_into_and_is_refused() {
    let provider = Provider::start().await;
    let gateway = Gateway::start(&document(&provider));
    let reply = finish(post(&gateway, CHAT).header("content-encoding", "gzip").body("x")).await;
    assert_eq!((reply.status, reply.error_code().as_str()), (415, "unsupported_encoding"));
}

#[tokio::test]
async fn requests_that_can_be_read_in_two_ways_are_refused_and_their_connection_ends() {
    let provider = Provider::start().await;
    let gateway = Gateway::start(&document(&provider));
    let body = chat().to_string();
    let chunked = format!("{:x}\r\n{body}\r\n0\r\n\r\n", body.len());
    let length = body.len();
    let auth = format!("authorization: Bearer {KEY}");
    for doubtful in [
        format!(
            "POST {CHAT} HTTP/1.1\r\nhost: g\r\n{auth}\r\ncontent-length: {length}\r\ntransfer-encoding: chunked\r\n\r\n{chunked}"
        ),
        format!(
            "POST {CHAT} HTTP/1.1\r\nhost: g\r\n{auth}\r\ntransfer-encoding: chunked\r\ncontent-length: 4\r\n\r\n{chunked}"
        ),
        format!(
            "POST {CHAT} HTTP/1.1\r\nhost: g\r\n{auth}\r\ncontent-length: {length}\r\ncontent-length: {length}\r\n\r\n{body}"
        ),
        format!(
            "POST {CHAT} HTTP/1.1\r\nhost: g\r\nHost: h\r\n{auth}\r\ncontent-length: {length}\r\n\r\n{body}"
        ),
        format!("POST {CHAT} HTTP/1.1\nhost: g\n{auth}\ncontent-length: {length}\n\n{body}"),
        format!(
            "POST {CHAT} HTTP/1.1\r\nhost: g\r\n{auth}\r\ntransfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n\r\n{chunked}"
        ),
        "GET /healthz HTTP/1.1\r\nhost: g\r\nhost: g\r\n\r\n".to_owned(),
        // Refused by the HTTP parser itself.
        format!("POST {CHAT} HTTP/1.1\r\nhost: g\r\n{auth}\r\ncontent-length : {length}\r\n\r\n{body}"),
        format!(
            "POST {CHAT} HTTP/1.1\r\nhost: g\r\n{auth}\r\nx: a\r\n b\r\ncontent-length: {length}\r\n\r\n{body}"
        ),
        format!("POST {CHAT} HTTP/1.1\r\nhost: g\r\n{auth}\r\ncontent-length: -1\r\n\r\n{body}"),
        format!("POST {CHAT} HTTP/1.0\r\nhost: g\r\n{auth}\r\ntransfer-encoding: chunked\r\n\r\n{chunked}"),
    ] {
        let mut wire = Wire::open(gateway.address).await;
        wire.send(doubtful.as_bytes()).await;
        let answer = wire.read_to_end().await;
        assert!(
            answer.starts_with("HTTP/1.1 400 ") || answer.starts_with("HTTP/1.0 400 "),
            "{doubtful}\n→ {answer}"
        );
    }
    assert_eq!(provider.requests_left().await, 0);
}

#[tokio::test]
async fn what_follows_a_chunked_body_is_never_a_second_request() {
    let provider = Provider::start().await;
    let gateway = Gateway::start(&document(&provider));
    let body = chat().to_string();
    let first = format!(
        "POST {CHAT} HTTP/1.1\r\nhost: g\r\nauthorization: Bearer {KEY}\r\ntransfer-encoding: chunked\r\n\r\n{:x}\r\n{body}\r\n0\r\n\r\n",
        body.len()
    );
    let mut wire = Wire::open(gateway.address).await;
    wire.send(format!("{first}{}", request(&body)).as_bytes()).await;
    let answers = wire.read_to_end().await;
    assert_eq!(answers.matches("HTTP/1.1 200 OK").count(), 1, "{answers}");
    provider.request().await;
    assert_eq!(provider.requests_left().await, 0);
}

#[tokio::test]
async fn header_floods_are_refused() {
    let provider = Provider::start().await;
    let gateway = Gateway::start(&document(&provider));
    let many: String = (0..200).map(|index| format!("x-{index}: y\r\n")).collect();
    let long = format!("x: {}\r\n", "y".repeat(200_000));
    for flood in [many, long] {
        let mut wire = Wire::open(gateway.address).await;
        wire.send(format!("GET / HTTP/1.1\r\nhost: g\r\n{flood}\r\n").as_bytes()).await;
        let answer = wire.read_to_end().await;
        assert!(answer.starts_with("HTTP/1.1 431 ") || answer.is_empty(), "{answer}");
    }
    assert_eq!(soon(client().get(gateway.url("/")).send()).await.unwrap().status(), 200);
}

#[tokio::test]
async fn a_body_that_breaks_off_is_never_sent_on() {
    let provider = Provider::start().await;
    let gateway = Gateway::start(&document(&provider));
    let mut wire = Wire::open(gateway.address).await;
    let whole = request(&chat().to_string());
    wire.send(&whole.as_bytes()[..whole.len() - 1]).await;
    tokio::io::AsyncWriteExt::shutdown(&mut wire.0).await.unwrap();
    wire.read_to_end().await;
    gateway.counted(1).await;
    assert_eq!(provider.requests_left().await, 0);
}

/// Memory of this process, in bytes.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
}

#[tokio::test]
async fn a_hundred_mebibytes_are_refused_early_and_nothing_of_them_is_held() {
    let provider = Provider::start().await;
    let gauges = std::sync::Arc::<moorline_gateway::gauges::Gauges>::default();
    let counted = std::sync::Arc::clone(&gauges);
    let gateway = Gateway::start_with(&document(&provider), |config| config.gauges = counted);
    let head = format!("POST {CHAT} HTTP/1.1\r\nhost: g\r\nauthorization: Bearer {KEY}\r\n");
    let before = resident();
    for round in 0..4_u64 {
        let mut wire = Wire::open(gateway.address).await;
        let is_chunked = round % 2 == 0;
        let framing = if is_chunked { "transfer-encoding: chunked" } else { "content-length: 104857600" };
        wire.send(format!("{head}{framing}\r\n\r\n").as_bytes()).await;
        let piece = vec![b' '; 1 << 20];
        let mut sent = 0_u64;
        // The other side stops reading at some point, and resets: that is the refusal.
        let sending = async {
            let (mut reader, mut writer) = wire.0.split();
            let mut answer = [0; 13];
            let send = async {
                for _ in 0..100 {
                    let framed = if is_chunked {
                        [b"100000\r\n".as_slice(), &piece, b"\r\n"].concat()
                    } else {
                        piece.clone()
                    };
                    if tokio::io::AsyncWriteExt::write_all(&mut writer, &framed).await.is_err() {
                        break;
                    }
                    sent += 1;
                }
                std::future::pending::<()>().await;
            };
            tokio::select! {
                read = tokio::io::AsyncReadExt::read_exact(&mut reader, &mut answer) => drop(read),
                () = send => {}
            }
            answer
        };
        assert_eq!(&soon(sending).await, b"HTTP/1.1 413 ");
        assert!(sent < 40, "{sent} MiB went in");
    }
    let stats = gateway.counted(4).await;
    assert_eq!(stats.total.errors[&ErrorKind::BadRequest], 4);
    soon(async {
        while gauges.connections() + gauges.requests() > 0 {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    })
    .await;
    // Other tests of this process have their own share in it: four times the limit, not four times the bodies.
    let grown = resident().saturating_sub(before);
    assert!(grown < 200 << 20, "{} MiB more", grown >> 20);
    assert_eq!(provider.requests_left().await, 0);
}
