//! The machine against a model that recounts everything from its history, and one breaker under many threads.

use proptest::prelude::*;

use super::*;

const SETTINGS: Settings = Settings { failures: 3, window: 100, cooldown: 50 };

fn fail(state: &mut State, times: u32, now: Millis) -> Option<Change> {
    (0..times).fold(None, |change, _| change.or(state.passed(Verdict::Bad, SETTINGS, now)))
}

#[test]
fn it_opens_after_so_many_failures_in_a_row_and_lets_one_probe_through_when_it_has_cooled_down() {
    let mut state = State::default();
    assert_eq!(fail(&mut state, 2, 0), None);
    assert_eq!(state.enter(0), Entry::Pass);
    assert_eq!(fail(&mut state, 1, 10), Some(Change::Opened));
    assert_eq!(state.enter(20), Entry::Refused(40));
    assert_eq!(state.passed(Verdict::Good, SETTINGS, 30), None, "who was asked before has no say");
    assert_eq!(state.enter(59), Entry::Refused(1));
    assert_eq!(state.enter(60), Entry::Probe);
    assert_eq!(state.enter(60), Entry::Refused(PROBE_WAIT));
    assert_eq!(state.probed(Verdict::Bad, SETTINGS, 70), None);
    assert_eq!(state.enter(119), Entry::Refused(1));
    assert_eq!(state.enter(120), Entry::Probe);
    assert_eq!(state.probed(Verdict::Good, SETTINGS, 130), Some(Change::Closed));
    assert_eq!(state.enter(130), Entry::Pass);
    assert_eq!(fail(&mut state, 2, 131), None, "what was before counts no more");
}

#[test]
fn a_probe_that_says_nothing_leaves_its_place_to_the_next_at_once() {
    let mut state = State::Open(50);
    assert_eq!(state.enter(50), Entry::Probe);
    assert_eq!(state.probed(Verdict::Nothing, SETTINGS, 51), None);
    assert_eq!(state.enter(51), Entry::Probe);
}

#[test]
fn it_opens_when_half_of_a_window_failed_and_not_for_a_small_share() {
    let mut state = State::default();
    for now in 0..2 {
        fail(&mut state, 1, now);
        state.passed(Verdict::Good, SETTINGS, now);
    }
    assert_eq!(fail(&mut state, 1, 3), Some(Change::Opened), "3 of 5");
    let mut state = State::default();
    for now in 0..99 {
        assert_eq!(fail(&mut state, 1, now), None, "a quarter of all");
        for _ in 0..3 {
            state.passed(Verdict::Good, SETTINGS, now);
        }
    }
}

#[test]
fn failures_of_a_window_that_is_over_are_forgotten_and_so_is_the_trouble() {
    let breaker = Breaker::default();
    breaker.passed(Verdict::Bad, SETTINGS, || 0);
    assert!(breaker.is_troubled.load(Ordering::Relaxed));
    breaker.passed(Verdict::Good, SETTINGS, || 99);
    assert!(breaker.is_troubled.load(Ordering::Relaxed));
    breaker.passed(Verdict::Good, SETTINGS, || 100);
    assert!(!breaker.is_troubled.load(Ordering::Relaxed), "no lock is taken from here on");
    breaker.passed(Verdict::Good, SETTINGS, || unreachable!());
    assert_eq!(breaker.enter(|| unreachable!()), Entry::Pass);
}

#[test]
fn whatever_opens_it_by_force_is_told_once() {
    let mut state = State::default();
    assert_eq!(state.force(SETTINGS, 0), Some(Change::Opened));
    assert_eq!(state.force(SETTINGS, 10), None);
    assert_eq!(state.enter(59), Entry::Refused(1));
    assert_eq!(state.enter(60), Entry::Probe);
    assert_eq!(state.force(SETTINGS, 60), None);
    assert_eq!(state.probed(Verdict::Good, SETTINGS, 61), None, "the probe was overtaken");
    assert_eq!(state.enter(61), Entry::Refused(49));
}

#[test]
fn of_many_threads_exactly_one_gets_the_probe() {
    for round in 1..200 {
        let breaker = Breaker::default();
        breaker.force(SETTINGS, 0);
        let gate = std::sync::Barrier::new(4);
        let probes: usize = std::thread::scope(|scope| {
            let enter = || {
                gate.wait();
                (0..50).filter(|_| breaker.enter(|| 50 + round) == Entry::Probe).count()
            };
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(enter)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).sum()
        });
        assert_eq!(probes, 1);
    }
}

/// The same rules, recounted from the whole history each time.
enum Model {
    Closed(Vec<(Millis, bool)>),
    Open(Millis),
    Probing,
}

fn is_too_much(history: &[(Millis, bool)]) -> bool {
    let in_a_row = history.iter().rev().take_while(|(_, good)| !good).count();
    // Windows begin with a failure, one after the other.
    let (mut since, mut window) = (None, Vec::new());
    for (at, good) in history {
        if since.is_some_and(|since| at - since >= SETTINGS.window) {
            (since, window) = (None, Vec::new());
        }
        if since.is_some() || !good {
            since.get_or_insert(*at);
            window.push(*good);
        }
    }
    let failures = window.iter().filter(|good| !**good).count();
    in_a_row >= 3 || (failures >= 3 && failures * 2 >= window.len() && !history.last().unwrap().1)
}

#[derive(Debug, Clone)]
enum Step {
    Later(Millis),
    Enter,
    /// The verdict on one of those under way.
    Ends(usize, Verdict),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let verdict = prop_oneof![4 => Just(Verdict::Bad), 3 => Just(Verdict::Good), 1 => Just(Verdict::Nothing)];
    let step = prop_oneof![
        2 => (0_u64..60).prop_map(Step::Later),
        5 => Just(Step::Enter),
        5 => (any::<usize>(), verdict).prop_map(|(which, verdict)| Step::Ends(which, verdict)),
    ];
    proptest::collection::vec(step, 0..120)
}

proptest! {
    #[test]
    fn the_machine_does_what_its_history_says(steps in steps()) {
        let (mut state, mut model, mut now) = (State::default(), Model::Closed(Vec::new()), 0);
        let mut under_way: Vec<bool> = Vec::new();
        for step in steps {
            match step {
                Step::Later(by) => now += by,
                Step::Enter => {
                    let entry = state.enter(now);
                    let expected = match model {
                        Model::Closed(_) => Entry::Pass,
                        Model::Open(until) if now < until => Entry::Refused(until - now),
                        Model::Open(_) => Entry::Probe,
                        Model::Probing => Entry::Refused(PROBE_WAIT),
                    };
                    prop_assert_eq!(entry, expected);
                    match entry {
                        Entry::Pass => under_way.push(false),
                        Entry::Probe => {
                            model = Model::Probing;
                            under_way.push(true);
                        }
                        Entry::Refused(_) => {}
                    }
                }
                Step::Ends(_, _) if under_way.is_empty() => {}
                Step::Ends(which, verdict) => {
                    let is_probe = under_way.swap_remove(which % under_way.len());
                    let change = if is_probe {
                        state.probed(verdict, SETTINGS, now)
                    } else {
                        state.passed(verdict, SETTINGS, now)
                    };
                    let expected = match (&mut model, is_probe, verdict) {
                        (model @ Model::Probing, true, Verdict::Good) => {
                            *model = Model::Closed(Vec::new());
                            Some(Change::Closed)
                        }
                        (model @ Model::Probing, true, Verdict::Bad) => {
                            *model = Model::Open(now + SETTINGS.cooldown);
                            None
                        }
                        (model @ Model::Probing, true, Verdict::Nothing) => {
                            *model = Model::Open(now);
                            None
                        }
                        (Model::Closed(history), false, Verdict::Good | Verdict::Bad) => {
                            history.push((now, verdict == Verdict::Good));
                            is_too_much(history).then(|| {
                                model = Model::Open(now + SETTINGS.cooldown);
                                Change::Opened
                            })
                        }
                        _ => None,
                    };
                    prop_assert_eq!(change, expected);
                }
            }
            prop_assert!(under_way.iter().filter(|is_probe| **is_probe).count() <= 1);
        }
    }
}
