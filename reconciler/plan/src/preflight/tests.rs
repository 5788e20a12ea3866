use std::sync::Arc;

use super::*;

use moorline_model::config::Config;
use moorline_model::declaration::Declaration;
use serde_json::{Value, json};

fn document() -> Value {
    json!({
        "version": 1,
        "name": "g",
        "providers": {"p": {"kind": "openai_compatible", "base_url": "http://127.0.0.1:1/v1"}},
        "models": {
            "small": {"targets": [{"provider": "p", "model": "s"}]},
            "large": {"targets": [{"provider": "p", "model": "l"}]},
        },
        "routes": [{"path": "/v1/chat/*", "models": ["small"]}, {"path": "/v1/*"}],
        "keys": [{"name": "team", "sha256": "ab".repeat(32), "models": ["small"]}],
    })
}

fn environment(endpoint: &str, probe: &Value) -> Environment {
    let declaration = json!({"version": 1, "environments": [{
        "name": "dev",
        "gateway": {"document": ["g.yaml"], "endpoints": [endpoint], "admin_token": "env:A"},
        "verify": {"probes": [probe]},
    }]});
    let declaration = Declaration::parse("moorline.yaml", &declaration.to_string()).unwrap();
    declaration.environments.into_iter().next().unwrap()
}

fn parsed(document: &Value) -> Config {
    Config::from_value("gateway.yaml", document).unwrap()
}

/// What is told of a probe; the document is changed first.
fn problem(probe: &Value, change: impl FnOnce(&mut Value)) -> Vec<String> {
    let mut document = document();
    change(&mut document);
    let errors = errors(&environment("http://127.0.0.1:8788", probe), &parsed(&document));
    errors.into_iter().map(|found| format!("{}: {}", found.path, found.problem)).collect()
}

#[test]
fn a_probe_that_can_never_pass_is_told_with_its_cause() {
    let good = json!({"model": "small", "key": "env:K"});
    assert_eq!(problem(&good, |_| {}), Vec::<String>::new());
    type Change = fn(&mut Value);
    let nothing: Change = |_| {};
    let cases: [(Value, Change, &str, &str); 6] = [
        (json!({"model": "small"}), nothing, "probes[0].key", "sends no key"),
        (json!({"model": "smal", "key": "env:K"}), nothing, "probes[0].model", "no model `smal`"),
        (json!({"model": "large", "key": "env:K"}), nothing, "probes[0].model", "/v1/chat/* does not serve"),
        (good.clone(), |document| document["keys"] = json!([]), "probes[0].key", "declares no `keys`"),
        (good.clone(), |document| document["routes"] = json!([]), "probes[0].model", "no route"),
        (
            good.clone(),
            |document| document["keys"][0]["models"] = json!(["large"]),
            "probes[0].model",
            "no key of the gateway document may use `small`",
        ),
    ];
    for (probe, change, path, cause) in cases {
        let problem = problem(&probe, change).join("\n");
        assert!(problem.contains(path) && problem.contains(cause), "{probe}: {problem}");
    }
}

#[test]
fn a_probe_that_expects_its_refusal_passes() {
    assert!(problem(&json!({"model": "small", "expect_status": 401}), |_| {}).is_empty());
    assert!(problem(&json!({"model": "large", "key": "env:K", "expect_status": 404}), |_| {}).is_empty());
    assert_eq!(problem(&json!({"model": "large", "key": "env:K", "expect_status": 403}), |_| {}).len(), 1);
}

#[test]
fn tokens_of_an_identity_provider_may_be_a_probe_s_proof() {
    let with_tokens = |document: &mut Value| {
        document["keys"] = json!([]);
        document["auth"] = json!({"jwt": {
            "issuer": "https://id.example", "audience": "gateway", "jwks_url": "https://id.example/keys",
        }});
    };
    assert!(problem(&json!({"model": "small", "key": "env:TOKEN"}), with_tokens).is_empty());
    assert_eq!(problem(&json!({"model": "small"}), with_tokens).len(), 1);
}

#[test]
fn a_key_whose_value_is_known_is_looked_for_among_the_declared_ones() {
    let environment = environment("http://127.0.0.1:8788", &json!({"model": "small", "key": "env:K"}));
    let warnings = |document: &Value, hash: Option<&str>| {
        let known = |_: &Reference| hash.map(str::to_owned);
        let warnings = super::warnings(&environment, Some(&parsed(document)), None, &known);
        warnings.into_iter().map(|found| found.problem).collect::<Vec<_>>().join("\n")
    };
    assert_eq!(warnings(&document(), None), "");
    assert_eq!(warnings(&document(), Some(&"ab".repeat(32))), "");
    let unknown = warnings(&document(), Some(&"cd".repeat(32)));
    assert!(unknown.contains("env:K") && unknown.contains("is no key of the gateway document"), "{unknown}");
    let mut other = document();
    other["keys"][0]["models"] = json!(["large"]);
    let excluded = warnings(&other, Some(&"ab".repeat(32)));
    assert!(excluded.contains("the key `team`, which may not use `small`"), "{excluded}");
}

#[test]
fn ports_that_are_somebody_else_s_are_told() {
    let settings = "repository: {url: /srv/deploy.git}\nlisten: 127.0.0.1:8080";
    let source = moorline_model::config::Source { name: "moorlined.yaml", text: settings };
    let daemon = Bootstrap::parse(&[source]).unwrap();
    let warnings = |endpoint: &str| {
        let environment = environment(endpoint, &json!({"model": "small", "key": "env:K"}));
        let warnings = super::warnings(&environment, None, Some(&daemon), &|_| None);
        warnings.into_iter().map(|found| format!("{}: {}", found.path, found.problem)).collect::<String>()
    };
    assert_eq!(warnings("http://127.0.0.1:8788"), "");
    assert!(
        warnings("http://10.0.0.1:8787")
            .contains("gateway.endpoints[0]: 8787 is where gateways listen for callers")
    );
    assert!(warnings("http://127.0.0.1:8080").contains("where the daemon itself listens"));
}

#[test]
fn a_commit_whose_probe_can_never_pass_is_unfit_unless_terraform_may_bring_another_document() {
    let mut desired = crate::sample::declared("c1", &json!({}));
    let probe = json!({"model": "smal", "key": "env:K"});
    desired.environment = Arc::new(environment("http://127.0.0.1:8788", &probe));
    desired.document = crate::desired::DesiredDocument::Known(parsed(&document()));
    let problem = rejection(&desired.environment, &desired.document).unwrap();
    assert!(
        problem.starts_with("environment `dev`: verify.probes[0].model: this probe can never pass"),
        "{problem}"
    );
    let terraform = "openai_gateway.main".to_owned();
    Arc::make_mut(&mut desired.environment).gateway.document =
        moorline_model::declaration::Document::Terraform { terraform };
    assert_eq!(rejection(&desired.environment, &desired.document), None);
}
