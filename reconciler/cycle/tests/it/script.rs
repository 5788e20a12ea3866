//! Reads a scenario, a line a command, and writes down what happened.

use std::fmt::Write as _;

use jiff::{SignedDuration, Timestamp};
use moorline_model::FailureClass;
use moorline_model::config::Digest;
use moorline_model::intent::Operation;
use moorline_model::notification::Notification;
use moorline_plan::Decision;
use serde_json::json;

use super::world::{Crash, Cycle, PlanOutcome, Replica, World, commit_id, document};

/// Most cycles of one `run`.
const CYCLES_MAX: u32 = 500;
/// Longest wait that `run` skips over by itself.
const SKIP_MAX: SignedDuration = SignedDuration::from_hours(1);

/// Plays a scenario: its own text, with what happened after each command.
pub(crate) fn play(text: &str) -> String {
    let mut world = World::new();
    let mut out = String::new();
    for line in text.lines() {
        let command = line.trim();
        if command.is_empty() || command.starts_with('#') {
            writeln!(out, "{command}").unwrap();
            continue;
        }
        writeln!(out, "> {command}").unwrap();
        obey(&mut world, command, &mut out);
    }
    names(&world, out)
}

/// Commits, digests and addresses by the names the scenario gave them.
fn names(world: &World, mut out: String) -> String {
    for (name, commit) in &world.commits {
        out = out.replace(commit.revision.commit.short(), name);
        out = out.replace(&commit.document.digest().short(), &format!("document of {name}"));
    }
    out.replace("http://", "").replace(":8788", "")
}

fn obey(world: &mut World, command: &str, out: &mut String) {
    let words: Vec<&str> = command.split_whitespace().collect();
    let rest = || words[2..].join(" ").trim_matches('"').to_owned();
    match words[0] {
        "declare" => declare(world, &words[1..]),
        "push" => {
            let has = |word: &str| words.contains(&word);
            let other = words.iter().position(|word| *word == "like").map(|at| words[at + 1]);
            world.push(words[1], other, has("infra"), has("sick"));
            if has("broken") {
                world.broken.insert(world.commits[words[1]].document.digest());
            }
            world.commits.get_mut(words[1]).unwrap().is_denied = has("denied");
        }
        "head" => world.head = Some(words[1].to_owned()),
        "unreadable" => {
            world.unreadable.insert(words[1].to_owned());
        }
        "readable" => world.unreadable.clear(),
        "recovers" => {
            let digest = world.commits[words[1]].document.digest();
            world.sick.remove(&digest);
        }
        "plan" => world.plan_outcomes.push(match words[1] {
            "changes" => PlanOutcome::Changes(words[2].parse().unwrap()),
            "replaces" => PlanOutcome::Replaces(words[2].to_owned()),
            "fails" => PlanOutcome::Fails { reason: rest(), class: FailureClass::Stalled },
            _ => PlanOutcome::Fails { reason: rest(), class: FailureClass::Transient },
        }),
        "lost-record" => world.lose_the_record(),
        "drifts" => world.drifts = Some(words[1].to_owned()),
        "apply" => world.apply_fails = Some(rest()),
        "crash" => {
            world.crash = Some(if words[1] == "before" { Crash::BeforeEffect } else { Crash::AfterEffect });
        }
        "blocked" => world.blocked = Some(words[1..].join(" ")),
        "unblocked" => world.blocked = None,
        "traffic" => world.traffic_per_second = words[1].parse().unwrap(),
        "wait" => world.now += span(words[1]),
        "replica" => replica(world, words[1], words[2]),
        "edit" => edit(world, words[1]),
        "messages" => messages(world, out),
        "run" => run(world, words.get(1).map(|count| count.parse().unwrap()), out),
        actor => {
            let operation = operation(world, &words[1..]);
            world.ask(actor, operation);
        }
    }
}

fn declare(world: &mut World, words: &[&str]) {
    let canary = || {
        let steps: Vec<_> = words[1..].iter().map(|weight| json!({"weight": weight, "hold": "1m"})).collect();
        json!({"strategy": "canary", "steps": steps})
    };
    let terraform = json!({"directory": "infra"});
    let (section, value) = match words[0] {
        "canary" => ("rollout", canary()),
        "linear" => (
            "rollout",
            json!({"strategy": "linear", "step_weight": words[1], "max_weight": words[2], "hold": "1m"}),
        ),
        "terraform" => ("terraform", terraform),
        "document" => {
            world.options["terraform"] = terraform;
            ("gateway", json!({"document": {"terraform": "openai_gateway.main"}}))
        }
        "approval" => ("apply", json!({"approval": words.get(1).unwrap_or(&"required")})),
        "manual" => ("apply", json!({"auto": false})),
        "window" => ("apply", json!({"windows": [{"allow": words[1..].join(" ")}]})),
        "heal" => ("drift", json!({"heal": ["gateway"]})),
        "adopt" => ("gateway", json!({"adopt": true})),
        "no-rollback" => ("rollback", json!({"automatic": false})),
        other => panic!("cannot declare {other}"),
    };
    world.options[section] = value;
}

fn span(text: &str) -> SignedDuration {
    let span: moorline_model::config::Duration = text.parse().unwrap();
    span.get().try_into().unwrap()
}

fn replica(world: &mut World, name: &str, what: &str) {
    let endpoint = format!("http://{name}:8788");
    if what == "joins" {
        world.replicas.push(Replica::new(endpoint, world.now));
        return;
    }
    let replica = world.replicas.iter_mut().find(|replica| replica.endpoint == endpoint).unwrap();
    match what {
        "down" => replica.is_up = false,
        "up" => replica.is_up = true,
        "restarts" => (replica.stable, replica.candidate) = (None, None),
        other => panic!("a replica cannot {other}"),
    }
}

/// Somebody writes a document of their own on one replica.
fn edit(world: &mut World, name: &str) {
    let edited = document("edited");
    let digest: Digest = edited.digest();
    world.documents.insert(digest, edited);
    let endpoint = format!("http://{name}:8788");
    let replica = world.replicas.iter_mut().find(|replica| replica.endpoint == endpoint).unwrap();
    replica.stable = Some((digest, "manual".to_owned()));
    replica.since = world.now;
    replica.generation += 1;
}

fn operation(world: &World, words: &[&str]) -> Operation {
    let commit = words.get(1).map(|name| commit_id(name));
    match words[0] {
        "syncs" => Operation::Sync,
        "approves" => world.approval(),
        "rolls-back" => Operation::Rollback { commit },
        "holds" => Operation::Hold { commit },
        "releases" => Operation::Release,
        "adopts" => world.adoption(),
        "heals" => Operation::Heal { only: words.get(1).map(|name| format!("http://{name}:8788")) },
        other => panic!("nobody {other}"),
    }
}

/// Runs cycles until nothing more happens, or so many. Time passes where something waits for it.
fn run(world: &mut World, count: Option<u32>, out: &mut String) {
    let start = world.now;
    let mut watched = 0_u32;
    for _ in 0..count.unwrap_or(CYCLES_MAX) {
        let told = world.told.len();
        let at = world.now;
        let cycle = world.cycle();
        if cycle == Cycle::Took(Decision::Verify) {
            watched += 1;
        } else {
            if watched > 0 {
                writeln!(out, "  {:>6}  watch ({watched} times)", since(start, at)).unwrap();
                watched = 0;
            }
            writeln!(out, "  {:>6}  {}", since(start, at), sentence(&cycle)).unwrap();
        }
        for message in &world.told[told..] {
            writeln!(
                out,
                "          ! {:?}, {:?}: {}",
                message.transition, message.severity, message.headline
            )
            .unwrap();
        }
        match &cycle {
            Cycle::Took(Decision::Verify) => {
                assert!(
                    world.next > world.now,
                    "a look that nothing came of is not followed by another at once"
                );
                world.now = world.next;
                // Nobody waits for ever for traffic that does not come.
                if watched == 100 {
                    writeln!(out, "  {:>6}  still watching", since(start, at)).unwrap();
                    return;
                }
            }
            Cycle::Took(Decision::Wait { until: Some(until), .. })
                if until.duration_since(world.now) < SKIP_MAX =>
            {
                world.now = *until;
            }
            // A finding is read twice before it counts.
            Cycle::Took(Decision::Wait { .. }) if has_suspicion(world) => {
                world.now += SignedDuration::from_secs(30);
            }
            Cycle::Took(Decision::Wait { .. }) if count.is_none() => return,
            _ => world.now += SignedDuration::from_secs(1),
        }
    }
}

/// Every message since the last time, in full.
fn messages(world: &mut World, out: &mut String) {
    for message in &world.told[world.shown..] {
        let Notification { topic, transition, severity, headline, details, next, action, page, .. } = message;
        writeln!(out, "  [{topic}] {transition:?}, {severity:?}\n    {headline}").unwrap();
        details.iter().for_each(|detail| writeln!(out, "    - {detail}").unwrap());
        writeln!(out, "    next: {next}").unwrap();
        action.iter().for_each(|action| writeln!(out, "    you can: {action}").unwrap());
        writeln!(out, "    see: {}", page.path()).unwrap();
    }
    world.shown = world.told.len();
}

fn has_suspicion(world: &World) -> bool {
    use moorline_model::drift::DriftState;
    world.state.drift.iter().any(|drift| drift.state == DriftState::Suspected)
}

fn since(start: Timestamp, now: Timestamp) -> String {
    format!("+{}s", now.duration_since(start).as_secs())
}

fn sentence(cycle: &Cycle) -> String {
    match cycle {
        Cycle::Crashed(decision) => format!("CRASH in: {}", decided(decision)),
        Cycle::Took(decision) => decided(decision),
    }
}

fn decided(decision: &Decision) -> String {
    match decision {
        Decision::Wait { because, .. } => format!("rest: {because}"),
        Decision::Begin { revision, .. } => format!("begin {}", revision.commit.short()),
        Decision::EnterPhase { phase, because } => format!("go on to {phase}: {because}"),
        Decision::Supersede { by } => format!("make room for {}", by.commit.short()),
        Decision::PlanTerraform => "terraform plan".to_owned(),
        Decision::ApplyTerraform => "terraform apply".to_owned(),
        Decision::Stage => "stage the candidate".to_owned(),
        Decision::Shift { weight } => format!("give the candidate {weight}"),
        Decision::Promote => "promote the candidate".to_owned(),
        Decision::Verify => "watch".to_owned(),
        Decision::UndoDocument { restore: None } => "drop the candidate".to_owned(),
        Decision::UndoDocument { restore: Some(digest) } => {
            format!("drop the candidate, put back {}", digest.short())
        }
        Decision::UndoPlan => "terraform plan, for the way back".to_owned(),
        Decision::UndoApply => "terraform apply, for the way back".to_owned(),
        Decision::Heal { endpoints } => format!("heal {}", endpoints.join(", ")),
        Decision::RestoreFound { documents, .. } => {
            let each = documents.iter().map(|(endpoint, digest)| format!("{} on {endpoint}", digest.short()));
            format!("put back {}", each.collect::<Vec<_>>().join(", "))
        }
        Decision::Finish { phase, because } => {
            format!(
                "end: {phase}{}",
                because.as_deref().map(|because| format!(": {because}")).unwrap_or_default()
            )
        }
    }
}
