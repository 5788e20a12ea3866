//! A person wants the declared state back: replicas get the document in force, and Terraform is planned and applied at the
//! commit in force, through the gates of any other plan.

use std::collections::BTreeSet;

use moorline_model::Revision;
use moorline_model::environment::EnvironmentState;
use moorline_model::intent::healing::HealScope;
use moorline_model::intent::{Intent, Refusal};

use moorline_model::rollout::RolloutKind;

use super::{AppliedIntents, IntentEffect};
use crate::decide::Decision;

pub(super) fn heal(after: &mut AppliedIntents, intent: &Intent, only: Option<&str>) -> IntentEffect {
    if after.restore.is_some() {
        return IntentEffect::done("healed nothing: what served before Moorline is being restored");
    }
    let state = &mut after.state;
    let reach = HealScope::of(&state.drift, only);
    let Some(applied) = state.applied.as_ref().filter(|_| !reach.is_empty()) else {
        return IntentEffect::done("healed nothing: nothing differs from what is declared");
    };
    let revision = applied.revision.clone();
    let terraform = match state.heals_terraform() {
        _ if reach.terraform.is_empty() => None,
        other => Some(other),
    };
    let does = sentence(state, &reach, &revision, terraform.as_ref(), "restores");
    let did = sentence(state, &reach, &revision, terraform.as_ref(), "restored");
    let begins = matches!(terraform, Some(Ok(()))).then(|| revision.commit.clone());
    if begins.is_some() {
        let head = state.head.as_ref().map(|head| head.commit.clone());
        let (actor, reason) = (intent.actor.clone(), intent.reason.clone());
        let kind = RolloutKind::Heal { actor, reason, head };
        after.begin = Some(Decision::Begin { revision, kind });
    }
    if !reach.replicas.is_empty() {
        after.heal.extend(reach.replicas);
        return IntentEffect::Heals { does, did, begins };
    }
    match begins {
        Some(commit) => IntentEffect::Begins { did, commit },
        None => IntentEffect::done(did),
    }
}

/// What is done, and what cannot be.
fn sentence(
    state: &EnvironmentState,
    reach: &HealScope,
    revision: &Revision,
    terraform: Option<&Result<(), Refusal>>,
    restores: &str,
) -> String {
    let list = |names: &BTreeSet<String>| names.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
    let short = revision.commit.short();
    let mut parts = Vec::new();
    if !reach.replicas.is_empty() {
        let held = state.holds.iter().find(|hold| hold.commit.is_none());
        let held = held.map(|hold| format!(", though everything is held by {}", hold.by)).unwrap_or_default();
        parts.push(format!("{restores} the document of {short} on {}{held}", list(&reach.replicas)));
    }
    match terraform {
        Some(Ok(())) => parts.push(format!("plans Terraform at {short} for {}", list(&reach.terraform))),
        Some(Err(refusal)) => parts.push(refusal.message.clone()),
        None => {}
    }
    if !reach.left.is_empty() {
        parts.push(format!("left as it is: {}", list(&reach.left)));
    }
    parts.join("; ")
}
