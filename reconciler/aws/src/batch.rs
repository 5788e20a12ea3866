//! Reads resources of one kind in as few calls as AWS allows, and compares each.
//!
//! Every resource requested has an outcome: what differs, that it is missing, or why nothing is known of it.

use std::collections::BTreeMap;
use std::fmt;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use moorline_model::config::chain;
use moorline_model::drift::Finding;
use tokio::time::{Instant, timeout_at};

use crate::clients::Clients;
use crate::finding::unverifiable;
use crate::kind::{Kind, Place};
use crate::read::Refused;

/// What a batch comes to: the findings of each resource, by its number in the state.
pub(crate) type Outcomes = Vec<(usize, Vec<Finding>)>;

/// When reading has to end. Resources that were not read by then are unverifiable.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Deadline {
    pub(crate) at: Instant,
    pub(crate) seconds: u64,
}

/// The resources of one kind, whichever it is.
pub(crate) trait Resources: fmt::Debug + Send + Sync {
    /// Their Terraform addresses.
    fn addresses(&self) -> Vec<&str>;

    /// The reads of them all, each of which is to be awaited.
    fn batches<'a>(&'a self, clients: &Clients, deadline: Deadline) -> Vec<BoxFuture<'a, Outcomes>>;
}

/// A resource with its Terraform address.
#[derive(Debug)]
pub(crate) struct Addressed<K> {
    pub(crate) address: String,
    pub(crate) resource: K,
}

impl<K: Kind> Resources for Vec<Addressed<K>> {
    fn addresses(&self) -> Vec<&str> {
        self.iter().map(|declared| declared.address.as_str()).collect()
    }

    fn batches<'a>(&'a self, clients: &Clients, deadline: Deadline) -> Vec<BoxFuture<'a, Outcomes>> {
        let mut by_place: BTreeMap<Place<'a>, Vec<Requested<'a, K>>> = BTreeMap::new();
        for (number, declared) in self.iter().enumerate() {
            by_place.entry(declared.resource.place()).or_default().push(Requested { number, declared });
        }
        let client = clients.of::<K>();
        let batches = by_place.values().flat_map(|requested| requested.chunks(K::PER_CALL));
        batches.map(|batch| compared(client.clone(), batch.to_vec(), deadline).boxed()).collect()
    }
}

/// A resource that is requested.
struct Requested<'a, K> {
    number: usize,
    declared: &'a Addressed<K>,
}

impl<K> Clone for Requested<'_, K> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<K> Copy for Requested<'_, K> {}

impl<K: Kind> Requested<'_, K> {
    fn compared(&self, answer: &K::Answer) -> (usize, Vec<Finding>) {
        match self.declared.resource.find(answer) {
            Ok(live) => (self.number, self.declared.resource.findings(&self.declared.address, live)),
            Err(error) => self.unread(chain::of(&error)),
        }
    }

    fn missing(&self) -> (usize, Vec<Finding>) {
        (self.number, self.declared.resource.findings(&self.declared.address, None))
    }

    fn unread(&self, reason: String) -> (usize, Vec<Finding>) {
        let address = &self.declared.address;
        tracing::warn!(address, reason, "an AWS resource could not be read");
        (self.number, vec![unverifiable(address, reason)])
    }
}

/// Reads and compares a batch. Where AWS refuses it for the sake of one resource, it is halved until that one is alone,
/// so that the others are still compared.
async fn compared<K: Kind>(client: K::Client, batch: Vec<Requested<'_, K>>, deadline: Deadline) -> Outcomes {
    let mut outcomes = Vec::with_capacity(batch.len());
    let mut waiting = vec![batch];
    while let Some(mut requested) = waiting.pop() {
        let resources: Vec<&K> = requested.iter().map(|requested| &requested.declared.resource).collect();
        match timeout_at(deadline.at, K::read(&client, &resources)).await {
            Ok(Ok(answer)) => outcomes.extend(requested.iter().map(|requested| requested.compared(&answer))),
            Ok(Err(Refused::OneIsMissing | Refused::PerhapsOne(_))) if requested.len() > 1 => {
                let second = requested.split_off(requested.len() / 2);
                waiting.extend([second, requested]);
            }
            Ok(Err(Refused::OneIsMissing | Refused::AllAreMissing)) => {
                outcomes.extend(requested.iter().map(Requested::missing));
            }
            Ok(Err(Refused::PerhapsOne(error) | Refused::Failed(error))) => {
                let reason = chain::of(&error);
                outcomes.extend(requested.iter().map(|requested| requested.unread(reason.clone())));
            }
            Err(_) => {
                let reason = format!("not read within {} s", deadline.seconds);
                outcomes.extend(requested.iter().map(|requested| requested.unread(reason.clone())));
            }
        }
    }
    outcomes
}
