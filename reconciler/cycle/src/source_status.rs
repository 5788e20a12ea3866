//! The source's status, as last fetched. One task fetches for all environments; a cycle reads the latest status and
//! never fetches itself, so that ten environments cost one fetch.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;
use moorline_model::declaration::Declaration;
use moorline_model::{CheckFailed, EnvironmentName, Revision};

use crate::facilities::Source;
use crate::touched::{Touched, touched};

/// What the repository declared when it was last fetched.
#[derive(Debug, Clone)]
pub struct SourceStatus {
    /// The head of the branch, as last fetched; kept when a later fetch fails.
    pub head: Option<Head>,
    /// Why the last fetch failed.
    pub error: Option<CheckFailed>,
    /// Since when it cannot be fetched, or the head's declaration has mistakes.
    pub trouble_since: Option<Timestamp>,
    /// When the last fetch ended.
    pub checked_at: Timestamp,
    /// For whom it said something new, and when last.
    pub news: News,
}

impl SourceStatus {
    /// Compares with the status before, so that `news` says for whom something is new. The next poll of the same head says
    /// nothing new to anybody.
    pub async fn compare(&mut self, source: &impl Source, before: Option<&Self>) {
        let touched = match before {
            Some(before) if before.error == self.error => match (&before.head, &self.head) {
                (Some(before), Some(after)) => touched(source, before, after).await,
                (None, None) => Touched::Only(BTreeSet::new()),
                _ => Touched::Everybody,
            },
            _ => Touched::Everybody,
        };
        self.news = before.map(|before| before.news.clone()).unwrap_or_default().with(touched);
    }
}

/// The number of the last status that said something new, for each environment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct News {
    /// Statuses so far.
    count: u64,
    /// The last that said something new for everybody.
    everybody: u64,
    /// The last that said something new for one.
    environments: Arc<BTreeMap<EnvironmentName, u64>>,
}

impl News {
    /// The last number for an environment: another than before means that there is news.
    #[must_use]
    pub fn of(&self, name: &EnvironmentName) -> u64 {
        self.environments.get(name).copied().unwrap_or_default().max(self.everybody)
    }

    fn with(mut self, touched: Touched) -> Self {
        self.count += 1;
        match touched {
            Touched::Everybody => {
                (self.everybody, self.environments) = (self.count, Arc::default());
            }
            Touched::Only(names) => {
                let count = self.count;
                let environments = Arc::make_mut(&mut self.environments);
                environments.extend(names.into_iter().map(|name| (name, count)));
            }
        }
        self
    }
}

/// The head of the branch and what it declares.
#[derive(Debug, Clone)]
pub struct Head {
    /// The commit.
    pub revision: Revision,
    /// Its `moorline.yaml`; else every mistake in it, or why it could not be read.
    pub declaration: Result<Arc<Declaration>, CheckFailed>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn news_is_not_missed_by_who_sees_only_a_later_status() {
        let name = |name: &str| -> EnvironmentName { name.parse().unwrap() };
        let only = |names: &[&str]| Touched::Only(names.iter().map(|one| name(one)).collect());
        let first = News::default().with(Touched::Everybody);
        let second = first.clone().with(only(&["prod"]));
        let third = second.clone().with(only(&["dev"])).with(only(&[]));
        let is_news = |name: &EnvironmentName, before: &News, after: &News| before.of(name) != after.of(name);
        assert!(is_news(&name("prod"), &first, &third), "what the second said");
        assert!(!is_news(&name("prod"), &second, &third));
        assert!(is_news(&name("dev"), &second, &third));
        assert!(is_news(&name("prod"), &third, &third.clone().with(Touched::Everybody)));
    }
}
