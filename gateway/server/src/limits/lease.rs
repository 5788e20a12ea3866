//! A counter that other replicas count with: what this one has taken of the common allowance and not used yet.
//!
//! A replica *takes* a part of what is left from the store (see [`super::store`]) and serves from it without asking
//! again. All it says to the store are totals of its own, bucket by bucket: "this much is mine", used or not. Saying
//! it twice changes nothing, so an answer that was lost loses no allowance, and a store that forgot is told again.
//!
//! Nothing is stranded. A replica that finds too little left calls back what others hold; they return what they have
//! not used, at once, and only when nobody holds anything any more is a request refused. The less is left, the less is
//! taken ahead: an eighth of it, and at the edge nothing, so that there each request asks.
//!
//! Everything here is pure: a state, changed under its counter's lock. [`super::store`] carries what it says to the
//! store and back.

use std::collections::VecDeque;

use tokio::sync::oneshot;

use super::ring::Ring;
use super::{Full, Hold, Millis};

/// How long it is believed that nothing is left. What others give back in the meantime is seen after it.
const REFUSED_FOR: Millis = 100;
/// After so long without a request, what was taken ahead is returned.
const IDLE: Millis = 1_000;
/// What was taken ahead and is used up sooner was too little; later than four of these, too much.
const BLOCK_LASTS: Millis = 250;
/// Requests' worth that is taken ahead at most.
const BLOCK_MAX: u64 = 4_096;
/// What runs now is forgotten by the store when its replica does not say for so long that it lives.
pub(super) const LIFE: Millis = 10_000;
/// How often it says so.
const LIFE_SIGN: Millis = 2_500;
/// Numbers up to here are exact in the store.
const EXACT_MAX: u64 = (1 << 53) - 1;

/// What the store answered a request that had to wait.
#[derive(Debug)]
pub enum Verdict {
    /// It may go on.
    Held(Hold),
    /// There is not enough left.
    Full(Full),
    /// Nobody knows: the store cannot be asked.
    Lost,
}

/// A request that waits for the store.
#[derive(Debug)]
pub(super) struct Waiting {
    pub(super) amount: u64,
    pub(super) most: u64,
    pub(super) verdict: oneshot::Sender<Verdict>,
}

/// What is said to the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Ask {
    /// The store's life in which it is said.
    pub(super) life: u64,
    /// The present bucket: what is granted counts there.
    pub(super) head: u64,
    /// The most that may be taken by all replicas together.
    pub(super) most: u64,
    /// What the waiting requests need beyond what is here.
    pub(super) need: u64,
    /// The least that would let one of them go on.
    pub(super) least: u64,
    /// What would be taken ahead.
    pub(super) ahead: u64,
    /// Whether something is held here that is not used.
    pub(super) keeps: bool,
    /// Buckets and what is this replica's in them.
    pub(super) totals: Vec<(u64, u64)>,
}

/// What the store answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Answer {
    /// What is this replica's from now on.
    pub(super) granted: u64,
    /// What is left after it.
    pub(super) left: u64,
    /// Other replicas that may hold something they do not use.
    pub(super) holders: u64,
}

/// This replica's part in a counter.
#[derive(Debug, Default)]
pub(super) struct Lease {
    pub(super) waiting: VecDeque<Waiting>,
    /// Whether somebody attends to this counter already.
    pub(super) attended: bool,
    /// The limit that what is held was taken under.
    most: u64,
    left: u64,
    /// What others called back is returned with the next word.
    recalled: bool,
    runs_low: bool,
    sign_due: bool,
    /// Requests' worth to take ahead, and what a request takes.
    block: u64,
    typical: u64,
    granted_at: Millis,
    asked_at: Millis,
    /// The store's life that `told` in the buckets is about: one that came back may have forgotten.
    life: u64,
    /// Whether the store knows that something is held here that is not used: nobody else would call it back.
    is_known_holder: bool,
    /// What runs now is counted by the store until then.
    good_until: Millis,
    refused: Option<Refused>,
}

/// That nothing was left.
#[derive(Debug, Clone, Copy)]
struct Refused {
    least: u64,
    most: u64,
    until: Millis,
}

impl Lease {
    /// What may be used without asking.
    pub(super) fn available(&self, ring: &mut Ring, most: u64, now: Millis) -> u64 {
        let is_good = !ring.shape().is_endless() || now < self.good_until;
        if self.most != most || !is_good {
            return 0;
        }
        ring.present().map_or(0, |bucket| bucket.taken.saturating_sub(bucket.used))
    }

    /// Notes that a request came, and says whether more should be taken ahead before this runs out.
    pub(super) fn used(&mut self, amount: u64, available: u64, now: Millis) -> bool {
        self.asked_at = now;
        self.typical = (self.typical.saturating_mul(7).saturating_add(amount) / 8).max(1);
        let low = self.block.saturating_mul(self.typical) / 4;
        self.runs_low = available < low && self.left > 0;
        self.runs_low
    }

    /// Whether it is known that an amount does not fit.
    pub(super) fn is_refused(&self, amount: u64, most: u64, now: Millis) -> bool {
        self.refused
            .is_some_and(|refused| now < refused.until && amount >= refused.least && most <= refused.most)
    }

    /// The limit that what is held was taken under.
    pub(super) const fn most(&self) -> u64 {
        self.most
    }

    /// What is left, as far as it is known here.
    pub(super) const fn remaining(&self, available: u64) -> u64 {
        self.left.saturating_add(available)
    }

    /// Gives back what is not used, with the next word.
    pub(super) const fn recall(&mut self) {
        self.recalled = true;
    }

    /// What settled changes what is used: says whether the store must hear of it soon.
    pub(super) fn settled(&mut self, ring: &mut Ring, index: u64) -> bool {
        let is_present = ring.head() == index;
        let Some(bucket) = ring.bucket(index) else { return false };
        let is_debt = bucket.used > bucket.taken;
        // At the edge what comes back is for whoever asks first, wherever that is.
        let holds = is_present && bucket.taken > bucket.used;
        self.recalled |= holds && self.left == 0;
        is_debt || self.recalled || (holds && !self.is_known_holder)
    }

    /// Whether there is something to say to the store without being asked: what lies idle, what changed in buckets that
    /// are over, that this replica lives.
    pub(super) fn is_due(&mut self, ring: &mut Ring, now: Millis) -> bool {
        let head = ring.advance(now);
        let is_endless = ring.shape().is_endless();
        let is_idle = now >= self.asked_at.saturating_add(IDLE);
        let mut due = false;
        for bucket in ring.buckets() {
            let held = bucket.taken.saturating_sub(bucket.used);
            if bucket.index == head {
                self.recalled |= is_idle && held > 0;
                let is_old = now >= self.granted_at.saturating_add(LIFE_SIGN);
                self.sign_due |= is_endless && is_old && bucket.taken > 0;
                due |= bucket.used > bucket.taken;
            } else {
                due |= bucket.taken != bucket.used;
            }
        }
        due || self.recalled || self.sign_due
    }

    /// What to say to the store now; nothing when there is nothing to say.
    pub(super) fn ask(&mut self, ring: &mut Ring, life: u64, now: Millis) -> Option<Ask> {
        let head = ring.advance(now);
        self.waiting.retain(|waiting| !waiting.verdict.is_closed());
        let most = self.waiting.front().map_or(self.most, |waiting| waiting.most);
        // Allowance that was taken under another limit is not this one's: a smaller limit must not be passed with it.
        let returns = std::mem::take(&mut self.recalled) || most != self.most;
        let is_heard = self.life == life && (!ring.shape().is_endless() || now < self.good_until);
        self.most = most;
        let (mut keeps, oldest) = (0, ring.shape().oldest(head));
        let mut totals = Vec::new();
        for bucket in ring.buckets() {
            let is_kept = bucket.index == head && !returns;
            bucket.taken = if is_kept { bucket.taken.max(bucket.used) } else { bucket.used };
            if bucket.index == head {
                keeps = bucket.taken - bucket.used;
            }
            // Who may have forgotten, or may have missed the last word, is told everything, also what is nothing.
            if bucket.taken != bucket.told || (!is_heard && bucket.index >= oldest) {
                totals.push((bucket.index, bucket.taken.min(EXACT_MAX)));
            }
        }
        let waiting =
            || self.waiting.iter().filter(|waiting| waiting.most == most).map(|waiting| waiting.amount);
        let need = waiting().fold(0_u64, u64::saturating_add).saturating_sub(keeps).min(EXACT_MAX);
        let least = waiting().min().unwrap_or(0).saturating_sub(keeps).clamp(1, EXACT_MAX);
        let is_low = std::mem::take(&mut self.runs_low) && !returns;
        let ahead = if need > 0 || is_low { self.ahead(now) } else { 0 };
        let is_sign = std::mem::take(&mut self.sign_due);
        let is_news = keeps > 0 && !self.is_known_holder;
        let has_word = need > 0 || ahead > 0 || returns || is_sign || is_news || !totals.is_empty();
        has_word.then_some(Ask { life, head, most, need, least, ahead, keeps: keeps > 0, totals })
    }

    /// How much to take ahead: what lasts about a quarter of a second, as it went so far.
    fn ahead(&mut self, now: Millis) -> u64 {
        let lasted = now.saturating_sub(self.granted_at);
        let doubled = self.block.saturating_mul(2).clamp(4, BLOCK_MAX);
        self.block = match lasted {
            _ if lasted < BLOCK_LASTS => doubled,
            _ if lasted > BLOCK_LASTS * 4 => self.block / 2,
            _ => self.block,
        };
        self.block.saturating_mul(self.typical.max(1)).min(EXACT_MAX)
    }

    /// Takes an answer in.
    pub(super) fn answer(&mut self, ring: &mut Ring, ask: &Ask, answer: Answer, now: Millis) {
        for (index, total) in &ask.totals {
            if let Some(bucket) = ring.bucket(*index) {
                bucket.told = *total;
            }
        }
        // What was granted for a window that is over is worth nothing any more.
        if let Some(bucket) = ring.bucket(ask.head) {
            bucket.taken = bucket.taken.saturating_add(answer.granted);
            bucket.told = bucket.told.saturating_add(answer.granted);
        }
        self.life = ask.life;
        self.is_known_holder = ask.keeps || answer.granted > 0;
        self.left = answer.left;
        self.good_until = now.saturating_add(LIFE - LIFE_SIGN);
        if answer.granted > 0 || ring.shape().is_endless() {
            self.granted_at = now;
        }
        if answer.granted > 0 {
            self.refused = None;
        }
        ring.advance(now);
    }

    /// Takes out the requests that can go on with what is here: a sender, what each holds in the present bucket, and
    /// what remains.
    pub(super) fn serve(
        &mut self,
        ring: &mut Ring,
        now: Millis,
    ) -> Vec<(oneshot::Sender<Verdict>, u64, u64)> {
        let most = self.most;
        let mut available = self.available(ring, most, now);
        let mut served = Vec::new();
        let mut left = VecDeque::new();
        for waiting in self.waiting.drain(..) {
            if waiting.most == most && waiting.amount <= available {
                available -= waiting.amount;
                ring.charge(waiting.amount);
                served.push((waiting.verdict, waiting.amount, self.left.saturating_add(available)));
            } else {
                left.push_back(waiting);
            }
        }
        self.waiting = left;
        served
    }

    /// Whether a request waits that what is left cannot serve.
    pub(super) fn is_starved(&self, ring: &mut Ring, now: Millis) -> bool {
        let within = self.remaining(self.available(ring, self.most, now));
        self.waiting.iter().any(|waiting| waiting.most == self.most && waiting.amount > within)
    }

    /// Takes out the requests that what is left cannot serve, and remembers that for a moment.
    pub(super) fn refuse(&mut self, ring: &mut Ring, now: Millis) -> Vec<oneshot::Sender<Verdict>> {
        let within = self.remaining(self.available(ring, self.most, now));
        let (starved, left): (VecDeque<_>, _) = std::mem::take(&mut self.waiting)
            .into_iter()
            .partition(|waiting| waiting.most == self.most && waiting.amount > within);
        self.waiting = left;
        if let Some(least) = starved.iter().map(|waiting| waiting.amount).min() {
            let until = now.saturating_add(REFUSED_FOR.min(ring.shape().step(now)));
            self.refused = Some(Refused { least, most: self.most, until });
        }
        starved.into_iter().map(|waiting| waiting.verdict).collect()
    }
}

#[cfg(test)]
mod tests {
    use moorline_config::document::Algorithm;

    use super::super::ring::Shape;
    use super::*;

    const PLENTY: Answer = Answer { granted: 0, left: 4, holders: 0 };

    /// Five of what may run at the same time, all in use, and the store has just heard of it.
    fn five_run() -> (Lease, Ring) {
        let (mut lease, mut ring) = (Lease::default(), Ring::new(Shape::new(None, Algorithm::Fixed)));
        let (verdict, _) = oneshot::channel();
        lease.waiting.push_back(Waiting { amount: 5, most: 20, verdict });
        let ask = lease.ask(&mut ring, 1, 0).unwrap();
        lease.answer(&mut ring, &ask, Answer { granted: 5, left: 15, holders: 0 }, 0);
        lease.waiting.clear();
        ring.charge(5);
        lease.recall();
        let ask = lease.ask(&mut ring, 1, 0).unwrap();
        assert!(!ask.keeps);
        lease.answer(&mut ring, &ask, PLENTY, 0);
        (lease, ring)
    }

    #[test]
    fn what_ends_while_a_word_is_under_way_is_told_with_the_next_so_that_others_can_call_it_back() {
        let (mut lease, mut ring) = five_run();
        assert_eq!(lease.ask(&mut ring, 1, 0), None);
        let head = ring.head();
        ring.exchange(head, 2, 0);
        assert!(lease.settled(&mut ring, head));
        let ask = lease.ask(&mut ring, 1, 0).unwrap();
        assert!(ask.keeps);
        lease.answer(&mut ring, &ask, PLENTY, 0);
        // Told once: as long as others may call it back, ending says nothing more.
        ring.exchange(head, 1, 0);
        assert!(!lease.settled(&mut ring, head));
    }

    #[test]
    fn a_store_that_may_have_forgotten_is_told_again_until_it_answers() {
        let (mut lease, mut ring) = five_run();
        let head = ring.head();
        // Found again, and then after a silence that lasted longer than it remembers.
        for (life, now) in [(2, 1), (2, 1), (1, LIFE)] {
            assert_eq!(lease.ask(&mut ring, life, now).unwrap().totals, [(head, 5)]);
        }
        let ask = lease.ask(&mut ring, 2, 1).unwrap();
        lease.answer(&mut ring, &ask, PLENTY, 1);
        assert_eq!(lease.ask(&mut ring, 2, 1), None);
    }
}
