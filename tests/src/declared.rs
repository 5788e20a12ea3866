//! The declared documents that tests start from, as JSON (which is YAML too), to be edited field by field.

use moorline_admin::{Origin, WriteOptions};
use moorline_config::Config;
use moorline_model::EnvironmentName;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

/// The environment of every test.
pub const ENVIRONMENT: &str = "test";
/// Its name, as the typed client takes it.
///
/// # Panics
/// Never: it is a name.
#[must_use]
pub fn environment() -> EnvironmentName {
    ENVIRONMENT.parse().unwrap()
}

/// The virtual key that callers show.
pub const CALLER_KEY: &str = "mk-caller-key-of-tests";

/// A gateway document: one model at one provider, behind one key.
#[must_use]
pub fn document(base_url: &str) -> Value {
    json!({
        "version": 1,
        "name": "ai-gateway-test",
        "providers": {
            "local": {"kind": "openai_compatible", "base_url": base_url, "api_key": "env:PROVIDER_KEY"},
        },
        "models": {"small": {"targets": [{"provider": "local", "model": "first"}]}},
        "routes": [{
            "path": "/v1/chat/*",
            "models": ["small"],
            "limits": [{"per": "key", "requests": 1_000_000, "window": "1h"}],
        }],
        "keys": [{"name": "caller", "sha256": caller_key_sha256()}],
    })
}

/// What is declared of [`CALLER_KEY`].
#[must_use]
pub fn caller_key_sha256() -> String {
    hex::encode(Sha256::digest(CALLER_KEY))
}

/// Makes every model's first target another model at the provider: the provider's answers then say so.
pub fn aim(document: &mut Value, model: &str) {
    document["models"]["small"]["targets"][0]["model"] = json!(model);
}

/// Points the document at a provider that nobody reaches.
pub fn break_provider(document: &mut Value) {
    // Port 1 on loopback: nobody listens there, and connecting fails at once.
    document["providers"]["local"]["base_url"] = json!("http://127.0.0.1:1/v1");
}

/// What a write of the reconciler's says of itself.
#[must_use]
pub fn written() -> WriteOptions {
    WriteOptions { origin: Some(Origin::Git), ..WriteOptions::default() }
}

/// A document's identity.
///
/// # Panics
/// When it is not valid.
#[must_use]
pub fn digest(document: &Value) -> String {
    Config::from_value("gateway.yaml", document).unwrap().digest().to_string()
}

/// A declaration: one environment whose document is a file, everything at once, verified by one probe.
#[must_use]
pub fn declaration(endpoints: &[&str]) -> Value {
    json!({
        "version": 1,
        "environments": [{
            "name": ENVIRONMENT,
            "gateway": {
                "document": ["gateway.yaml"],
                "endpoints": endpoints,
                "admin_token": "env:GATEWAY_TOKEN",
            },
            "schedule": {"drift": "300ms"},
            "drift": {"heal": ["gateway"]},
            "rollout": {"strategy": "all_at_once"},
            "verify": {
                "window": "500ms",
                "min_requests": 0,
                "probes": [{"model": "small", "prompt": "ping", "key": "env:CALLER_KEY"}],
            },
        }],
        "notifications": {
            "email": {"from": "Moorline <moorline@example.com>", "to": ["oncall@example.com"], "smtp": "env:SMTP_URL"},
        },
    })
}

/// Makes the environment roll out by a canary of two short steps.
pub fn canary(declaration: &mut Value) {
    declaration["environments"][0]["rollout"] = json!({
        "strategy": "canary",
        "steps": [{"weight": "10%", "hold": "300ms"}, {"weight": "50%", "hold": "300ms"}],
    });
}
