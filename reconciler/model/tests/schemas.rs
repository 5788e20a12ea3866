//! The schemas of `moorline.yaml` and `moorlined.yaml` refuse what reading refuses, as far as JSON Schema can say it,
//! and nothing else.

#![expect(clippy::unwrap_used, clippy::panic, reason = "what a test needs and does not get is its report")]

#[path = "../../../gateway/config/src/schema/tests/edit.rs"]
mod edit;

use jsonschema::Validator;
use moorline_config::Source;
use moorline_model::bootstrap::Bootstrap;
use moorline_model::config::check::Problem;
use moorline_model::declaration::{ChannelKind, Declaration};
use proptest::prelude::*;
use proptest::sample::Index;
use serde_json::{Value, json};

use self::edit::edited;

/// A kind of document: its schema, and how it is read.
struct Kind {
    validator: Validator,
    is_refused: fn(&str) -> bool,
}

/// Kinds of channels, as the crate that sends has them; there is no crate that sends here.
const KINDS: [ChannelKind; 2] = [kind_of_channel("slack"), kind_of_channel("relay")];

const fn kind_of_channel(name: &'static str) -> ChannelKind {
    ChannelKind {
        name,
        schema: || {
            json!({
                "title": "Line", "description": "A line.", "type": "object", "required": ["to"],
                "properties": {"to": {"type": "string", "description": "Whom."}},
            })
        },
        check: |settings| {
            let is_fine = settings["to"].is_string();
            let problem = || Problem { path: "to".to_owned(), problem: "expected text".to_owned() };
            if is_fine { Vec::new() } else { vec![problem()] }
        },
    }
}

fn repository() -> Kind {
    Kind {
        validator: jsonschema::validator_for(&Declaration::schema(&KINDS)).unwrap(),
        is_refused: |text| Declaration::decode("moorline.yaml", text, &KINDS).is_err(),
    }
}

fn daemon() -> Kind {
    Kind {
        validator: jsonschema::validator_for(&Bootstrap::schema()).unwrap(),
        is_refused: |text| Bootstrap::parse(&[Source { name: "moorlined.yaml", text }]).is_err(),
    }
}

impl Kind {
    fn assert_accepted(&self, document: &Value) {
        assert!(!(self.is_refused)(&document.to_string()), "reading refuses {document}");
        let mistakes: Vec<_> = self.validator.iter_errors(document).map(|error| error.to_string()).collect();
        assert_eq!(mistakes, Vec::<String>::new(), "{document}");
    }

    fn assert_refused(&self, good: &Value, pointer: &str, put: &Value) {
        let mut document = good.clone();
        *document.pointer_mut(pointer).unwrap_or_else(|| panic!("{pointer}")) = put.clone();
        assert!((self.is_refused)(&document.to_string()), "reading takes {put} at {pointer}");
        assert!(!self.validator.is_valid(&document), "the schema takes {put} at {pointer}");
    }
}

/// A declaration with everything in it.
fn declaration() -> Value {
    json!({
        "version": 1,
        "environments": [{
            "name": "prod",
            "gateway": {
                "document": ["gateway/base.yaml", "gateway/prod.yaml"],
                "endpoints": ["http://10.0.1.10:8788", "https://gateway.internal/"],
                "admin_token": "env:GATEWAY_ADMIN_TOKEN",
                "document_token": "file:/run/secrets/document",
            },
            "terraform": {
                "binary": "tofu",
                "directory": "infra",
                "workspace": "prod.eu-1",
                "var_files": ["environments/prod.tfvars"],
                "backend_config": {"bucket": "b"},
                "environment": {"TF_VAR_token": "env:T", "AWS_REGION": "env:R"},
                "allow": {"providers": ["hashicorp/aws"], "modules": ["./"], "backends": ["s3"]},
                "timeout": "30m",
                "protect": ["aws_vpc.*"],
                "deletion_share_max": "20%",
            },
            "aws": {"region": "us-east-1", "endpoint_url": "http://127.0.0.1:5000"},
            "schedule": {"plan": "0 */15 * * * *", "drift": "30s"},
            "drift": {"heal": ["gateway"], "ignore": [{
                "address": "a.b", "path": "c", "owner": "ann", "reason": "autoscaled", "expires": "2027-06-30",
            }]},
            "apply": {"auto": true, "approval": "required", "windows": [{"allow": "Mon-Fri 08:00-18:00 Europe/Berlin"}]},
            "rollout": {"strategy": "canary", "steps": [{"weight": "1%", "hold": "2m"}, {"weight": "50%", "hold": "5m"}]},
            "verify": {
                "window": "2m",
                "min_requests": 50,
                "probes": [{"model": "small", "prompt": "ping", "expect_status": 200, "key": "env:KEY"}],
                "limits": {"error_rate": "2%", "p99": "3s", "p99_increase": "25%", "cost_per_minute": 5.0, "model_failures": 3},
            },
            "rollback": {"automatic": true},
        }],
        "notifications": {
            "slack": {"to": "#a"},
            "channels": {"ops": {"relay": {"to": "b"}}},
            "routes": [
                {"to": "ops", "environments": ["prod", "pr*"], "lanes": ["aws"], "severity": "warning"},
                {"to": "slack"},
            ],
        },
        "policies": ["policies/"],
    })
}

fn settings() -> Value {
    json!({
        "repository": {
            "url": "https://github.com/acme/deploy.git",
            "branch": "main",
            "poll": "30s",
            "token": "env:GIT_TOKEN",
            "webhook_secret": "env:HOOK_SECRET",
            "signatures": "none",
        },
        "store": "sqlite:/var/lib/moorline/moorline.db",
        "work_dir": "/var/lib/moorline",
        "listen": "127.0.0.1:8080",
        "public_url": "https://moorline.example.com",
        "tokens": {"admin": "env:ADMIN", "operator": "env:OPERATOR", "viewer": "env:VIEWER"},
        "terraform": {"mirror": "/srv/mirror"},
    })
}

fn linear() -> Value {
    json!({"strategy": "linear", "step_weight": "5%", "max_weight": "50%", "hold": "1m"})
}

#[test]
fn good_documents_are_good_to_both() {
    let repository = repository();
    repository.assert_accepted(&declaration());
    repository.assert_accepted(&Declaration::schema(&KINDS)["examples"][0]);
    let mut in_hcl = declaration();
    in_hcl["environments"][0]["gateway"]["document"] = json!({"terraform": "module.g.openai_gateway.this"});
    in_hcl["environments"][0]["rollout"] = json!({});
    in_hcl["environments"][0]["verify"]["min_requests"] = json!(0);
    repository.assert_accepted(&in_hcl);
    in_hcl["environments"][0]["rollout"] = linear();
    repository.assert_accepted(&in_hcl);
    for schedule in
        ["5m", "0 0 3 * * Mon-Fri", "0 0 3 1,15 JAN-MAR ? 2027", "@daily", "0,30 5-10/2 23 ? 12 7"]
    {
        let mut document = declaration();
        document["environments"][0]["schedule"]["plan"] = json!(schedule);
        repository.assert_accepted(&document);
    }
    for window in ["Sun 02:00-04:00 UTC", "Fri-Mon 00:00-23:59:59 America/New_York"] {
        let mut document = declaration();
        document["environments"][0]["apply"]["windows"][0]["allow"] = json!(window);
        repository.assert_accepted(&document);
    }
    let daemon = daemon();
    daemon.assert_accepted(&settings());
    daemon.assert_accepted(&Bootstrap::schema()["examples"][0]);
    for url in ["/srv/deploy.git", "git@example.com:acme/deploy.git", "ssh://git@x/deploy", "file:///srv/x"] {
        let mut document = settings();
        document["repository"]["url"] = json!(url);
        daemon.assert_accepted(&document);
    }
}

#[test]
fn bad_declarations_are_bad_to_both() {
    let (kind, good) = (repository(), declaration());
    let mistakes = [
        ("/version", json!(2)),
        ("/environments", json!([])),
        ("/environments/0/name", json!("pröd")),
        ("/environments/0/gateway/document", json!([])),
        ("/environments/0/gateway/document/0", json!("../gateway.yaml")),
        ("/environments/0/gateway/document/0", json!("/etc/gateway.yaml")),
        ("/environments/0/gateway/document", json!({"terraform": "aws_vpc.main"})),
        ("/environments/0/gateway/endpoints", json!([])),
        ("/environments/0/gateway/endpoints/0", json!("10.0.1.10:8788")),
        ("/environments/0/gateway/endpoints/0", json!("ftp://10.0.1.10")),
        ("/environments/0/gateway/endpoints/0", json!("http://10.0.1.10:8788/admin/v1")),
        ("/environments/0/gateway/endpoints/0", json!("http://10.0.1.10:8788?x=1")),
        ("/environments/0/gateway/endpoints/0", json!("http://me:secret@10.0.1.10:8788")),
        ("/environments/0/gateway/endpoints", json!({"ecs": {"cluster": "c", "service": "s", "port": 8788}})),
        ("/environments/0/gateway/admin_token", json!("swordfish")),
        ("/environments/0/gateway/admin_token", json!("ssm:/token")),
        ("/environments/0/terraform/environment", json!({"A": "vault:a#b"})),
        ("/environments/0/terraform/binary", json!("-x")),
        ("/environments/0/terraform/binary", json!("terragrunt")),
        ("/environments/0/terraform/binary", json!("/opt/bin/terragrunt")),
        ("/environments/0/terraform/workspace", json!("a b")),
        ("/environments/0/terraform/environment", json!({"TF_LOG": "env:X"})),
        ("/environments/0/terraform/environment", json!({"PATH": "env:X"})),
        ("/environments/0/terraform/deletion_share_max", json!("120%")),
        ("/environments/0/aws/endpoint_url", json!("ftp://x")),
        ("/environments/0/schedule/drift", json!("0s")),
        ("/environments/0/schedule/drift", json!("soon")),
        ("/environments/0/schedule/drift", json!("* * *")),
        ("/environments/0/schedule/drift", json!("61 * * * * *")),
        ("/environments/0/schedule/drift", json!("0 0 25 * * *")),
        ("/environments/0/drift/heal", json!(["cloud"])),
        ("/environments/0/drift/ignore/0/expires", json!("never")),
        ("/environments/0/apply/approval", json!("maybe")),
        ("/environments/0/apply/windows/0/allow", json!("weekdays")),
        ("/environments/0/apply/windows/0/allow", json!("Mon-Fri 08:00-18:00")),
        ("/environments/0/rollout/steps", json!([])),
        ("/environments/0/rollout/strategy", json!("all_at_once")),
        ("/environments/0/rollout", json!({"strategy": "blue_green"})),
        ("/environments/0/rollout", json!({"strategy": "linear", "step_weight": "5%", "hold": "1m"})),
        ("/environments/0/rollout", json!({"strategy": "canary", "hold": "1m"})),
        ("/environments/0/rollout/steps/0/weight", json!("0%")),
        ("/environments/0/rollout/steps/0/weight", json!("0.001%")),
        ("/environments/0/verify", json!({"min_requests": 0})),
        ("/environments/0/verify/window", json!("fast")),
        ("/environments/0/verify/probes/0/expect_status", json!(20)),
        ("/environments/0/verify/limits/cost_per_minute", json!(-1)),
        ("/environments/0/verify/limits/error_rate", json!(2)),
        ("/notifications/slack", json!({})),
        ("/notifications/slack", json!([])),
        ("/notifications/channels/ops", json!({})),
        ("/notifications/channels/ops", json!({"rely": {"to": "b"}})),
        ("/notifications/channels/ops", json!({"relay": {"to": "b"}, "slack": {"to": "b"}})),
        ("/notifications/channels/ops/relay", json!({"to": 5})),
        ("/notifications/channels", json!({"o/ps": {"relay": {"to": "b"}}})),
        ("/notifications/routes/0/to", json!("a/b")),
        ("/notifications/routes/0/environments", json!([])),
        ("/notifications/routes/0/environments/0", json!("*prod")),
        ("/notifications/routes/0/lanes", json!(["cloud"])),
        ("/notifications/routes/0/severity", json!("bad")),
        ("/policies/0", json!("../policies")),
        ("/policies", json!("policies")),
    ];
    for (pointer, put) in mistakes {
        kind.assert_refused(&good, pointer, &put);
    }
}

/// The words of each `enum` and `oneOf` in a schema.
fn choices(schema: &Value, into: &mut Vec<Vec<String>>) {
    let word = |choice: &Value| choice.get("const").unwrap_or(choice).as_str().map(str::to_owned);
    for choices in ["enum", "oneOf"].iter().filter_map(|key| schema.get(key)?.as_array()) {
        let words: Vec<String> = choices.iter().filter_map(word).collect();
        if !words.is_empty() {
            into.push(words);
        }
    }
    schema.as_object().into_iter().flatten().for_each(|(_, below)| choices(below, into));
    schema.as_array().into_iter().flatten().for_each(|below| choices(below, into));
}

/// The pointers of all texts in a document.
fn texts(value: &Value, at: &str, into: &mut Vec<(String, String)>) {
    match value {
        Value::String(text) => into.push((at.to_owned(), text.clone())),
        Value::Array(all) => {
            all.iter().enumerate().for_each(|(index, below)| texts(below, &format!("{at}/{index}"), into));
        }
        Value::Object(all) => {
            all.iter().for_each(|(name, below)| texts(below, &format!("{at}/{name}"), into));
        }
        _ => {}
    }
}

#[test]
fn what_the_schema_offers_is_served() {
    let mut with_linear = declaration();
    with_linear["environments"][0]["rollout"] = linear();
    let mut plain = declaration();
    plain["environments"][0]["rollout"] = json!({"strategy": "all_at_once"});
    let kinds = [
        (repository(), Declaration::schema(&KINDS), vec![declaration(), with_linear, plain]),
        (daemon(), Bootstrap::schema(), vec![settings()]),
    ];
    for (kind, schema, documents) in kinds {
        let mut offered = Vec::new();
        choices(&schema, &mut offered);
        for words in offered {
            for word in &words {
                let mut is_served = false;
                for document in &documents {
                    let mut places = Vec::new();
                    texts(document, "", &mut places);
                    for (pointer, _) in places.iter().filter(|(_, text)| words.contains(text)) {
                        let mut changed = document.clone();
                        *changed.pointer_mut(pointer).unwrap() = json!(word);
                        if kind.validator.is_valid(&changed) {
                            assert!(
                                !(kind.is_refused)(&changed.to_string()),
                                "{word} at {pointer} is not served"
                            );
                            is_served = true;
                        }
                    }
                }
                assert!(is_served, "the schema offers {word} and no document could have it");
            }
        }
    }
}

#[test]
fn bad_settings_are_bad_to_both() {
    let (kind, good) = (daemon(), settings());
    let mistakes = [
        ("/repository/url", json!("")),
        ("/repository/url", json!("gopher://x/deploy.git")),
        ("/repository/url", json!("deploy.git")),
        ("/repository/poll", json!("often")),
        ("/repository/token", json!("ghp_secret")),
        ("/repository/token", json!("secretsmanager:git")),
        ("/repository/signatures", json!("some")),
        ("/store", json!("postgres://x/y")),
        ("/store", json!("sqlite:")),
        ("/work_dir", json!("")),
        ("/listen", json!("8080")),
        ("/listen", json!("127.0.0.1:http")),
        ("/public_url", json!("moorline.example.com")),
        ("/public_url", json!("ftp://moorline.example.com")),
        ("/tokens/admin", json!("hunter2")),
        ("/tokens", json!({"root": "env:X"})),
        ("/terraform/mirror", json!(5)),
    ];
    for (pointer, put) in mistakes {
        kind.assert_refused(&good, pointer, &put);
    }
}

#[test]
fn every_field_says_when_a_change_of_it_is_in_force() {
    fn walk(schema: &Value, applies: &str, seen: &mut usize) {
        let fields =
            schema.get("properties").and_then(Value::as_object).filter(|_| schema.get("type").is_some());
        for (name, field) in fields.into_iter().flatten() {
            assert_eq!(field.get("x-moorline-applies"), Some(&json!(applies)), "{name}");
            *seen += 1;
        }
        for below in schema.as_object().into_iter().flatten().map(|(_, below)| below) {
            walk(below, applies, seen);
        }
        schema.as_array().into_iter().flatten().for_each(|below| walk(below, applies, seen));
    }
    for (schema, applies, name) in
        [(Declaration::schema(&KINDS), "live", "repository"), (Bootstrap::schema(), "restart", "daemon")]
    {
        let mut seen = 0;
        walk(&schema, applies, &mut seen);
        assert!(seen > 10, "{seen}");
        assert_eq!(schema["$id"], json!(format!("urn:moorline:{}:{name}", env!("CARGO_PKG_VERSION"))));
    }
}

fn scalar() -> impl Strategy<Value = Value> {
    prop_oneof![
        "[0-9]{0,3}(\\.[0-9]{0,3})?(ms|s|m|h|d|%)?".prop_map(Value::from),
        "(https?://|/|sqlite:)?[a-z0-9.:/]{0,12}".prop_map(Value::from),
        "(env|file|ssm|vault|secretsmanager):[/#A-Za-z0-9_]{0,8}".prop_map(Value::from),
        "(Mon|Sun|Wed)(-Fri)? [012][0-9](:[0-5][0-9])?-2[0-3]:[0-5][0-9] (UTC|Europe/Berlin)"
            .prop_map(Value::from),
        "[0-9*/]{1,4}( [0-9*/,?-]{1,4}){5}".prop_map(Value::from),
        "20[0-9]{2}-[01][0-9]-[0-3][0-9]".prop_map(Value::from),
        any::<u16>().prop_map(Value::from),
        (0.0..20.0f64).prop_map(Value::from),
        any::<bool>().prop_map(Value::from),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]
    #[test]
    fn what_reading_accepts_the_schemas_accept(edit in any::<Index>(), put in scalar()) {
        thread_local!(static KINDS: [(Kind, Value); 2] = [(repository(), declaration()), (daemon(), settings())]);
        KINDS.with(|kinds| {
            for (kind, good) in kinds {
                let document = edited(good, &edit, &put);
                let is_fine = kind.validator.is_valid(&document) || (kind.is_refused)(&document.to_string());
                prop_assert!(is_fine, "{put}: {document}");
            }
            Ok(())
        })?;
    }
}
