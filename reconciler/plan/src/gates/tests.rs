use super::*;

use moorline_model::CheckFailed;
use moorline_model::condition::ConditionStatus;
use moorline_model::config::Percent;
use moorline_model::drift::{Drift, DriftKind, DriftState, Finding, Lane, Severity};
use moorline_model::intent::Operation;
use moorline_model::plan::{Action, PlanSummary};
use moorline_model::rollout::{Evidence, Phase, RequestCounts, Verdict};
use serde_json::json;

use crate::desired::Desired;
use crate::gateway::{ReplicaReading, remembered};
use crate::intent::apply_intents;
use crate::sample::{
    commit, declared, document, in_force, intent, now, plan, replica, rolling, rollout, situation,
};

/// The gates in front of a rollout that leaves Pending.
fn begin_gates(state: &EnvironmentState, desired: &Desired, now: Timestamp) -> Vec<GateStatus> {
    let situation = situation(desired, &[]);
    let rollout = state.rollout_under_way().filter(|of| of.revision.commit == desired.revision.commit);
    let input = GateInput { rollout, ..GateInput::new(state, &situation, &[], now).about(desired) };
    GATES
        .iter()
        .filter(|gate| gate.is_checked_at(Stage::Start))
        .filter_map(|gate| gate.status(&input))
        .collect()
}

/// The first closed gate in front of an apply.
fn judged(
    plan: PlanSummary,
    settings: &serde_json::Value,
    denials: Result<&[crate::policy::Denial], &CheckFailed>,
) -> Option<Closed> {
    let desired = declared("c2", &json!({"terraform": settings}));
    let mut state = rolling(&in_force("c1"), &desired, Phase::Planning);
    rollout(&mut state).terraform = Some(plan);
    let situation = Situation { denials, ..situation(&desired, &[]) };
    first_closed(Stage::JudgePlan, &GateInput::new(&state, &situation, &[], now()))
}

fn closed(readings: &[GateStatus]) -> Vec<&'static str> {
    readings.iter().filter_map(GateStatus::closed).map(|closed| closed.gate.as_str()).collect()
}

#[test]
fn nothing_stands_in_the_way_of_a_plain_change() {
    let desired = declared("c2", &json!({}));
    assert_eq!(closed(&begin_gates(&in_force("c1"), &desired, now())), [""; 0]);
}

#[test]
fn a_held_commit_is_named_with_who_and_what_opens_it() {
    let desired = declared("c2", &json!({}));
    let operation = Operation::Hold { commit: Some(commit("c2")) };
    let state = apply_intents(in_force("c1"), &[intent(operation)], now()).state;
    let readings = begin_gates(&state, &desired, now());
    let hold = readings.iter().find_map(GateStatus::closed).unwrap();
    assert_eq!(hold.because, "c200000000 is held by bob: for a reason");
    assert_eq!(hold.opened_by, "a newer commit, or `moorline release prod`");
}

#[test]
fn a_window_says_when_it_opens() {
    let windows = json!({"apply": {"windows": [{"allow": "Mon-Fri 08:00-18:00 UTC"}]}});
    let desired = declared("c2", &windows);
    let readings = begin_gates(&in_force("c1"), &desired, now());
    let window = readings.iter().find_map(GateStatus::closed).unwrap();
    assert_eq!(window.gate, &window::GATE);
    assert_eq!(window.opens_at, "2026-11-23T08:00:00Z".parse().ok());
    let monday = "2026-11-23T08:00:00Z".parse().unwrap();
    assert_eq!(closed(&begin_gates(&in_force("c1"), &desired, monday)), [""; 0]);
}

#[test]
fn without_auto_a_person_starts_each_change_and_only_that_one() {
    let desired = declared("c2", &json!({"apply": {"auto": false}}));
    let state = in_force("c1");
    assert_eq!(closed(&begin_gates(&state, &desired, now())), ["auto"]);
    let input = apply_intents(state, &[intent(Operation::Sync)], now()).state;
    assert_eq!(closed(&begin_gates(&input, &desired, now())), [""; 0]);
    // The intent went into the rollout that it began; the next head waits again.
    let begun = rolling(&input, &desired, Phase::Pending);
    assert_eq!(closed(&begin_gates(&begun, &desired, now())), [""; 0]);
    let next = declared("c3", &json!({"apply": {"auto": false}}));
    assert_eq!(closed(&begin_gates(&begun, &next, now())), ["auto"]);
}

#[test]
fn what_is_protected_is_not_destroyed_by_address_or_by_type() {
    let settings = json!({"directory": "infra", "protect": ["aws_lb.main", "aws_wafv2_web_acl.*"]});
    let gate = |changes: &[(&str, Action)]| {
        judged(plan("c2", changes), &settings, Ok(&[])).map(|closed| closed.gate)
    };
    assert_eq!(gate(&[("aws_lb.main", Action::Replace)]), Some(&protected::GATE));
    assert_eq!(gate(&[("aws_wafv2_web_acl.any", Action::Delete)]), Some(&protected::GATE));
    assert_eq!(gate(&[("aws_lb.main", Action::Unknown)]), Some(&protected::GATE));
    assert_eq!(gate(&[("aws_lb.main", Action::Update)]), None);
    assert_eq!(gate(&[("aws_lb.other", Action::Delete)]), None);
}

#[test]
fn no_more_than_the_declared_share_is_destroyed() {
    let settings = json!({"directory": "infra", "deletion_share_max": "20%"});
    let gate = |count: usize, resources: usize| {
        let changes = vec![("aws_lb.x", Action::Delete); count];
        let plan = PlanSummary { resource_count: resources, ..plan("c2", &changes) };
        judged(plan, &settings, Ok(&[])).map(|closed| closed.gate)
    };
    assert_eq!(gate(2, 10), None);
    assert_eq!(gate(3, 10), Some(&deletions::GATE));
    assert_eq!(gate(1, 0), Some(&deletions::GATE));
    assert_eq!(gate(0, 0), None);
}

// Invariant 11.
#[test]
fn policies_that_cannot_be_evaluated_refuse() {
    let settings = json!({"directory": "infra"});
    let wrong = CheckFailed::stalled("a.rego:4: unexpected token");
    let refused = judged(plan("c2", &[]), &settings, Err(&wrong)).unwrap();
    assert_eq!((refused.gate, refused.waits_for), (&policy::GATE, WaitsFor::Commit));
    assert!(refused.because.contains("a.rego:4"), "{}", refused.because);
    assert_eq!(refused.failure, Some(FailureClass::Stalled));
    let unread = CheckFailed::transient("reading took longer than 10 s");
    let closed = judged(plan("c2", &[]), &settings, Err(&unread)).unwrap();
    assert_eq!((closed.gate, closed.waits_for), (&policy::GATE, WaitsFor::Repository));
    assert_eq!(closed.failure, Some(FailureClass::Transient));
}

/// One state of an environment, and the first sentence of its explanation.
struct Scenario {
    what: &'static str,
    state: EnvironmentState,
    sections: serde_json::Value,
    replicas: Vec<ReplicaReading>,
    head: Option<&'static str>,
    missing: Vec<MissingSecret>,
    blocked: Option<&'static str>,
    first_line: &'static str,
}

/// `c1` in force everywhere and verified, `head` wanted.
fn scenario(what: &'static str, head: &'static str, first_line: &'static str) -> Scenario {
    let replicas = ["a", "b"].map(|name| replica(name, Some(document("c1").digest()), None)).to_vec();
    let mut state = in_force("c1");
    state.head = Some(crate::sample::revision(head));
    state.conditions.note(moorline_model::condition::ConditionType::Source, ConditionStatus::Good, "", now());
    let (sections, missing, blocked) = (json!({}), Vec::new(), None);
    Scenario { what, state, sections, replicas, head: Some(head), missing, blocked, first_line }
}

impl Scenario {
    fn rolling(mut self, phase: Phase) -> Self {
        self.state = rolling(&self.state, &declared(self.head.unwrap(), &self.sections), phase);
        self
    }

    fn declaring(self, sections: serde_json::Value) -> Self {
        Self { sections, ..self }
    }

    fn with(mut self, change: impl FnOnce(&mut EnvironmentState)) -> Self {
        change(&mut self.state);
        self
    }

    fn dark(mut self, error: &str) -> Self {
        for reading in &mut self.replicas {
            reading.result = Err(CheckFailed::transient(error));
        }
        self
    }

    /// The state as a cycle leaves it before it decides, and the answer.
    fn why(&self) -> (EnvironmentState, Explanation) {
        let desired = declared(self.head.unwrap_or("c1"), &self.sections);
        let mut state = self.state.clone();
        let lanes = crate::lanes::declared(&desired.environment);
        let looks = vec![(Lane::Gateway, crate::lanes::replicas(&self.replicas))];
        crate::lanes::note(&mut state, Some(&lanes), looks, now());
        state.replicas = self.replicas.iter().map(|reading| remembered(reading, now())).collect();
        let checks = crate::conditions::Checks {
            replicas: Some(&self.replicas),
            ..crate::conditions::Checks::default()
        };
        let _messages = crate::conditions::note_conditions(&mut state, &checks, now());
        let current = state.rollout_under_way().is_some().then_some(&desired);
        let situation = Situation {
            head: self.head.map(|_| Ok(&desired)),
            current,
            blocked: self.blocked,
            ..situation(&desired, &self.replicas)
        };
        let why = why(&state, &situation, &self.missing, now());
        (state, why)
    }
}

fn differs(address: &str, note: &str) -> Drift {
    let finding = Finding {
        lane: Lane::Gateway,
        address: address.to_owned(),
        path: "routes[0].limits".to_owned(),
        kind: DriftKind::Changed,
        severity: Severity::Critical,
        declared: None,
        live: None,
        note: Some(note.to_owned()),
    };
    let fingerprint = finding.fingerprint();
    Drift { finding, fingerprint, state: DriftState::Open, first_seen: now(), last_seen: now() }
}

fn evidence(phase: Phase, because: &str, requests: u64) -> Evidence {
    Evidence {
        phase,
        verdict: Verdict::Inconclusive { because: because.to_owned() },
        facts: std::collections::BTreeMap::new(),
        at: now(),
        errors_in_a_row: 0,
        wrong_probes_in_a_row: 0,
        callers: Some(RequestCounts { requests, failed: 0 }),
    }
}

const REFUSES: &str = "refuses the admin token (401): the daemon read it from env:GATEWAY_ADMIN_TOKEN";

fn waiting_for_a_person() -> Vec<Scenario> {
    let window = json!({"apply": {"windows": [{"allow": "Mon-Fri 08:00-18:00 UTC"}]}});
    let approval = json!({"apply": {"approval": "required"}});
    let hold = |state: &mut EnvironmentState| {
        let (reason, by) = ("a feast".to_owned(), "bob".to_owned());
        crate::advance::hold(state, None, reason, by, now());
    };
    let freeze = |state: &mut EnvironmentState| {
        let rollout = rollout(state);
        (rollout.phase, rollout.reason) = (Phase::Frozen, Some("the probe got 502".to_owned()));
        state.frozen = Some("the probe got 502".to_owned());
    };
    vec![
        scenario(
            "a hold on everything",
            "c2",
            "prod waits for you: everything is held by bob: a feast. Opened by `moorline release prod`.",
        )
        .with(hold),
        scenario(
            "a document that must be approved",
            "c2",
            "prod waits for you: a person must approve the document of c200000000. Opened by `moorline approve prod`, \
             which shows it first.",
        )
        .declaring(approval)
        .rolling(Phase::AwaitingApproval),
        scenario(
            "changes that people start",
            "c2",
            "prod waits for you: apply.auto is false: a person starts each change. Opened by `moorline sync prod`.",
        )
        .declaring(json!({"apply": {"auto": false}}))
        .rolling(Phase::Pending),
        scenario(
            "a closed window",
            "c2",
            "prod waits for its time: outside of the windows Mon-Fri 08:00-18:00 UTC. Opened by itself, when a window \
             opens, at 2026-11-23T08:00:00Z.",
        )
        .declaring(window)
        .rolling(Phase::Pending),
        scenario(
            "a candidate that froze with no share of requests",
            "c2",
            "prod waits for you: frozen: the probe got 502. Callers: 0 saw c200000000; c100000000 serves. Opened by a \
             commit with another content, or `moorline release prod`.",
        )
        .rolling(Phase::Staging)
        .with(freeze),
        Scenario {
            blocked: Some("errored.tfstate is kept at /var/lib/moorline/prod"),
            ..scenario(
                "a state that could not be written",
                "c2",
                "prod waits for you: Terraform is blocked: errored.tfstate is kept at /var/lib/moorline/prod. Callers: \
                 c100000000 serves. Opened by a person who puts the state in order; it is checked again automatically.",
            )
            .declaring(json!({"terraform": {"directory": "infra"}}))
            .rolling(Phase::Planning)
        },
        scenario(
            "drift that nobody heals",
            "c1",
            "prod waits for you: http://b:1 routes[0].limits differs from what is declared (written by hand (jane)), and \
             nobody heals it. Callers: c100000000 serves. Opened by `moorline heal prod`, which restores the declared \
             state, or a commit that declares it.",
        )
        .with(|state| state.drift = vec![differs("http://b:1", "written by hand (jane)")]),
    ]
}

fn waiting_for_what_is_read() -> Vec<Scenario> {
    let missing = MissingSecret {
        path: "gateway.admin_token".to_owned(),
        why: "env:GATEWAY_ADMIN_TOKEN is not set in the daemon's environment".to_owned(),
    };
    let baking = |because: &str, requests: u64| {
        let evidence = evidence(Phase::Baking, because, requests);
        move |state: &mut EnvironmentState| {
            let rollout = rollout(state);
            (rollout.promoted, rollout.share) = (true, Some(Percent::whole(100)));
            rollout.evidence = Some(evidence);
        }
    };
    vec![
        scenario(
            "a refused token",
            "c2",
            "prod waits for you: each of 2 replicas (http://a:1, http://b:1) refuses the admin token (401): the daemon read \
             it from env:GATEWAY_ADMIN_TOKEN. Callers: 0 saw c200000000; what they get is not known, for no replica can be \
             read; c100000000 serves as last read. Opened by the replicas' \
             answer; they are retried automatically.",
        )
        .rolling(Phase::Staging)
        .dark(REFUSES),
        scenario(
            "replicas that are away while everything is held: the word is about the replicas, and so is the sentence",
            "c2",
            "prod waits for you: each of 2 replicas (http://a:1, http://b:1) does not answer within 3 s. Callers: what they \
             get is not known, for no replica can be read; c100000000 serves as last read. Opened by the replicas' answer; \
             they are retried automatically.",
        )
        .with(|state| {
            let (reason, by) = ("a feast".to_owned(), "bob".to_owned());
            crate::advance::hold(state, None, reason, by, now());
        })
        .dark("does not answer within 3 s"),
        Scenario {
            missing: vec![MissingSecret { path: "terraform.environment.TOKEN".to_owned(), ..missing.clone() }],
            ..scenario(
                "a variable that what is in force does not need",
                "c1",
                "Nothing waits: c100000000 is in force, verified 0s ago. What comes next waits for you: \
                 env:GATEWAY_ADMIN_TOKEN is not set in the daemon's environment (terraform.environment.TOKEN). Opened by a \
                 value for it where the daemon runs (a variable needs the daemon's restart), or a commit that names another.",
            )
        },
        Scenario {
            missing: vec![missing],
            ..scenario(
                "a variable that is not set",
                "c1",
                "prod waits for you: env:GATEWAY_ADMIN_TOKEN is not set in the daemon's environment \
                 (gateway.admin_token). Opened by a value for it where the daemon runs (a variable needs the daemon's \
                 restart), or a commit that names another.",
            )
            .dark("cannot be asked: there is no admin token for it")
        },
        scenario(
            "too few requests",
            "c2",
            "prod waits for evidence: c200000000 is baking: 1 of 50 requests seen; 0s of 120s watched. Opened by 49 more \
             requests of callers and 2m more of watching.",
        )
        .rolling(Phase::Baking)
        .with(baking("1 of 50 requests seen; 0s of 120s watched", 1)),
        scenario(
            "too few requests for too long",
            "c2",
            "prod waits for you: c200000000 is baking: 1 of 50 requests seen; no verdict for 0s. Opened by 49 more requests \
             of callers and 2m more of watching, a commit with a smaller verify.min_requests or a probe, or `moorline \
             rollback prod --reason \"…\"`.",
        )
        .rolling(Phase::Baking)
        .with(baking("1 of 50 requests seen", 1))
        .with(|state| rollout(state).person_asked_at = Some(now())),
        scenario(
            "a lane that was never compared",
            "c1",
            "prod waits for itself: terraform was not compared yet. Opened by the next look.",
        )
        .declaring(json!({"terraform": {"directory": "infra"}}))
        .with(|state| state.applied.as_mut().unwrap().terraform_tree = Some("tree-c1".to_owned())),
        scenario(
            "a first try that failed",
            "c2",
            "prod waits for you: c200000000 was tried and failed: the plan failed. Callers: c100000000 serves. Opened by a \
             commit that mends it, or `moorline sync prod`, which tries it again.",
        )
        .rolling(Phase::Planning)
        .with(|state| {
            let rollout = rollout(state);
            (rollout.phase, rollout.reason) = (Phase::Failed, Some("the plan failed".to_owned()));
        }),
        Scenario {
            head: None,
            ..scenario(
                "a repository that is away",
                "c1",
                "prod waits for the repository: connection refused. Opened by its return; it is retried automatically.",
            )
            .with(|state| {
                let condition = moorline_model::condition::ConditionType::Source;
                state.conditions.note(condition, ConditionStatus::CannotCheck, "connection refused", now());
            })
        },
        scenario("nothing", "c1", "Nothing waits: c100000000 is in force, verified 0s ago."),
        scenario("nothing, in the middle of it", "c2", "Nothing waits for you: c200000000 is promoting, for 0s.")
            .rolling(Phase::Promoting),
    ]
}

#[test]
fn the_first_line_says_who_must_do_what_from_what_was_read_where() {
    for scenario in waiting_for_a_person().into_iter().chain(waiting_for_what_is_read()) {
        let (_, why) = scenario.why();
        assert_eq!(why.sentence, scenario.first_line, "{}: {:#?}", scenario.what, why.gates);
    }
}

#[test]
fn the_sentence_is_about_what_the_word_is_about() {
    for scenario in waiting_for_a_person().into_iter().chain(waiting_for_what_is_read()) {
        let (state, why) = scenario.why();
        let word = moorline_model::status::word(&state).0;
        let explained =
            why.gates.iter().filter_map(GateStatus::closed).any(|closed| closed.gate.explains(word));
        let first = why.gates.first().and_then(GateStatus::closed);
        assert!(
            !explained || first.is_some_and(|closed| closed.gate.explains(word)),
            "{}: {word}",
            scenario.what
        );
        let is_well = word == moorline_model::status::StatusWord::InSync;
        assert!(!is_well || why.sentence.starts_with("Nothing waits"), "{}: {word}", scenario.what);
    }
}

#[test]
fn what_was_read_is_answered_for_the_moment_and_the_state_of_the_question() {
    let desired = declared("c1", &json!({}));
    let healthy = [replica("a", Some(document("c1").digest()), None)];
    let mut state = in_force("c1");
    state.head = Some(crate::sample::revision("c1"));
    let snapshot = SituationSnapshot::of(&situation(&desired, &healthy), Vec::new());
    let after = |seconds| now() + jiff::SignedDuration::from_secs(seconds);
    let message = snapshot.why(&state, after(4)).sentence;
    assert!(message.contains("verified 4s ago"), "{message}");
    let message = snapshot.why(&state, after(250)).sentence;
    assert!(message.contains("verified 4m 10s ago"), "{message}");
    let held = apply_intents(state, &[intent(Operation::Hold { commit: None })], now()).state;
    let message = snapshot.why(&held, after(5)).sentence;
    assert!(message.starts_with("prod waits for you: everything is held by bob"), "{message}");
}

#[test]
fn what_was_tried_and_is_held_is_tried_again_by_a_release() {
    let desired = declared("c2", &json!({}));
    let healthy = [replica("a", Some(document("c1").digest()), None)];
    let mut state = rolling(&in_force("c1"), &desired, Phase::Planning);
    rollout(&mut state).phase = Phase::RolledBack;
    let tried = |state: &EnvironmentState| {
        let gates = why(state, &situation(&desired, &healthy), &[], now()).gates;
        let mut closed = gates.iter().filter_map(GateStatus::closed);
        closed.find(|closed| closed.gate == &tried::GATE).unwrap().opened_by.clone()
    };
    assert_eq!(tried(&state), "a commit that mends it, or `moorline sync prod`, which tries it again");
    for held in [Some(commit("c2")), None] {
        crate::advance::hold(&mut state, held, "it is sick".to_owned(), "moorline".to_owned(), now());
        assert_eq!(tried(&state), "a commit that mends it, or `moorline release prod`, which tries it again");
        state.holds.clear();
    }
}

#[test]
fn a_hold_on_everything_is_shown_before_one_on_a_commit() {
    let desired = declared("c2", &json!({}));
    let intents = [Some(commit("c2")), None].map(|commit| intent(Operation::Hold { commit }));
    let state = apply_intents(in_force("c1"), &intents, now()).state;
    let readings = begin_gates(&state, &desired, now());
    let hold = readings.iter().find_map(GateStatus::closed).unwrap();
    // A newer commit would not open it.
    assert_eq!(
        (hold.because.as_str(), hold.opened_by.as_str()),
        ("everything is held by bob: for a reason", "`moorline release prod`")
    );
}

#[test]
fn a_gate_has_one_name_in_text_and_in_json() {
    let mut names = std::collections::BTreeSet::new();
    for gate in GATES {
        assert_eq!(serde_json::to_value(gate).unwrap(), json!(gate.as_str()));
        assert!(names.insert(gate.as_str()), "{gate:?} is there twice");
    }
}

#[test]
fn why_names_the_closed_gates_first() {
    let desired =
        declared("c2", &json!({"terraform": {"directory": "infra"}, "apply": {"approval": "required"}}));
    let mut state = rolling(&in_force("c1"), &desired, Phase::AwaitingApproval);
    rollout(&mut state).terraform = Some(plan("c2", &[("aws_lb.main", Action::Update)]));
    let healthy = [replica("a", Some(document("c1").digest()), None)];
    let gates = why(&state, &situation(&desired, &healthy), &[], now()).gates;
    assert_eq!(closed(&gates), ["approval"]);
    assert!(gates[0].closed().is_some());
}

#[test]
fn a_gate_in_the_table_stops_what_its_stages_say_and_explains_it() {
    let desired = declared("c2", &json!({}));
    let healthy = [replica("a", Some(document("c1").digest()), None)];
    let situation = situation(&desired, &healthy);
    let stopped = |phase: Option<Phase>| {
        let mut state = in_force("c1");
        if let Some(phase) = phase {
            state = rolling(&state, &desired, phase);
        }
        let goes_on = crate::decide(&state, &situation, now());
        assert!(!matches!(goes_on, crate::Decision::Wait { .. }), "{goes_on:?}");
        state.name = "gated".parse().unwrap();
        let gates = why(&state, &situation, &[], now()).gates;
        let explained =
            gates.iter().filter_map(GateStatus::closed).find(|closed| closed.gate == &example::GATE);
        (crate::decide(&state, &situation, now()), explained.unwrap().because.clone())
    };
    for phase in [None, Some(Phase::Pending), Some(Phase::Staging)] {
        let (decision, explained) = stopped(phase.clone());
        assert_eq!(decision, crate::Decision::Wait { because: explained, until: None }, "{phase:?}");
    }
}

#[test]
fn a_closed_gate_says_whether_trying_again_helps() {
    let desired = declared("c2", &json!({"terraform": {"directory": "infra"}}));
    let (away, wrong) = (CheckFailed::transient("the disk was slow"), CheckFailed::stalled("gateway.yaml:3"));
    let dark = ReplicaReading { result: Err(wrong.clone()), ..replica("a", None, None) };
    let lock = FailureClass::Waiting { on: "ann@laptop".to_owned() };
    let mut state = rolling(&in_force("c1"), &desired, Phase::Staging);
    let verdict = Verdict::Error { because: "no answer".to_owned(), failure: Some(FailureClass::Transient) };
    rollout(&mut state).evidence = Some(Evidence { verdict, ..evidence(Phase::Staging, "", 0) });
    let looks = vec![(Lane::Terraform, Err(CheckFailed::new(lock.clone(), "the state is locked").into()))];
    crate::lanes::note(&mut state, Some(&[Lane::Terraform]), looks, now());
    let told = |head| {
        let replicas = std::slice::from_ref(&dark);
        let situation = Situation { head: Some(Err(head)), ..situation(&desired, replicas) };
        let gates = why(&state, &situation, &[], now()).gates;
        let find = |name: &str| {
            gates.iter().filter_map(GateStatus::closed).find(|closed| closed.gate.as_str() == name).cloned()
        };
        ["source", "replicas", "evidence", "lanes"].map(|name| find(name).unwrap())
    };
    let [source, replicas, evidence, lanes] = told(&away);
    assert_eq!((source.waits_for, source.failure), (WaitsFor::Repository, Some(FailureClass::Transient)));
    assert_eq!(replicas.failure, Some(FailureClass::Stalled));
    assert_eq!(evidence.failure, Some(FailureClass::Transient));
    assert_eq!(lanes.failure, Some(lock));
    let [source, ..] = told(&wrong);
    assert_eq!((source.waits_for, source.failure), (WaitsFor::Commit, Some(FailureClass::Stalled)));
}
