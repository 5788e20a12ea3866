//! A provider's key is seen at its own origin and nowhere else, whatever the document and whatever goes wrong.

use std::collections::BTreeMap;

use moorline_gateway::routing::Operation;
use serde_json::{Value, json};

use super::caller::{client, finish};
use super::gateway::{Gateway, KEY, own_secret};
use super::provider::{Provider, Step, answer, failing, ok_json};
use sha2::{Digest as _, Sha256};

/// Providers of every kind and proof, and the variables whose values only they may see.
const PROVIDERS: [(&str, &[&str]); 8] = [
    ("openai", &["OWN_OPENAI"]),
    ("compatible", &["OWN_COMPATIBLE"]),
    ("anthropic", &["OWN_ANTHROPIC"]),
    ("azure", &["OWN_AZURE"]),
    // Its client secret goes to its authority; what it shows is the authority's token.
    ("principal", &[]),
    // Signs with its secret key, which goes nowhere.
    ("bedrock", &["OWN_BEDROCK_ID", "OWN_BEDROCK_SESSION"]),
    ("gemini", &["OWN_GEMINI"]),
    ("cohere", &["OWN_COHERE"]),
];
const AUTHORITY: (&str, &[&str]) = ("authority", &["OWN_PRINCIPAL"]);
const NOBODY_S: [&str; 1] = ["OWN_BEDROCK_SECRET"];
const TOKEN: &str = "sk-entra-access-token";

fn declared(name: &str, at: &BTreeMap<&str, Provider>) -> Value {
    let url = |name: &str| format!("http://{}", at[name].address);
    match name {
        "openai" => json!({"kind": "openai", "api_key": "env:OWN_OPENAI", "base_url": url(name)}),
        "compatible" => {
            json!({"kind": "openai_compatible", "api_key": "env:OWN_COMPATIBLE", "base_url": url(name)})
        }
        "anthropic" => json!({"kind": "anthropic", "api_key": "env:OWN_ANTHROPIC", "base_url": url(name)}),
        "azure" => json!({"kind": "azure_openai", "api_key": "env:OWN_AZURE", "base_url": url(name)}),
        "principal" => json!({
            "kind": "azure_openai", "base_url": url(name), "api_version": "2024-10-21",
            "entra": {"tenant_id": "t", "client_id": "c", "client_secret": "env:OWN_PRINCIPAL", "authority": url("authority")},
        }),
        "bedrock" => json!({
            "kind": "bedrock", "region": "eu-central-1", "base_url": url(name),
            "aws": {"access_key_id": "env:OWN_BEDROCK_ID", "secret_access_key": "env:OWN_BEDROCK_SECRET", "session_token": "env:OWN_BEDROCK_SESSION"},
        }),
        "gemini" => json!({"kind": "gemini", "api_key": "env:OWN_GEMINI", "base_url": url(name)}),
        _ => json!({"kind": "cohere", "api_key": "env:OWN_COHERE", "base_url": url(name)}),
    }
}

/// A small generator: the same numbers in each run.
struct Drawn(u64);

impl Drawn {
    fn below(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % sides
    }

    fn provider(&mut self) -> &'static str {
        PROVIDERS[self.below(PROVIDERS.len())].0
    }
}

/// Models whose targets and fallbacks are drawn, at providers of all kinds.
fn document(drawn: &mut Drawn, at: &BTreeMap<&str, Provider>) -> Value {
    let providers: serde_json::Map<String, Value> =
        PROVIDERS.iter().map(|(name, _)| ((*name).to_owned(), declared(name, at))).collect();
    let names = ["a", "b", "c"];
    let models: serde_json::Map<String, Value> = (0..names.len())
        .map(|index| {
            let targets: Vec<Value> = (0..=drawn.below(3))
                .map(|number| json!({"provider": drawn.provider(), "model": format!("there-{number}")}))
                .collect();
            // Circles are refused.
            let model =
                json!({"targets": targets, "fallback": &names[index + 1..], "breaker": {"failures": 1000}});
            (names[index].to_owned(), model)
        })
        .collect();
    json!({
        "version": 1, "name": "test", "providers": providers, "models": models,
        "routes": [{"path": "/v1/*", "retry": {"attempts": 1 + drawn.below(2), "backoff": "1ms"}}],
        "keys": [{"name": "caller", "sha256": hex::encode(Sha256::digest(KEY))}],
    })
}

/// How a provider answers: well, badly, or by sending us to another one.
fn script(drawn: &mut Drawn, at: &BTreeMap<&str, Provider>) -> Vec<Step> {
    let elsewhere = format!("http://{}/v1/chat/completions", at[drawn.provider()].address);
    match drawn.below(8) {
        0 | 1 => ok_json(),
        2 => failing([400, 404, 422][drawn.below(3)]),
        3 => failing([401, 403, 429][drawn.below(3)]),
        4 => failing([500, 503, 529][drawn.below(3)]),
        5 => answer(
            [301, 302, 303, 307, 308][drawn.below(5)],
            &[
                ("location", &elsewhere),
                ("alt-svc", "h2=\":443\""),
                ("refresh", &format!("0; url={elsewhere}")),
            ],
            b"",
        ),
        6 => vec![Step::Close],
        _ => vec![Step::Reset],
    }
}

fn body(operation: Operation, model: &str) -> Value {
    match operation {
        Operation::Messages | Operation::CountTokens => {
            json!({"model": model, "max_tokens": 9, "messages": [{"role": "user", "content": "x"}]})
        }
        Operation::Responses => json!({"model": model, "input": "x"}),
        Operation::Rerank => json!({"model": model, "query": "x", "documents": ["a"]}),
        Operation::Chat => json!({"model": model, "messages": [{"role": "user", "content": "x"}]}),
        _ => json!({"model": model, "input": "x", "prompt": "x", "voice": "v"}),
    }
}

/// Everything that came in at a place, as text.
async fn heard(provider: &Provider) -> Vec<String> {
    let mut all = Vec::new();
    while provider.requests_left().await > 0 {
        let seen = provider.request().await;
        all.push(format!("{}{}", seen.head, String::from_utf8_lossy(&seen.body)));
    }
    all
}

#[tokio::test]
async fn a_key_s_bytes_are_found_at_its_own_origin_only_over_all_providers_and_endpoints() {
    let mut at = BTreeMap::new();
    for (name, _) in PROVIDERS.iter().chain([&AUTHORITY]) {
        at.insert(*name, Provider::start().await);
    }
    let token = json!({"token_type": "Bearer", "access_token": TOKEN, "expires_in": 3600}).to_string();
    at["authority"].usually(answer(200, &[("content-type", "application/json")], token.as_bytes()));
    let secrets: Vec<(&str, String)> = PROVIDERS
        .iter()
        .chain([&AUTHORITY])
        .flat_map(|(name, variables)| variables.iter().map(|variable| (*name, own_secret(variable))))
        .chain(NOBODY_S.map(|variable| ("nobody", own_secret(variable))))
        .chain([("principal", TOKEN.to_owned())])
        .collect();
    let (mut drawn, mut own, mut answers) = (Drawn(7), BTreeMap::<&str, usize>::new(), String::new());
    let client = client();
    for _ in 0..24 {
        let gateway = Gateway::start(&document(&mut drawn, &at));
        for operation in Operation::ALL {
            for (name, _) in PROVIDERS {
                at[name].usually(script(&mut drawn, &at));
            }
            let elsewhere = at[drawn.provider()].address.to_string();
            let model = ["a", "b", "c"][drawn.below(3)];
            let request = client
                .post(gateway.url(operation.path()))
                .bearer_auth(KEY)
                .header("content-type", "application/json")
                .header("x-forwarded-host", &elsewhere)
                .header("anthropic-beta", "x");
            let reply = finish(request.body(body(operation, model).to_string())).await;
            answers += &format!("{:?}{}", reply.headers, reply.text());
        }
        drop(gateway);
        for (place, provider) in &at {
            for text in heard(provider).await {
                assert!(!text.contains(KEY), "the caller's key at {place}: {text}");
                for (owner, secret) in &secrets {
                    let is_here = text.contains(secret.as_str());
                    assert!(!is_here || owner == place, "{owner}'s secret at {place}: {text}");
                    *own.entry(owner).or_default() += usize::from(is_here);
                }
            }
        }
    }
    // It was looked for where it is: each was used, and the one that only signs was not sent.
    for (owner, _) in &secrets {
        assert_eq!(own[owner] > 0, *owner != "nobody", "{own:?}");
    }
    for (owner, secret) in &secrets {
        assert!(!answers.contains(secret.as_str()), "{owner}'s secret in an answer");
    }
}
