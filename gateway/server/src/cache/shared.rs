//! Answers in a Redis that several replicas share.
//!
//! Never an error and never long: what Redis does not say within [`ANSWER_WITHIN`] is a miss, and what it cannot take now
//! is not kept. A thread of its own holds the connection and writes; workers read through it.

use std::io;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};
use moorline_config::{GatewayName, Secret};
use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, RedisError};
use serde::{Deserialize, Serialize};
use tokio::sync::{mpsc, watch};
use tokio::time::{sleep, timeout};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::{ENTRY_BYTES_MAX, Entry, Giver, Id};

/// The longest that a request waits for Redis.
const ANSWER_WITHIN: Duration = Duration::from_millis(100);
/// The longest wait for a connection, or for one write.
const WRITE_WITHIN: Duration = Duration::from_secs(2);
/// How often it is asked whether it lives.
const PING_EVERY: Duration = Duration::from_secs(1);
/// The wait before connecting again.
const PAUSE: Duration = Duration::from_millis(500);
/// Answers that wait to be written. What comes beyond is not kept.
const WAITING_MAX: usize = 64;
/// The longest head of a kept answer.
const HEAD_BYTES_MAX: usize = 256 * 1024;

/// Answers in Redis.
pub(crate) struct Shared {
    prefix: String,
    connection: watch::Receiver<Option<MultiplexedConnection>>,
    writes: mpsc::Sender<Write>,
    _stop: DropGuard,
}

struct Write {
    key: String,
    value: Vec<u8>,
    ttl: Duration,
}

/// An answer without its body.
#[derive(Serialize, Deserialize)]
struct Head {
    giver: Giver,
    headers: Vec<(String, String)>,
    ends: Vec<u32>,
}

impl Shared {
    pub(super) fn open(url: Option<Secret>, gateway: &GatewayName) -> Self {
        let (sender, connection) = watch::channel(None);
        let (writes, taken) = mpsc::channel(WAITING_MAX);
        let stop = CancellationToken::new();
        let (link, stopped) = (Link { connection: sender, writes: taken }, stop.clone());
        if let Err(error) = start(link, url, stopped) {
            tracing::error!(%error, "the cache's thread does not start: nothing is kept");
        }
        Self { prefix: format!("moorline:{gateway}:cache:"), connection, writes, _stop: stop.drop_guard() }
    }

    pub(super) async fn get(&self, id: &Id) -> Option<Entry> {
        let mut connection = self.connection.borrow().clone()?;
        let mut get = redis::cmd("GET");
        get.arg(self.key(id));
        let value = timeout(ANSWER_WITHIN, get.query_async::<Option<Vec<u8>>>(&mut connection)).await;
        decode(value.ok()?.ok()??)
    }

    pub(super) fn put(&self, id: Id, entry: &Entry, ttl: Duration) {
        if let Some(value) = encode(entry) {
            // Full or closed: it is not kept.
            drop(self.writes.try_send(Write { key: self.key(&id), value, ttl }));
        }
    }

    fn key(&self, id: &Id) -> String {
        format!("{}{}", self.prefix, hex::encode(id.0))
    }
}

/// The head's length, the head, the body.
fn encode(entry: &Entry) -> Option<Vec<u8>> {
    let text = |value: &HeaderValue| value.to_str().ok().map(str::to_owned);
    let headers = entry.headers.iter().map(|(name, value)| Some((name.to_string(), text(value)?)));
    let head = Head {
        giver: entry.giver.clone(),
        headers: headers.collect::<Option<_>>()?,
        ends: entry.ends.to_vec(),
    };
    let head = serde_json::to_vec(&head).ok().filter(|head| head.len() <= HEAD_BYTES_MAX)?;
    let length = u32::try_from(head.len()).ok()?.to_le_bytes();
    Some([&length, head.as_slice(), &entry.body].concat())
}

/// What is kept is believed only as far as it is well formed.
fn decode(value: Vec<u8>) -> Option<Entry> {
    let mut body = Bytes::from(value);
    let length = usize::try_from(u32::from_le_bytes(*body.first_chunk::<4>()?)).ok()?;
    if length > HEAD_BYTES_MAX || body.len() < 4 + length || body.len() > 4 + length + ENTRY_BYTES_MAX {
        return None;
    }
    drop(body.split_to(4));
    let head: Head = serde_json::from_slice(&body.split_to(length)).ok()?;
    let mut headers = HeaderMap::new();
    for (name, value) in head.headers {
        headers.insert(HeaderName::try_from(name).ok()?, HeaderValue::try_from(value).ok()?);
    }
    let (giver, ends) = (head.giver, head.ends);
    let is_whole = ends.is_sorted() && ends.last().is_none_or(|end| usize::try_from(*end) == Ok(body.len()));
    is_whole.then(|| Entry { giver, headers, body, ends: ends.into() })
}

/// The connection, and what is written through it.
struct Link {
    connection: watch::Sender<Option<MultiplexedConnection>>,
    writes: mpsc::Receiver<Write>,
}

fn start(link: Link, url: Option<Secret>, stop: CancellationToken) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    std::thread::Builder::new().name("cache".to_owned()).spawn(move || {
        // The link may be dropped at any point: a cache has nothing to lose.
        runtime.block_on(stop.run_until_cancelled(link.run(url)));
        runtime.shutdown_background();
    })?;
    Ok(())
}

impl Link {
    async fn run(mut self, url: Option<Secret>) {
        let client = url.and_then(|url| Client::open(url.expose()).ok());
        let Some(client) = client else {
            tracing::error!("the cache's store has no URL that can be used: nothing is kept");
            return;
        };
        let config = AsyncConnectionConfig::new().set_connection_timeout(Some(WRITE_WITHIN));
        let mut is_lost = false;
        loop {
            let connecting = client.get_multiplexed_async_connection_with_config(&config);
            let error = match timeout(WRITE_WITHIN, connecting).await {
                Ok(Ok(connection)) => {
                    is_lost = false;
                    self.connection.send_replace(Some(connection.clone()));
                    self.write(connection).await
                }
                Ok(Err(error)) => Some(error),
                Err(_) => None,
            };
            self.connection.send_replace(None);
            if !std::mem::replace(&mut is_lost, true) {
                let cause = error.map_or_else(|| "no answer in time".to_owned(), |error| error.to_string());
                tracing::warn!(cause, "the cache's store (Redis) is lost: every question is a miss");
            }
            sleep(PAUSE).await;
            while self.writes.try_recv().is_ok() {}
        }
    }

    /// Writes what comes until the connection is lost.
    async fn write(&mut self, mut connection: MultiplexedConnection) -> Option<RedisError> {
        loop {
            // Both arms may be dropped before they are ready without losing anything.
            let command = tokio::select! {
                write = self.writes.recv() => {
                    let write = write?;
                    let mut set = redis::cmd("SET");
                    let ttl = u64::try_from(write.ttl.as_millis()).unwrap_or(u64::MAX).max(1);
                    set.arg(write.key).arg(write.value).arg("PX").arg(ttl);
                    set
                }
                () = sleep(PING_EVERY) => redis::cmd("PING"),
            };
            match timeout(WRITE_WITHIN, command.query_async::<()>(&mut connection)).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => return Some(error),
                Err(_) => return None,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_comes_back_as_it_was_and_what_is_damaged_does_not() {
        let headers =
            HeaderMap::from_iter([(http::header::CONTENT_TYPE, HeaderValue::from_static("text/plain"))]);
        let name = |text: &str| text.parse().unwrap();
        let giver = Giver { model: name("m"), provider: "p".parse().unwrap(), target: name("t") };
        let entry = Entry { giver, headers, body: Bytes::from_static(b"onetwo"), ends: [3, 6].into() };
        let value = encode(&entry).unwrap();
        assert_eq!(decode(value.clone()), Some(entry));
        for length in 0..value.len() {
            assert_eq!(decode(value[..length].to_vec()), None, "{length}");
        }
    }
}
