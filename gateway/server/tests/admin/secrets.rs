//! Secrets in stores and files: looked up when a document comes, and again while it serves.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::json;

use crate::emulator::Emulator;
use crate::harness::{Gateway, Home, TOKEN, git, in_time, problem, ready, until};
use crate::provider::{CALLER, Provider, ask};
use crate::vault::{VAULT_TOKEN, Vault};

/// Asks until the provider is given this key.
async fn until_used(gateway: &Gateway, provider: &Provider, model: &str, key: &str) {
    let http = reqwest::Client::new();
    in_time(async {
        loop {
            assert_eq!(ask(&http, gateway, model).await, 200);
            if provider.keys().last().is_some_and(|used| used == key) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await;
}

/// Everything a gateway says of itself.
async fn told(gateway: &Gateway) -> String {
    let mut told = gateway.log();
    for path in ["/admin/v1/status", "/admin/v1/config", "/admin/v1/stats", "/metrics"] {
        told += &gateway.raw("GET", path).send().await.unwrap().text().await.unwrap();
    }
    told
}

fn assert_untold(told: &str) {
    for secret in ["marker-value", VAULT_TOKEN, TOKEN, CALLER] {
        let line = told.lines().find(|line| line.contains(secret));
        assert_eq!(line, None, "{secret} is told");
    }
}

#[tokio::test]
async fn every_store_is_asked_and_each_value_travels_to_its_provider() {
    let (provider, vault, aws) = (Provider::start().await, Vault::start().await, Emulator::shared());
    aws.create_secret("every/plain", "marker-value-plain").await;
    aws.create_secret("every/json", r#"{"api_key": "marker-value-json", "other": "x"}"#).await;
    aws.put_parameter("/every/parameter", "marker-value-parameter").await;
    vault.put("kv", "every/store", json!({"api_key": "marker-value-vault", "other": "x"}));
    let home = Home::new();
    home.write("key", "marker-value-file\n");
    let file = format!("file:{}", home.path("key").display());
    let references = [
        ("plain", "secretsmanager:every/plain"),
        ("json", "secretsmanager:every/json#api_key"),
        ("parameter", "ssm:/every/parameter"),
        ("vault", "vault:kv/every/store#api_key"),
        ("file", file.as_str()),
    ];
    let gateway = home.start_in(&[aws.environment(), vault.environment()].concat(), &[]).await;
    gateway.client.put_config(&provider.document(&references), &git("c1")).await.unwrap();
    let http = reqwest::Client::new();
    for (name, reference) in references {
        assert_eq!(ask(&http, &gateway, name).await, 200);
        assert_eq!(provider.keys().last().unwrap(), &format!("marker-value-{name}"), "{reference}");
    }
    assert_untold(&told(&gateway).await);
}

#[tokio::test]
async fn what_has_no_value_is_named_with_its_cause() {
    let (provider, vault, aws) = (Provider::start().await, Vault::start().await, Emulator::shared());
    aws.create_secret("cause/text", "marker-value-1").await;
    vault.put("kv", "cause", json!({"key": "marker-value-2"}));
    vault.put("kv", "cause/deleted", json!(null));
    let home = Home::new();
    let gateway = home.start_in(&[aws.environment(), vault.environment()].concat(), &[]).await;
    let nothing = "nothing of this name";
    let cases = [
        ("a", "secretsmanager:cause/none", nothing),
        ("b", "secretsmanager:cause/text#key", "no JSON object with this key"),
        ("c", "ssm:/cause/none", nothing),
        ("d", "vault:kv/cause/none#key", nothing),
        ("e", "vault:kv/cause#none", "no JSON object with this key"),
        ("f", "vault:kv/cause/deleted#key", nothing),
        ("g", "vault:kv#key", "expected vault:MOUNT/PATH#KEY"),
        ("h", "vault:kv/../sys/seal#key", "`..` segments"),
    ];
    let references: Vec<_> = cases.iter().map(|(name, reference, _)| (*name, *reference)).collect();
    let error = gateway.client.put_config(&provider.document(&references), &git("c1")).await.unwrap_err();
    let told_of = error.problem().unwrap().clone();
    assert_eq!((told_of.status, told_of.mistakes.len()), (422, cases.len()), "{told_of:?}");
    for ((name, reference, cause), mistake) in cases.iter().zip(&told_of.mistakes) {
        assert_eq!(mistake.path, format!("providers.{name}.api_key"));
        assert!(mistake.problem.contains(reference) && mistake.problem.contains(cause), "{mistake}");
    }
    // A wrong token is refused by Vault; a sealed one says nothing about the document.
    let document = provider.document(&[("a", "vault:kv/cause#key")]);
    let environment = [("VAULT_ADDR", vault.environment()[0].1.clone()), ("VAULT_TOKEN", "wrong".to_owned())];
    let stranger = Home::new().start_in(&environment, &[]).await;
    let (status, _, _) = problem(stranger.client.put_config(&document, &git("c1")).await);
    assert_eq!(status, 422);
    vault.seal(true);
    let (status, kind, detail) = problem(gateway.client.put_config(&document, &git("c1")).await);
    assert_eq!((status, kind.as_str()), (503, "unavailable"), "{detail}");
    vault.seal(false);
    gateway.client.put_config(&document, &git("c1")).await.unwrap();
    assert_untold(&told(&gateway).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_that_is_rotated_under_load_fails_no_request_and_is_used_from_then_on() {
    let (provider, aws) = (Arc::new(Provider::start().await), Emulator::shared());
    aws.create_secret("rotated/key", "marker-value-1").await;
    let home = Home::new();
    let gateway = Arc::new(home.start_in(&aws.environment(), &["--secrets-refresh", "200ms"]).await);
    let document = provider.document(&[("m", "secretsmanager:rotated/key")]);
    let before = gateway.client.put_config(&document, &git("c1")).await.unwrap().stable.unwrap();
    let stop = Arc::new(AtomicBool::new(false));
    let callers: Vec<_> = (0..8)
        .map(|_| {
            let (gateway, stop, http) = (Arc::clone(&gateway), Arc::clone(&stop), reqwest::Client::new());
            #[expect(clippy::disallowed_methods, reason = "they are waited for below")]
            tokio::spawn(async move {
                let mut asked = 0;
                while !stop.load(Ordering::Relaxed) {
                    assert_eq!(ask(&http, &gateway, "m").await, 200);
                    asked += 1;
                }
                asked
            })
        })
        .collect();
    for number in 2..=4 {
        let key = format!("marker-value-{number}");
        aws.change_secret("rotated/key", &key).await;
        in_time(async {
            while provider.keys().last() != Some(&key) {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        })
        .await;
    }
    stop.store(true, Ordering::Relaxed);
    let mut asked = 0;
    for caller in callers {
        asked += in_time(caller).await.unwrap();
    }
    let keys = provider.keys();
    assert_eq!(keys.len(), asked);
    // Requests under way keep theirs; the next one of each caller has the new one.
    for number in 2..=4 {
        let first = keys.iter().position(|key| *key == format!("marker-value-{number}")).unwrap();
        let older = |key: &&String| ***key < *format!("marker-value-{number}");
        assert!(keys[first..].iter().filter(older).count() <= 8, "{keys:?}");
    }
    let status = gateway.client.status().await.unwrap();
    assert_eq!((status.stable.as_ref(), status.stale_secrets.len()), (Some(&before), 0));
    let stats = gateway.client.stats(before.generation, None).await.unwrap();
    assert_eq!(stats.total.requests as usize, asked, "counted as one generation");
    assert_untold(&told(&gateway).await);
}

#[tokio::test]
async fn a_secret_in_a_file_is_used_as_soon_as_it_is_replaced() {
    let (provider, home) = (Provider::start().await, Home::new());
    home.write("key", "marker-value-1");
    let gateway = home.start(&[]).await;
    let reference = format!("file:{}", home.path("key").display());
    gateway.client.put_config(&provider.document(&[("m", &reference)]), &git("c1")).await.unwrap();
    until_used(&gateway, &provider, "m", "marker-value-1").await;
    home.write("key", "marker-value-2");
    until_used(&gateway, &provider, "m", "marker-value-2").await;
    std::fs::remove_file(home.path("key")).unwrap();
    let status = until(&gateway, |status| !status.stale_secrets.is_empty()).await;
    assert!(
        status.stale_secrets[0].reference == reference && status.stale_secrets[0].problem.contains("file")
    );
    until_used(&gateway, &provider, "m", "marker-value-2").await;
    home.write("key", "marker-value-3");
    until_used(&gateway, &provider, "m", "marker-value-3").await;
    assert!(until(&gateway, |status| status.stale_secrets.is_empty()).await.stable.is_some());
    assert_untold(&told(&gateway).await);
}

#[tokio::test]
async fn a_store_that_is_down_stops_nothing_that_serves_and_is_told_once() {
    let (provider, vault, home) = (Provider::start().await, Vault::start().await, Home::new());
    vault.put("kv", "down", json!({"key": "marker-value-1"}));
    let gateway = home.start_in(&vault.environment(), &["--secrets-refresh", "100ms"]).await;
    gateway.client.put_config(&provider.document(&[("m", "vault:kv/down#key")]), &git("c1")).await.unwrap();
    vault.seal(true);
    until(&gateway, |status| !status.stale_secrets.is_empty()).await;
    let metric = async |name: &str| {
        let page = gateway.raw("GET", "/metrics").send().await.unwrap().text().await.unwrap();
        let line = page.lines().find_map(|line| line.strip_prefix(&format!("moorline_gateway_{name} ")));
        line.unwrap().parse::<f64>().unwrap()
    };
    in_time(async {
        while metric("secret_refresh_failures_total").await < 3.0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
    assert_eq!(metric("secrets_stale").await, 1.0);
    until_used(&gateway, &provider, "m", "marker-value-1").await;
    assert_eq!(gateway.log().matches("cannot be looked up again").count(), 1, "{}", gateway.log());
    vault.put("kv", "down", json!({"key": "marker-value-2"}));
    vault.seal(false);
    until_used(&gateway, &provider, "m", "marker-value-2").await;
    assert_eq!(metric("secrets_stale").await, 0.0);
    assert_untold(&told(&gateway).await);
}

#[tokio::test]
async fn a_gateway_that_starts_while_its_store_is_down_waits_for_it_and_then_serves() {
    let (provider, vault, home) = (Provider::start().await, Vault::start().await, Home::new());
    vault.put("kv", "boot", json!({"key": "marker-value-1"}));
    let document = provider.document(&[("m", "vault:kv/boot#key")]);
    home.write("gateway.yaml", &document.to_string());
    let path = home.path("gateway.yaml");
    // Once with a document that Git wrote and the state directory kept, once with a file and nothing kept.
    let kept = home.start_in(&vault.environment(), &[]).await;
    let written = kept.client.put_config(&document, &git("c1")).await.unwrap().stable;
    kept.killed().await;
    vault.seal(true);
    let fresh = Home::new();
    let waiting = [
        home.start_in(&vault.environment(), &[]).await,
        fresh.start_in(&vault.environment(), &["--config", path.to_str().unwrap()]).await,
    ];
    let http = reqwest::Client::new();
    for gateway in &waiting {
        let status = gateway.client.status().await.unwrap();
        assert_eq!((status.stable, status.rejected.len()), (None, 1));
        assert!(
            status.rejected[0].mistakes[0].problem.contains("vault:kv/boot#key"),
            "{:?}",
            status.rejected
        );
        assert_eq!((ready(gateway).await, ask(&http, gateway, "m").await), (503, 503));
    }
    vault.seal(false);
    for gateway in &waiting {
        let status = until(gateway, |status| status.stable.is_some()).await;
        assert_eq!((status.rejected.len(), ready(gateway).await), (0, 200));
        assert_eq!(ask(&http, gateway, "m").await, 200);
        assert_untold(&told(gateway).await);
    }
    let (is, was) = (waiting[0].client.status().await.unwrap().stable.unwrap(), written.unwrap());
    assert_eq!((is.digest, is.generation, is.origin), (was.digest, was.generation, was.origin));
}
