//! Slack, through its Web API.
//!
//! The first message of an incident opens a thread and the others are posted into it. With each of them the first one is
//! updated, so that the channel shows how things stand without opening the thread.

use std::sync::Arc;

use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use moorline_model::config::{Reference, Secret};
use schemars::JsonSchema;
use serde::Deserialize;
use slack_morphism::errors::SlackClientError;
use slack_morphism::prelude::{
    SlackApiChatPostMessageRequest, SlackApiChatUpdateRequest, SlackApiToken, SlackApiTokenValue,
    SlackChannelId, SlackClient, SlackClientHyperConnector, SlackMessageContent, SlackTs,
};

use super::Kind;
use crate::address::is_loopback;
use crate::wording::{Wording, word};
use crate::{Message, SendError};

/// A Slack channel.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Slack {
    /// The channel (`#ai-gateway`) or its id.
    channel: String,
    /// A bot token.
    token: Reference,
    /// Another address for Slack's Web API: a stand-in's, on loopback.
    #[serde(default)]
    api_url: Option<String>,
}

type Client = SlackClient<SlackClientHyperConnector<HttpsConnector<HttpConnector>>>;

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

impl Kind for Slack {
    const NAME: &'static str = "slack";

    fn secret(&self) -> &Reference {
        &self.token
    }

    /// Sends a message into the incident's thread, or opens one.
    async fn send(&self, token: &Secret, message: &Message<'_>) -> Result<String, SendError> {
        let client = self.client()?;
        let token = SlackApiToken::new(SlackApiTokenValue(token.expose().to_owned()));
        let wording = word(message.notification, message.console);
        let session = client.open_session(&token);
        // First what may be done twice: a message that is tried again must not stand in the thread twice.
        let thread = match message.thread.and_then(Thread::parse) {
            Some(first) if update(&client, &token, &first, &wording).await? == Updated::Gone => None,
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
}

impl Slack {
    /// A client of Slack's Web API.
    fn client(&self) -> Result<Arc<Client>, SendError> {
        let builder = HttpsConnectorBuilder::new()
            .with_native_roots()
            .map_err(|error| SendError::Settings(error.to_string()))?;
        // Without TLS only to a stand-in on this machine: the token would be in clear.
        let connector = match &self.api_url {
            Some(text) if is_loopback(text) => builder.https_or_http().enable_http1().build(),
            Some(text) if !text.starts_with("https://") => {
                let said = format!("api_url `{text}` must be https, or http on loopback");
                return Err(SendError::Settings(said));
            }
            _ => builder.https_only().enable_http1().build(),
        };
        let mut connector = SlackClientHyperConnector::with_connector(connector);
        if let Some(url) = &self.api_url {
            connector = connector.with_slack_api_url(url.trim_end_matches('/'));
        }
        Ok(Arc::new(SlackClient::new(connector)))
    }
}

/// Makes the first message say how things stand.
async fn update(
    client: &Client,
    token: &SlackApiToken,
    first: &Thread,
    wording: &Wording,
) -> Result<Updated, SendError> {
    let request = SlackApiChatUpdateRequest::new(
        SlackChannelId(first.channel.clone()),
        content(wording),
        SlackTs(first.ts.clone()),
    );
    match client.open_session(token).chat_update(&request).await {
        Ok(_) => Ok(Updated::Done),
        Err(SlackClientError::ApiError(error)) if error.code == "message_not_found" => Ok(Updated::Gone),
        Err(error) => Err(failed(error)),
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
        SlackClientError::ApiError(error) if is_passing(&error.code) => SendError::Unreachable(error.code),
        SlackClientError::ApiError(error) => SendError::Refused(error.code),
        other => SendError::Unreachable(other.to_string()),
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
    use moorline_model::notification::Notification;

    use super::*;
    use crate::wording::tests::notification;

    #[test]
    fn marks_are_written_out() {
        let hostile = Notification { headline: "<!channel> & co".to_owned(), ..notification() };
        assert!(text(&word(&hostile, "")).contains("&lt;!channel&gt; &amp; co"));
    }

    #[test]
    fn a_thread_is_read_back_as_written() {
        let thread = Thread { channel: "C024BE91L".to_owned(), ts: "1482960137.003543".to_owned() };
        assert_eq!(Thread::parse("C024BE91L:1482960137.003543"), Some(thread));
    }
}
