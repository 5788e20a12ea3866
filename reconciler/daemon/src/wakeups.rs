//! Wake-ups: all that a timer, a webhook, a file event or a person can do to a cycle. A wake-up says that something may
//! have changed, never what; whoever wakes reads everything afresh. Several while one is awake are one.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use moorline_model::EnvironmentName;
use tokio::sync::Notify;

/// What wakes the watcher of the repository and the keeper of each environment.
#[derive(Debug, Clone, Default)]
pub struct WakeUps {
    source: Arc<Notify>,
    environments: Arc<Mutex<BTreeMap<EnvironmentName, Arc<Notify>>>>,
}

impl WakeUps {
    #[must_use]
    pub fn source(&self) -> Arc<Notify> {
        Arc::clone(&self.source)
    }

    #[must_use]
    pub fn environment(&self, name: &EnvironmentName) -> Arc<Notify> {
        let mut environments = self.environments.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(environments.entry(name.clone()).or_default())
    }

    /// Drops what wakes an environment that is no longer declared.
    pub fn forget(&self, name: &EnvironmentName) {
        self.environments.lock().unwrap_or_else(PoisonError::into_inner).remove(name);
    }
}

impl moorline_web::Wake for WakeUps {
    /// A person or a webhook: the repository is fetched, and the named environment wakes. Without a name those wake for
    /// whom the repository then says something new.
    fn wake(&self, environment: Option<&EnvironmentName>) {
        self.source.notify_one();
        if let Some(name) = environment {
            self.environment(name).notify_one();
        }
    }
}
