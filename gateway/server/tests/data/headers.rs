//! Header lines in hostile pairs: what is authorised, billed, logged and forwarded is one and the same, or nothing is.

use std::collections::{BTreeMap, BTreeSet};

use moorline_gateway::command_line::LogFormat;
use serde_json::{Value, json};

use super::caller::{CHAT, Wire};
use super::gateway::{Gateway, KEY, OTHER_KEY, UPSTREAM_KEY, document};
use super::logs::{lines, log_to};
use super::provider::Provider;

/// What a line does to the request that it stands in.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Means {
    /// Nothing that anybody decides by.
    Nothing,
    /// It proves this key.
    Proof(&'static str),
    /// It stands where a proof does, and is none.
    NoProof,
    /// It could be read in two ways, or cannot be served.
    Refused,
}
use Means::{NoProof, Nothing, Proof, Refused};

/// `#` is the number of the request.
const LINES: [(&str, Means); 41] = [
    ("authorization: Bearer vk-caller", Proof(KEY)),
    ("Authorization: bearer vk-caller", Proof(KEY)),
    ("AUTHORIZATION: Bearer vk-other", Proof(OTHER_KEY)),
    ("x-api-key: vk-caller", Proof(KEY)),
    ("X-Api-Key: vk-other", Proof(OTHER_KEY)),
    ("authorization: Basic dmstY2FsbGVy", NoProof),
    ("authorization: Bearer vk-nobody", NoProof),
    ("x-api-key:", NoProof),
    ("authorization : Bearer vk-caller", Refused),
    ("x_api_key: vk-other", Refused),
    ("x-api_key: vk-other", Refused),
    ("host: elsewhere", Refused),
    ("content-length: 3", Refused),
    ("content_length: 3", Refused),
    ("transfer-encoding: chunked", Refused),
    ("transfer-encoding: identity", Refused),
    ("transfer_encoding: chunked", Refused),
    ("x_moorline_probe: guess", Refused),
    ("content-encoding: gzip", Refused),
    ("content-encoding: identity", Nothing),
    ("connection: authorization, x-api-key, content-length", Nothing),
    ("keep-alive: timeout=5", Nothing),
    ("te: trailers", Nothing),
    ("trailer: authorization", Nothing),
    ("upgrade: websocket", Nothing),
    ("proxy-authorization: Bearer vk-other", Nothing),
    ("cookie: authorization=Bearer vk-other; x-api-key=vk-other", Nothing),
    ("accept-encoding: gzip", Nothing),
    ("x-moorline-probe: guess", Nothing),
    ("x-moorline-generation: 99", Nothing),
    ("x-request-id: one-#", Nothing),
    ("x-request-id: two-#", Nothing),
    ("X-Request-Id: a b", Nothing),
    ("openai-organization: one-#", Nothing),
    ("OpenAI-Organization: two-#", Nothing),
    ("idempotency-key: one-#", Nothing),
    ("user-agent: one-#", Nothing),
    ("anthropic-beta: one-#", Nothing),
    ("x-forwarded-for: 203.0.113.7", Nothing),
    ("x-http-method-override: DELETE", Nothing),
    ("x-original-url: /healthz", Nothing),
];

/// All that a provider of this kind may be sent, and each of it once.
const MAY_TRAVEL: [&str; 15] = [
    "host",
    "authorization",
    "content-type",
    "content-length",
    "accept-encoding",
    "x-request-id",
    "accept",
    "user-agent",
    "idempotency-key",
    "openai-beta",
    "openai-organization",
    "openai-project",
    "traceparent",
    "tracestate",
    "baggage",
];

/// Whose request it is, if anybody's.
fn expected(means: &[Means]) -> Option<&'static str> {
    let proofs: Vec<_> = means.iter().filter(|means| matches!(means, Proof(_) | NoProof)).collect();
    match proofs.as_slice() {
        _ if means.contains(&Refused) => None,
        [Proof(key)] => Some(key),
        // The two headers may say the same; which two lines do is looked at by `agree`.
        [Proof(one), Proof(other)] if one == other => Some(one),
        _ => None,
    }
}

/// Whether two lines are the two headers, and not one of them twice.
fn agree(lines: &[&str]) -> bool {
    let name = |line: &&str| line.split([':', ' ']).next().unwrap_or_default().to_ascii_lowercase();
    let names: Vec<_> =
        lines.iter().map(name).filter(|name| name == "authorization" || name == "x-api-key").collect();
    names.iter().collect::<BTreeSet<_>>().len() == names.len()
}

/// What came of a request.
struct Seen {
    case: String,
    key: Option<&'static str>,
    status: u16,
    id: Option<String>,
    remaining: Option<String>,
}

fn header<'a>(answer: &'a str, name: &str) -> Option<&'a str> {
    let head = answer.split("\r\n\r\n").next().unwrap_or_default();
    head.lines()
        .filter_map(|line| line.split_once(": "))
        .find(|(key, _)| *key == name)
        .map(|(_, value)| value)
}

async fn send(gateway: &Gateway, number: usize, given: &[(&str, Means)]) -> Seen {
    let lines: String =
        given.iter().map(|(line, _)| format!("{}\r\n", line.replace('#', &number.to_string()))).collect();
    let body = json!({"model": "m", "messages": [], "user": format!("n{number}.")}).to_string();
    let head = format!(
        "POST {CHAT} HTTP/1.1\r\nhost: g\r\n{lines}content-length: {}\r\nconnection: close\r\n\r\n",
        body.len()
    );
    let mut wire = Wire::open(gateway.address).await;
    wire.send(format!("{head}{body}").as_bytes()).await;
    let answer = wire.read_to_end().await;
    let means: Vec<Means> = given.iter().map(|(_, means)| *means).collect();
    let texts: Vec<&str> = given.iter().map(|(line, _)| *line).collect();
    Seen {
        key: expected(&means).filter(|_| agree(&texts)),
        status: answer.get(9..12).and_then(|status| status.parse().ok()).unwrap_or(0),
        id: header(&answer, "x-request-id").map(str::to_owned),
        remaining: header(&answer, "x-ratelimit-remaining-requests").map(str::to_owned),
        case: format!("{number}: {texts:?}"),
    }
}

/// Checks one request as its provider saw it, and gives its number and the id it was sent with.
fn forwarded(seen: &super::provider::Seen) -> (usize, String) {
    let names: Vec<String> = seen
        .head
        .lines()
        .skip(1)
        .filter_map(|line| line.split_once(':'))
        .map(|(name, _)| name.to_ascii_lowercase())
        .collect();
    let unique: BTreeSet<_> = names.iter().collect();
    assert_eq!(unique.len(), names.len(), "a header twice: {}", seen.head);
    let stranger = names.iter().find(|name| !MAY_TRAVEL.contains(&name.as_str()));
    assert_eq!(stranger, None, "{}", seen.head);
    assert!(!seen.head.contains(KEY) && !seen.head.contains(OTHER_KEY), "{}", seen.head);
    assert_eq!(seen.header("authorization"), Some(format!("Bearer {UPSTREAM_KEY}").as_str()));
    assert_eq!(seen.header("accept-encoding"), Some("identity"));
    let user = seen.json()["user"].as_str().unwrap().to_owned();
    let number = user.trim_start_matches('n').trim_end_matches('.').parse().unwrap();
    (number, seen.header("x-request-id").unwrap().to_owned())
}

#[tokio::test]
async fn what_is_authorised_billed_logged_and_forwarded_agree_for_all_pairs_of_hostile_lines() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("access.log");
    let (access_log, _end) = log_to(&path, LogFormat::Json);
    let provider = Provider::start().await;
    let mut document = document(&provider);
    document["routes"][0]["limits"] = json!([{"requests": 1_000_000, "window": "1d"}]);
    let gateway = Gateway::start_with(&document, |config| config.access_log = access_log);
    let proof = ("authorization: Bearer vk-caller", Proof(KEY));
    let (mut all, mut reached) = (Vec::new(), BTreeMap::new());
    for one in LINES {
        for other in LINES {
            // Two lines with a proof of their own, or with one in front.
            let is_proof = |means: Means| matches!(means, Proof(_) | NoProof);
            let given =
                if is_proof(one.1) || is_proof(other.1) { vec![one, other] } else { vec![proof, one, other] };
            all.push(send(&gateway, all.len(), &given).await);
            while provider.requests_left().await > 0 {
                let (number, id) = forwarded(&provider.request().await);
                assert_eq!(reached.insert(number, id), None, "asked twice");
            }
        }
    }

    let (mut spent, mut logged) = (BTreeMap::<&str, u64>::new(), 0);
    for (number, seen) in all.iter().enumerate() {
        let case = &seen.case;
        match seen.key {
            Some(key) => {
                assert_eq!(seen.status, 200, "{case}");
                assert_eq!(seen.id.as_ref(), reached.get(&number), "{case}: asked under its own id");
                let spent = spent.entry(key).or_default();
                *spent += 1;
                assert_eq!(
                    seen.remaining,
                    Some((1_000_000 - *spent).to_string()),
                    "{case}: billed to another"
                );
            }
            None => {
                assert!((400..500).contains(&seen.status), "{case}: {}", seen.status);
                assert_eq!(reached.get(&number), None, "{case}");
            }
        }
        logged += usize::from(seen.id.is_some());
    }
    assert!(spent[KEY] > 500 && spent[OTHER_KEY] > 20, "{spent:?}");

    // Each answer of ours has its line, and the line says what the answer said.
    let log = lines(&path, logged).await;
    assert_eq!(log.len(), logged);
    let by_id: BTreeMap<&str, &Value> = log.iter().map(|line| (line["id"].as_str().unwrap(), line)).collect();
    for seen in all.iter().filter(|seen| seen.id.is_some()) {
        let line = by_id[seen.id.as_deref().unwrap()];
        assert_eq!(line["status"], seen.status, "{}: {line}", seen.case);
        let name = seen.key.map(|key| if key == KEY { "caller" } else { "other" });
        if seen.status == 200 {
            assert_eq!(line["key"].as_str(), name, "{}: {line}", seen.case);
        }
    }
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(
        !text.contains(KEY) && !text.contains(OTHER_KEY) && !text.contains("guess"),
        "no line shows a proof"
    );
}

#[tokio::test]
async fn the_headers_on_the_list_travel_both_ways_and_no_other() {
    let provider = Provider::start().await;
    let returned = [
        ("content-type", "application/json"),
        ("openai-version", "2020-10-01"),
        ("openai-processing-ms", "5"),
        ("x-request-id", "up-1"),
    ];
    let kept = [
        ("connection", "x-secret"),
        ("x-secret", "s"),
        ("www-authenticate", "Bearer"),
        ("access-control-allow-origin", "*"),
        ("location", "http://elsewhere"),
        ("x-moorline-cache", "hit"),
        ("x-moorline-generation", "9"),
    ];
    provider.usually(super::provider::answer(200, &[&returned[..], &kept].concat(), b"{}"));
    let gateway = Gateway::start(&document(&provider));
    let sent = [
        ("user-agent", "sdk/1.0"),
        ("accept", "application/json"),
        ("openai-beta", "assistants=v2"),
        ("openai-organization", "org-1"),
        ("openai-project", "proj-1"),
        ("idempotency-key", "i-1"),
        ("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00"),
        ("tracestate", "a=b"),
        ("baggage", "c=d"),
    ];
    let mut request = super::caller::post(&gateway, CHAT);
    for (name, value) in sent {
        request = request.header(name, value);
    }
    let reply = super::caller::finish(request.body(super::caller::chat().to_string())).await;
    let seen = provider.request().await;
    for (name, value) in sent {
        assert_eq!(seen.header(name), Some(value), "{}", seen.head);
    }
    assert_eq!(reply.header("x-upstream-request-id"), Some("up-1"));
    for (name, value) in kept {
        assert_ne!(reply.header(name), Some(value), "{name} came back");
    }
    let ours = [
        "x-request-id",
        "x-upstream-request-id",
        "x-moorline-generation",
        "content-type",
        "content-length",
        "date",
    ];
    let stranger = reply
        .headers
        .keys()
        .find(|name| !ours.contains(&name.as_str()) && !name.as_str().starts_with("openai-"));
    assert_eq!(stranger, None, "{:?}", reply.headers);
}
