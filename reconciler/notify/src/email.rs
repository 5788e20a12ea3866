//! Email over SMTP.
//!
//! Every message of an incident has the same subject and refers to the first one, so that mail programs show one
//! thread. A mail that was sent cannot be changed: the newest one's first line is how things stand. A message's id follows from the outbox's key: were it ever delivered twice, receivers can tell.

use lettre::message::{Mailbox, header};
use lettre::transport::smtp::AsyncSmtpTransport;
use lettre::{AsyncTransport, Message, Tokio1Executor};
use moorline_model::Secret;
use moorline_model::declaration;
use moorline_model::notification::Notification;

use crate::wording::word;
use crate::{DELIVERY_TIMEOUT, SendError};

const CHANNEL: &str = "email";

/// A sender, its receivers and the server between them.
#[derive(Debug)]
pub struct Email {
    transport: AsyncSmtpTransport<Tokio1Executor>,
    from: Mailbox,
    to: Vec<Mailbox>,
}

impl Email {
    /// Makes a sender. `smtp` is an SMTP URL (`smtps://user:password@host:465`, `smtp://host:25`), with
    /// `?tls=required` for STARTTLS.
    ///
    /// # Errors
    /// [`SendError::Settings`] names what is wrong, and never the URL: it holds a password.
    pub fn new(declared: &declaration::Email, smtp: &Secret) -> Result<Self, SendError> {
        let wrong = |detail: String| SendError::Settings { channel: CHANNEL, detail };
        let transport = AsyncSmtpTransport::<Tokio1Executor>::from_url(smtp.expose())
            .map_err(|_| wrong(format!("{} is no smtp:// or smtps:// URL", declared.smtp)))?
            .timeout(Some(DELIVERY_TIMEOUT))
            .build();
        let mailbox = |text: &String| {
            text.parse::<Mailbox>().map_err(|error| wrong(format!("`{text}` is no mail address: {error}")))
        };
        let to = declared.to.iter().map(mailbox).collect::<Result<_, _>>()?;
        Ok(Self { transport, from: mailbox(&declared.from)?, to })
    }

    /// Sends a message. `key` makes its id; `thread` is the id of the incident's first message. Answers with the id
    /// that later messages refer to.
    ///
    /// # Errors
    /// [`SendError`]; transient unless the server said no for good.
    pub async fn send(
        &self,
        notification: &Notification,
        key: &str,
        thread: Option<&str>,
        console: &str,
    ) -> Result<String, SendError> {
        let id = self.message_id(key);
        let message = self.message(notification, &id, thread, console)?;
        let sent = tokio::time::timeout(DELIVERY_TIMEOUT, self.transport.send(message)).await;
        match sent {
            Err(_) => Err(unreachable(format!("no answer within {} s", DELIVERY_TIMEOUT.as_secs()))),
            Ok(Ok(_)) => Ok(thread.map_or(id, str::to_owned)),
            Ok(Err(error)) if error.is_permanent() => {
                Err(SendError::Refused { channel: CHANNEL, detail: error.to_string() })
            }
            Ok(Err(error)) => Err(unreachable(error.to_string())),
        }
    }

    fn message_id(&self, key: &str) -> String {
        let plain: String = key.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '.' }).collect();
        format!("<{plain}@{}>", self.from.email.domain())
    }

    fn message(
        &self,
        notification: &Notification,
        id: &str,
        thread: Option<&str>,
        console: &str,
    ) -> Result<Message, SendError> {
        let wording = word(notification, console);
        let mut builder = Message::builder()
            .from(self.from.clone())
            .subject(wording.subject.clone())
            .message_id(Some(id.to_owned()))
            .date(date(notification.at))
            .header(header::ContentType::TEXT_PLAIN);
        for receiver in &self.to {
            builder = builder.to(receiver.clone());
        }
        if let Some(first) = thread {
            builder = builder.in_reply_to(first.to_owned()).references(first.to_owned());
        }
        let built = builder.body(wording.plain());
        built.map_err(|error| SendError::Settings { channel: CHANNEL, detail: error.to_string() })
    }
}

fn date(at: jiff::Timestamp) -> std::time::SystemTime {
    at.into()
}

const fn unreachable(detail: String) -> SendError {
    SendError::Unreachable { channel: CHANNEL, detail }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wording::tests::notification;

    fn email() -> Email {
        let declared = declaration::Email {
            from: "Moorline <moorline@example.com>".to_owned(),
            to: vec!["oncall@example.com".to_owned()],
            smtp: "env:SMTP_URL".parse().unwrap(),
        };
        Email::new(&declared, &Secret::new("smtp://user:hunter2@127.0.0.1:25".to_owned())).unwrap()
    }

    #[test]
    fn later_messages_refer_to_the_first() {
        let email = email();
        let id = email.message_id("drift/prod/01:opened:7:email");
        let text = |thread| {
            String::from_utf8(email.message(&notification(), &id, thread, "http://c").unwrap().formatted())
                .unwrap()
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
        let declared = declaration::Email {
            from: "a@example.com".to_owned(),
            to: vec!["b@example.com".to_owned()],
            smtp: "env:SMTP_URL".parse().unwrap(),
        };
        let error = Email::new(&declared, &Secret::new("ftp://user:hunter2@host".to_owned())).unwrap_err();
        assert_eq!(error.to_string(), "email cannot be used: env:SMTP_URL is no smtp:// or smtps:// URL");
        assert!(!format!("{:?}", email()).contains("hunter2"));
    }
}
