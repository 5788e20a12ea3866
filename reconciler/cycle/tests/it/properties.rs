//! What holds whatever happens: random walks through the world.

use jiff::SignedDuration;
use moorline_model::FailureClass;
use moorline_model::declaration::ApprovalRule;
use moorline_model::intent::Operation;
use moorline_model::rollout::{Phase, RolloutKind};
use moorline_plan::Decision;
use proptest::prelude::*;

use super::world::{Crash, Cycle, PlanOutcome, World, commit_id};

/// Cycles within which a world that stays the same comes to rest: the longest rollout has two canary steps, each
/// watched for a minute every five seconds, and two minutes of watching at the end.
const CYCLES_TO_REST_MAX: u32 = 400;

/// Something that happens to a world.
#[derive(Debug, Clone)]
enum Happening {
    Push { sick: bool, infra: bool },
    HeadBack,
    Cycles(u8),
    Wait(u16),
    Crash(bool),
    Down(bool),
    Restart,
    PlanFails(bool),
    PlanReplaces,
    ApplyFails,
    RequestedBy(u8),
    Rule(bool),
}

fn happening() -> impl Strategy<Value = Happening> {
    prop_oneof![
        3 => (any::<bool>(), any::<bool>()).prop_map(|(sick, infra)| Happening::Push { sick, infra }),
        1 => Just(Happening::HeadBack),
        8 => (1_u8..30).prop_map(Happening::Cycles),
        2 => (1_u16..2000).prop_map(Happening::Wait),
        2 => any::<bool>().prop_map(Happening::Crash),
        2 => any::<bool>().prop_map(Happening::Down),
        1 => Just(Happening::Restart),
        1 => any::<bool>().prop_map(Happening::PlanFails),
        1 => Just(Happening::PlanReplaces),
        1 => Just(Happening::ApplyFails),
        3 => (0_u8..8).prop_map(Happening::RequestedBy),
        1 => any::<bool>().prop_map(Happening::Rule),
    ]
}

fn world() -> impl Strategy<Value = World> {
    (any::<bool>(), 0_u8..3, any::<bool>(), any::<bool>(), any::<bool>()).prop_map(
        |(canary, terraform, approval, heal, manual)| {
            let mut world = World::new();
            let options = &mut world.options;
            if canary {
                options["rollout"] = serde_json::json!({
                    "strategy": "canary",
                    "steps": [{"weight": "10%", "hold": "1m"}, {"weight": "50%", "hold": "1m"}],
                });
            }
            if terraform > 0 {
                options["terraform"] = serde_json::json!({"directory": "infra"});
            }
            if terraform > 1 {
                options["gateway"] = serde_json::json!({"document": {"terraform": "openai_gateway.main"}});
            }
            if heal {
                options["drift"] = serde_json::json!({"heal": ["gateway"]});
            }
            let approval = if approval { "required" } else { "none" };
            options["apply"] = serde_json::json!({"approval": approval, "auto": !manual});
            world.push("c1", None, true, false);
            world
        },
    )
}

/// Lets something happen; each cycle is checked.
fn happen(world: &mut World, happening: &Happening) {
    match happening {
        Happening::Push { sick, infra } => {
            let name = format!("c{:x}", world.commits.len() + 1);
            world.push(&name, None, *infra, *sick);
        }
        Happening::HeadBack => world.head = Some("c1".to_owned()),
        Happening::Cycles(count) => (0..*count).for_each(|_| checked_cycle(world)),
        Happening::Wait(seconds) => world.now += SignedDuration::from_secs(i64::from(*seconds)),
        Happening::Crash(before) => {
            world.crash = Some(if *before { Crash::BeforeEffect } else { Crash::AfterEffect });
        }
        Happening::Down(first) => {
            let replica = &mut world.replicas[usize::from(*first)];
            replica.is_up = !replica.is_up;
        }
        Happening::Restart => (world.replicas[0].stable, world.replicas[0].candidate) = (None, None),
        Happening::PlanFails(transient) => {
            let class = if *transient { FailureClass::Transient } else { FailureClass::Stalled };
            world.plan_outcomes.push(PlanOutcome::Fails { reason: "no".to_owned(), class });
        }
        Happening::PlanReplaces => {
            world.plan_outcomes.push(PlanOutcome::Replaces("aws_lb.main".to_owned()));
        }
        Happening::ApplyFails => world.apply_fails = Some("no".to_owned()),
        // Of commits from now on; what was pushed declares what it declared.
        Happening::Rule(required) => {
            let rule = if *required { "required" } else { "none" };
            world.options["apply"]["approval"] = rule.into();
        }
        Happening::RequestedBy(which) => {
            let operation = match which {
                0 => Operation::Sync,
                1 => world.approval(),
                2 => Operation::Hold { commit: None },
                3 => Operation::Hold { commit: world.head.as_deref().map(commit_id) },
                4 => Operation::Rollback { commit: None },
                5 => Operation::Heal { only: None },
                6 => world.adoption(),
                _ => Operation::Release,
            };
            world.ask("ann", operation);
        }
    }
}

/// One cycle, after which what must never happen has not happened.
fn checked_cycle(world: &mut World) {
    let cycle = world.cycle();
    let (Cycle::Took(decision) | Cycle::Crashed(decision)) = &cycle;
    // Holds as they were when the decision was made: no decision that brings something in lifts one.
    let commit = world.state.rollout.as_ref().map(|rollout| rollout.revision.commit.clone());
    let brings_in = matches!(
        decision,
        Decision::Begin { .. } | Decision::ApplyTerraform | Decision::Stage | Decision::Shift { .. }
    );
    // A promotion under way is finished: half a promotion is worse.
    let promotes = world.state.rollout.as_ref().is_some_and(|rollout| rollout.phase == Phase::Promoting);
    if let Some(commit) = commit.filter(|_| brings_in && !promotes && matches!(cycle, Cycle::Took(_))) {
        assert_eq!(world.state.hold_on(&commit), None, "{decision:?} of a held commit");
    }
    if let Some(rollout) = world.state.rollout.as_ref().filter(|rollout| rollout.kind == RolloutKind::Deploy)
    {
        let in_force = world.state.applied.as_ref().map(|applied| applied.digest);
        let is_new = rollout.digest != in_force || matches!(decision, Decision::ApplyTerraform);
        // Its own rule may be a looser one; the one in force before it counts all the same.
        let may = world.state.approval_rule == ApprovalRule::None || rollout.approval.is_some();
        let reaches = matches!(decision, Decision::ApplyTerraform | Decision::Stage);
        assert!(
            may || !is_new || !reaches,
            "{decision:?} without the approval that the rule in force asks for"
        );
    }
    let applied = &world.applied_plans;
    assert!(applied.iter().collect::<std::collections::BTreeSet<_>>().len() == applied.len(), "{applied:?}");
    world.now += SignedDuration::from_secs(1);
}

/// Lets everything be well, and nothing change any more.
fn make_well(world: &mut World) {
    world.replicas.iter_mut().for_each(|replica| replica.is_up = true);
    world.plan_outcomes.clear();
    world.apply_fails = None;
    world.crash = None;
    world.blocked = None;
    world.sick.clear();
    world.traffic_per_second = 100;
}

/// Runs until it rests for good, as a daemon would: again at once after a step, later when something waits.
fn run_to_rest(world: &mut World) -> Vec<Decision> {
    let mut taken = Vec::new();
    let mut rests = 0;
    for _ in 0..CYCLES_TO_REST_MAX {
        let Cycle::Took(decision) = world.cycle() else { unreachable!("nothing crashes any more") };
        match &decision {
            Decision::Wait { until: Some(until), .. } => world.now = (*until).max(world.now),
            Decision::Wait { .. } => {
                // Drift needs a second look, and healing its time.
                rests += 1;
                if rests > 5 {
                    return taken;
                }
                world.now += SignedDuration::from_secs(600);
                continue;
            }
            Decision::Verify => world.now += SignedDuration::from_secs(6),
            _ => world.now += SignedDuration::from_secs(1),
        }
        rests = 0;
        taken.push(decision);
    }
    panic!("no rest after {CYCLES_TO_REST_MAX} cycles: {:#?}", &taken[taken.len() - 12..]);
}

fn steps(taken: &[Decision]) -> usize {
    taken.iter().filter(|decision| !matches!(decision, Decision::Verify | Decision::Wait { .. })).count()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    // Invariants 2 and 5, and that no plan is applied twice, whatever happened before.
    #[test]
    fn whatever_happened_a_world_that_is_well_comes_to_rest_and_stays_there(
        mut world in world(),
        happenings in proptest::collection::vec(happening(), 0..40),
    ) {
        for happening in &happenings {
            happen(&mut world, happening);
        }
        make_well(&mut world);
        world.ask("ann", Operation::Release);
        run_to_rest(&mut world);
        // What was being undone just then is released only now: its end held it.
        world.ask("ann", Operation::Release);
        run_to_rest(&mut world);
        let again = run_to_rest(&mut world);
        prop_assert_eq!(steps(&again), 0, "{:?}", again);
        // Where nothing waits for a person, every replica serves what is in force.
        if world.state.rollout_under_way().is_none() && world.state.frozen.is_none() {
            let expected = world.state.applied.as_ref().map(|applied| applied.digest);
            let heals = world.options["drift"]["heal"].is_array();
            for replica in world.replicas.iter().filter(|_| heals) {
                prop_assert_eq!(replica.stable.as_ref().map(|(digest, _)| *digest), expected);
                prop_assert!(replica.candidate.is_none());
            }
        }
    }
}

proptest! {
    // Each plays a whole history.
    #![proptest_config(ProptestConfig { cases: 150, ..ProptestConfig::default() })]

    // Invariant 5: what failed is rolled back, held, and not tried again by itself.
    #[test]
    fn a_sick_document_ends_rolled_back_and_held(
        mut world in world(),
        infra in any::<bool>(),
        crashes in proptest::collection::vec((0_u8..40, any::<bool>()), 0..4),
    ) {
        world.ask("ann", Operation::Sync);
        run_approving(&mut world);
        prop_assume!(world.state.verified.is_some());
        let before = world.state.verified.clone().unwrap();
        world.push("c2", None, infra || world.options.get("gateway").is_some(), true);
        world.ask("ann", Operation::Sync);
        for (cycles, is_before) in crashes {
            (0..cycles).for_each(|_| checked_cycle(&mut world));
            world.crash = Some(if is_before { Crash::BeforeEffect } else { Crash::AfterEffect });
        }
        while let Cycle::Crashed(_) = world.cycle() {}
        world.crash = None;
        run_approving(&mut world);
        let sick = commit_id("c2");
        let rollout = world.state.rollout.clone().unwrap();
        prop_assert_eq!(&rollout.phase, &Phase::RolledBack, "{:?}", rollout.reason);
        prop_assert!(world.state.holds.iter().any(|hold| hold.commit.as_ref() == Some(&sick)));
        prop_assert_eq!(&world.state.applied.as_ref().unwrap().revision, &before.revision);
        for replica in &world.replicas {
            prop_assert_eq!(replica.stable.as_ref().unwrap().0, before.digest);
            prop_assert!(replica.candidate.is_none());
        }
        prop_assert_eq!(&world.live_tree, &before.terraform_tree.or(world.live_tree.clone()));
        // A sync is no release.
        let begun = world.begun.len();
        world.ask("bob", Operation::Sync);
        run_approving(&mut world);
        prop_assert_eq!(world.begun.len(), begun);
        // A newer commit is brought in.
        world.push("c3", None, true, false);
        world.ask("bob", Operation::Sync);
        run_approving(&mut world);
        prop_assert_eq!(&world.state.verified.as_ref().unwrap().revision.commit, &commit_id("c3"));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, ..ProptestConfig::default() })]

    // Invariant 15: no commit takes away the rule that it is judged by. `checked_cycle` asserts it.
    #[test]
    fn a_rule_in_force_is_not_taken_away_unseen(
        mut world in world(),
        happenings in proptest::collection::vec(happening(), 1..30),
    ) {
        world.options["apply"] = serde_json::json!({"approval": "required"});
        world.push("c2", None, false, false);
        world.ask("ann", Operation::Sync);
        run_approving(&mut world);
        prop_assert_eq!(world.state.approval_rule, ApprovalRule::Required);
        world.options["apply"] = serde_json::json!({});
        for happening in &happenings {
            happen(&mut world, happening);
        }
    }
}

/// Runs to rest, with a person who approves what waits.
fn run_approving(world: &mut World) {
    for _ in 0..4 {
        run_to_rest(world);
        let waits =
            world.state.rollout.as_ref().is_some_and(|rollout| rollout.phase == Phase::AwaitingApproval);
        if !waits {
            return;
        }
        let approval = world.approval();
        world.ask("ann", approval);
    }
}
