//! Slack, through its Web API.
//!
//! The first message of an incident opens a thread and the others are posted into it. With each of them the first one is
//! updated, so that the channel shows how things stand without opening the thread.

use std::sync::Arc;

use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use moorline_model::notification::Notification;
use moorline_model::{Secret, declaration};
use slack_morphism::errors::SlackClientError;
use slack_morphism::prelude::{
    SlackApiChatPostMessageRequest, SlackApiChatUpdateRequest, SlackApiToken, SlackApiTokenValue,
    SlackChannelId, SlackClient, SlackClientHyperConnector, SlackMessageContent, SlackTs,
};
use url::Url;

use crate::wording::{Wording, word};
use crate::{DELIVERY_TIMEOUT, SendError};

const CHANNEL: &str = "slack";

/// A channel and the bot that writes into it.
pub struct Slack {
    client: Arc<SlackClient<SlackClientHyperConnector<HttpsConnector<HttpConnector>>>>,
    token: SlackApiToken,
    channel: String,
}

impl std::fmt::Debug for Slack {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Slack").field("channel", &self.channel).finish_non_exhaustive()
    }
}

/// Where an incident's thread is: `CHANNEL_ID:TS`, as Slack named them when the first message was posted.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Thread {
    channel: String,
    ts: String,
}

impl Thread {
    fn parse(text: &str) -> Option<Self> {
        let (channel, ts) = text.split_once(':')?;
        Some(Self { channel: channel.to_owned(), ts: ts.to_owned() })
    }
}

/// What became of a thread's first message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Updated {
    /// It says how things stand.
    Done,
    /// Somebody deleted it: the next message begins a thread.
    Gone,
}

impl Slack {
    /// Makes a sender.
    ///
    /// # Errors
    /// [`SendError::Settings`] when the machine's certificates or the declared address cannot be used.
    pub fn new(declared: &declaration::Slack, token: &Secret) -> Result<Self, SendError> {
        let wrong = |detail: String| SendError::Settings { channel: CHANNEL, detail };
        let builder =
            HttpsConnectorBuilder::new().with_native_roots().map_err(|error| wrong(error.to_string()))?;
        // Without TLS only to a stand-in on this machine: the token would be in clear.
        let connector = match &declared.api_url {
            Some(text) if is_loopback(text) => builder.https_or_http().enable_http1().build(),
            Some(text) if !text.starts_with("https://") => {
                return Err(wrong(format!("api_url `{text}` must be https, or http on loopback")));
            }
            _ => builder.https_only().enable_http1().build(),
        };
        let mut connector = SlackClientHyperConnector::with_connector(connector);
        if let Some(url) = &declared.api_url {
            connector = connector.with_slack_api_url(url.trim_end_matches('/'));
        }
        Ok(Self {
            client: Arc::new(SlackClient::new(connector)),
            token: SlackApiToken::new(SlackApiTokenValue(token.expose().to_owned())),
            channel: declared.channel.clone(),
        })
    }

    /// Sends a message into the incident's thread, or opens one. Answers with the thread.
    ///
    /// # Errors
    /// [`SendError`]; transient unless Slack said no for good.
    pub async fn send(
        &self,
        notification: &Notification,
        thread: Option<&str>,
        console: &str,
    ) -> Result<String, SendError> {
        let sending = self.send_now(notification, thread.and_then(Thread::parse), console);
        match tokio::time::timeout(DELIVERY_TIMEOUT, sending).await {
            Ok(result) => result,
            Err(_) => Err(SendError::Unreachable {
                channel: CHANNEL,
                detail: format!("no answer within {} s", DELIVERY_TIMEOUT.as_secs()),
            }),
        }
    }

    async fn send_now(
        &self,
        notification: &Notification,
        thread: Option<Thread>,
        console: &str,
    ) -> Result<String, SendError> {
        let wording = word(notification, console);
        let session = self.client.open_session(&self.token);
        // First what may be done twice: a message that is tried again must not stand in the thread twice.
        let thread = match thread {
            Some(first) if self.update(&first, &wording).await? == Updated::Gone => None,
            other => other,
        };
        let channel = thread.as_ref().map_or_else(|| self.channel.clone(), |thread| thread.channel.clone());
        let mut request = SlackApiChatPostMessageRequest::new(SlackChannelId(channel), content(&wording));
        request.thread_ts = thread.as_ref().map(|thread| SlackTs(thread.ts.clone()));
        request.unfurl_links = Some(false);
        let posted = session.chat_post_message(&request).await.map_err(failed)?;
        Ok(match thread {
            Some(first) => format!("{}:{}", first.channel, first.ts),
            None => format!("{}:{}", posted.channel, posted.ts),
        })
    }

    /// Makes the first message say how things stand.
    async fn update(&self, first: &Thread, wording: &Wording) -> Result<Updated, SendError> {
        let request = SlackApiChatUpdateRequest::new(
            SlackChannelId(first.channel.clone()),
            content(wording),
            SlackTs(first.ts.clone()),
        );
        match self.client.open_session(&self.token).chat_update(&request).await {
            Ok(_) => Ok(Updated::Done),
            Err(SlackClientError::ApiError(error)) if error.code == "message_not_found" => Ok(Updated::Gone),
            Err(error) => Err(failed(error)),
        }
    }
}

fn is_loopback(text: &str) -> bool {
    let Ok(url) = Url::parse(text) else { return false };
    url.scheme() == "http"
        && match url.host() {
            Some(url::Host::Ipv4(address)) => address.is_loopback(),
            Some(url::Host::Ipv6(address)) => address.is_loopback(),
            Some(url::Host::Domain(name)) => name == "localhost",
            None => false,
        }
}

fn content(wording: &Wording) -> SlackMessageContent {
    SlackMessageContent::new().with_text(text(wording))
}

/// Slack's own marks are written out, so that no commit message calls a whole channel.
fn text(wording: &Wording) -> String {
    wording.plain().replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

fn failed(error: SlackClientError) -> SendError {
    match error {
        SlackClientError::ApiError(error) if is_passing(&error.code) => {
            SendError::Unreachable { channel: CHANNEL, detail: error.code }
        }
        SlackClientError::ApiError(error) => SendError::Refused { channel: CHANNEL, detail: error.code },
        other => SendError::Unreachable { channel: CHANNEL, detail: other.to_string() },
    }
}

/// Slack's error codes that pass by themselves (docs.slack.dev/reference/methods/chat.postMessage, "Errors").
fn is_passing(code: &str) -> bool {
    matches!(
        code,
        "ratelimited"
            | "rate_limited"
            | "internal_error"
            | "fatal_error"
            | "service_unavailable"
            | "request_timeout"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wording::tests::notification;

    #[test]
    fn marks_are_written_out() {
        let hostile = Notification { headline: "<!channel> & co".to_owned(), ..notification() };
        assert!(text(&word(&hostile, "")).contains("&lt;!channel&gt; &amp; co"));
    }

    #[test]
    fn a_token_goes_out_in_clear_to_this_machine_only() {
        for (url, is_fine) in [
            ("http://127.0.0.1:9/api", true),
            ("http://[::1]:9/api", true),
            ("http://10.0.0.1/api", false),
            ("http://127.0.0.1.example.com/api", false),
        ] {
            assert_eq!(is_loopback(url), is_fine, "{url}");
        }
    }

    #[test]
    fn a_thread_is_read_back_as_written() {
        let thread = Thread { channel: "C024BE91L".to_owned(), ts: "1482960137.003543".to_owned() };
        assert_eq!(Thread::parse("C024BE91L:1482960137.003543"), Some(thread));
    }
}
