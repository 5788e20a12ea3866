//! Reserving from several limits at once, and settling them together.

use std::sync::Arc;
use std::time::Duration;

use moorline_config::document::WhenLost;
use tokio::sync::oneshot;

use super::{Hold, Limits, Millis, Short, Verdict};
use crate::routing::limit::{Kind, Limit, Scope, Subject};

/// The longest that a request waits for a store. What the store does not say until then is as if it were lost.
pub(super) const WAIT_MAX: Duration = Duration::from_millis(250);

/// What a request is expected to use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Demand {
    /// Tokens in and out.
    pub tokens: u64,
    /// Cost in millionths of a US dollar.
    pub cost_micros: u64,
}

/// What a request used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Use {
    /// Requests: one, or none when it failed.
    pub requests: u64,
    /// Tokens in and out.
    pub tokens: u64,
    /// Cost in millionths of a US dollar.
    pub cost_micros: u64,
}

/// How a limit stands, for the caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// The most in a window.
    pub most: u64,
    /// What is left.
    pub remaining: u64,
    /// Until the window ends, or as much of it as is asked for is free. 0: nobody knows.
    pub reset: Millis,
}

/// The limit that refused a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// Whose use it counts.
    pub scope: Scope,
    /// What it counts.
    pub kind: Kind,
    /// Length of its window; none for what runs now.
    pub window: Option<moorline_config::Duration>,
    /// What the request would have needed.
    pub needed: u64,
    /// How the limit stands.
    pub standing: Standing,
}

/// Why a request is not admitted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Denied {
    /// A limit is reached.
    Limited(Refused),
    /// The store that limits are counted in is lost, and the document says `when_lost: closed`.
    StoreLost,
}

/// Everything a request holds. Dropping it gives all of it back.
#[derive(Debug, Default)]
pub struct Reservation {
    taken: Vec<(Kind, Hold)>,
    /// The request limit with the least left.
    pub requests: Option<Standing>,
    /// The token limit with the least left.
    pub tokens: Option<Standing>,
}

/// Reserves a demand from every limit, or from none. Waits only for a store, and no longer than [`WAIT_MAX`].
///
/// # Errors
/// The first limit that refuses.
pub async fn reserve<'a>(
    limits: &Limits,
    declared: impl Iterator<Item = &'a Limit>,
    subject: &Subject<'_>,
    demand: Demand,
) -> Result<Reservation, Denied> {
    let mut reservation = Reservation::default();
    let mut now = None;
    for limit in declared {
        let now = *now.get_or_insert_with(|| limits.now());
        let Some((scope, counter)) = limit.counter(subject, limits, now) else { continue };
        let needed = match limit.kind {
            Kind::Requests | Kind::Concurrency => 1,
            Kind::Tokens => demand.tokens,
            Kind::Budget => demand.cost_micros,
        };
        let held = match Arc::clone(&counter).reserve(needed, limit.most, now) {
            Ok(hold) => Verdict::Held(hold),
            Err(Short::Full(full)) => Verdict::Full(full),
            Err(Short::Lost) => Verdict::Lost,
            Err(Short::Wait(verdict)) => wait(verdict).await,
        };
        let held = match (held, limit.when_lost()) {
            (Verdict::Held(hold), _) => Ok(hold),
            (Verdict::Full(full), _) => Err(full),
            // Each replica by itself: what is refused so would be refused with the others' use counted too.
            (Verdict::Lost, WhenLost::Open) => counter.reserve_here(needed, limit.most, now),
            (Verdict::Lost, WhenLost::Closed) => return Err(Denied::StoreLost),
        };
        // What was taken so far is given back when `reservation` is dropped.
        let hold = held.map_err(|full| {
            Denied::Limited(Refused {
                scope: scope.into_owned(),
                kind: limit.kind,
                window: limit.window,
                needed,
                standing: Standing { most: limit.most, remaining: full.remaining, reset: full.reset },
            })
        })?;
        reservation.note(limit, &hold);
        reservation.taken.push((limit.kind, hold));
    }
    Ok(reservation)
}

/// Waits for the store's verdict.
async fn wait(mut verdict: oneshot::Receiver<Verdict>) -> Verdict {
    match tokio::time::timeout(WAIT_MAX, &mut verdict).await {
        Ok(said) => said.unwrap_or(Verdict::Lost),
        Err(_) => {
            // From here on nobody can say anything any more; what was said just now still counts.
            verdict.close();
            verdict.try_recv().unwrap_or(Verdict::Lost)
        }
    }
}

impl Reservation {
    fn note(&mut self, limit: &Limit, hold: &Hold) {
        let standing = Standing { most: limit.most, remaining: hold.remaining, reset: hold.reset };
        let least = match limit.kind {
            Kind::Requests => &mut self.requests,
            Kind::Tokens => &mut self.tokens,
            Kind::Budget | Kind::Concurrency => return,
        };
        if least.is_none_or(|least| standing.remaining < least.remaining) {
            *least = Some(standing);
        }
    }

    /// Exchanges everything held for what was used. What only ran ends.
    pub fn settle(self, used: Use) {
        for (kind, hold) in self.taken {
            hold.settle(match kind {
                Kind::Requests => used.requests,
                Kind::Tokens => used.tokens,
                Kind::Budget => used.cost_micros,
                Kind::Concurrency => 0,
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;
    use moorline_config::Config;
    use serde_json::json;

    use super::*;
    use crate::limits::WindowClock;
    use crate::routing::limit::Who;
    use crate::routing::{KeyIndex, ModelIndex, Routing};

    fn routing(requests: u64, tokens: u64) -> Routing {
        let document = json!({
            "version": 1, "name": "test",
            "routes": [{"path": "/v1/*", "limits": [
                {"requests": requests, "window": "1m"}, {"tokens": tokens, "window": "1m"}, {"budget": 1, "window": "1d"},
            ]}],
            "keys": [
                {"name": "a", "sha256": "0".repeat(64)},
                {"name": "b", "sha256": "1".repeat(64)},
            ],
        });
        Routing::compile(&Config::from_value("test", &document).unwrap(), &|_| None)
    }

    fn ask(limits: &Limits, routing: &Routing, key: usize, tokens: u64) -> Result<Reservation, Refused> {
        let headers = http::HeaderMap::new();
        let peer = std::net::Ipv4Addr::LOCALHOST.into();
        let subject =
            Subject { caller: Who::Key(KeyIndex(key)), model: ModelIndex(0), peer, headers: &headers };
        let demand = Demand { tokens, cost_micros: 10 };
        let asked = reserve(limits, routing.routes()[0].limits.iter(), &subject, demand);
        // In memory there is nothing to wait for.
        let denied = |denied| match denied {
            Denied::Limited(refused) => refused,
            Denied::StoreLost => panic!("there is no store"),
        };
        asked.now_or_never().unwrap().map_err(denied)
    }

    #[test]
    fn a_refusal_by_one_limit_takes_nothing_from_the_others() {
        let limits = Limits::new(WindowClock::new(|| 0));
        let routing = routing(2, 100);
        let refused = ask(&limits, &routing, 0, 101).unwrap_err();
        assert_eq!((refused.kind, refused.needed, refused.standing.remaining), (Kind::Tokens, 101, 100));
        let first = ask(&limits, &routing, 0, 60).unwrap();
        assert_eq!(first.requests.unwrap().remaining, 1);
        assert_eq!(ask(&limits, &routing, 0, 60).unwrap_err().kind, Kind::Tokens);
        let second = ask(&limits, &routing, 0, 40).unwrap();
        assert_eq!(second.tokens.unwrap().remaining, 0);
        assert_eq!(ask(&limits, &routing, 0, 0).unwrap_err().kind, Kind::Requests);
        assert!(ask(&limits, &routing, 1, 60).is_ok(), "the other key has its own counters");
    }

    #[test]
    fn a_dropped_reservation_is_given_back_and_a_settled_one_is_not() {
        let limits = Limits::new(WindowClock::new(|| 0));
        let routing = routing(1, 100);
        drop(ask(&limits, &routing, 0, 100).unwrap());
        ask(&limits, &routing, 0, 100).unwrap().settle(Use { requests: 1, tokens: 7, cost_micros: 1 });
        assert_eq!(ask(&limits, &routing, 0, 1).unwrap_err().kind, Kind::Requests);
    }

    #[test]
    fn a_changed_document_goes_on_counting_where_the_old_one_was() {
        let limits = Limits::new(WindowClock::new(|| 0));
        let use_one = |routing: &Routing| {
            ask(&limits, routing, 0, 10)
                .map(|held| held.settle(Use { requests: 1, tokens: 10, cost_micros: 0 }))
        };
        use_one(&routing(2, 100)).unwrap();
        use_one(&routing(2, 100)).unwrap();
        assert_eq!(use_one(&routing(2, 100)).unwrap_err().kind, Kind::Requests);
        use_one(&routing(3, 100)).unwrap();
        assert_eq!(use_one(&routing(3, 100)).unwrap_err().standing.remaining, 0);
    }
}
