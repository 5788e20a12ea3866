//! A request and the cache of its route: what it is given from it, and what is kept of its answer.

use std::sync::Arc;

use http::{HeaderName, HeaderValue};

use super::attempts::Call;
use super::marks::Marks;
use super::service::PROBE;
use crate::cache::key::{Question, Wish};
use crate::cache::{Entry, RouteCache, Vacancy};

const CACHE: HeaderName = HeaderName::from_static("x-moorline-cache");

/// What the cache had.
pub(super) enum Found {
    /// An answer.
    Kept(Arc<Entry>),
    /// Nothing; what is asked for now is kept, if anything is.
    Nothing(Option<Vacancy>),
}

/// Asks the cache, and says in a header what it had.
pub(super) async fn look_up(
    call: &Call<'_>,
    cache: &RouteCache,
    question: &Question<'_>,
    marks: &mut Marks,
) -> Found {
    let wish = Wish::of(question.headers);
    // A probe asks what the candidate does, not what was said before.
    if wish == Wish::Nothing || question.headers.contains_key(PROBE) {
        marks.add(CACHE, HeaderValue::from_static("bypass"));
        return Found::Nothing(None);
    }
    let worker = call.worker;
    let (id, now) = (cache.id(question), worker.limits.now());
    if wish == Wish::New {
        marks.add(CACHE, HeaderValue::from_static("bypass"));
        return Found::Nothing(Some(cache.record(&worker.caches, id, now)));
    }
    // What it could not have been answered itself is none of its business: that is a miss.
    let kept = cache.find(&worker.caches, &id, now).await;
    if let Some(entry) = kept.filter(|entry| call.may_get_from(entry.giver())) {
        marks.add(CACHE, HeaderValue::from_static("hit"));
        return Found::Kept(entry);
    }
    marks.add(CACHE, HeaderValue::from_static("miss"));
    Found::Nothing(Some(cache.record(&worker.caches, id, now)))
}
