//! What Terraform manages of the kinds that are compared, picked out of its state.
//!
//! In: the JSON of `terraform show -json` of a state, redacted or not. Out: [`Managed`], which holds of the state only
//! what is compared.

use serde_json::Value;

use crate::attributes::Unexpected;
use crate::batch::{Addressed, Resources};
use crate::kind::Kind;
use crate::kinds::KINDS;
use crate::state::State;

/// What a state has of the kinds that are compared.
#[derive(Debug, Default)]
pub struct Managed {
    /// One entry for each kind that the state has resources of.
    pub(crate) kinds: Vec<Box<dyn Resources>>,
    /// Resources whose attributes have a shape that the provider's schema does not have.
    pub(crate) unreadable: Vec<Unreadable>,
}

/// A resource that cannot be compared.
#[derive(Debug)]
pub(crate) struct Unreadable {
    pub(crate) address: String,
    pub(crate) reason: Unexpected,
}

impl Managed {
    /// The addresses of all resources that are compared.
    pub fn addresses(&self) -> impl Iterator<Item = &str> {
        self.kinds.iter().flat_map(|resources| resources.addresses())
    }
}

/// Picks what is compared out of a state.
#[must_use]
pub fn managed(state: &Value) -> Managed {
    let state = State::of(state);
    let mut managed = Managed::default();
    for kind in KINDS {
        (kind.pick)(&state, &mut managed);
    }
    managed
}

/// Adds the resources of one kind.
pub(crate) fn pick<K: Kind>(state: &State<'_>, managed: &mut Managed) {
    let mut resources = Vec::new();
    for declared in K::declared(state) {
        let address = declared.address;
        match declared.read {
            Ok(resource) => resources.push(Addressed { address, resource }),
            Err(reason) => managed.unreadable.push(Unreadable { address, reason }),
        }
    }
    if !resources.is_empty() {
        managed.kinds.push(Box::new(resources));
    }
}

#[cfg(test)]
mod tests;
