//! The bell: all that a timer, a hook, a file event or a person can do to a cycle. Ringing says that something may
//! have changed, never what; whoever wakes reads everything afresh. Rings while one is awake fold into one.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use moorline_model::EnvironmentName;
use tokio::sync::Notify;

/// The bells of the source and of each environment.
#[derive(Debug, Clone, Default)]
pub struct Bells {
    source: Arc<Notify>,
    environments: Arc<Mutex<BTreeMap<EnvironmentName, Arc<Notify>>>>,
}

impl Bells {
    /// The source's bell.
    #[must_use]
    pub fn source(&self) -> Arc<Notify> {
        Arc::clone(&self.source)
    }

    /// An environment's bell.
    #[must_use]
    pub fn environment(&self, name: &EnvironmentName) -> Arc<Notify> {
        let mut bells = self.environments.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(bells.entry(name.clone()).or_default())
    }

    /// Drops the bell of an environment that is no longer declared.
    pub fn forget(&self, name: &EnvironmentName) {
        self.environments.lock().unwrap_or_else(PoisonError::into_inner).remove(name);
    }
}

impl moorline_web::Bell for Bells {
    /// A person or a hook: the repository is looked at, and the named environment wakes. Without a name those wake for whom
    /// the repository then says something new.
    fn ring(&self, environment: Option<&EnvironmentName>) {
        self.source.notify_one();
        if let Some(name) = environment {
            self.environment(name).notify_one();
        }
    }
}
