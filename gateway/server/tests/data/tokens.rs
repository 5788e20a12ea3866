//! Callers that prove who they are by a token of an identity provider, whose keys come over a socket.

#![expect(clippy::needless_pass_by_value, reason = "a table reads best with its values in place")]

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use moorline_gateway::jwt::{Fetcher, Pace};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::caller::{CHAT, Reply, chat, client, finish};
use super::gateway::{Gateway, KEY, document};
use super::issuer::{Issuer, encoded};
use super::provider::{Provider, soon, spawn};

pub(crate) const AUDIENCE: &str = "ai-gateway";
/// 2026-11-21T00:00:00Z, in seconds.
pub(crate) const NOW: u64 = 1_795_219_200;

/// How the server of keys answers.
#[derive(Clone)]
pub(crate) enum Mood {
    Keys(Value),
    Status(u16),
    Redirect(SocketAddr),
    Silent,
    Dripping,
    Huge,
    Nonsense,
}

pub(crate) struct Jwks {
    address: SocketAddr,
    mood: Arc<Mutex<Mood>>,
    asked: Arc<Mutex<u32>>,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Jwks {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Jwks {
    pub(crate) async fn start(mood: Mood) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (mood, asked) = (Arc::new(Mutex::new(mood)), Arc::new(Mutex::new(0)));
        let (moods, count) = (Arc::clone(&mood), Arc::clone(&asked));
        let task = spawn(async move {
            let mut connections = tokio::task::JoinSet::new();
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                let (moods, count) = (Arc::clone(&moods), Arc::clone(&count));
                connections.spawn(async move {
                    let mut head = Vec::new();
                    while !head.ends_with(b"\r\n\r\n") {
                        if stream.read_buf(&mut head).await.unwrap_or(0) == 0 {
                            return;
                        }
                    }
                    *count.lock().unwrap() += 1;
                    let mood = moods.lock().unwrap().clone();
                    answer(&mut stream, mood).await;
                });
            }
        });
        Self { address, mood, asked, task }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/keys", self.address)
    }

    fn now(&self, mood: Mood) {
        *self.mood.lock().unwrap() = mood;
    }

    fn asked(&self) -> u32 {
        *self.asked.lock().unwrap()
    }

    async fn asked_at_least(&self, times: u32) {
        soon(async {
            while self.asked() < times {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        })
        .await;
    }
}

async fn answer(stream: &mut tokio::net::TcpStream, mood: Mood) {
    let whole = |status: u16, more: &str, body: &str| {
        format!(
            "HTTP/1.1 {status} Status\r\n{more}content-length: {}\r\nconnection: close\r\n\r\n{body}",
            body.len()
        )
    };
    let text = match mood {
        Mood::Keys(keys) => whole(200, "", &keys.to_string()),
        Mood::Status(status) => whole(status, "", ""),
        Mood::Redirect(elsewhere) => whole(302, &format!("location: http://{elsewhere}/keys\r\n"), ""),
        Mood::Nonsense => whole(200, "", "<html>maintenance</html>"),
        Mood::Silent => return std::future::pending().await,
        Mood::Dripping => {
            drop(stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\n").await);
            while stream.write_all(b" ").await.is_ok() {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            return;
        }
        Mood::Huge => {
            drop(stream.write_all(b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n{\"keys\":[").await);
            while stream.write_all(&[b' '; 65_536]).await.is_ok() {}
            return;
        }
    };
    drop(stream.write_all(text.as_bytes()).await);
}

/// Quick enough for a test, with the order of the real one.
fn pace() -> Pace {
    Pace {
        refresh: Duration::from_secs(3_600),
        pause: Duration::from_millis(200),
        timeout: Duration::from_millis(500),
        retry: Duration::from_millis(20),
        look: Duration::from_millis(5),
    }
}

fn declared(provider: &Provider, jwks: &Jwks, more: Value) -> Value {
    let mut document = document(provider);
    let mut jwt =
        json!({"issuer": "https://login.acme.example", "audience": AUDIENCE, "jwks_url": jwks.url()});
    jwt.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    document["auth"] = json!({"jwt": jwt});
    document
}

fn token(issuer: &Issuer, change: Value) -> String {
    let mut claims =
        json!({"iss": "https://login.acme.example", "aud": AUDIENCE, "sub": "alice", "exp": NOW + 300});
    claims.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
    issuer.es256(r#"{"alg":"ES256","kid":"ec"}"#, &claims.to_string())
}

fn started(document: &Value, pace: Pace) -> Gateway {
    let gateway = Gateway::start(document);
    gateway.set_now(NOW * 1_000);
    spawn(Fetcher::new(gateway.serving(), pace).run(gateway.drain.clone()));
    gateway
}

/// Fetches the keys of what a gateway serves, at this corpus's moment.
pub(crate) fn follow(gateway: &Gateway) {
    gateway.set_now(NOW * 1_000);
    spawn(Fetcher::new(gateway.serving(), pace()).run(gateway.drain.clone()));
}

async fn ask(gateway: &Gateway, token: &str) -> Reply {
    finish(client().post(gateway.url(CHAT)).bearer_auth(token).body(chat().to_string())).await
}

#[tokio::test]
async fn a_token_stands_for_a_key_from_the_first_request_on() {
    let (provider, issuer) = (Provider::start().await, Issuer::new());
    let jwks = Jwks::start(Mood::Keys(issuer.jwks())).await;
    let gateway = started(&declared(&provider, &jwks, json!({})), pace());
    let good = token(&issuer, json!({}));
    // The very first waits until the keys are there.
    assert_eq!(ask(&gateway, &good).await.status, 200);
    let by_other_header =
        finish(client().post(gateway.url(CHAT)).header("x-api-key", &good).body(chat().to_string())).await;
    assert_eq!(by_other_header.status, 200);
    assert_eq!(ask(&gateway, KEY).await.status, 200, "declared keys go on");
    let listed = finish(client().get(gateway.url("/v1/models")).bearer_auth(&good)).await;
    assert_eq!(listed.json()["data"][0]["id"], "m");
    for seen in [provider.request().await, provider.request().await] {
        assert!(!seen.head.contains(&good) && !seen.head.contains("eyJ"), "{}", seen.head);
    }
    assert_eq!(jwks.asked(), 1);
}

#[tokio::test]
async fn a_refused_token_is_told_by_a_code_and_never_falls_to_another_method() {
    let (provider, issuer) = (Provider::start().await, Issuer::new());
    let jwks = Jwks::start(Mood::Keys(issuer.jwks())).await;
    let gateway = started(&declared(&provider, &jwks, json!({})), pace());
    let unsigned = format!("{}.{}.", encoded(r#"{"alg":"none"}"#), encoded(r#"{"sub":"alice"}"#));
    for (bad, code) in [
        (unsigned, "invalid_token"),
        (token(&issuer, json!({"aud": "other"})), "invalid_token"),
        (token(&Issuer::new(), json!({})), "invalid_token"),
        (format!("a.{}.c", "x".repeat(9_000)), "invalid_token"),
        (token(&issuer, json!({"exp": NOW - 60})), "expired_key"),
        (format!("{KEY}.x.y"), "invalid_token"),
        ("vk-unknown".to_owned(), "invalid_api_key"),
    ] {
        let reply = ask(&gateway, &bad).await;
        assert_eq!((reply.status, reply.error_code().as_str()), (401, code), "{}", reply.text());
        assert!(
            !reply.text().contains("audience") && !reply.text().contains("signature"),
            "{}",
            reply.text()
        );
    }
    let good = token(&issuer, json!({}));
    let both = client().post(gateway.url(CHAT)).bearer_auth(&good).header("x-api-key", KEY);
    let both = finish(both.body(chat().to_string())).await;
    assert_eq!((both.status, both.error_code().as_str()), (400, "ambiguous_credentials"));
    let stats = gateway.counted(8).await;
    assert_eq!((stats.authentication["invalid"], stats.authentication["expired"]), (5, 1));
    assert_eq!(provider.requests_left().await, 0);
}

#[tokio::test]
async fn keys_that_are_rotated_are_found_and_withdrawn_ones_forgotten() {
    let (provider, old, new) = (Provider::start().await, Issuer::new(), Issuer::renamed());
    let jwks = Jwks::start(Mood::Keys(old.jwks())).await;
    let gateway = started(&declared(&provider, &jwks, json!({})), pace());
    let (before, after) = (token(&old, json!({})), new.es256_named(&claims_of_alice()));
    assert_eq!(ask(&gateway, &before).await.status, 200);
    tokio::time::sleep(pace().pause).await;
    jwks.now(Mood::Keys(new.jwks()));
    assert_eq!(ask(&gateway, &after).await.status, 200, "an unknown key makes us look again");
    assert_eq!(ask(&gateway, &before).await.status, 401, "and what was remembered is judged by the new keys");
    assert_eq!(jwks.asked(), 2);
}

fn claims_of_alice() -> String {
    json!({"iss": "https://login.acme.example", "aud": AUDIENCE, "sub": "alice", "exp": NOW + 300})
        .to_string()
}

#[tokio::test]
async fn unknown_keys_make_us_ask_the_issuer_seldom_and_tokens_for_others_never() {
    let (provider, issuer) = (Provider::start().await, Issuer::new());
    let jwks = Jwks::start(Mood::Keys(issuer.jwks())).await;
    let slow = Pace { pause: Duration::from_secs(3_600), ..pace() };
    let gateway = started(&declared(&provider, &jwks, json!({})), slow);
    assert_eq!(ask(&gateway, &token(&issuer, json!({}))).await.status, 200);
    for number in 0..50 {
        let header = json!({"alg": "ES256", "kid": format!("unknown-{number}")}).to_string();
        assert_eq!(ask(&gateway, &issuer.es256(&header, &claims_of_alice())).await.status, 401);
    }
    assert_eq!(jwks.asked(), 1);
}

#[tokio::test]
async fn the_last_good_keys_serve_while_the_issuer_is_down_slow_huge_or_mad() {
    let (provider, issuer, elsewhere) = (Provider::start().await, Issuer::new(), Issuer::renamed());
    let other = Jwks::start(Mood::Keys(elsewhere.jwks())).await;
    let jwks = Jwks::start(Mood::Keys(issuer.jwks())).await;
    let often = Pace { refresh: Duration::from_millis(20), pause: Duration::from_millis(20), ..pace() };
    let gateway = started(&declared(&provider, &jwks, json!({})), often);
    let mut person = 0;
    let mut fresh = || {
        person += 1;
        token(&issuer, json!({"sub": format!("p{person}")}))
    };
    assert_eq!(ask(&gateway, &fresh()).await.status, 200);
    let empty = Mood::Keys(json!({"keys": []}));
    let moods = [
        Mood::Status(500),
        Mood::Status(404),
        Mood::Redirect(other.address),
        Mood::Silent,
        Mood::Dripping,
        Mood::Huge,
        Mood::Nonsense,
        empty,
    ];
    for mood in moods {
        jwks.now(mood);
        jwks.asked_at_least(jwks.asked() + 2).await;
        // The quickest of three: a machine may stand still, but an issuer that is waited for is waited for each time.
        let mut quickest = Duration::MAX;
        for _ in 0..3 {
            let began = std::time::Instant::now();
            assert_eq!(ask(&gateway, &fresh()).await.status, 200);
            quickest = quickest.min(began.elapsed());
        }
        assert!(quickest < Duration::from_secs(2), "nobody waits for the issuer");
    }
    assert_eq!(other.asked(), 0, "a redirect is not followed");
}

#[tokio::test]
async fn without_any_keys_a_token_is_refused_as_unverifiable_and_keys_go_on() {
    let provider = Provider::start().await;
    let jwks = Jwks::start(Mood::Silent).await;
    let gateway = started(&declared(&provider, &jwks, json!({})), pace());
    let issuer = Issuer::new();
    let reply = ask(&gateway, &token(&issuer, json!({}))).await;
    assert_eq!((reply.status, reply.error_code().as_str()), (503, "unverifiable_token"));
    assert!(reply.header("retry-after").is_some());
    assert_eq!(ask(&gateway, KEY).await.status, 200);
    assert_eq!(gateway.counted(2).await.authentication["unverifiable"], 1);
    jwks.now(Mood::Keys(issuer.jwks()));
    soon(async { while ask(&gateway, &token(&issuer, json!({}))).await.status != 200 {} }).await;
}

#[tokio::test]
async fn another_document_goes_on_with_the_keys_that_are_known() {
    let (provider, issuer) = (Provider::start().await, Issuer::new());
    let jwks = Jwks::start(Mood::Keys(issuer.jwks())).await;
    let gateway = started(&declared(&provider, &jwks, json!({})), pace());
    assert_eq!(ask(&gateway, &token(&issuer, json!({}))).await.status, 200);
    jwks.now(Mood::Silent);
    gateway.swap(&declared(&provider, &jwks, json!({"limits": [{"requests": 100, "window": "1h"}]})));
    assert_eq!(ask(&gateway, &token(&issuer, json!({}))).await.status, 200);
    assert_eq!(jwks.asked(), 1, "nothing was fetched");
}

#[tokio::test]
async fn each_caller_with_a_token_is_counted_on_its_own_and_teams_with_their_keys() {
    let (provider, issuer) = (Provider::start().await, Issuer::new());
    let jwks = Jwks::start(Mood::Keys(issuer.jwks())).await;
    let mut document = declared(
        &provider,
        &jwks,
        json!({"claims": {"team": "team"}, "limits": [{"requests": 3, "window": "1d"}, {"per": "team", "requests": 5, "window": "1d"}]}),
    );
    document["routes"][0]["limits"] = json!([{"per": "key", "requests": 2, "window": "1h"}]);
    document["keys"][0]["team"] = json!("search");
    document["keys"][0]["limits"] = json!([{"per": "team", "requests": 5, "window": "1d"}]);
    let gateway = started(&document, pace());
    let of = |person: &str, team: &str| token(&issuer, json!({"sub": person, "team": team}));
    let (alice, bob, other) = (of("alice", "search"), of("bob", "search"), of("carol", "ops"));
    for (who, expected) in [
        (&alice, 200),
        (&alice, 200),
        (&alice, 429), // two an hour on the route
        (&bob, 200),
        (&bob, 200),
        (&bob, 429),
        (&other, 200),
    ] {
        assert_eq!(ask(&gateway, who).await.status, expected);
    }
    assert_eq!(ask(&gateway, KEY).await.status, 200, "the fifth of the team");
    let refused = ask(&gateway, KEY).await;
    assert_eq!(refused.status, 429);
    assert!(refused.text().contains("of team search"), "{}", refused.text());
    gateway.set_now((NOW + 3_600) * 1_000);
    let later = token(&issuer, json!({"sub": "carol", "team": "ops", "exp": NOW + 7_200}));
    for expected in [200, 200, 429] {
        assert_eq!(ask(&gateway, &later).await.status, expected, "another token, the same caller");
    }
}

#[tokio::test]
async fn a_token_allows_the_models_it_names_and_the_document_allows() {
    let (provider, issuer) = (Provider::start().await, Issuer::new());
    let jwks = Jwks::start(Mood::Keys(issuer.jwks())).await;
    let mut document = declared(&provider, &jwks, json!({"models": ["m"], "claims": {"models": "models"}}));
    document["models"]["large"] = document["models"]["m"].clone();
    let gateway = started(&document, pace());
    for (claimed, status) in
        [(json!(["m"]), 200), (json!(["large"]), 403), (json!([]), 403), (json!({"m": 1}), 401)]
    {
        assert_eq!(
            ask(&gateway, &token(&issuer, json!({"models": claimed}))).await.status,
            status,
            "{claimed}"
        );
    }
}
