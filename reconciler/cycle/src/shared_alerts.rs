//! Trouble with the repository is one incident for all its environments: which of them notifies people.
//!
//! The first environment with something to report and a channel to report it owns the alert until the trouble is over; the
//! others are suppressed. After a restart of the daemon another may own what is new.

use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use moorline_model::EnvironmentName;
use moorline_plan::conditions::AlertScope;

/// Alerts that all environments share.
#[derive(Debug, Default)]
pub struct SharedAlerts {
    owner: Mutex<AlertOwner>,
}

/// Which environment owns the shared alert. Locked while one writes its message, so that two do not send at once.
#[derive(Debug, Default)]
pub struct AlertOwner {
    environments: BTreeSet<EnvironmentName>,
    /// The owner, and since when its trouble lasts.
    owner: Option<(EnvironmentName, Timestamp)>,
}

impl SharedAlerts {
    /// Waits for the lock.
    pub fn lock(&self) -> MutexGuard<'_, AlertOwner> {
        self.owner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl AlertOwner {
    /// An environment is kept from now on.
    pub fn join(&mut self, name: &EnvironmentName) {
        self.environments.insert(name.clone());
    }

    /// An environment is kept no more.
    pub fn leave(&mut self, name: &EnvironmentName) {
        self.environments.remove(name);
        self.owner.take_if(|(owner, _)| owner == name);
    }

    /// All environments, in order.
    #[must_use]
    pub fn environments(&self) -> Vec<EnvironmentName> {
        self.environments.iter().cloned().collect()
    }

    /// For whom an environment may send alerts. `trouble`: since when the repository has trouble, if it has.
    #[must_use]
    pub fn scope<'a>(
        &self,
        name: &EnvironmentName,
        trouble: Option<Timestamp>,
        environments: &'a [EnvironmentName],
    ) -> AlertScope<'a> {
        match (&self.owner, trouble) {
            // The owner also sends the message that the trouble is over.
            (Some((owner, _)), _) if owner == name => AlertScope::Shared(environments),
            (Some((_, since)), Some(trouble)) if *since == trouble => AlertScope::Suppressed,
            (_, Some(_)) => AlertScope::Shared(environments),
            (_, None) => AlertScope::Own,
        }
    }

    /// An environment has notified people.
    pub fn sent(&mut self, name: &EnvironmentName, trouble: Option<Timestamp>) {
        match trouble {
            Some(since) => self.owner = Some((name.clone(), since)),
            None => {
                self.owner.take_if(|(owner, _)| owner == name);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_to_notify_owns_the_alert_until_the_end() {
        let (dev, prod): (EnvironmentName, EnvironmentName) =
            ("dev".parse().unwrap(), "prod".parse().unwrap());
        let mut alerts = AlertOwner::default();
        alerts.join(&prod);
        alerts.join(&dev);
        let all = alerts.environments();
        assert_eq!(all, [dev.clone(), prod.clone()]);
        let trouble = Some(Timestamp::UNIX_EPOCH);
        assert_eq!(alerts.scope(&prod, None, &all), AlertScope::Own);
        assert_eq!(alerts.scope(&prod, trouble, &all), AlertScope::Shared(&all));
        alerts.sent(&prod, trouble);
        assert_eq!(alerts.scope(&dev, trouble, &all), AlertScope::Suppressed);
        assert_eq!(alerts.scope(&prod, None, &all), AlertScope::Shared(&all), "it sends the end");
        alerts.sent(&prod, None);
        assert_eq!(
            alerts.scope(&dev, Some(Timestamp::MAX), &all),
            AlertScope::Shared(&all),
            "another time, another owner"
        );
    }
}
