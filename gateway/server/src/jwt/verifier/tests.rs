#![expect(clippy::needless_pass_by_value, reason = "a table reads best with its values in place")]
//! A corpus of tokens, each with the verdict it must get.

use aws_lc_rs::hmac;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::super::keys::Keys;
use super::super::signer::{Issuer, encoded};
use super::*;
use crate::routing::Routing;

const ISSUER: &str = "https://login.acme.example";
const AUDIENCE: &str = "ai-gateway";
/// 2026-11-21T00:00:00Z, in seconds.
const NOW: u64 = 1_795_219_200;

fn routing(jwt: &Value) -> Routing {
    let mut declared =
        json!({"issuer": ISSUER, "audience": AUDIENCE, "jwks_url": "https://login.acme.example/keys"});
    declared.as_object_mut().unwrap().extend(jwt.as_object().unwrap().clone());
    let document = json!({
        "version": 1, "name": "test",
        "providers": {"p": {"kind": "openai_compatible", "base_url": "http://127.0.0.1:1"}},
        "models": {
            "small": {"targets": [{"provider": "p", "model": "m"}]},
            "large": {"targets": [{"provider": "p", "model": "m"}]},
        },
        "auth": {"jwt": declared},
    });
    Routing::compile(&moorline_config::Config::from_value("test", &document).unwrap(), &|_| None)
}

/// Publishes keys, with no further fetch due.
fn publish(routing: &Routing, keys: &Value) {
    let later = Instant::now() + std::time::Duration::from_secs(3_600);
    let keys = Keys::read(keys.to_string().as_bytes()).unwrap();
    routing.tokens().unwrap().key_set().note(Some(keys), |_, _| (later, later));
}

async fn verdict(routing: &Routing, token: &str) -> Result<String, TokenError> {
    let verifier = routing.tokens().unwrap();
    let verified = verifier.verify(KeyHash::of(token.as_bytes()), token.as_bytes(), NOW * 1_000).await;
    verified.map(|identity| identity.key.name.to_string())
}

fn claims(change: Value) -> Value {
    let mut claims = json!({"iss": ISSUER, "aud": AUDIENCE, "sub": "alice", "exp": NOW + 300});
    for (name, value) in change.as_object().unwrap() {
        if value == "(absent)" {
            claims.as_object_mut().unwrap().remove(name);
        } else {
            claims[name] = value.clone();
        }
    }
    claims
}

fn header(change: Value) -> Value {
    let mut header = json!({"alg": "RS256", "kid": "rsa", "typ": "JWT"});
    header.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
    header
}

struct Corpus {
    ours: Issuer,
    theirs: Issuer,
    cases: Vec<(String, String, Result<String, TokenError>)>,
}

impl Corpus {
    fn add(&mut self, name: impl Into<String>, token: String, expected: Result<&str, TokenError>) {
        self.cases.push((name.into(), token, expected.map(str::to_owned)));
    }

    /// A token with changed claims, signed as it should be.
    fn claims(&mut self, change: Value, expected: Result<&str, TokenError>) {
        let token = self.ours.rs256(&header(json!({})).to_string(), &claims(change.clone()).to_string());
        self.add(format!("claims {change}"), token, expected);
    }

    /// A token with a changed header, signed with the RSA key.
    fn header(&mut self, change: Value, expected: Result<&str, TokenError>) {
        let token = self.ours.rs256(&header(change.clone()).to_string(), &claims(json!({})).to_string());
        self.add(format!("header {change}"), token, expected);
    }

    /// A token of these very texts, signed with the RSA key.
    fn texts(&mut self, header: &str, payload: &str, expected: Result<&str, TokenError>) {
        let token = self.ours.rs256(header, payload);
        self.add(format!("{header} {payload}"), token, expected);
    }
}

const ALICE: Result<&str, TokenError> = Ok("jwt:alice");

fn good(corpus: &mut Corpus) {
    let plain = claims(json!({})).to_string();
    let es = corpus.ours.es256(r#"{"alg":"ES256","kid":"ec"}"#, &plain);
    corpus.add("ES256", es, ALICE);
    let ed = corpus.ours.eddsa(r#"{"alg":"EdDSA","kid":"ed"}"#, &plain);
    corpus.add("EdDSA", ed, ALICE);
    let unnamed = corpus.ours.eddsa(r#"{"alg":"EdDSA"}"#, &plain);
    corpus.add("no kid, and one key only", unnamed, ALICE);
    for change in [
        json!({}),
        json!({"aud": ["other", AUDIENCE]}),
        json!({"exp": NOW - 59}),
        json!({"exp": NOW as f64 + 0.5}),
        json!({"nbf": NOW + 60}),
        json!({"nbf": NOW - 1, "iat": NOW + 500}),
        json!({"more": "x".repeat(4_000)}),
    ] {
        corpus.claims(change, ALICE);
    }
    corpus.claims(json!({"sub": "auth0|5f7c"}), Ok("jwt-sha256:662dd0a5965afa2fc4523919f762c1fc"));
    // Where a token says that its key is found is not read, so it does no harm either.
    for change in [
        json!({"jku": "https://evil.example/keys"}),
        json!({"x5u": "https://evil.example/c", "x5c": ["MIIB"]}),
        json!({"jwk": {"kty": "RSA", "n": "AQAB", "e": "AQAB"}}),
        json!({"typ": "at+jwt"}),
        json!({"typ": "application/at+JWT"}),
    ] {
        corpus.header(change, ALICE);
    }
}

fn algorithms(corpus: &mut Corpus) {
    use TokenError::{Algorithm, Malformed, UnknownKey};
    for name in [
        "none", "None", "NONE", "nOnE", "", "HS256", "HS384", "HS512", "RS384", "RS512", "PS256", "ES384",
        "ES512", "ES256K", "rs256", "RS256 ", "dir", "RSA-OAEP",
    ] {
        corpus.header(json!({"alg": name}), Err(Algorithm));
    }
    corpus.header(json!({"alg": ["RS256"]}), Err(Malformed));
    corpus.header(json!({"alg": null}), Err(Malformed));
    let plain = claims(json!({})).to_string();
    for name in ["none", "None"] {
        let unsigned =
            format!("{}.{}.", encoded(json!({"alg": name, "typ": "JWT"}).to_string()), encoded(&plain));
        corpus.add(format!("unsigned, {name}"), unsigned, Err(Algorithm));
    }
    // Public keys as the secrets of HMACs.
    for (kid, secret) in
        [("rsa", corpus.ours.modulus()), ("ec", corpus.ours.point()), ("ed", corpus.ours.edwards())]
    {
        let signed =
            format!("{}.{}", encoded(json!({"alg": "HS256", "kid": kid}).to_string()), encoded(&plain));
        let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &secret), signed.as_bytes());
        corpus.add(format!("HMAC by {kid}"), format!("{signed}.{}", encoded(tag.as_ref())), Err(Algorithm));
    }
    // A key of one type under the name of another.
    for (algorithm, kid) in
        [("RS256", "ec"), ("RS256", "ed"), ("ES256", "rsa"), ("ES256", "ed"), ("EdDSA", "rsa")]
    {
        corpus.header(json!({"alg": algorithm, "kid": kid}), Err(UnknownKey));
    }
}

fn key_choice(corpus: &mut Corpus) {
    use TokenError::{Critical, Malformed, Signature, Type, UnknownKey};
    for kid in ["unknown", "", "RSA", "../../../etc/passwd", "' OR 1=1 --", "rsa\u{0}", "oct", "weak", "enc"]
    {
        corpus.header(json!({"kid": kid}), Err(UnknownKey));
    }
    corpus.header(json!({"kid": 1}), Err(Malformed));
    corpus.header(json!({"kid": ["rsa"]}), Err(Malformed));
    corpus.header(json!({"kid": "k".repeat(257)}), Err(Malformed));
    let plain = claims(json!({})).to_string();
    let unnamed = corpus.ours.rs256(r#"{"alg":"RS256"}"#, &plain);
    corpus.add("no kid, and two keys", unnamed, Err(UnknownKey));
    let second = corpus.ours.rs256(&header(json!({"kid": "rsa-2"})).to_string(), &plain);
    corpus.add("another key of the issuer's", second, Err(Signature));
    // Keys that the token brings along.
    let jwk = corpus.theirs.jwks()["keys"][0].clone();
    for change in [json!({"jwk": jwk}), json!({"jku": "https://evil.example/keys"}), json!({"x5c": ["MIIB"]})]
    {
        let token = corpus.theirs.rs256(&header(change.clone()).to_string(), &plain);
        corpus.add(format!("signed by another, {change}"), token, Err(Signature));
    }
    let es = corpus.theirs.es256(r#"{"alg":"ES256","kid":"ec"}"#, &plain);
    corpus.add("ES256 by another", es, Err(Signature));
    let ed = corpus.theirs.eddsa(r#"{"alg":"EdDSA","kid":"ed"}"#, &plain);
    corpus.add("EdDSA by another", ed, Err(Signature));
    for crit in [json!(["exp"]), json!([]), json!(["b64"]), json!("exp"), json!(null)] {
        corpus.header(json!({"crit": crit, "b64": false}), Err(Critical));
    }
    for typ in ["dpop+jwt", "logout+jwt", "secevent+jwt", "JOSE", ""] {
        corpus.header(json!({"typ": typ}), Err(Type));
    }
}

fn meaning(corpus: &mut Corpus) {
    use TokenError::{Audience, Claims, Expired, Issuer, Malformed, NotYet};
    for issuer in
        [json!("https://login.acme.example/"), json!("https://LOGIN.acme.example"), json!([ISSUER]), json!(1)]
    {
        corpus.claims(json!({"iss": issuer}), Err(Issuer));
    }
    corpus.claims(json!({"iss": "(absent)"}), Err(Issuer));
    for audience in [
        json!("other"),
        json!("ai-gateway-2"),
        json!([]),
        json!(["other"]),
        json!([AUDIENCE, 1]),
        json!(1),
        json!(null),
    ] {
        corpus.claims(json!({"aud": audience}), Err(Audience));
    }
    corpus.claims(json!({"aud": "(absent)"}), Err(Audience));
    for expires in [json!(NOW - 60), json!(0), json!(-5), json!(1e-300)] {
        corpus.claims(json!({"exp": expires}), Err(Expired));
    }
    for expires in [json!("9999999999"), json!(null), json!(true), json!([NOW + 300]), json!("(absent)")] {
        corpus.claims(json!({"exp": expires}), Err(Malformed));
    }
    corpus.claims(json!({"nbf": NOW + 61}), Err(NotYet));
    for name in ["nbf", "iat"] {
        corpus.claims(json!({name: "1"}), Err(Malformed));
        corpus.claims(json!({name: null}), Err(Malformed));
    }
    for sub in [json!("(absent)"), json!(""), json!(7), json!(["alice"]), json!("s".repeat(1_025))] {
        corpus.claims(json!({"sub": sub}), Err(Claims));
    }
}

fn shape(corpus: &mut Corpus) {
    use TokenError::{Malformed, Signature, TooLong};
    let (head, body) = (header(json!({})).to_string(), claims(json!({})).to_string());
    let good = corpus.ours.rs256(&head, &body);
    let parts: Vec<&str> = good.split('.').collect();
    let doubled = |text: &str, more: &str| format!("{},{more}}}", text.strip_suffix('}').unwrap());
    for more in [r#""alg":"none""#, r#""kid":"rsa""#] {
        corpus.texts(&doubled(&head, more), &body, Err(Malformed));
    }
    for more in
        [r#""exp":9999999999"#, r#""sub":"bob""#, r#""iss":"https://evil.example""#, r#""\u0073ub":"bob""#]
    {
        corpus.texts(&head, &doubled(&body, more), Err(Malformed));
    }
    for payload in ["", "null", "[]", "\"x\"", "{", "{}{}", &format!("\u{feff}{body}"), &format!("{body} x")]
    {
        corpus.texts(&head, payload, Err(Malformed));
    }
    let deep = format!("{}{}", "[".repeat(500), "]".repeat(500));
    corpus.texts(&head, &doubled(&body, &format!("\"deep\":{deep}")), Err(Malformed));
    corpus.texts("[]", &body, Err(Malformed));
    for token in [
        format!("{}=.{}.{}", parts[0], parts[1], parts[2]),
        format!("{}.{}.{}==", parts[0], parts[1], parts[2]),
        format!("{}.{}.{}\n", parts[0], parts[1], parts[2]),
        format!(" {good}"),
        format!("{}.{} .{}", parts[0], parts[1], parts[2]),
        format!("{good}.x"),
        format!("{}.{}", parts[0], parts[1]),
        "..".to_owned(),
        String::new(),
        format!("{}.{}.+/+/", parts[0], parts[1]),
        format!("{}.{}.{}.{}.{}", parts[0], parts[1], parts[1], parts[1], parts[2]),
        json!({"payload": parts[1], "signature": parts[2]}).to_string(),
    ] {
        corpus.add(format!("shape {}", token.chars().take(12).collect::<String>()), token, Err(Malformed));
    }
    let not_text = format!("{}.{}.{}", parts[0], encoded(b"{\"sub\":\"\xff\"}"), parts[2]);
    corpus.add("not UTF-8", not_text, Err(Malformed));
    let other = encoded(claims(json!({"sub": "bob"})).to_string());
    let zeros = |length: usize| encoded(vec![0; length]);
    for (name, token) in [
        ("another payload", format!("{}.{other}.{}", parts[0], parts[2])),
        ("no signature", format!("{}.{}.", parts[0], parts[1])),
        ("a short signature", format!("{}.{}.{}", parts[0], parts[1], &parts[2][..100])),
        ("an RSA signature of zeros", format!("{}.{}.{}", parts[0], parts[1], zeros(256))),
    ] {
        corpus.add(name, token, Err(Signature));
    }
    for (algorithm, kid) in [("ES256", "ec"), ("EdDSA", "ed")] {
        let head = encoded(json!({"alg": algorithm, "kid": kid}).to_string());
        corpus.add(
            format!("{algorithm}, zeros"),
            format!("{head}.{}.{}", parts[1], zeros(64)),
            Err(Signature),
        );
    }
    let der = corpus.ours.es256_der(r#"{"alg":"ES256","kid":"ec"}"#, &body);
    corpus.add("ES256 in the other encoding", der, Err(Signature));
    let long = corpus.ours.rs256(&head, &claims(json!({"more": "x".repeat(6_000)})).to_string());
    corpus.add("8 KiB and more", long, Err(TooLong));
}

#[tokio::test]
async fn every_token_of_the_corpus_gets_its_verdict() {
    let routing = routing(&json!({}));
    let ours = Issuer::new();
    publish(&routing, &ours.jwks());
    let mut corpus = Corpus { ours, theirs: Issuer::new(), cases: Vec::new() };
    good(&mut corpus);
    algorithms(&mut corpus);
    key_choice(&mut corpus);
    meaning(&mut corpus);
    shape(&mut corpus);
    assert!(corpus.cases.len() >= 120, "{}", corpus.cases.len());
    let mut wrong = Vec::new();
    for (name, token, expected) in &corpus.cases {
        // The second time from what is remembered, if anything is.
        for _ in 0..2 {
            let given = verdict(&routing, token).await;
            if given != *expected {
                wrong.push(format!("{name}: {given:?}, expected {expected:?}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test]
async fn an_algorithm_that_the_document_leaves_out_is_refused() {
    let routing = routing(&json!({"algorithms": ["ES256"]}));
    let issuer = Issuer::new();
    publish(&routing, &issuer.jwks());
    let body = claims(json!({})).to_string();
    let rs = issuer.rs256(&header(json!({})).to_string(), &body);
    assert_eq!(verdict(&routing, &rs).await, Err(TokenError::Algorithm));
    let es = issuer.es256(r#"{"alg":"ES256","kid":"ec"}"#, &body);
    assert_eq!(verdict(&routing, &es).await, ALICE.map(str::to_owned));
}

#[tokio::test]
async fn a_token_that_was_good_is_refused_once_its_key_is_withdrawn_or_its_time_is_over() {
    let routing = routing(&json!({}));
    let issuer = Issuer::new();
    publish(&routing, &issuer.jwks());
    let token = issuer.rs256(&header(json!({})).to_string(), &claims(json!({})).to_string());
    assert_eq!(verdict(&routing, &token).await, ALICE.map(str::to_owned));
    let verifier = routing.tokens().unwrap();
    let at = async |seconds: u64| {
        verifier.verify(KeyHash::of(token.as_bytes()), token.as_bytes(), seconds * 1_000).await
    };
    assert!(at(NOW + 359).await.is_ok());
    assert_eq!(at(NOW + 360).await.map(|_| ()), Err(TokenError::Expired));
    assert!(at(NOW).await.is_ok());
    publish(&routing, &Issuer::new().jwks());
    assert_eq!(
        verdict(&routing, &token).await,
        Err(TokenError::Signature),
        "the name is there, the key is another"
    );
}

#[tokio::test]
async fn what_is_remembered_is_bounded_and_goes_by_the_whole_token() {
    let routing = routing(&json!({}));
    let issuer = Issuer::new();
    publish(&routing, &issuer.jwks());
    let verifier = routing.tokens().unwrap();
    let head = r#"{"alg":"EdDSA","kid":"ed"}"#;
    let good = issuer.eddsa(head, &claims(json!({})).to_string());
    assert!(verdict(&routing, &good).await.is_ok());
    // The same beginning, another end.
    let (start, _) = good.split_at(good.len() - 8);
    assert_eq!(verdict(&routing, &format!("{start}AAAAAAAA")).await, Err(TokenError::Signature));
    for number in 0..9_000 {
        let token = issuer.eddsa(head, &claims(json!({"sub": format!("u{number}")})).to_string());
        assert!(verdict(&routing, &token).await.is_ok());
    }
    assert!(verifier.known.len() <= 8_192, "{}", verifier.known.len());
    assert!(verdict(&routing, &good).await.is_ok(), "forgotten, and found good again");
}

#[tokio::test]
async fn claims_name_the_team_and_narrow_the_models_and_must_be_there() {
    let routing = routing(&json!({
        "models": ["small"],
        "claims": {"name": "email", "team": "department", "models": "ai_models"},
    }));
    let issuer = Issuer::new();
    publish(&routing, &issuer.jwks());
    let (small, large) = (routing.model_named("small").unwrap(), routing.model_named("large").unwrap());
    let verify = async |more: Value| {
        let token = issuer.rs256(&header(json!({})).to_string(), &claims(more).to_string());
        let verifier = routing.tokens().unwrap();
        verifier.verify(KeyHash::of(token.as_bytes()), token.as_bytes(), NOW * 1_000).await
    };
    let full = json!({"email": "a@acme.example", "department": "search", "ai_models": ["small", "large", "unknown"]});
    let identity = verify(full.clone()).await.unwrap();
    assert_eq!(identity.key.name.as_str(), "jwt:a@acme.example");
    assert_eq!(identity.team.as_ref().map(TeamName::as_str), Some("search"));
    assert!(identity.key.allows(small) && !identity.key.allows(large), "never more than the document says");
    let mut none = full.clone();
    none["ai_models"] = json!([]);
    assert!(!verify(none).await.unwrap().key.allows(small));
    for (name, value) in [
        ("email", json!(1)),
        ("department", json!("a b")),
        ("department", json!(null)),
        ("ai_models", json!([1])),
    ] {
        let mut broken = full.clone();
        broken[name] = value;
        assert_eq!(verify(broken).await.map(|_| ()), Err(TokenError::Claims), "{name}");
    }
    for name in ["email", "department", "ai_models"] {
        let mut broken = full.clone();
        broken.as_object_mut().unwrap().remove(name);
        assert_eq!(verify(broken).await.map(|_| ()), Err(TokenError::Claims), "{name}");
    }
}

#[tokio::test]
async fn keys_that_cannot_be_used_are_left_out_one_by_one() {
    let issuer = Issuer::new();
    let rsa = issuer.jwks()["keys"][0].clone();
    let with = |name: &str, value: Value| {
        let mut key = rsa.clone();
        key[name] = value;
        json!({"keys": [key]}).to_string()
    };
    assert!(Keys::read(json!({"keys": [rsa]}).to_string().as_bytes()).is_ok());
    for keys in [
        with("alg", json!("RS512")),
        with("use", json!("enc")),
        with("key_ops", json!(["sign"])),
        with("n", json!("AQAB")),
        with("n", json!("!!")),
        with("e", json!("")),
        with("kty", json!("oct")),
        with("kid", json!("k".repeat(257))),
        json!({"keys": []}).to_string(),
        json!({"keys": vec![rsa.clone(); 65]}).to_string(),
        "{}".to_owned(),
        "nonsense".to_owned(),
    ] {
        assert!(Keys::read(keys.as_bytes()).is_err(), "{keys}");
    }
}
