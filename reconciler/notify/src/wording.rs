//! The words of a message, the same for every way out. Pure.

use moorline_model::drift::Severity;
use moorline_model::notification::{Notification, Transition};

/// Most details in one message; the rest is counted, and the console has it.
const DETAILS_MAX: usize = 12;

/// A message as lines, before a way out gives it its form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wording {
    /// Constant for an incident, so that mail programs keep its messages together.
    pub subject: String,
    /// What state the incident is in.
    pub state: &'static str,
    pub headline: String,
    /// Addresses and redacted names.
    pub details: Vec<String>,
    /// What happens next by itself.
    pub next: String,
    /// What one can do.
    pub action: Option<String>,
    /// Where to look.
    pub link: String,
}

/// Words a notification. `console` is the console's address, without a slash at its end.
#[must_use]
pub fn word(notification: &Notification, console: &str) -> Wording {
    let mut details: Vec<String> =
        notification.details.iter().take(DETAILS_MAX).map(|detail| one_line(detail)).collect();
    if notification.details.len() > DETAILS_MAX {
        details.push(format!("and {} more", notification.details.len() - DETAILS_MAX));
    }
    Wording {
        subject: subject(notification),
        state: state(notification),
        headline: one_line(&notification.headline),
        details,
        next: one_line(&notification.next),
        action: notification.action.as_deref().map(one_line),
        link: format!("{console}{}", notification.page.path()),
    }
}

/// The environment and the thing: the same in all messages of an incident. Those of an earlier release name no thing.
fn subject(notification: &Notification) -> String {
    let Notification { environment, topic, incident, .. } = notification;
    format!("[{environment}] {}", one_line(if topic.is_empty() { &incident.0 } else { topic }))
}

const fn state(notification: &Notification) -> &'static str {
    match (notification.transition, notification.severity) {
        (Transition::Opened | Transition::Changed, Severity::Critical) => "CRITICAL",
        (Transition::Opened | Transition::Changed, Severity::Warning) => "WARNING",
        (Transition::Opened | Transition::Changed, Severity::Info) => "INFO",
        (Transition::Resolved, _) => "RESOLVED",
        (Transition::Verified, _) => "VERIFIED",
        (Transition::CannotCheck, _) => "CANNOT CHECK",
        (Transition::Progressed, _) => "PROGRESS",
        (Transition::RollingBack, _) => "ROLLING BACK",
        (Transition::RolledBack, _) => "ROLLED BACK",
        (Transition::Failed, _) => "FAILED",
        (Transition::Frozen, _) => "FROZEN",
    }
}

/// One line of plain text: no line ends that could become a header or a paragraph of somebody else's, no control
/// characters, no bidirectional overrides.
fn one_line(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_whitespace() { ' ' } else { c })
        .filter(|c| !c.is_control() && !matches!(*c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}'))
        .collect()
}

impl Wording {
    /// The whole message as plain text.
    #[must_use]
    pub fn plain(&self) -> String {
        let mut text = format!("{}: {}\n", self.state, self.headline);
        for detail in &self.details {
            text.push_str(&format!("  - {detail}\n"));
        }
        text.push_str(&format!("Next: {}\n", self.next));
        if let Some(action) = &self.action {
            text.push_str(&format!("You can: {action}\n"));
        }
        text.push_str(&format!("See: {}\n", self.link));
        text
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use moorline_model::IncidentKey;
    use moorline_model::page::Page;

    use super::*;

    pub(crate) fn notification() -> Notification {
        Notification {
            incident: IncidentKey("drift/prod/gateway@1795000000000".to_owned()),
            topic: "gateway replicas: drift since 2026-11-21 14:02 UTC".to_owned(),
            environment: "prod".parse().unwrap(),
            concerns: Vec::new(),
            lane: Some(moorline_model::drift::Lane::Gateway),
            transition: Transition::Opened,
            severity: Severity::Critical,
            headline: "1 replica serves another limit than declared, since 14:02 UTC, by jane (manual)"
                .to_owned(),
            details: vec![
                "http://10.0.1.10:8788 routes[0].limits[0].requests: declared 1000, live 5".to_owned(),
            ],
            next: "it is healed now".to_owned(),
            action: Some("moorline drift prod".to_owned()),
            page: Page::Drift("prod".parse().unwrap()),
            at: "2026-11-21T14:02:00Z".parse().unwrap(),
        }
    }

    #[test]
    fn a_message_answers_five_questions() {
        let wording = word(&notification(), "https://moorline.example.com");
        assert_eq!(wording.subject, "[prod] gateway replicas: drift since 2026-11-21 14:02 UTC");
        insta::assert_snapshot!(wording.plain(), @r"
        CRITICAL: 1 replica serves another limit than declared, since 14:02 UTC, by jane (manual)
          - http://10.0.1.10:8788 routes[0].limits[0].requests: declared 1000, live 5
        Next: it is healed now
        You can: moorline drift prod
        See: https://moorline.example.com/environments/prod/drift
        ");
    }

    #[test]
    fn the_subject_stays_the_same_when_the_incident_ends() {
        let opened = word(&notification(), "");
        let resolved = word(&Notification { transition: Transition::Resolved, ..notification() }, "");
        assert_eq!(opened.subject, resolved.subject);
        assert_ne!(opened.state, resolved.state);
    }

    #[test]
    fn text_from_outside_stays_on_its_line() {
        let hostile = Notification {
            headline: "x\r\nBcc: all@example.com\n\u{202e}y\u{7}".to_owned(),
            topic: "3d014b5abc \"x\r\nBcc: all@example.com\"".to_owned(),
            ..notification()
        };
        assert_eq!(word(&hostile, "").subject, "[prod] 3d014b5abc \"x  Bcc: all@example.com\"");
        assert_eq!(word(&hostile, "").headline, "x  Bcc: all@example.com y");
    }

    #[test]
    fn a_message_that_an_earlier_release_queued_is_read_and_worded() {
        let queued = serde_json::json!({
            "incident": "rollout/prod/0190", "environment": "prod", "transition": "resolved", "severity": "info",
            "headline": "x", "next": "y", "path": "/environments/prod", "at": "2026-11-21T14:02:00Z",
        });
        let wording = word(&serde_json::from_value(queued).unwrap(), "http://c");
        assert_eq!(wording.subject, "[prod] rollout/prod/0190");
        assert_eq!(wording.link, "http://c/environments/prod");
    }

    #[test]
    fn details_are_cut_and_counted() {
        let many = Notification { details: vec!["a".to_owned(); 40], ..notification() };
        let wording = word(&many, "");
        assert_eq!(wording.details.len(), DETAILS_MAX + 1);
        assert_eq!(wording.details.last().unwrap(), "and 28 more");
    }
}
