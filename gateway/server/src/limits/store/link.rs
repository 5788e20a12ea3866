//! The connection to the store: made, watched, lost, made again; and the thread it lives on.
//!
//! Tasks: the link itself, which connects and waits for calls, recalls and losses; one for each counter that is
//! attended to (at most one a counter, tracked, each wait of it bounded).

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;
use std::time::Duration;

use futures_util::StreamExt as _;
use moorline_config::Secret;
use redis::aio::{MultiplexedConnection, PubSub};
use redis::{AsyncConnectionConfig, Client, RedisError};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::super::WindowClock;
use super::super::registry::Registry;
use super::attend::{Attendant, Silence};
use super::{Desk, Health};

/// The longest wait for a connection.
const CONNECT_WITHIN: Duration = Duration::from_secs(2);
/// The longest wait for a sign of life.
const PING_WITHIN: Duration = Duration::from_secs(1);
/// How often the store is asked whether it lives, and counters whether something of theirs lies idle.
const TIDY_EVERY: Duration = Duration::from_millis(500);
/// The first wait before connecting again; doubled up to the most.
const BACKOFF: Duration = Duration::from_millis(50);
const BACKOFF_MAX: Duration = Duration::from_secs(2);
/// How long returning what is held may take at the end.
const FAREWELL: Duration = Duration::from_millis(500);

/// What the link is made of.
pub(super) struct Link {
    pub(super) url: Option<Secret>,
    pub(super) replica: String,
    pub(super) channel: String,
    pub(super) desk: Arc<Desk>,
    pub(super) registry: Arc<Registry>,
    pub(super) clock: WindowClock,
    pub(super) health: Arc<Health>,
}

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
enum LinkError {
    #[error("its URL has no value here")]
    NoUrl,
    #[error("its URL is none of redis://, rediss:// or unix://")]
    Url,
    #[error("no connection within {CONNECT_WITHIN:?}")]
    Slow,
    #[error("it refused")]
    Refused(#[source] RedisError),
    #[error("it closed the connection")]
    Closed,
    #[error("it fell silent")]
    Silent(#[source] Silence),
}

/// Starts the thread. Without one the store is lost for good.
pub(super) fn start(link: Link, stop: CancellationToken) -> Option<JoinHandle<()>> {
    let desk = Arc::clone(&link.desk);
    let started = tokio::runtime::Builder::new_current_thread().enable_all().build().and_then(|runtime| {
        std::thread::Builder::new().name("limits".to_owned()).spawn(move || {
            runtime.block_on(link.run(&stop));
            runtime.shutdown_background();
        })
    });
    let failed = |error: &io::Error| {
        tracing::error!(%error, "the limit store's thread does not start: the store is lost");
        desk.close();
    };
    started.inspect_err(failed).ok()
}

impl Link {
    async fn run(self, stop: &CancellationToken) {
        let tasks = TaskTracker::new();
        let (connection, watched) = watch::channel(None);
        // One place: a loss is said once, and a second one says nothing new.
        let (silence, silences) = mpsc::channel(1);
        let attendant = Attendant {
            desk: Arc::clone(&self.desk),
            clock: self.clock.clone(),
            replica: self.replica.as_str().into(),
            channel: self.channel.as_str().into(),
            connection: watched,
        };
        let mut life =
            Life { link: &self, tasks: &tasks, attendant, connection, silence, silences, is_lost: false };
        // The link may be dropped between any two steps: what is held is returned below.
        stop.run_until_cancelled(life.live()).await;
        life.farewell().await;
        life.found();
        self.desk.close();
        tasks.close();
        drop(timeout(FAREWELL, tasks.wait()).await);
    }

    async fn connect(&self) -> Result<(MultiplexedConnection, PubSub), LinkError> {
        let url = self.url.as_ref().ok_or(LinkError::NoUrl)?;
        let client = Client::open(url.expose()).map_err(|_| LinkError::Url)?;
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(CONNECT_WITHIN))
            .set_response_timeout(Some(PING_WITHIN));
        let connect = async {
            let connection = client.get_multiplexed_async_connection_with_config(&config).await?;
            let mut recalls = client.get_async_pubsub().await?;
            recalls.subscribe(&self.channel).await?;
            Ok((connection, recalls))
        };
        timeout(CONNECT_WITHIN, connect).await.map_err(|_| LinkError::Slow)?.map_err(LinkError::Refused)
    }
}

/// The link while it lives.
struct Life<'a> {
    link: &'a Link,
    tasks: &'a TaskTracker,
    attendant: Attendant,
    connection: watch::Sender<Option<MultiplexedConnection>>,
    silence: mpsc::Sender<Silence>,
    silences: mpsc::Receiver<Silence>,
    is_lost: bool,
}

impl Life<'_> {
    async fn live(&mut self) {
        let mut backoff = BACKOFF;
        loop {
            match self.link.connect().await {
                Ok((connection, recalls)) => {
                    let since = Instant::now();
                    let error = self.connected(connection, recalls).await;
                    // One that is lost again at once is not tried, and told of, twenty times a second.
                    if since.elapsed() > BACKOFF_MAX {
                        backoff = BACKOFF;
                    }
                    self.lost(&error);
                }
                Err(error) => self.lost(&error),
            }
            // Who calls now is told that the store is lost, without waiting for the next try.
            let pause = sleep(backoff);
            tokio::pin!(pause);
            loop {
                tokio::select! {
                    () = &mut pause => break,
                    () = self.link.desk.bell.notified() => self.dismiss(),
                }
            }
            backoff = (backoff * 2).min(BACKOFF_MAX);
        }
    }

    /// Attends to what comes until the connection is lost, and says why it was.
    async fn connected(&mut self, connection: MultiplexedConnection, recalls: PubSub) -> LinkError {
        while self.silences.try_recv().is_ok() {}
        // Before anybody is served: what this replica used already must be told to a store that may have forgotten.
        self.link.desk.life.fetch_add(1, Ordering::Relaxed);
        self.connection.send_replace(Some(connection.clone()));
        self.found();
        self.tidy(true);
        let mut recalls = recalls.into_on_message();
        let mut ticks = interval(TIDY_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            // Each arm may be dropped before it is ready without losing anything.
            tokio::select! {
                () = self.link.desk.bell.notified() => self.attend(),
                recall = recalls.next() => match recall {
                    Some(recall) => self.recalled(&recall),
                    None => return LinkError::Closed,
                },
                silence = self.silences.recv() => if let Some(silence) = silence {
                    return LinkError::Silent(silence);
                },
                _ = ticks.tick() => {
                    self.tidy(false);
                    self.ping(connection.clone());
                }
            }
        }
    }

    /// Attends to every counter that called.
    fn attend(&self) {
        for counter in self.link.desk.take_calls() {
            let (attendant, silence) = (self.attendant.clone(), self.silence.clone());
            self.tasks.spawn(async move {
                if let Err(error) = attendant.attend(counter).await {
                    // Full: somebody said so already.
                    drop(silence.try_send(error));
                }
            });
        }
    }

    fn dismiss(&self) {
        for counter in self.link.desk.take_calls() {
            counter.lose();
        }
    }

    /// Another replica has too little: what is not used here is returned.
    fn recalled(&self, recall: &redis::Msg) {
        let text: String = recall.get_payload().unwrap_or_default();
        let Some((replica, name)) = text.split_once(' ') else { return };
        if replica != self.link.replica
            && let Some(counter) = self.link.registry.named(name)
        {
            counter.recall();
        }
    }

    fn tidy(&self, always: bool) {
        let now = self.link.clock.now();
        for counter in self.link.registry.all_named() {
            counter.tidy(always, now);
        }
    }

    fn ping(&self, mut connection: MultiplexedConnection) {
        let silence = self.silence.clone();
        self.tasks.spawn(async move {
            let ping = redis::cmd("PING");
            let error = match timeout(PING_WITHIN, ping.query_async::<()>(&mut connection)).await {
                Ok(Ok(())) => return,
                Ok(Err(error)) => Silence::Refused(error),
                Err(_) => Silence::Slow,
            };
            drop(silence.try_send(error));
        });
    }

    fn lost(&mut self, error: &LinkError) {
        self.connection.send_replace(None);
        self.link.desk.lost.store(true, Ordering::Relaxed);
        self.dismiss();
        if !std::mem::replace(&mut self.is_lost, true) {
            self.link.health.lost.fetch_add(1, Ordering::Relaxed);
            let cause = std::error::Error::source(error).map(tracing::field::display);
            tracing::warn!(%error, cause, "the limit store (Redis) is lost: limits do what `when_lost` says");
        }
    }

    fn found(&mut self) {
        self.link.desk.lost.store(false, Ordering::Relaxed);
        if std::mem::replace(&mut self.is_lost, false) {
            self.link.health.lost.fetch_sub(1, Ordering::Relaxed);
            tracing::info!("the limit store (Redis) is there again");
        }
    }

    /// Returns everything that is held and not used, so that other replicas can use it.
    async fn farewell(&mut self) {
        if self.connection.borrow().is_none() {
            return;
        }
        for counter in self.link.registry.all_named() {
            counter.recall();
        }
        self.attend();
        let all = async {
            while !self.tasks.is_empty() {
                sleep(Duration::from_millis(2)).await;
            }
        };
        drop(timeout(FAREWELL, all).await);
    }
}
