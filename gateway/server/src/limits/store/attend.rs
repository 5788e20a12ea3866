//! The conversation about one counter: ask it what to say, say it, take the answer back, until there is nothing to say.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use redis::RedisError;
use redis::aio::MultiplexedConnection;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};

use super::super::lease::{Answer, Ask, LIFE};
use super::super::{Counter, Millis, WindowClock};
use super::Desk;
use super::script::SCRIPT;

/// How long others have to return what they hold, before a request is refused without it.
const RECALL_PATIENCE: Duration = Duration::from_millis(120);
/// The first wait for them; doubled each time.
const RECALL_STEP: Duration = Duration::from_millis(1);
/// The longest wait for the store's answer.
const ANSWER_WITHIN: Duration = Duration::from_millis(500);
/// How long a counter's key outlives its window: clocks of replicas differ.
const KEY_OUTLIVES: Millis = 60_000;

/// Numbers words, so that a late one is not heard after a later one. One for the process: a counter that was forgotten
/// and made again goes on where it was.
static WORDS: AtomicU64 = AtomicU64::new(1);

/// Where the connection is found while there is one.
pub(super) type Connection = watch::Receiver<Option<MultiplexedConnection>>;

/// Attends to counters.
#[derive(Clone)]
pub(super) struct Attendant {
    pub(super) desk: Arc<Desk>,
    pub(super) clock: WindowClock,
    pub(super) replica: Arc<str>,
    pub(super) channel: Arc<str>,
    pub(super) connection: Connection,
}

/// Why the store did not answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum Silence {
    /// There is no connection.
    #[error("there is no connection")]
    NoConnection,
    /// It took too long.
    #[error("no answer within {ANSWER_WITHIN:?}")]
    Slow,
    /// It answered with an error.
    #[error("the store answered with an error")]
    Refused(#[source] RedisError),
}

/// Others were asked to return what they hold.
struct Recall {
    until: Instant,
    step: Duration,
}

impl Attendant {
    /// Attends to a counter until it has nothing more to say.
    pub(super) async fn attend(mut self, counter: Arc<Counter>) -> Result<(), Silence> {
        let ended = self.converse(&counter).await;
        if ended.is_err() {
            counter.lose();
        }
        ended
    }

    async fn converse(&mut self, counter: &Arc<Counter>) -> Result<(), Silence> {
        let mut connection = self.connection().await?;
        let mut recall: Option<Recall> = None;
        while let Some(ask) = counter.ask(self.desk.life(), self.clock.now()) {
            let is_over = recall.as_ref().is_some_and(|recall| Instant::now() >= recall.until);
            let answer = self.say(&mut connection, counter, &ask, is_over).await?;
            let Some(answer) = answer else { continue };
            if !counter.answer(&ask, answer, self.clock.now()) {
                recall = None;
                continue;
            }
            if answer.holders == 0 || is_over {
                counter.refuse(self.clock.now());
                recall = None;
                continue;
            }
            let waited = match recall.take() {
                Some(waited) => waited,
                None => {
                    self.call_back(&mut connection, counter).await?;
                    Recall { until: Instant::now() + RECALL_PATIENCE, step: RECALL_STEP }
                }
            };
            sleep(waited.step).await;
            recall = Some(Recall { step: waited.step * 2, ..waited });
        }
        Ok(())
    }

    /// The connection, waited for if it is just being made.
    async fn connection(&mut self) -> Result<MultiplexedConnection, Silence> {
        if self.desk.is_lost() {
            return Err(Silence::NoConnection);
        }
        let there = timeout(ANSWER_WITHIN, self.connection.wait_for(Option::is_some)).await;
        let there = there.map_err(|_| Silence::Slow)?.map_err(|_| Silence::NoConnection)?;
        there.clone().ok_or(Silence::NoConnection)
    }

    /// One word to the store and its answer; none when a later word was heard already.
    async fn say(
        &self,
        connection: &mut MultiplexedConnection,
        counter: &Counter,
        ask: &Ask,
        forget: bool,
    ) -> Result<Option<Answer>, Silence> {
        let shape = counter.shape();
        let name = counter.name();
        let key = if shape.is_fixed() && !shape.is_endless() {
            format!("{name}:{}", ask.head)
        } else {
            name.to_owned()
        };
        let (memory, life) = if shape.is_endless() { (LIFE * 6, LIFE) } else { (shape.memory(), 0) };
        let mut call = SCRIPT.prepare_invoke();
        call.key(key)
            .arg(&*self.replica)
            .arg(WORDS.fetch_add(1, Ordering::Relaxed))
            .arg(&[ask.most, ask.need, ask.least, ask.ahead])
            .arg(&[ask.head, shape.oldest(ask.head)])
            .arg(&[u64::from(ask.keeps), u64::from(forget)])
            .arg(&[memory.saturating_add(KEY_OUTLIVES), life]);
        for (bucket, total) in &ask.totals {
            call.arg(&[*bucket, *total]);
        }
        let answer = timeout(ANSWER_WITHIN, call.invoke_async::<(i64, u64, u64)>(connection)).await;
        let (granted, left, holders) = answer.map_err(|_| Silence::Slow)?.map_err(Silence::Refused)?;
        Ok(u64::try_from(granted).ok().map(|granted| Answer { granted, left, holders }))
    }

    /// Asks other replicas to return what they hold of a counter.
    async fn call_back(
        &self,
        connection: &mut MultiplexedConnection,
        counter: &Counter,
    ) -> Result<(), Silence> {
        let mut call = redis::cmd("PUBLISH");
        call.arg(&*self.channel).arg(format!("{} {}", self.replica, counter.name()));
        let answer = timeout(ANSWER_WITHIN, call.query_async::<i64>(connection)).await;
        answer.map_err(|_| Silence::Slow)?.map_err(Silence::Refused)?;
        Ok(())
    }
}
