//! No field of a caller's, at any depth and on any endpoint, chooses where its request goes.

use moorline_gateway::routing::Operation;
use serde_json::{Value, json};

use super::caller::{client, finish};
use super::gateway::{Gateway, KEY, UPSTREAM_KEY, document};
use super::provider::Provider;

/// Names by which gateways have let callers choose an upstream, or its key.
const NAMES: [&str; 20] = [
    "api_base",
    "base_url",
    "baseUrl",
    "api_url",
    "url",
    "host",
    "endpoint",
    "user_config",
    "provider",
    "custom_host",
    "target",
    "target_url",
    "upstream",
    "proxy",
    "api_key",
    "config",
    "router",
    "model_list",
    "fallbacks",
    "extra_headers",
];

/// Headers that have done so.
const HEADERS: [&str; 14] = [
    "x-portkey-custom-host",
    "x-portkey-config",
    "x-portkey-provider",
    "helicone-target-url",
    "helicone-openai-api-base",
    "x-litellm-api-base",
    "x-base-url",
    "x-upstream-host",
    "x-forwarded-host",
    "x-original-host",
    "x-original-url",
    "x-rewrite-url",
    "x-moorline-upstream",
    "forwarded",
];

/// The name at the top of a body, deep inside it, and in every place that clients know for such things.
fn planted(body: &Value, name: &str, url: &str) -> Vec<Value> {
    let mut bodies = Vec::new();
    let wish = json!({name: url, "deeper": [{name: url, "litellm_params": {name: url}}]});
    for place in
        [None, Some("metadata"), Some("extra_body"), Some("user_config"), Some("config"), Some("options")]
    {
        let mut body = body.clone();
        match place {
            None => body[name] = json!(url),
            Some(place) => body[place] = wish.clone(),
        }
        bodies.push(body);
    }
    bodies
}

fn body_of(operation: Operation) -> Value {
    match operation {
        Operation::Embeddings | Operation::Moderations | Operation::Speech => {
            json!({"model": "m", "input": "x", "voice": "a"})
        }
        Operation::Rerank => json!({"model": "m", "query": "x", "documents": ["a"]}),
        Operation::Images | Operation::Completions => json!({"model": "m", "prompt": "x"}),
        Operation::Responses => json!({"model": "m", "input": "x"}),
        _ => json!({"model": "m", "max_tokens": 5, "messages": [{"role": "user", "content": "x"}]}),
    }
}

#[tokio::test]
async fn no_name_at_any_depth_on_any_endpoint_leads_elsewhere() {
    let (provider, elsewhere) = (Provider::start().await, Provider::start().await);
    let gateway = Gateway::start(&document(&provider));
    let client = client();
    let host = elsewhere.address.to_string();
    let ask = async |operation: Operation, query: &str, header: Option<&str>, body: &Value| {
        let url = gateway.url(&format!("{}{query}", operation.path()));
        let mut request = client.post(url).bearer_auth(KEY).header("content-type", "application/json");
        if let Some(name) = header {
            request = request.header(name, &host).header(format!("{name}-key"), "x");
        }
        finish(request.body(body.to_string())).await.status
    };
    let mut asked = 0;
    for operation in Operation::ALL {
        let body = body_of(operation);
        for name in NAMES {
            for body in planted(&body, name, &elsewhere.base_url()) {
                ask(operation, "", None, &body).await;
                asked += 1;
            }
            ask(operation, &format!("?{name}={}", elsewhere.base_url()), None, &body).await;
        }
        for name in HEADERS {
            ask(operation, "", Some(name), &body).await;
        }
    }
    assert!(asked > 1_000, "{asked}");
    assert_eq!(elsewhere.requests_left().await, 0, "nobody came");
    let reached = provider.requests_left().await;
    assert!(reached > 500, "{reached}");
    for _ in 0..reached {
        let seen = provider.request().await;
        assert_eq!(seen.header("host"), Some(provider.address.to_string().as_str()));
        assert_eq!(seen.header("authorization"), Some(format!("Bearer {UPSTREAM_KEY}").as_str()));
        let head_ends = seen.head.lines().next().unwrap().ends_with(" HTTP/1.1");
        assert!(head_ends && !seen.head.contains(&host) && !seen.head.contains(KEY), "{}", seen.head);
    }
}
