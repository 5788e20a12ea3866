//! First contact: gateways that serve something else when Moorline first meets them.
//!
//! In: the document that the rollout under way brings, and what replicas attest. Out: what each of them served, remembered
//! with its owner and its difference, and the documents to keep so that a rollback can go back to them. They are replaced
//! only after `moorline adopt`, or where `gateway: {adopt: true}` says so.
//!
//! It is asked only while nothing has verified there and the owner is not Git: a record that was lost is built anew from
//! gateways that serve Git's documents, and nothing may stand in the way of that.

use jiff::Timestamp;
use moorline_model::adoption::Found;
use moorline_model::config::Config;
use moorline_model::drift::Severity;
use moorline_model::environment::{EnvironmentState, RequestedBy, StoredDocument};
use moorline_model::event::{Event, EventKind};
use serde_json::Value;

use crate::decide::Situation;
use crate::gateway::{ReplicaReading, Serving, gateway_findings};

/// Who owns what a rollout writes.
const OUR_ORIGIN: &str = "git";
/// Who adopts where `gateway: {adopt: true}` says so.
const DECLARED: &str = "moorline.yaml";

/// What was found at first contact.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct FirstContact {
    /// Lines of history.
    pub events: Vec<Event>,
    /// Documents to keep.
    pub documents: Vec<StoredDocument>,
}

/// Remembers what replicas serve that nobody has brought them through Moorline. `may_replace`: the environment declares that it
/// may be replaced.
pub fn record_first_contact(
    state: &mut EnvironmentState,
    incoming: Option<&Config>,
    may_replace: bool,
    readings: &[ReplicaReading],
    now: Timestamp,
) -> FirstContact {
    let mut contact = FirstContact::default();
    let Some(incoming) = incoming.filter(|_| is_first_contact(state)) else { return contact };
    // What its owner took away before anybody adopted it is no more.
    let serves = |found: &Found| {
        let reading = readings.iter().find(|reading| reading.endpoint == found.endpoint);
        reading.is_none_or(|reading| reading.result.is_err() || reading.serves(found.digest))
    };
    state.found.retain(|found| found.adopted.is_some() || serves(found));
    for reading in readings {
        let Some(serving) = unmanaged(state, reading).filter(|serving| serving.digest != incoming.digest())
        else {
            continue;
        };
        let adopted = may_replace.then(|| RequestedBy { actor: DECLARED.to_owned(), at: now });
        let is_known =
            |found: &&mut Found| found.endpoint == reading.endpoint && found.digest == serving.digest;
        if let Some(known) = state.found.iter_mut().find(is_known) {
            known.adopted = known.adopted.take().or(adopted);
            continue;
        }
        let Some(document) = document(reading, serving) else { continue };
        let found = Found { adopted, ..found(reading, serving, incoming) };
        contact.events.push(Event {
            at: now,
            environment: state.name.clone(),
            kind: EventKind::Check,
            severity: Severity::Warning,
            message: format!("met: {}; its document is kept", found.sentence()),
            commit: None,
            rollout: state.rollout_under_way().map(|rollout| rollout.id),
        });
        contact.documents.push(StoredDocument { digest: serving.digest, document, at: now });
        state.found.retain(|known| known.endpoint != found.endpoint);
        state.found.push(found);
    }
    contact
}

/// Nothing has verified there yet.
const fn is_first_contact(state: &EnvironmentState) -> bool {
    state.verified.is_none() && state.rollout.is_some()
}

/// What a replica serves that is neither Git's nor what was brought into force.
fn unmanaged<'a>(state: &EnvironmentState, reading: &'a ReplicaReading) -> Option<&'a Serving> {
    let serving = reading.stable().filter(|serving| serving.origin != OUR_ORIGIN)?;
    let is_in_force = state.applied.as_ref().is_some_and(|applied| applied.digest == serving.digest);
    (!is_in_force).then_some(serving)
}

/// The document itself, when it is the one that is attested: only that one can be put back.
fn document(reading: &ReplicaReading, serving: &Serving) -> Option<Value> {
    let document = reading.result.as_ref().ok()?.document.as_ref()?;
    let config = Config::from_value("found document", document).ok()?;
    (config.digest() == serving.digest).then(|| config.value().clone())
}

fn found(reading: &ReplicaReading, serving: &Serving, incoming: &Config) -> Found {
    Found {
        endpoint: reading.endpoint.clone(),
        digest: serving.digest,
        origin: serving.origin.clone(),
        actor: serving.actor.clone(),
        reason: serving.reason.clone(),
        since: serving.since,
        differs: gateway_findings(incoming, None, std::slice::from_ref(reading)),
        adopted: None,
    }
}

/// The replicas that may not be replaced before somebody adopts them.
pub(crate) fn unadopted<'a>(state: &EnvironmentState, situation: &Situation<'a>) -> Vec<&'a ReplicaReading> {
    let may_replace = situation.current.is_some_and(|desired| desired.environment.gateway.adopt);
    let Some(rollout) = state.rollout_under_way().filter(|_| is_first_contact(state) && !may_replace) else {
        return Vec::new();
    };
    let waits = |reading: &&ReplicaReading| {
        unmanaged(state, reading).is_some_and(|serving| {
            let is_adopted = |found: &Found| {
                found.endpoint == reading.endpoint
                    && found.digest == serving.digest
                    && found.adopted.is_some()
            };
            Some(serving.digest) != rollout.digest && !state.found.iter().any(is_adopted)
        })
    };
    situation.replicas.iter().filter(waits).collect()
}

#[cfg(test)]
mod tests;
