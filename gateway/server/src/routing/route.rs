//! Routes: which paths, which models, which limits, which clocks.

use std::sync::Arc;
use std::time::Duration;

use hashbrown::HashMap;
use moorline_config::ModelName;
use moorline_config::document::{self, LogBodies};

use super::limit::{Around, Limit};
use super::{ModelIndex, key};
use crate::cache::RouteCache;
use crate::guardrails::Guardrail;

/// The clocks of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Clocks {
    /// To reach the upstream.
    pub connect: Duration,
    /// To the response headers, each attempt.
    pub headers: Duration,
    /// To the first byte of the body.
    pub first_token: Duration,
    /// Between two chunks.
    pub idle: Duration,
    /// All of it.
    pub total: Duration,
}

/// Retries at one target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retry {
    /// Attempts, the first counted; at least one.
    pub attempts: u32,
    /// Wait before the second.
    pub backoff: Duration,
}

/// The slowest that a stream may come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MinStreamRate {
    /// Events in every window; at least one.
    pub events: usize,
    /// The window.
    pub window: Duration,
}

/// What serves the requests on a path.
#[derive(Debug)]
pub struct Route {
    /// Its index in the document.
    pub index: usize,
    /// The model for requests that name none.
    pub default_model: Option<ModelIndex>,
    /// What its requests and answers must pass.
    pub guardrails: Vec<Arc<Guardrail>>,
    /// Limits on the route.
    pub limits: Vec<Limit>,
    /// Its response cache.
    pub cache: Option<RouteCache>,
    /// Retries at one target.
    pub retry: Retry,
    /// The clocks of its requests.
    pub clocks: Clocks,
    /// The slowest that a stream may come.
    pub min_stream_rate: Option<MinStreamRate>,
    /// Whether words are logged.
    pub log_bodies: Option<LogBodies>,
    pattern: Pattern,
    models: Option<Vec<ModelIndex>>,
}

#[derive(Debug, PartialEq, Eq)]
enum Pattern {
    Exact(String),
    Prefix(String),
}

impl Route {
    pub(super) fn compile(
        index: usize,
        route: &document::Route,
        by_name: &HashMap<ModelName, ModelIndex>,
        around: Around<'_>,
    ) -> Self {
        let retry = route.retry.unwrap_or_default();
        let timeouts = route.timeouts.unwrap_or_default();
        Self {
            index,
            default_model: route.default_model.as_ref().and_then(|name| by_name.get(name).copied()),
            guardrails: Vec::new(),
            limits: Limit::of_route(&route.path, &route.limits, around),
            cache: route
                .cache
                .zip(around.cache)
                .map(|(cache, declared)| RouteCache::compile(&route.path, cache, declared)),
            retry: Retry { attempts: retry.attempts.max(1), backoff: retry.backoff.get() },
            clocks: Clocks {
                connect: timeouts.connect.get(),
                headers: timeouts.headers.get(),
                first_token: timeouts.first_token.get(),
                idle: timeouts.idle.get(),
                total: timeouts.total.get(),
            },
            min_stream_rate: route.min_stream_rate.map(|rate| MinStreamRate {
                events: usize::try_from(rate.events).unwrap_or(usize::MAX).max(1),
                window: rate.window.get(),
            }),
            log_bodies: route.log_bodies.clone(),
            pattern: route.path.strip_suffix('*').map_or_else(
                || Pattern::Exact(route.path.clone()),
                |prefix| Pattern::Prefix(prefix.to_owned()),
            ),
            models: route.models.as_ref().map(|names| key::indices(names, by_name)),
        }
    }

    /// Whether the route serves a path.
    #[must_use]
    pub fn matches(&self, path: &str) -> bool {
        match &self.pattern {
            Pattern::Exact(exact) => path == exact,
            Pattern::Prefix(prefix) => path.starts_with(prefix.as_str()),
        }
    }

    /// Whether a model may be asked for here.
    #[must_use]
    pub fn allows(&self, model: ModelIndex) -> bool {
        self.models.as_ref().is_none_or(|models| models.contains(&model))
    }
}
