//! The order in which a model's targets are tried.
//!
//! In: a model's targets, what is known of the request, and how each target does. Out: the targets that serve such a
//! request, first choice first. Nothing is allocated for models with a few targets, and nothing is worked out for a
//! model with one.

use http::{HeaderMap, HeaderName};
use moorline_config::document::{self, Strategy};
use moorline_translate::Tokens;
use smallvec::SmallVec;

use super::{Key, Target};
use crate::health::{Health, Pace, TargetHealth};

/// Targets in the order to try them.
pub type Order<'a> = SmallVec<[&'a Target; TARGETS_USUAL]>;

/// Targets of the usual model: so many are put in order without an allocation.
const TARGETS_USUAL: usize = 4;
/// Tokens out, when a request does not say how many it wants at most.
const OUTPUT_EXPECTED: u64 = 512;

/// What is known of a request before a target is chosen.
#[derive(Debug, Clone, Copy)]
pub struct Occasion<'a> {
    /// Its headers.
    pub headers: &'a HeaderMap,
    /// Its caller's key.
    pub key: &'a Key,
    /// What it will use: the prompt, and the most that it asks for.
    pub tokens: Tokens,
    /// Whether it asks for a stream.
    pub stream: bool,
}

impl Occasion<'_> {
    fn tokens_expected(&self) -> Tokens {
        let output = if self.tokens.output == 0 { OUTPUT_EXPECTED } else { self.tokens.output };
        Tokens { output, ..self.tokens }
    }

    /// The measurements that tell how fast a target is for such a request.
    pub fn pace(self, health: &TargetHealth) -> &Pace {
        if self.stream { &health.first_token } else { &health.latency }
    }
}

/// Who is kept at one target, told apart by this.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum StickyBy {
    Key,
    Header(HeaderName),
}

impl StickyBy {
    pub(super) fn compile(sticky: &document::Sticky) -> Option<Self> {
        match &sticky.by {
            document::StickyBy::Key(_) => Some(Self::Key),
            document::StickyBy::Header(by) => by.header.parse().ok().map(Self::Header),
        }
    }

    fn identity<'a>(&self, occasion: &Occasion<'a>) -> Option<&'a [u8]> {
        match self {
            Self::Key => Some(occasion.key.name.as_str().as_bytes()),
            Self::Header(name) => occasion.headers.get(name).map(http::HeaderValue::as_bytes),
        }
    }
}

/// Puts targets in order. `die` gives a number below its argument, evenly.
pub(super) fn order<'a>(
    targets: &'a [Target],
    (strategy, sticky): (Strategy, Option<&StickyBy>),
    occasion: &Occasion<'_>,
    health: &Health,
    die: impl FnMut(u64) -> u64,
) -> Order<'a> {
    let serving: Order<'a> = targets.iter().filter(|target| target.serves(occasion)).collect();
    if serving.len() < 2 {
        return serving;
    }
    if let Some(identity) = sticky.and_then(|sticky| sticky.identity(occasion)) {
        return rendezvous(serving, identity);
    }
    match strategy {
        Strategy::Priority => serving,
        Strategy::Weighted => lots(serving, die),
        Strategy::Cheapest => cheapest(serving, occasion),
        Strategy::Fastest => fastest(serving, occasion, health),
        Strategy::LeastBusy => least_busy(lots(serving, die), health),
    }
}

/// By lot, in proportion to the weights. Weight 0 asks for no traffic: such a target comes after the others.
fn lots<'a>(mut left: Order<'a>, mut die: impl FnMut(u64) -> u64) -> Order<'a> {
    let mut ordered = Order::with_capacity(left.len());
    loop {
        let sum: u64 = left.iter().map(|target| u64::from(target.weight)).sum();
        if sum == 0 {
            ordered.append(&mut left);
            return ordered;
        }
        let mut lot = die(sum);
        let drawn = left.iter().position(|target| {
            let weight = u64::from(target.weight);
            let hit = lot < weight;
            lot = lot.saturating_sub(weight);
            hit
        });
        ordered.push(left.remove(drawn.unwrap_or(0)));
    }
}

/// By what the request will cost there. What has no declared price comes last, and ties stay as written.
fn cheapest<'a>(serving: Order<'a>, occasion: &Occasion<'_>) -> Order<'a> {
    let tokens = occasion.tokens_expected();
    sorted(serving, |target| target.price.map_or((1, 0), |price| (0, price.cost_micros(tokens))))
}

/// By what was measured. A target that was never measured, or not for long, is tried first, by one request at a time.
fn fastest<'a>(serving: Order<'a>, occasion: &Occasion<'_>, health: &Health) -> Order<'a> {
    let now = health.now();
    sorted(serving, |target| {
        let target = target.health(health);
        match occasion.pace(target).expected_micros(now) {
            Some(micros) => (1, micros),
            None if target.under_way() == 0 => (0, 0),
            None => (2, target.under_way()),
        }
    })
}

/// By requests under way for the weight, this one counted in. Ties stay as drawn.
fn least_busy<'a>(drawn: Order<'a>, health: &Health) -> Order<'a> {
    // Twelve more digits, so that weights are told apart by whole numbers.
    const SCALE: u64 = 1 << 40;
    sorted(drawn, |target| {
        let with_this = target.health(health).under_way().saturating_add(1);
        let load = with_this.saturating_mul(SCALE).checked_div(u64::from(target.weight));
        load.map_or((1, 0), |load| (0, load))
    })
}

/// Sorted by a rank that is worked out once for each: what it goes by may change meanwhile.
fn sorted<'a>(targets: Order<'a>, rank: impl Fn(&Target) -> (u8, u64)) -> Order<'a> {
    let mut ranked: SmallVec<[_; TARGETS_USUAL]> =
        targets.into_iter().map(|target| (rank(target), target)).collect();
    ranked.sort_by_key(|(rank, _)| *rank);
    ranked.into_iter().map(|(_, target)| target).collect()
}

/// Rendezvous hashing: each target draws a number of its own for the caller, and the highest wins, weights counted
/// in. So a caller has the same order everywhere and always, and a target that comes or goes moves no caller but
/// those that are its own.
fn rendezvous<'a>(targets: Order<'a>, identity: &[u8]) -> Order<'a> {
    let caller = hash(identity);
    let mut ranked: SmallVec<[(f64, &Target); TARGETS_USUAL]> =
        targets.into_iter().map(|target| (score(caller, target), target)).collect();
    ranked.sort_by(|(one, _), (other, _)| other.total_cmp(one));
    ranked.into_iter().map(|(_, target)| target).collect()
}

/// `-weight / ln(u)` with `u` drawn evenly from 0 to 1: the highest of these falls to each target in proportion to its
/// weight.
fn score(caller: u64, target: &Target) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "the upper 53 bits fit a double exactly")]
    let drawn = (mixed(caller ^ target.seed) >> 11) as f64;
    let even = (drawn + 0.5) / 9_007_199_254_740_992.0;
    -f64::from(target.weight) / even.ln()
}

/// A hash that is the same in every process and release (FNV-1a): replicas and restarts must agree.
pub(super) fn hash(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

/// Spreads a change of one bit over all of them (the end of SplitMix64).
const fn mixed(mut bits: u64) -> u64 {
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

#[cfg(test)]
mod tests;
