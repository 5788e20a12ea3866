//! A signed webhook: each message is posted as JSON, as the Standard Webhooks convention has it.
//!
//! Three headers: `webhook-id`, the same however often a message is tried, so that receivers can tell one that reaches
//! them twice; `webhook-timestamp`, the second of this try; and `webhook-signature`, `v1,` and the Base64 of an HMAC-SHA256
//! over id, timestamp and body with points between them. Redirects are not followed, and nothing of an answer but its
//! status is read.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, Mac as _};
use moorline_model::IncidentKey;
use moorline_model::config::check::Problem;
use moorline_model::config::{Reference, Secret};
use moorline_model::drift::{Lane, Severity};
use moorline_model::notification::Transition;
use reqwest::redirect::Policy;
use reqwest::{Client, StatusCode};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::Kind;
use crate::address::{DESTINATION, destination, is_loopback};
use crate::wording::word;
use crate::{Message, SendError};

/// What the key of a signature begins with when it is written as Base64.
const KEY_PREFIX: &str = "whsec_";

/// A webhook: messages as JSON, signed.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Webhook {
    /// Where messages are posted: over TLS, or to this machine. Without user and query.
    #[schemars(regex(pattern = DESTINATION))]
    url: String,
    /// The signature's key: `whsec_` with the key as Base64, or any other text, whose bytes are the key.
    secret: Reference,
}

/// What is posted.
#[derive(Debug, Serialize)]
struct Body<'a> {
    /// What messages about the same thing share.
    incident: &'a IncidentKey,
    /// The first message of the incident, by its `webhook-id`.
    thread: &'a str,
    subject: &'a str,
    environment: &'a str,
    concerns: Vec<&'a str>,
    lane: Option<Lane>,
    transition: Transition,
    severity: Severity,
    state: &'static str,
    headline: &'a str,
    details: &'a [String],
    next: &'a str,
    action: Option<&'a str>,
    link: &'a str,
    at: jiff::Timestamp,
}

impl Kind for Webhook {
    const NAME: &'static str = "webhook";

    fn check(&self) -> Vec<Problem> {
        let wrong = destination(&self.url).err();
        wrong
            .map(|problem| Problem { path: "url".to_owned(), problem: problem.to_owned() })
            .into_iter()
            .collect()
    }

    fn secret(&self) -> &Reference {
        &self.secret
    }

    /// Posts a message. The thread is the id of the incident's first message.
    async fn send(&self, secret: &Secret, message: &Message<'_>) -> Result<String, SendError> {
        let url = destination(&self.url).map_err(|problem| SendError::Settings(format!("url: {problem}")))?;
        let key = self.key(secret)?;
        let id = id(message.key);
        let thread = message.thread.unwrap_or(&id);
        let body = body(message, thread)?;
        let timestamp = message.at.as_second().to_string();
        let client = Client::builder()
            .redirect(Policy::none())
            .https_only(!is_loopback(&self.url))
            .build()
            .map_err(|error| SendError::Settings(error.to_string()))?;
        let request = client
            .post(url)
            .header("content-type", "application/json")
            .header("webhook-id", &id)
            .header("webhook-timestamp", &timestamp)
            .header("webhook-signature", signature(&key, &id, &timestamp, &body)?)
            .body(body);
        let answer = request.send().await.map_err(unreachable)?;
        answered(answer.status()).map(|()| thread.to_owned())
    }
}

impl Webhook {
    fn key(&self, secret: &Secret) -> Result<Vec<u8>, SendError> {
        match secret.expose().strip_prefix(KEY_PREFIX) {
            None => Ok(secret.expose().as_bytes().to_vec()),
            Some(text) => STANDARD.decode(text).map_err(|_| {
                SendError::Settings(format!("{} is no Base64 behind `{KEY_PREFIX}`", self.secret))
            }),
        }
    }
}

/// Plain, whatever names stand in the key.
fn id(key: &str) -> String {
    let hash = Sha256::digest(key);
    format!("msg_{}", hash.iter().take(16).map(|byte| format!("{byte:02x}")).collect::<String>())
}

fn body(message: &Message<'_>, thread: &str) -> Result<Vec<u8>, SendError> {
    let notification = message.notification;
    let wording = word(notification, message.console);
    let body = Body {
        incident: &notification.incident,
        thread,
        subject: &wording.subject,
        environment: notification.environment.as_str(),
        concerns: notification.concerns.iter().map(|name| name.as_str()).collect(),
        lane: notification.lane,
        transition: notification.transition,
        severity: notification.severity,
        state: wording.state,
        headline: &wording.headline,
        details: &wording.details,
        next: &wording.next,
        action: wording.action.as_deref(),
        link: &wording.link,
        at: notification.at,
    };
    serde_json::to_vec(&body).map_err(|error| SendError::Settings(error.to_string()))
}

fn signature(key: &[u8], id: &str, timestamp: &str, body: &[u8]) -> Result<String, SendError> {
    let mac = Hmac::<Sha256>::new_from_slice(key).map_err(|error| SendError::Settings(error.to_string()))?;
    let signed = mac.chain_update(format!("{id}.{timestamp}.")).chain_update(body).finalize();
    Ok(format!("v1,{}", STANDARD.encode(signed.into_bytes())))
}

fn answered(status: StatusCode) -> Result<(), SendError> {
    let may_pass = [StatusCode::REQUEST_TIMEOUT, StatusCode::TOO_EARLY, StatusCode::TOO_MANY_REQUESTS];
    match status {
        _ if status.is_success() => Ok(()),
        _ if status.is_server_error() || may_pass.contains(&status) => {
            Err(SendError::Unreachable(format!("it answered {status}")))
        }
        _ => Err(SendError::Refused(format!("it answered {status}"))),
    }
}

/// What happened, without the address: the log has the channel's name.
fn unreachable(error: reqwest::Error) -> SendError {
    let error = error.without_url();
    SendError::Unreachable(moorline_model::config::chain::of(&error))
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use axum::extract::State;
    use axum::response::Redirect;
    use axum::routing::post;
    use http::HeaderMap;
    use serde_json::{Value, json};

    use super::*;
    use crate::wording::tests::notification;

    type Taken = Arc<Mutex<Vec<(HeaderMap, String)>>>;

    /// A receiver that takes what is posted to `/`, and answers otherwise elsewhere; its address.
    #[expect(clippy::disallowed_methods, reason = "it ends with the test's runtime")]
    async fn receiver(taken: Taken) -> String {
        let take = async |State(taken): State<Taken>, headers: HeaderMap, body: String| {
            taken.lock().unwrap().push((headers, body));
        };
        let router = axum::Router::new()
            .route("/", post(take))
            .route("/away", post(async || Redirect::temporary("/")))
            .route("/gone", post(async || StatusCode::GONE))
            .route("/busy", post(async || StatusCode::SERVICE_UNAVAILABLE))
            .with_state(taken);
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, router).await });
        address
    }

    async fn send(url: &str, key: &str, thread: Option<&str>) -> Result<String, SendError> {
        let webhook: Webhook = serde_json::from_value(json!({"url": url, "secret": "env:HOOK"})).unwrap();
        let notification = notification();
        let (console, at) = ("http://c", jiff::Timestamp::from_second(1_614_265_330).unwrap());
        let message = Message { notification: &notification, key: "a/b#1", thread, console, at };
        webhook.send(&Secret::new(key.to_owned()), &message).await
    }

    /// The convention's own example.
    #[test]
    fn it_is_signed_as_receivers_libraries_verify_it() {
        let webhook = Webhook { url: String::new(), secret: "env:HOOK".parse().unwrap() };
        let key = webhook.key(&Secret::new("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw".to_owned())).unwrap();
        let (id, body) = ("msg_p5jXN8AQM9LWM0D4loKWxJek", br#"{"test": 2432232314}"#);
        let signed = signature(&key, id, "1614265330", body).unwrap();
        assert_eq!(signed, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
        let error = webhook.key(&Secret::new("whsec_hunter2!".to_owned())).unwrap_err().to_string();
        assert!(error.contains("env:HOOK is no Base64") && !error.contains("hunter2"), "{error}");
    }

    #[tokio::test]
    async fn a_message_is_posted_with_its_signature_and_its_thread() {
        let taken = Taken::default();
        let url = receiver(Arc::clone(&taken)).await;
        let thread = send(&url, "key", None).await.unwrap();
        assert_eq!(send(&url, "key", Some(&thread)).await.unwrap(), thread);
        let taken = taken.lock().unwrap();
        let [first, second] = taken.as_slice() else { panic!("{taken:?}") };
        for (headers, body) in [first, second] {
            let header = |name: &str| headers[name].to_str().unwrap();
            assert_eq!((header("webhook-id"), header("webhook-timestamp")), (&*thread, "1614265330"));
            let signed = signature(b"key", &thread, "1614265330", body.as_bytes()).unwrap();
            assert_eq!(header("webhook-signature"), signed);
        }
        let body: Value = serde_json::from_str(&first.1).unwrap();
        assert_eq!((&body["thread"], &body["environment"]), (&json!(thread), &json!("prod")));
        assert_eq!((&body["lane"], &body["severity"]), (&json!("gateway"), &json!("critical")));
        assert_eq!(body["link"], "http://c/environments/prod/drift");
    }

    #[tokio::test]
    async fn an_answer_says_whether_sending_again_helps_and_a_redirect_is_not_followed() {
        let taken = Taken::default();
        let url = receiver(Arc::clone(&taken)).await;
        for (path, is_transient) in [("/away", false), ("/gone", false), ("/nowhere", false), ("/busy", true)]
        {
            let error = send(&format!("{url}{path}"), "key", None).await.unwrap_err();
            assert_eq!(error.is_transient(), is_transient, "{path}: {error}");
        }
        assert!(taken.lock().unwrap().is_empty(), "nobody was told by a detour");
        let error = send("http://127.0.0.1:1/", "hunter2", None).await.unwrap_err();
        assert!(error.is_transient() && !format!("{error:?}").contains("hunter2"), "{error:?}");
        let elsewhere = send("http://10.0.0.1/", "key", None).await.unwrap_err();
        assert!(matches!(elsewhere, SendError::Settings(_)), "{elsewhere}");
    }
}
