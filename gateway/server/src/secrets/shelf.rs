//! A store for tests: what lies on it is found, unless it is shut.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use moorline_config::{Reference, Secret};

use super::stores::Stores;
use super::{Found, Resolver, SecretError};

/// What a look-up answers.
type Answers = BTreeMap<Reference, Result<String, SecretError>>;

/// A store in memory.
#[derive(Clone, Default)]
pub(crate) struct Shelf(Arc<Mutex<Answers>>);

impl Shelf {
    /// From now on a reference has this value.
    pub(crate) fn put(&self, reference: &str, value: &str) {
        self.answer(reference, Ok(value.to_owned()));
    }

    /// From now on a reference fails like this.
    pub(crate) fn fail(&self, reference: &str, error: SecretError) {
        self.answer(reference, Err(error));
    }

    fn answer(&self, reference: &str, answer: Result<String, SecretError>) {
        self.0.lock().unwrap().insert(reference.parse().unwrap(), answer);
    }

    /// A resolver with this store, and `env:SET` in its environment.
    pub(crate) fn resolver(&self) -> Resolver {
        let environment = Arc::new(|name: &str| (name == "SET").then(|| "marker-of-a-secret".to_owned()));
        Resolver::new(environment, Arc::new(self.clone()))
    }
}

impl Stores for Shelf {
    fn look_up(&self, references: Vec<Reference>) -> Found {
        let answers = self.0.lock().unwrap();
        let unheard = || Err(SecretError::Unreachable("the shelf is empty".to_owned()));
        let one = |reference: Reference| {
            let answer = answers.get(&reference).cloned().unwrap_or_else(unheard).map(Secret::new);
            (reference, answer)
        };
        references.into_iter().map(one).collect()
    }
}
