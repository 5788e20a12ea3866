//! Trouble with the repository is one incident for all its environments: who of them tells people.
//!
//! The first that has something to tell and a way to tell it speaks for all, until that trouble is over; the others stay
//! silent. After a restart of the daemon another may speak for what is new.

use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use moorline_model::EnvironmentName;
use moorline_plan::conditions::Voice;

/// Who speaks for all environments.
#[derive(Debug, Default)]
pub struct Speaker {
    floor: Mutex<Floor>,
}

/// What is known of who speaks. Held while an environment finds its words, so that two do not speak at once.
#[derive(Debug, Default)]
pub struct Floor {
    environments: BTreeSet<EnvironmentName>,
    /// Who speaks, and of which trouble: since when it lasts.
    speaks: Option<(EnvironmentName, Timestamp)>,
}

impl Speaker {
    /// Waits for the floor.
    pub fn floor(&self) -> MutexGuard<'_, Floor> {
        self.floor.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Floor {
    /// An environment is kept from now on.
    pub fn joins(&mut self, name: &EnvironmentName) {
        self.environments.insert(name.clone());
    }

    /// An environment is kept no more.
    pub fn leaves(&mut self, name: &EnvironmentName) {
        self.environments.remove(name);
        self.speaks.take_if(|(speaker, _)| speaker == name);
    }

    /// All environments, in order.
    #[must_use]
    pub fn everybody(&self) -> Vec<EnvironmentName> {
        self.environments.iter().cloned().collect()
    }

    /// For whom an environment speaks. `trouble`: since when the repository has trouble, if it has.
    #[must_use]
    pub fn voice<'a>(
        &self,
        name: &EnvironmentName,
        trouble: Option<Timestamp>,
        everybody: &'a [EnvironmentName],
    ) -> Voice<'a> {
        match (&self.speaks, trouble) {
            // It tells of the end, too.
            (Some((speaker, _)), _) if speaker == name => Voice::All(everybody),
            (Some((_, since)), Some(trouble)) if *since == trouble => Voice::Silent,
            (_, Some(_)) => Voice::All(everybody),
            (_, None) => Voice::ItsOwn,
        }
    }

    /// An environment has told people.
    pub fn spoke(&mut self, name: &EnvironmentName, trouble: Option<Timestamp>) {
        match trouble {
            Some(since) => self.speaks = Some((name.clone(), since)),
            None => {
                self.speaks.take_if(|(speaker, _)| speaker == name);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_that_tells_speaks_for_all_until_the_end() {
        let (dev, prod): (EnvironmentName, EnvironmentName) =
            ("dev".parse().unwrap(), "prod".parse().unwrap());
        let mut floor = Floor::default();
        floor.joins(&prod);
        floor.joins(&dev);
        let all = floor.everybody();
        assert_eq!(all, [dev.clone(), prod.clone()]);
        let trouble = Some(Timestamp::UNIX_EPOCH);
        assert_eq!(floor.voice(&prod, None, &all), Voice::ItsOwn);
        assert_eq!(floor.voice(&prod, trouble, &all), Voice::All(&all));
        floor.spoke(&prod, trouble);
        assert_eq!(floor.voice(&dev, trouble, &all), Voice::Silent);
        assert_eq!(floor.voice(&prod, None, &all), Voice::All(&all), "it tells of the end");
        floor.spoke(&prod, None);
        assert_eq!(
            floor.voice(&dev, Some(Timestamp::MAX), &all),
            Voice::All(&all),
            "another time, another speaker"
        );
    }
}
