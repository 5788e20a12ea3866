//! One counter: what is used of one limit by one of those it counts for. Alone, it counts in this process's memory;
//! with a store behind it, it counts together with those of other replicas (see [`super::lease`]).

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

use super::Millis;
use super::lease::{Answer, Ask, Lease, Verdict, Waiting};
use super::ring::{Ring, Shape};
use super::store::Desk;

/// What is used.
#[derive(Debug)]
pub struct Counter {
    shape: Shape,
    state: Mutex<State>,
    shared: Option<Shared>,
}

#[derive(Debug)]
struct State {
    ring: Ring,
    lease: Lease,
}

/// With whom a counter counts together.
#[derive(Debug)]
pub(super) struct Shared {
    /// Where somebody attends to it.
    pub(super) desk: Arc<Desk>,
    /// Its name in the store, without the window's number.
    pub(super) name: String,
}

/// An amount that is held by whoever has this. Dropped without a word it is given back.
#[derive(Debug)]
#[must_use = "dropped, it gives back what it holds"]
pub struct Hold {
    counter: Arc<Counter>,
    bucket: u64,
    amount: u64,
    /// What is left after it.
    pub remaining: u64,
    /// Until all that is used now is forgotten.
    pub reset: Millis,
}

/// Says that an amount does not fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Full {
    /// What is left.
    pub remaining: u64,
    /// Until it may fit.
    pub reset: Millis,
}

/// Why an amount is not held, or not yet.
#[derive(Debug)]
pub enum Short {
    /// It does not fit.
    Full(Full),
    /// The store is asked.
    Wait(oneshot::Receiver<Verdict>),
    /// The store cannot be asked now.
    Lost,
}

impl Counter {
    pub(super) fn new(shape: Shape, shared: Option<Shared>) -> Self {
        let state = State { ring: Ring::new(shape), lease: Lease::default() };
        Self { shape, state: Mutex::new(state), shared }
    }

    /// Reserves an amount (at least 1: at a limit that is used up nothing passes), if with it no more than `most` is
    /// used.
    ///
    /// # Errors
    /// [`Short`] says why not; nothing is reserved then.
    pub fn reserve(self: Arc<Self>, amount: u64, most: u64, now: Millis) -> Result<Hold, Short> {
        match &self.shared {
            None => self.reserve_here(amount, most, now).map_err(Short::Full),
            Some(_) => self.reserve_shared(amount, most, now),
        }
    }

    /// Reserves by what this process alone knows.
    ///
    /// # Errors
    /// [`Full`] when it does not fit.
    pub fn reserve_here(self: Arc<Self>, amount: u64, most: u64, now: Millis) -> Result<Hold, Full> {
        let amount = amount.max(1);
        let mut state = self.state();
        let ring = &mut state.ring;
        let bucket = ring.advance(now);
        let used = ring.used();
        match used.checked_add(amount).and_then(|used| most.checked_sub(used)) {
            Some(remaining) => {
                ring.charge(amount);
                let reset = ring.reset(now);
                drop(state);
                Ok(Hold { counter: self, bucket, amount, remaining, reset })
            }
            None => Err(Full { remaining: most.saturating_sub(used), reset: ring.wait(amount, most, now) }),
        }
    }

    fn reserve_shared(self: Arc<Self>, amount: u64, most: u64, now: Millis) -> Result<Hold, Short> {
        let amount = amount.max(1);
        let mut state = self.state();
        let State { ring, lease } = &mut *state;
        let bucket = ring.advance(now);
        let available = lease.available(ring, most, now);
        if amount <= available {
            ring.charge(amount);
            let runs_low = lease.used(amount, available - amount, now);
            let (remaining, reset) = (lease.remaining(available - amount), ring.reset(now));
            let call = runs_low && !std::mem::replace(&mut lease.attended, true);
            drop(state);
            if call {
                self.call();
            }
            return Ok(Hold { counter: self, bucket, amount, remaining, reset });
        }
        lease.used(amount, 0, now);
        if lease.is_refused(amount, most, now) {
            let full =
                Full { remaining: lease.remaining(available), reset: self.shape.refused_for(bucket, now) };
            return Err(Short::Full(full));
        }
        if self.shared.as_ref().is_none_or(|shared| shared.desk.is_lost()) {
            return Err(Short::Lost);
        }
        let (verdict, verdict_comes) = oneshot::channel();
        lease.waiting.push_back(Waiting { amount, most, verdict });
        let call = !std::mem::replace(&mut lease.attended, true);
        drop(state);
        if call {
            self.call();
        }
        Err(Short::Wait(verdict_comes))
    }

    /// Whether it may still say something to somebody.
    pub(super) fn is_running(&self, now: Millis) -> bool {
        let mut state = self.state();
        let State { ring, lease } = &mut *state;
        ring.advance(now);
        lease.attended || ring.buckets().iter().any(|bucket| bucket.used > 0 || bucket.taken > 0)
    }

    /// What is used at a moment, by this process.
    #[must_use]
    pub fn used(&self, now: Millis) -> u64 {
        let mut state = self.state();
        state.ring.advance(now);
        state.ring.used()
    }

    /// How its time is cut.
    pub(super) const fn shape(&self) -> Shape {
        self.shape
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks for somebody who attends to this counter.
    fn call(self: &Arc<Self>) {
        if let Some(shared) = &self.shared {
            shared.desk.call(Arc::clone(self));
        }
    }
}

/// What whoever attends to a shared counter does with it.
impl Counter {
    /// Its name in the store, without the window's number.
    pub(super) fn name(&self) -> &str {
        self.shared.as_ref().map_or("", |shared| &shared.name)
    }

    /// Lets the requests go on that can, and says what to ask the store; nothing when it needs no more attention.
    pub(super) fn ask(self: &Arc<Self>, life: u64, now: Millis) -> Option<Ask> {
        let mut state = self.state();
        let State { ring, lease } = &mut *state;
        ring.advance(now);
        let served = lease.serve(ring, now);
        let ask = lease.ask(ring, life, now);
        lease.attended = ask.is_some();
        self.tell(state, served, now);
        ask
    }

    /// Takes the store's answer in, and says whether a request still starves.
    pub(super) fn answer(self: &Arc<Self>, ask: &Ask, answer: Answer, now: Millis) -> bool {
        let mut state = self.state();
        let State { ring, lease } = &mut *state;
        lease.answer(ring, ask, answer, now);
        let served = lease.serve(ring, now);
        let is_starved = lease.is_starved(ring, now);
        self.tell(state, served, now);
        is_starved
    }

    fn tell(
        self: &Arc<Self>,
        state: MutexGuard<'_, State>,
        served: Vec<(oneshot::Sender<Verdict>, u64, u64)>,
        now: Millis,
    ) {
        let (bucket, reset) = (state.ring.head(), state.ring.reset(now));
        // A hold that nobody takes any more gives itself back, for which it needs the lock.
        drop(state);
        for (verdict, amount, remaining) in served {
            drop(verdict.send(Verdict::Held(Hold {
                counter: Arc::clone(self),
                bucket,
                amount,
                remaining,
                reset,
            })));
        }
    }

    /// Refuses the requests that starve.
    pub(super) fn refuse(&self, now: Millis) {
        let mut state = self.state();
        let State { ring, lease } = &mut *state;
        let bucket = ring.advance(now);
        let starved = lease.refuse(ring, now);
        let most = lease.most();
        let available = lease.available(ring, most, now);
        let full = Full { remaining: lease.remaining(available), reset: self.shape.refused_for(bucket, now) };
        drop(state);
        for verdict in starved {
            drop(verdict.send(Verdict::Full(full)));
        }
    }

    /// Tells everybody who waits that the store is lost.
    pub(super) fn lose(&self) {
        let mut state = self.state();
        state.lease.attended = false;
        let waiting = std::mem::take(&mut state.lease.waiting);
        drop(state);
        for waiting in waiting {
            drop(waiting.verdict.send(Verdict::Lost));
        }
    }

    /// Gives back what is not used, as soon as may be.
    pub(super) fn recall(self: &Arc<Self>) {
        let mut state = self.state();
        state.lease.recall();
        let call = !std::mem::replace(&mut state.lease.attended, true);
        drop(state);
        if call {
            self.call();
        }
    }

    /// Asks for attention when there is something to say to the store; also when `always`.
    pub(super) fn tidy(self: &Arc<Self>, always: bool, now: Millis) {
        let mut state = self.state();
        let State { ring, lease } = &mut *state;
        let is_due = lease.is_due(ring, now) || always;
        let call = is_due && !std::mem::replace(&mut lease.attended, true);
        drop(state);
        if call {
            self.call();
        }
    }
}

impl Hold {
    /// Exchanges what is held for what was used.
    pub fn settle(mut self, used: u64) {
        self.exchange(used);
    }

    fn exchange(&mut self, used: u64) {
        // What ran has ended, whatever it used.
        let used = if self.counter.shape().is_endless() { 0 } else { used };
        let mut state = self.counter.state();
        let State { ring, lease } = &mut *state;
        ring.exchange(self.bucket, std::mem::take(&mut self.amount), used);
        if self.counter.shared.is_none() {
            return;
        }
        let is_due = lease.settled(ring, self.bucket);
        let call = is_due && !std::mem::replace(&mut lease.attended, true);
        drop(state);
        if call {
            self.counter.call();
        }
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        if self.amount > 0 {
            self.exchange(0);
        }
    }
}

#[cfg(test)]
mod tests {
    use moorline_config::Duration;
    use moorline_config::document::Algorithm;
    use proptest::prelude::*;

    use super::*;

    fn fixed() -> Arc<Counter> {
        Arc::new(Counter::new(Shape::new(Some(Duration::from_seconds(1)), Algorithm::Fixed), None))
    }

    fn running() -> Arc<Counter> {
        Arc::new(Counter::new(Shape::new(None, Algorithm::Fixed), None))
    }

    fn reserve(counter: &Arc<Counter>, amount: u64, most: u64, now: Millis) -> Result<Hold, Full> {
        Arc::clone(counter).reserve_here(amount, most, now)
    }

    #[test]
    fn windows_begin_at_multiples_of_their_length() {
        let counter = fixed();
        let hold = reserve(&counter, 2, 2, 5_999).unwrap();
        assert_eq!((hold.remaining, hold.reset), (0, 1));
        assert_eq!(reserve(&counter, 1, 2, 5_999).unwrap_err(), Full { remaining: 0, reset: 1 });
        assert_eq!(reserve(&counter, 1, 2, 6_000).unwrap().reset, 1_000);
    }

    #[test]
    fn settling_gives_back_what_was_not_used_and_charges_what_was() {
        let counter = fixed();
        reserve(&counter, 50, 100, 0).unwrap().settle(10);
        assert_eq!(counter.used(0), 10);
        drop(reserve(&counter, 50, 100, 0).unwrap());
        assert_eq!(counter.used(0), 10);
        reserve(&counter, 50, 100, 0).unwrap().settle(500);
        assert_eq!(counter.used(0), 510);
        assert_eq!(reserve(&counter, 1, 100, 0).unwrap_err(), Full { remaining: 0, reset: 1_000 });
    }

    #[test]
    fn a_hold_of_a_past_window_changes_nothing_in_this_one() {
        let counter = fixed();
        let past = reserve(&counter, 50, 100, 0).unwrap();
        reserve(&counter, 20, 100, 1_000).unwrap().settle(20);
        past.settle(0);
        assert_eq!(counter.used(1_000), 20);
    }

    #[test]
    fn a_clock_that_goes_back_forgives_nothing() {
        let counter = fixed();
        reserve(&counter, 2, 2, 9_000).unwrap().settle(2);
        reserve(&counter, 1, 2, 8_000).unwrap_err();
    }

    #[test]
    fn what_runs_is_counted_until_it_ends_however_long_and_whatever_it_used() {
        let counter = running();
        let first = reserve(&counter, 1, 2, 0).unwrap();
        let second = reserve(&counter, 1, 2, 5).unwrap();
        assert_eq!(reserve(&counter, 1, 2, Millis::MAX - 1).unwrap_err().remaining, 0);
        first.settle(1);
        let third = reserve(&counter, 1, 2, 7).unwrap();
        drop(second);
        drop(third);
        assert_eq!(counter.used(8), 0);
    }

    #[test]
    fn threads_together_are_admitted_exactly_as_often_as_the_limit_says() {
        let counter = fixed();
        let admit = |_: &i32| reserve(&counter, 1, 1_000, 500).map(|hold| hold.settle(1)).is_ok();
        let admitted: usize = std::thread::scope(|scope| {
            let work = || (0..1_000).filter(admit).count();
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(work)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).sum()
        });
        assert_eq!(admitted, 1_000);
    }

    #[derive(Debug, Clone)]
    enum Step {
        Reserve(u64),
        Settle(usize, u64),
        Drop(usize),
        Wait(u64),
    }

    fn amount() -> impl Strategy<Value = u64> {
        prop_oneof![8 => 0_u64..50, 1 => Just(u64::MAX), 1 => Just(u64::MAX - 7)]
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            4 => amount().prop_map(Step::Reserve),
            3 => (0_usize..8, amount()).prop_map(|(which, used)| Step::Settle(which, used)),
            1 => (0_usize..8).prop_map(Step::Drop),
            1 => (0_u64..400).prop_map(Step::Wait),
        ]
    }

    proptest! {
        #[test]
        fn reserving_never_goes_beyond_the_limit_and_settling_never_below_nothing(
            steps in proptest::collection::vec(step(), 1..120), sliding: bool
        ) {
            let algorithm = if sliding { Algorithm::Sliding } else { Algorithm::Fixed };
            let counter = Arc::new(Counter::new(Shape::new(Some(Duration::from_seconds(1)), algorithm), None));
            let (mut now, mut holds, most) = (0, Vec::new(), 100);
            for step in steps {
                let before = counter.used(now);
                match step {
                    Step::Reserve(amount) => match reserve(&counter, amount, most, now) {
                        Ok(hold) => {
                            prop_assert!(counter.used(now) <= most);
                            prop_assert_eq!(counter.used(now), before + amount.max(1));
                            holds.push(hold);
                        }
                        Err(full) => {
                            prop_assert!(before.saturating_add(amount.max(1)) > most);
                            prop_assert_eq!(counter.used(now), before);
                            prop_assert_eq!(full.remaining, most.saturating_sub(before));
                        }
                    },
                    Step::Settle(which, used) if which < holds.len() => {
                        holds.swap_remove(which).settle(used);
                        prop_assert!(counter.used(now) <= before.saturating_add(used));
                    }
                    Step::Drop(which) if which < holds.len() => drop(holds.swap_remove(which)),
                    Step::Wait(wait) => now += wait,
                    Step::Settle(..) | Step::Drop(_) => {}
                }
            }
            drop(holds);
            prop_assert_eq!(counter.used(now + 10_000), 0);
        }
    }
}
