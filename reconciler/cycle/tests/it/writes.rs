//! What a look writes: counts that do not depend on the machine.

use jiff::SignedDuration;

use super::world::{Cycle, World};

/// Cycles until nothing moves, seconds apart.
fn settle(world: &mut World) {
    for _ in 0..400 {
        assert!(matches!(world.cycle(), Cycle::Took(_)));
        world.now = world.now.checked_add(SignedDuration::from_secs(1)).unwrap();
    }
    assert!(world.state.verified.is_some() && world.state.rollout_under_way().is_none());
}

/// Writes of a number of looks, half a minute apart.
fn looks(world: &mut World, number: usize) -> u64 {
    let before = world.writes();
    for _ in 0..number {
        world.now = world.now.checked_add(SignedDuration::from_secs(30)).unwrap();
        assert!(matches!(world.cycle(), Cycle::Took(_)));
    }
    world.writes() - before
}

#[test]
fn a_look_that_finds_everything_as_it_was_writes_nothing() {
    let mut world = World::new();
    world.push("a", None, true, false);
    settle(&mut world);
    assert_eq!(looks(&mut world, 100), 0, "with callers, a plan that is due and the next fetch");

    world.replicas[0].stable = None;
    assert!(looks(&mut world, 1) > 0, "something was found");
    looks(&mut world, 10);
    assert_eq!(looks(&mut world, 100), 0, "drift that is open and known");
}

#[test]
fn a_commit_that_changes_nothing_here_writes_nothing() {
    let mut world = World::new();
    world.push("a", None, true, false);
    settle(&mut world);
    world.push("b", Some("a"), false, false);
    assert_eq!(looks(&mut world, 20), 0);
    let (applied, rollout) = (world.state.applied.as_ref().unwrap(), world.state.rollout.as_ref().unwrap());
    assert_eq!(applied.revision.message, "change b", "the revision moves");
    assert_eq!(rollout.revision.message, "change a", "there is no rollout of it");

    // After a crash the head is compared again: nothing is lost that is not found again.
    world.crash = Some(super::world::Crash::BeforeEffect);
    world.replicas[0].stable = None;
    world.push("c", None, false, false);
    while matches!(world.cycle(), Cycle::Took(_)) {
        world.now = world.now.checked_add(SignedDuration::from_secs(1)).unwrap();
    }
    settle(&mut world);
    assert_eq!(world.state.verified.as_ref().unwrap().revision.message, "change c");
}
