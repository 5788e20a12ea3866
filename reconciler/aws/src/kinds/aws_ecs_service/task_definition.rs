//! Names of task definitions: an ARN, `family:revision`, or a family alone.

use std::fmt;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct TaskDefinition {
    pub(super) family: String,
    /// Absent: the newest, whichever that is.
    pub(super) revision: Option<u64>,
}

impl TaskDefinition {
    /// Reads one in any of its spellings.
    pub(super) fn parse(text: &str) -> Self {
        let name = text.rsplit_once("task-definition/").map_or(text, |(_, name)| name);
        let parts =
            name.rsplit_once(':').and_then(|(family, revision)| Some((family, revision.parse().ok()?)));
        match parts {
            Some((family, revision)) => Self { family: family.to_owned(), revision: Some(revision) },
            None => Self { family: name.to_owned(), revision: None },
        }
    }

    /// Whether what is live is what this declares.
    pub(super) fn is_served_by(&self, live: &Self) -> bool {
        self.family == live.family && (self.revision.is_none() || self.revision == live.revision)
    }
}

impl fmt::Display for TaskDefinition {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.revision {
            Some(revision) => write!(out, "{}:{revision}", self.family),
            None => out.write_str(&self.family),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::TaskDefinition;

    #[test]
    fn every_spelling_names_the_same_revision() {
        let arn = TaskDefinition::parse("arn:aws:ecs:us-east-1:123456789012:task-definition/gateway:7");
        assert_eq!(arn, TaskDefinition::parse("gateway:7"));
        assert_eq!(arn.to_string(), "gateway:7");
    }

    #[test]
    fn a_family_alone_is_served_by_any_revision_and_a_revision_only_by_itself() {
        let seven = TaskDefinition::parse("gateway:7");
        assert!(TaskDefinition::parse("gateway").is_served_by(&seven));
        assert!(!TaskDefinition::parse("gateway:6").is_served_by(&seven));
        assert!(!TaskDefinition::parse("other:7").is_served_by(&seven));
        assert!(!seven.is_served_by(&TaskDefinition::parse("gateway")));
    }
}
