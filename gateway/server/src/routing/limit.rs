//! Declared limits, and the identity by which their counters outlive the document.

use std::borrow::Cow;
use std::fmt;
use std::net::IpAddr;
use std::sync::{Arc, OnceLock};

use http::{HeaderMap, HeaderName};
use moorline_config::document::{self, Algorithm, Each, LimitStore, Per, WhenLost};
use moorline_config::{Duration, KeyName, ModelName, Reference, Secret, TeamName};

use super::{KeyIndex, ModelIndex};
use crate::cache;
use crate::limits::{Counter, Declared, Limits, Millis, Shape, Store, ValueId, Values};

/// What is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Requests.
    Requests,
    /// Tokens, in and out together.
    Tokens,
    /// Millionths of a US dollar.
    Budget,
    /// Requests that run now.
    Concurrency,
}

impl Kind {
    /// The kind for people.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Requests => "requests",
            Self::Tokens => "tokens",
            Self::Budget => "budget",
            Self::Concurrency => "concurrency",
        }
    }
}

/// Where a limit is declared to hold.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Place {
    /// On a route, by its path as declared.
    Route(String),
    /// For one key, on all routes.
    Key(KeyName),
    /// For callers with a token, on all routes.
    Tokens,
    /// On all routes.
    Everywhere,
}

/// Whose use is counted there.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Share {
    /// Everybody's together.
    All,
    /// One key's.
    Key(KeyName),
    /// One caller's with a token. Which one is told by a [`ValueId`].
    Token,
    /// What is asked of one model.
    Model(ModelName),
    /// One team's, or that of all keys without one.
    Team(Option<TeamName>),
    /// One address's. Which one is told by a [`ValueId`].
    Address,
    /// What comes with one value of a header.
    Header(String),
}

/// Whose use is counted.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Scope {
    /// Where.
    pub place: Place,
    /// Whose.
    pub share: Share,
}

/// `of key team-search on route /v1/*`.
impl fmt::Display for Scope {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.share {
            Share::All => {}
            Share::Key(key) => write!(formatter, "of key {key}")?,
            Share::Token => formatter.write_str("of this caller")?,
            Share::Model(model) => write!(formatter, "of model {model}")?,
            Share::Team(Some(team)) => write!(formatter, "of team {team}")?,
            Share::Team(None) => formatter.write_str("of all keys without a team")?,
            Share::Address => formatter.write_str("of this address")?,
            Share::Header(header) => write!(formatter, "of this value of {header}")?,
        }
        match (&self.place, &self.share) {
            (Place::Everywhere, _) => Ok(()),
            (Place::Route(path), Share::All) => write!(formatter, "of route {path}"),
            (Place::Route(path), _) => write!(formatter, " on route {path}"),
            (Place::Tokens, Share::All) => formatter.write_str("of all callers with a token"),
            (Place::Tokens, _) => Ok(()),
            (Place::Key(key), Share::All) => write!(formatter, "of key {key}"),
            (Place::Key(key), _) => write!(formatter, " with key {key}"),
        }
    }
}

/// A counter's identity: what is left when a document changes a limit's number, so that a changed limit goes on
/// counting where it was.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct LimitId {
    /// Whose use.
    pub scope: Scope,
    /// Of what.
    pub kind: Kind,
    /// Length of the window; none for what runs now.
    pub window: Option<Duration>,
    /// How the window moves.
    pub algorithm: Algorithm,
}

impl LimitId {
    /// The name that all replicas know it by. Nothing that may be declared holds a `<` or a `>`, so no two are alike.
    pub(crate) fn name(&self) -> String {
        let window = self.window.map(|window| window.to_string()).unwrap_or_default();
        let algorithm = match self.algorithm {
            Algorithm::Fixed => "",
            Algorithm::Sliding => ":sliding",
        };
        let place = match &self.scope.place {
            Place::Route(path) => format!("<route {path}>"),
            Place::Key(key) => format!("<key {key}>"),
            Place::Tokens => "<tokens>".to_owned(),
            Place::Everywhere => String::new(),
        };
        let share = match &self.scope.share {
            Share::All => String::new(),
            Share::Key(key) => format!("<each key {key}>"),
            Share::Model(model) => format!("<each model {model}>"),
            Share::Team(Some(team)) => format!("<each team {team}>"),
            Share::Team(None) => "<each team>".to_owned(),
            Share::Token => "<each token>".to_owned(),
            Share::Address => "<each ip>".to_owned(),
            Share::Header(header) => format!("<each header {header}>"),
        };
        format!("{}:{window}{algorithm}:{place}{share}", self.kind.as_str()).replace(' ', "=")
    }

    pub(crate) fn shape(&self) -> Shape {
        Shape::new(self.window, self.algorithm)
    }
}

/// Who calls, as far as limits tell callers apart.
#[derive(Debug, Clone, Copy)]
pub enum Who<'a> {
    /// Whoever holds a declared key.
    Key(KeyIndex),
    /// Whoever a token names.
    Token {
        /// Their identity.
        id: ValueId,
        /// Their team.
        team: Option<&'a TeamName>,
    },
}

/// A request, as far as limits tell requests apart.
#[derive(Debug, Clone, Copy)]
pub struct Subject<'a> {
    /// Who calls.
    pub caller: Who<'a>,
    /// The model asked for.
    pub model: ModelIndex,
    /// The peer of the caller's connection.
    pub peer: IpAddr,
    /// What the caller sent.
    pub headers: &'a HeaderMap,
}

/// One declared limit.
#[derive(Debug)]
pub struct Limit {
    /// What is counted.
    pub kind: Kind,
    /// The most in a window.
    pub most: u64,
    /// Length of the window; none for what runs now.
    pub window: Option<Duration>,
    algorithm: Algorithm,
    shared: Option<Arc<Shared>>,
    by: By,
}

/// Where replicas count together.
#[derive(Debug)]
pub(super) struct Shared {
    declared: Declared,
    found: OnceLock<Arc<Store>>,
}

impl Shared {
    /// Compiles what a document declares; nothing when each replica counts on its own.
    pub(super) fn compile(
        document: &document::Document,
        resolve: &dyn Fn(&Reference) -> Option<Secret>,
    ) -> Option<Arc<Self>> {
        let LimitStore::Redis(redis) = document.stores.as_ref()?.limits.as_ref()? else { return None };
        let (gateway, when_lost) = (document.name.clone(), redis.when_lost);
        let declared = Declared { url: resolve(&redis.redis), gateway, when_lost };
        Some(Arc::new(Self { declared, found: OnceLock::new() }))
    }

    fn store(&self, limits: &Limits) -> &Store {
        self.found.get_or_init(|| limits.store(&self.declared))
    }
}

/// How the counter for a request is found.
#[derive(Debug)]
enum By {
    One(Slot<Counter>),
    Key(Box<[Slot<Counter>]>, Slot<Values>),
    Team(Box<[Slot<Counter>]>, Place),
    Model(Box<[Slot<Counter>]>),
    Address(Slot<Values>),
    Header(HeaderName, Slot<Values>),
}

#[derive(Debug)]
struct Slot<T> {
    scope: Scope,
    found: OnceLock<Arc<T>>,
}

/// What limits are compiled against.
#[derive(Debug, Clone, Copy)]
pub(super) struct Around<'a> {
    pub(super) keys: &'a [document::Key],
    /// In the order of their places.
    pub(super) models: &'a [&'a ModelName],
    pub(super) shared: Option<&'a Arc<Shared>>,
    pub(super) cache: Option<&'a Arc<cache::Declared>>,
}

impl Limit {
    /// Compiles the limits of a route.
    pub(super) fn of_route(path: &str, limits: &[document::Limit], around: Around<'_>) -> Vec<Self> {
        let place = || Place::Route(path.to_owned());
        compile_all(limits, around.shared, |per| match per {
            Per::Each(Each::Key) => {
                let of = |key: &document::Key| Slot::new(place(), Share::Key(key.name.clone()));
                By::Key(around.keys.iter().map(of).collect(), Slot::new(place(), Share::Token))
            }
            Per::Each(Each::Team) => {
                let of = |key: &document::Key| Slot::new(place(), Share::Team(key.team.clone()));
                By::Team(around.keys.iter().map(of).collect(), place())
            }
            Per::Each(Each::Route) => By::One(Slot::new(place(), Share::All)),
            other => By::shared(place(), other, around),
        })
    }

    /// Compiles the limits of a key.
    pub(super) fn of_key(key: &document::Key, around: Around<'_>) -> Vec<Self> {
        let place = || Place::Key(key.name.clone());
        compile_all(&key.limits, around.shared, |per| match per {
            Per::Each(Each::Key | Each::Route) => By::One(Slot::new(place(), Share::All)),
            Per::Each(Each::Team) => By::One(Slot::new(Place::Everywhere, Share::Team(key.team.clone()))),
            other => By::shared(place(), other, around),
        })
    }

    /// Compiles the limits of callers with a token.
    pub(super) fn of_tokens(limits: &[document::Limit], around: Around<'_>) -> Vec<Self> {
        compile_all(limits, around.shared, |per| match per {
            Per::Each(Each::Key) => By::Key(Box::default(), Slot::new(Place::Tokens, Share::Token)),
            Per::Each(Each::Route) => By::One(Slot::new(Place::Tokens, Share::All)),
            Per::Each(Each::Team) => By::Team(Box::default(), Place::Everywhere),
            other => By::shared(Place::Tokens, other, around),
        })
    }

    /// The counter for a request, and whose use it counts.
    pub fn counter(
        &self,
        subject: &Subject<'_>,
        limits: &Limits,
        now: Millis,
    ) -> Option<(Cow<'_, Scope>, Arc<Counter>)> {
        let registry =
            || self.shared.as_ref().map_or(limits.in_memory(), |shared| &*shared.store(limits).registry);
        let of = |slot: &Slot<Counter>| {
            Arc::clone(slot.found.get_or_init(|| registry().counter(&self.id(&slot.scope), now)))
        };
        let among = |slot: &Slot<Values>, value| {
            slot.found.get_or_init(|| registry().values(&self.id(&slot.scope))).counter(value, now)
        };
        let (scope, counter) = match &self.by {
            By::One(slot) => (&slot.scope, of(slot)),
            By::Key(slots, tokens) => match subject.caller {
                Who::Key(key) => slots.get(key.0).map(|slot| (&slot.scope, of(slot)))?,
                Who::Token { id, .. } => (&tokens.scope, among(tokens, id)),
            },
            By::Team(slots, place) => match subject.caller {
                Who::Key(key) => slots.get(key.0).map(|slot| (&slot.scope, of(slot)))?,
                Who::Token { team, .. } => {
                    // The same counter as that of the team's keys, if it has any.
                    let scope = Scope { place: place.clone(), share: Share::Team(team.cloned()) };
                    let counter = registry().counter(&self.id(&scope), now);
                    return Some((Cow::Owned(scope), counter));
                }
            },
            By::Model(slots) => slots.get(subject.model.0).map(|slot| (&slot.scope, of(slot)))?,
            By::Address(slot) => (&slot.scope, among(slot, ValueId::of_address(subject.peer))),
            By::Header(name, slot) => {
                // Several lines of one header are one value: otherwise the second would go uncounted.
                let lines: Vec<&[u8]> =
                    subject.headers.get_all(name).iter().map(|value| value.as_bytes()).collect();
                let value = (!lines.is_empty()).then(|| lines.join(&b","[..]));
                (&slot.scope, among(slot, ValueId::of_header(value.as_deref())))
            }
        };
        Some((Cow::Borrowed(scope), counter))
    }

    /// What happens while the store is lost. In memory nothing is ever lost.
    pub(crate) fn when_lost(&self) -> WhenLost {
        self.shared.as_ref().map_or(WhenLost::Closed, |shared| shared.declared.when_lost)
    }

    fn id(&self, scope: &Scope) -> LimitId {
        LimitId { scope: scope.clone(), kind: self.kind, window: self.window, algorithm: self.algorithm }
    }
}

impl By {
    fn shared(place: Place, per: &Per, around: Around<'_>) -> Self {
        match per {
            Per::Each(Each::Model) => {
                let of = |name: &&ModelName| Slot::new(place.clone(), Share::Model((*name).clone()));
                Self::Model(around.models.iter().map(of).collect())
            }
            Per::Each(Each::Ip) => Self::Address(Slot::new(place, Share::Address)),
            Per::Header(by) => match HeaderName::try_from(by.header.as_str()) {
                Ok(name) => Self::Header(name, Slot::new(place, Share::Header(by.header.clone()))),
                // Checking a document refuses such names. Should one come here, all values count together.
                Err(_) => Self::One(Slot::new(place, Share::Header(by.header.clone()))),
            },
            Per::Each(Each::Key | Each::Route | Each::Team) => Self::One(Slot::new(place, Share::All)),
        }
    }
}

impl<T> Slot<T> {
    const fn new(place: Place, share: Share) -> Self {
        Self { scope: Scope { place, share }, found: OnceLock::new() }
    }
}

/// Compiles limits. Of two that would share a counter the smaller counts: one request must not count twice.
fn compile_all(
    limits: &[document::Limit],
    shared: Option<&Arc<Shared>>,
    by: impl Fn(&Per) -> By,
) -> Vec<Limit> {
    let mut compiled: Vec<(&Per, Limit)> = Vec::new();
    for limit in limits {
        let (kind, most) = match (limit.requests, limit.tokens, limit.budget, limit.concurrency) {
            (Some(requests), ..) => (Kind::Requests, requests),
            (_, Some(tokens), ..) => (Kind::Tokens, tokens),
            (.., Some(budget), _) => (Kind::Budget, budget.as_micros()),
            (.., Some(concurrency)) => (Kind::Concurrency, concurrency),
            (None, None, None, None) => continue,
        };
        let (window, algorithm) = (limit.window, limit.algorithm.unwrap_or_default());
        let same = compiled.iter_mut().find(|(per, other)| {
            (*per, other.kind, other.window, other.algorithm) == (&limit.per, kind, window, algorithm)
        });
        if let Some((_, same)) = same {
            same.most = same.most.min(most);
            continue;
        }
        let (shared, by) = (shared.cloned(), by(&limit.per));
        compiled.push((&limit.per, Limit { kind, most, window, algorithm, shared, by }));
    }
    compiled.into_iter().map(|(_, limit)| limit).collect()
}
