//! Email over SMTP.
//!
//! Every message of an incident has the same subject and refers to the first one, so that mail programs show one
//! thread. A mail that was sent cannot be changed: the newest one's first line is how things stand. A mail's id follows
//! from the outbox's key: were it ever delivered twice, receivers can tell.

use lettre::message::{Mailbox, header};
use lettre::transport::smtp::AsyncSmtpTransport;
use lettre::{AsyncTransport, Tokio1Executor};
use moorline_model::config::check::Problem;
use moorline_model::config::{Reference, Secret};
use schemars::JsonSchema;
use serde::Deserialize;

use super::Kind;
use crate::wording::word;
use crate::{DELIVERY_TIMEOUT, Message, SendError};

/// An email's sender and receivers.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Email {
    /// Sender.
    from: String,
    /// Receivers; at least one.
    #[schemars(length(min = 1))]
    to: Vec<String>,
    /// An SMTP URL (`smtps://user:password@host:465`), as a reference because it holds a password.
    smtp: Reference,
}

impl Kind for Email {
    const NAME: &'static str = "email";

    fn check(&self) -> Vec<Problem> {
        if self.to.is_empty() {
            vec![Problem { path: "to".to_owned(), problem: "expected at least one receiver".to_owned() }]
        } else {
            Vec::new()
        }
    }

    fn secret(&self) -> &Reference {
        &self.smtp
    }

    /// Sends a mail. Its id is made of the message's key; the thread is the id of the incident's first mail.
    async fn send(&self, smtp: &Secret, message: &Message<'_>) -> Result<String, SendError> {
        let transport = self.transport(smtp)?;
        let from = mailbox(&self.from)?;
        let id = message_id(message.key, &from);
        let mail = self.mail(from, &id, message)?;
        match transport.send(mail).await {
            Ok(_) => Ok(message.thread.map_or(id, str::to_owned)),
            Err(error) if error.is_permanent() => Err(SendError::Refused(error.to_string())),
            Err(error) => Err(SendError::Unreachable(error.to_string())),
        }
    }
}

impl Email {
    /// The way to the server, from an SMTP URL (`smtps://user:password@host:465`, `smtp://host:25`), with
    /// `?tls=required` for STARTTLS. What is wrong never repeats the URL: it holds a password.
    fn transport(&self, smtp: &Secret) -> Result<AsyncSmtpTransport<Tokio1Executor>, SendError> {
        let builder = AsyncSmtpTransport::<Tokio1Executor>::from_url(smtp.expose());
        let builder = builder
            .map_err(|_| SendError::Settings(format!("{} is no smtp:// or smtps:// URL", self.smtp)))?;
        Ok(builder.timeout(Some(DELIVERY_TIMEOUT)).build())
    }

    fn mail(&self, from: Mailbox, id: &str, message: &Message<'_>) -> Result<lettre::Message, SendError> {
        let wording = word(message.notification, message.console);
        let mut builder = lettre::Message::builder()
            .from(from)
            .subject(wording.subject.clone())
            .message_id(Some(id.to_owned()))
            .date(message.notification.at.into())
            .header(header::ContentType::TEXT_PLAIN);
        for receiver in &self.to {
            builder = builder.to(mailbox(receiver)?);
        }
        if let Some(first) = message.thread {
            builder = builder.in_reply_to(first.to_owned()).references(first.to_owned());
        }
        builder.body(wording.plain()).map_err(|error| SendError::Settings(error.to_string()))
    }
}

fn mailbox(text: &str) -> Result<Mailbox, SendError> {
    text.parse().map_err(|error| SendError::Settings(format!("`{text}` is no mail address: {error}")))
}

fn message_id(key: &str, from: &Mailbox) -> String {
    let plain: String = key.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '.' }).collect();
    format!("<{plain}@{}>", from.email.domain())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wording::tests::notification;

    fn email() -> Email {
        Email {
            from: "Moorline <moorline@example.com>".to_owned(),
            to: vec!["oncall@example.com".to_owned()],
            smtp: "env:SMTP_URL".parse().unwrap(),
        }
    }

    #[test]
    fn later_messages_refer_to_the_first() {
        let (email, notification) = (email(), notification());
        let from = mailbox(&email.from).unwrap();
        let id = message_id("drift/prod/01:opened:7:email", &from);
        let text = |thread| {
            let (key, console, at) = ("", "http://c", notification.at);
            let message = Message { notification: &notification, key, thread, console, at };
            String::from_utf8(email.mail(from.clone(), &id, &message).unwrap().formatted()).unwrap()
        };
        assert!(text(None).contains("Message-ID: <drift.prod.01.opened.7.email@example.com>"));
        assert!(!text(None).contains("In-Reply-To"));
        let reply = text(Some("<first@example.com>"));
        assert!(reply.contains("In-Reply-To: <first@example.com>"));
        assert!(reply.contains("References: <first@example.com>"));
        assert!(reply.contains("Subject: [prod] gateway replicas: drift since"));
    }

    #[test]
    fn a_wrong_url_is_named_by_its_reference_only() {
        let error = email().transport(&Secret::new("ftp://user:hunter2@host".to_owned())).unwrap_err();
        let said = "the channel cannot be used: env:SMTP_URL is no smtp:// or smtps:// URL";
        assert_eq!(error.to_string(), said);
    }
}
