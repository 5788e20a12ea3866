//! The SDK's clients: one a service, made when it is first needed and kept, with its connections.

use std::any::{Any, TypeId};
use std::collections::HashMap;
use std::fmt;
use std::sync::{Mutex, PoisonError};

use aws_config::SdkConfig;

use crate::kind::Kind;

pub(crate) struct Clients {
    config: SdkConfig,
    made: Mutex<HashMap<TypeId, Box<dyn Any + Send>>>,
}

impl Clients {
    pub(crate) fn new(config: SdkConfig) -> Self {
        Self { config, made: Mutex::default() }
    }

    /// The client that a kind is read through.
    pub(crate) fn of<K: Kind>(&self) -> K::Client {
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        let client = made
            .entry(TypeId::of::<K::Client>())
            .or_insert_with(|| Box::new(K::connect(&self.config)))
            .downcast_ref::<K::Client>();
        client.cloned().unwrap_or_else(|| K::connect(&self.config))
    }
}

impl fmt::Debug for Clients {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Clients").finish_non_exhaustive()
    }
}
