use super::*;

use moorline_model::declaration::VerifyLimits;
use proptest::prelude::*;
use serde_json::json;

use crate::gateway::{ReplicaStatus, Serving};

fn now() -> Timestamp {
    "2026-11-21T12:00:00Z".parse().unwrap()
}

fn digest() -> Digest {
    Digest::of(&json!("candidate"))
}

fn verify(limits: VerifyLimits) -> Verify {
    Verify { limits, ..Verify::default() }
}

/// A scene to judge: two healthy replicas, two minutes of healthy traffic.
struct Scene {
    phase: Phase,
    candidate: Sample,
    stable: Option<Sample>,
    probes: Vec<ProbeResult>,
    attested: Vec<ReplicaReading>,
    elapsed: Duration,
    aws: Vec<String>,
}

fn sample(requests: u64, faults: u64) -> Sample {
    Sample { requests, faults, p95_ms: Some(80.0), p99_ms: Some(100.0), ..Sample::default() }
}

fn replica(name: &str) -> ReplicaReading {
    let stable = Serving {
        digest: digest(),
        commit: None,
        generation: 1,
        origin: "git".to_owned(),
        actor: None,
        reason: None,
        since: now(),
    };
    let status = ReplicaStatus {
        instance: name.to_owned(),
        stable: Some(stable),
        candidate: None,
        document: None,
        recent: None,
    };
    ReplicaReading { endpoint: name.to_owned(), result: Ok(status) }
}

fn probe(status: u16) -> ProbeResult {
    let fault = Some("provider mock refuses connections".to_owned());
    let outcome = match status {
        200 => ProbeOutcome::Right,
        _ => ProbeOutcome::Wrong { status, expected: 200, fault },
    };
    ProbeResult { model: "gpt-4o".to_owned(), endpoint: "a".to_owned(), outcome }
}

fn scene() -> Scene {
    Scene {
        phase: Phase::Baking,
        candidate: sample(1000, 0),
        stable: None,
        probes: vec![],
        attested: vec![replica("a"), replica("b")],
        elapsed: Duration::from_secs(120),
        aws: vec![],
    }
}

impl Scene {
    fn judge_after(&self, verify: &Verify, previous: Option<&Evidence>, now: Timestamp) -> Evidence {
        let observation = Observation {
            phase: &self.phase,
            candidate: &self.candidate,
            stable: self.stable.as_ref(),
            probes: &self.probes,
            attested: &self.attested,
            expected: digest(),
            elapsed: self.elapsed,
            aws: &self.aws,
        };
        judge(verify, Some(Duration::from_secs(60)), &observation, previous, now)
    }

    fn verdict(&self, verify: &Verify) -> Verdict {
        self.judge_after(verify, None, now()).verdict
    }
}

fn failed(verdict: &Verdict) -> bool {
    matches!(verdict, Verdict::Failed { .. })
}

fn inconclusive(verdict: &Verdict) -> bool {
    matches!(verdict, Verdict::Inconclusive { .. })
}

#[test]
fn two_minutes_of_healthy_traffic_pass() {
    assert_eq!(scene().verdict(&Verify::default()), Verdict::Passed);
}

#[test]
fn no_traffic_is_no_verdict() {
    let silent = Scene { candidate: Sample::default(), ..scene() };
    let Verdict::Inconclusive { because } = silent.verdict(&Verify::default()) else { panic!() };
    assert_eq!(because, "0 of 50 requests seen");
    // Not even where nobody asks for any: then a probe must have been answered.
    let none = Verify { min_requests: 0, ..Verify::default() };
    assert!(inconclusive(&silent.verdict(&none)));
    let probed = Scene { probes: vec![probe(200)], ..silent };
    assert_eq!(probed.verdict(&none), Verdict::Passed);
}

#[test]
fn nothing_passes_before_its_time() {
    let early = Scene { elapsed: Duration::from_secs(119), ..scene() };
    assert!(inconclusive(&early.verdict(&Verify::default())));
    let step = Scene { phase: Phase::Shifting { step: 0 }, elapsed: Duration::from_secs(59), ..scene() };
    assert!(inconclusive(&step.verdict(&Verify::default())));
    let step = Scene { elapsed: Duration::from_secs(60), ..step };
    assert_eq!(step.verdict(&Verify::default()), Verdict::Passed);
}

#[test]
fn a_dead_provider_fails_within_ten_requests() {
    let dead = |requests, faults| Scene {
        candidate: sample(requests, faults),
        elapsed: Duration::from_secs(1),
        ..scene()
    };
    assert!(failed(&dead(10, 10).verdict(&Verify::default())));
    // A single lost connection, or very few requests, do not.
    assert!(inconclusive(&dead(10, 1).verdict(&Verify::default())));
    assert!(inconclusive(&dead(4, 4).verdict(&Verify::default())));
}

#[test]
fn an_error_rate_over_its_limit_fails_and_one_at_its_limit_passes() {
    let with = |faults| Scene { candidate: sample(1000, faults), ..scene() }.verdict(&Verify::default());
    assert_eq!(with(20), Verdict::Passed);
    assert!(failed(&with(21)));
}

#[test]
fn an_outage_that_stable_shares_is_not_the_candidates_fault() {
    let both = |candidate, stable| Scene {
        candidate: sample(1000, candidate),
        stable: Some(sample(9000, stable)),
        ..scene()
    };
    assert_eq!(both(500, 4500).verdict(&Verify::default()), Verdict::Passed);
    assert!(failed(&both(500, 90).verdict(&Verify::default())));
}

#[test]
fn a_model_that_fails_more_than_with_stable_fails_at_once() {
    let limits = VerifyLimits { model_failures: Some(3), ..VerifyLimits::default() };
    let with = |faults: u64, stable: u64| {
        let by_model = |faults| [("gpt-4o".to_owned(), faults)].into_iter().collect();
        Scene {
            candidate: Sample { faults_by_model: by_model(faults), ..sample(1000, 0) },
            stable: Some(Sample { faults_by_model: by_model(stable), ..sample(1000, 0) }),
            elapsed: Duration::from_secs(1),
            ..scene()
        }
        .verdict(&verify(limits))
    };
    assert!(inconclusive(&with(3, 0)));
    assert!(failed(&with(4, 0)));
    assert!(inconclusive(&with(4, 4)));
}

#[test]
fn latency_counts_against_a_limit_only_where_stable_keeps_it() {
    let limits = VerifyLimits {
        p95: Some("50ms".parse().unwrap()),
        p99_increase: Some("25%".parse().unwrap()),
        ..VerifyLimits::default()
    };
    let alone = scene();
    assert!(failed(&alone.verdict(&verify(limits))));
    let as_slow = Scene { stable: Some(sample(1000, 0)), ..scene() };
    assert_eq!(as_slow.verdict(&verify(limits)), Verdict::Passed);
    let slower = Scene { candidate: Sample { p99_ms: Some(126.0), ..sample(1000, 0) }, ..as_slow };
    assert!(failed(&slower.verdict(&verify(limits))));
}

#[test]
fn cost_is_what_all_requests_would_cost() {
    let limits = VerifyLimits { cost_per_minute: Some(5.0.try_into().unwrap()), ..VerifyLimits::default() };
    // A hundredth of the requests, at one cent each: 100 requests in 2 minutes of 10,000.
    let dear = Scene {
        candidate: Sample { cost_micros: 1_000_000, ..sample(100, 0) },
        stable: Some(Sample { cost_micros: 9_900_000, ..sample(9900, 0) }),
        ..scene()
    };
    let Verdict::Failed { reasons } = dear.verdict(&verify(limits)) else { panic!() };
    assert_eq!(reasons, ["all requests would cost 50.00 USD a minute (at most 5.00)"]);
    let as_dear = Scene { stable: Some(Sample { cost_micros: 99_000_000, ..sample(9900, 0) }), ..dear };
    assert_eq!(as_dear.verdict(&verify(limits)), Verdict::Passed);
}

#[test]
fn a_wrong_answer_to_a_probe_counts_the_second_time_in_a_row() {
    let staged = Scene { phase: Phase::Staging, probes: vec![probe(502)], ..scene() };
    let first = staged.judge_after(&Verify::default(), None, now());
    assert!(inconclusive(&first.verdict));
    let second = staged.judge_after(&Verify::default(), Some(&first), now());
    let Verdict::Failed { reasons } = second.verdict else { panic!("{second:?}") };
    assert_eq!(
        reasons,
        ["the probe of gpt-4o on a got 502 instead of 200: provider mock refuses connections"]
    );
    // Replicas that answer alike are told together.
    let b = ProbeResult { endpoint: "b".to_owned(), ..probe(502) };
    let both = Scene { probes: vec![probe(502), b], ..scene() };
    let once = both.judge_after(&Verify::default(), None, now());
    let twice = both.judge_after(&Verify::default(), Some(&once), now());
    let Verdict::Failed { reasons } = twice.verdict else { panic!("{twice:?}") };
    assert_eq!(
        reasons,
        [
            "the probe of gpt-4o on each of 2 replicas (a, b) got 502 instead of 200: provider mock refuses connections"
        ]
    );
    // Where something else is proof enough, it says what is behind that.
    let other = Scene { aws: vec!["ECS rolled the deployment back".to_owned()], ..scene() };
    let other = Scene { probes: vec![probe(502)], ..other };
    let Verdict::Failed { reasons } = other.verdict(&Verify::default()) else { panic!() };
    assert!(reasons.len() == 2 && reasons[1].contains("provider mock refuses connections"), "{reasons:?}");
    let well = Scene { probes: vec![probe(200)], ..staged };
    let between = well.judge_after(&Verify::default(), Some(&first), now());
    assert_eq!((&between.verdict, between.wrong_probes_in_a_row), (&Verdict::Passed, 0));
}

#[test]
fn in_staging_attestation_is_enough_where_no_probe_is_declared() {
    let staged = Scene { phase: Phase::Staging, candidate: Sample::default(), ..scene() };
    assert_eq!(staged.verdict(&Verify::default()), Verdict::Passed);
}

#[test]
fn four_errors_in_a_row_fail_when_they_lie_apart() {
    let dark = ReplicaReading {
        endpoint: "b".to_owned(),
        result: Err(moorline_model::CheckFailed::transient("no answer")),
    };
    let scene = Scene { attested: vec![replica("a"), dark], ..scene() };
    let judge = |previous: Option<&Evidence>, seconds: i64| {
        scene.judge_after(&Verify::default(), previous, now() + SignedDuration::from_secs(seconds))
    };
    let mut evidence = judge(None, 0);
    for round in 1..40 {
        // Four times a second, as a daemon in a hurry would.
        let at = now() + SignedDuration::from_millis(250 * round);
        evidence = scene.judge_after(&Verify::default(), Some(&evidence), at);
        assert!(!failed(&evidence.verdict), "after {round} quarters of a second");
    }
    assert_eq!(evidence.errors_in_a_row, 2);
    evidence = judge(Some(&evidence), 15);
    let Verdict::Error { failure, .. } = &evidence.verdict else { panic!("{:?}", evidence.verdict) };
    assert_eq!(*failure, Some(moorline_model::FailureClass::Transient));
    evidence = judge(Some(&evidence), 20);
    assert!(failed(&evidence.verdict));
}

#[test]
fn no_replica_is_an_error_and_one_that_serves_another_document_is_waited_for() {
    let empty = Scene { attested: vec![], ..scene() };
    assert!(matches!(empty.verdict(&Verify::default()), Verdict::Error { .. }));
    let mut other = replica("b");
    other.result.as_mut().unwrap().stable.as_mut().unwrap().digest = Digest::of(&json!("other"));
    let mixed = Scene { attested: vec![replica("a"), other], ..scene() };
    assert!(inconclusive(&mixed.verdict(&Verify::default())));
}

#[test]
fn what_aws_says_against_it_fails_it() {
    let circuit = Scene { aws: vec!["ECS rolled the deployment back".to_owned()], ..scene() };
    assert!(failed(&circuit.verdict(&Verify::default())));
}

#[test]
fn evidence_of_another_phase_does_not_count() {
    let staged = Scene { phase: Phase::Staging, probes: vec![probe(502)], ..scene() };
    let first = staged.judge_after(&Verify::default(), None, now());
    let baking = Scene { probes: vec![probe(502)], ..scene() };
    assert!(inconclusive(&baking.judge_after(&Verify::default(), Some(&first), now()).verdict));
}

proptest! {
    // Never passed without a request or a probe, never without every replica, never with a fault rate beyond its limit.
    #[test]
    fn a_passed_verdict_always_rests_on_something(
        requests in 0_u64..200,
        faults in 0_u64..200,
        min_requests in 0_u64..100,
        seconds in 0_u64..300,
        dark in any::<bool>(),
        probes in 0_usize..2,
    ) {
        let faults = faults.min(requests);
        let mut scene = Scene {
            candidate: sample(requests, faults),
            elapsed: Duration::from_secs(seconds),
            probes: vec![probe(200); probes],
            ..scene()
        };
        if dark {
            scene.attested[1].result = Err(moorline_model::CheckFailed::transient("no answer"));
        }
        let verify = Verify { min_requests, ..Verify::default() };
        if scene.verdict(&verify) == Verdict::Passed {
            prop_assert!(requests + probes as u64 > 0);
            prop_assert!(requests >= min_requests && seconds >= 120 && !dark);
            prop_assert!(faults as f64 <= requests as f64 * 0.02);
        }
    }
}
