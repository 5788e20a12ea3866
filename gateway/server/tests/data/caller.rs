//! Callers: one that speaks HTTP, and one that speaks bytes.

use std::net::SocketAddr;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::gateway::{Gateway, KEY};
use super::provider::soon;

pub(crate) const CHAT: &str = "/v1/chat/completions";

pub(crate) fn chat() -> Value {
    json!({"model": "m", "messages": [{"role": "user", "content": "ping"}]})
}

pub(crate) fn chat_stream() -> Value {
    json!({"model": "m", "stream": true, "messages": [{"role": "user", "content": "ping"}]})
}

/// An answer, read to its end.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: reqwest::header::HeaderMap,
    pub(crate) body: Vec<u8>,
    /// Whether the body ended in good order.
    pub(crate) complete: bool,
}

impl Reply {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("{}", self.text()))
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub(crate) fn error_code(&self) -> String {
        self.json()["error"]["code"].as_str().unwrap_or_default().to_owned()
    }
}

/// A caller with its own connections.
pub(crate) fn client() -> reqwest::Client {
    reqwest::Client::builder().no_proxy().tls_certs_only([]).build().unwrap()
}

pub(crate) fn post(gateway: &Gateway, path: &str) -> reqwest::RequestBuilder {
    client().post(gateway.url(path)).bearer_auth(KEY).header("content-type", "application/json")
}

pub(crate) async fn finish(request: reqwest::RequestBuilder) -> Reply {
    soon(async {
        let mut response = request.send().await.unwrap();
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let mut body = Vec::new();
        let complete = loop {
            match response.chunk().await {
                Ok(Some(chunk)) => body.extend_from_slice(&chunk),
                Ok(None) => break true,
                Err(_) => break false,
            }
        };
        Reply { status, headers, body, complete }
    })
    .await
}

pub(crate) async fn ask(gateway: &Gateway, body: &Value) -> Reply {
    finish(post(gateway, CHAT).body(body.to_string())).await
}

/// A connection that speaks bytes.
pub(crate) struct Wire(pub(crate) TcpStream);

impl Wire {
    pub(crate) async fn open(address: SocketAddr) -> Self {
        Self(TcpStream::connect(address).await.unwrap())
    }

    pub(crate) async fn send(&mut self, bytes: &[u8]) {
        self.0.write_all(bytes).await.unwrap();
    }

    /// Sends a chat request.
    pub(crate) async fn ask(&mut self, body: &Value) {
        self.send(request(&body.to_string()).as_bytes()).await;
    }

    /// Reads until `end` has come.
    pub(crate) async fn read_until(&mut self, end: &[u8]) -> Vec<u8> {
        let mut all = Vec::new();
        soon(async {
            while !all.windows(end.len()).any(|window| window == end) {
                assert_ne!(
                    self.0.read_buf(&mut all).await.unwrap(),
                    0,
                    "ended: {}",
                    String::from_utf8_lossy(&all)
                );
            }
        })
        .await;
        all
    }

    /// Reads until the other side ends.
    pub(crate) async fn read_to_end(&mut self) -> String {
        let mut all = Vec::new();
        // A reset is an end too.
        drop(soon(self.0.read_to_end(&mut all)).await);
        String::from_utf8_lossy(&all).into_owned()
    }
}

pub(crate) fn request(body: &str) -> String {
    format!(
        "POST {CHAT} HTTP/1.1\r\nhost: gateway\r\nauthorization: Bearer {KEY}\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
}
