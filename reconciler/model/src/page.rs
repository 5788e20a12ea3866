//! The console's pages that a message may lead to. A link is made here and nowhere else, so that it leads to a page that
//! is there: a test of the console asks for each.

use serde::{Deserialize, Serialize};

use crate::{EnvironmentName, RolloutId};

/// A page of the console.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub enum Page {
    Overview,
    Environment(EnvironmentName),
    /// An environment's drift.
    Drift(EnvironmentName),
    /// One rollout of an environment.
    Rollout(EnvironmentName, RolloutId),
}

impl Page {
    /// Its path, with what could leave its segment written out.
    #[must_use]
    pub fn path(&self) -> String {
        match self {
            Self::Overview => "/".to_owned(),
            Self::Environment(name) => format!("/environments/{}", segment(name)),
            Self::Drift(name) => format!("/environments/{}/drift", segment(name)),
            Self::Rollout(name, id) => format!("/environments/{}/rollouts/{id}", segment(name)),
        }
    }
}

fn segment(name: &EnvironmentName) -> String {
    // A name has no other character that means something in a path.
    name.as_str().replace('/', "%2F")
}

impl From<Page> for String {
    fn from(page: Page) -> Self {
        page.path()
    }
}

/// A path as an earlier release wrote it. One that leads to no page any more leads to the first.
impl From<String> for Page {
    fn from(path: String) -> Self {
        let segments: Vec<_> = path.trim_start_matches('/').split('/').collect();
        let name = |text: &str| text.replace("%2F", "/").parse::<EnvironmentName>();
        let page = match segments.as_slice() {
            ["environments", environment] => name(environment).ok().map(Self::Environment),
            ["environments", environment, "drift"] => name(environment).ok().map(Self::Drift),
            ["environments", environment, "rollouts", id] => {
                name(environment).ok().zip(id.parse().ok()).map(|(name, id)| Self::Rollout(name, id))
            }
            _ => None,
        };
        page.unwrap_or(Self::Overview)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_read_back_from_its_path_and_another_path_leads_to_the_first_page() {
        let id = "01900000-0000-7000-8000-000000000001".parse().unwrap();
        let name: EnvironmentName = "prod/eu".parse().unwrap();
        for page in [
            Page::Overview,
            Page::Environment(name.clone()),
            Page::Drift(name.clone()),
            Page::Rollout(name.clone(), id),
        ] {
            assert_eq!(Page::from(page.path()), page, "{}", page.path());
        }
        assert_eq!(Page::Drift(name).path(), "/environments/prod%2Feu/drift");
        for stray in ["", "/environments/prod/gone", "/environments/%", "javascript:alert(1)"] {
            assert_eq!(Page::from(stray.to_owned()), Page::Overview, "{stray}");
        }
    }
}
