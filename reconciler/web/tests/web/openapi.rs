//! The description of the API is what is served: every answer is valid by the schema that its endpoint names.

use std::collections::BTreeSet;

use moorline_model::environment::EnvironmentState;
use moorline_model::intent::Outcome;
use moorline_record::IntentId;
use moorline_web::{Access, routes};
use reqwest::Method;
use serde_json::{Value, json};

use crate::console::poisoned;
use crate::rig::{Rig, name, now};

/// A type a line: its name, then those of its fields and its words.
const NAMES: &str = include_str!("names.txt");

/// An environment of which everything is known.
fn busy() -> EnvironmentState {
    let mut state = poisoned("text");
    let deployed = json!({
        "revision": state.head, "digest": format!("sha256:{}", "1".repeat(64)), "terraform_tree": "abc", "at": now(),
    });
    state.applied = serde_json::from_value(deployed).unwrap();
    state.verified = state.applied.clone();
    state.plan = state.rollout.as_ref().and_then(|rollout| rollout.terraform.clone());
    state.lanes = serde_json::from_value(json!({
        "gateway": {"compared_at": now(), "trouble": "text", "failure": {"class": "waiting", "on": "text"}},
        "terraform": {},
    }))
    .unwrap();
    state.last_checked = serde_json::from_value(json!({ "gateway": now() })).unwrap();
    state
}

async fn description(rig: &Rig) -> Value {
    rig.request(Method::GET, "/api/v1/openapi.json").send().await.unwrap().json().await.unwrap()
}

/// What is wrong with an answer by the description; nothing: it is as described.
fn wrong(description: &Value, method: &Method, path: &str, status: u16, body: &Value) -> Vec<String> {
    let operation = &description["paths"][path][method.as_str().to_lowercase()];
    let mut answer = &operation["responses"][status.to_string()];
    if let Some(reference) = answer["$ref"].as_str() {
        answer = description.pointer(reference.trim_start_matches('#')).unwrap();
    }
    let Some((_, content)) = answer["content"].as_object().and_then(|kinds| kinds.iter().next()) else {
        return vec![format!("{method} {path} does not say that it answers {status}")];
    };
    let mut schema = content["schema"].clone();
    schema["components"] = closed(description["components"].clone());
    let validator = jsonschema::draft202012::new(&schema).unwrap();
    validator.iter_errors(body).map(|error| format!("{}: {error}", error.instance_path())).collect()
}

/// The same schemas, which allow no field that they do not name: what is served and not described is wrong too.
fn closed(mut schemas: Value) -> Value {
    fn close(schema: &mut Value) {
        match schema {
            Value::Object(fields) => {
                fields.values_mut().for_each(close);
                let has_fields = fields.get("properties").is_some_and(Value::is_object);
                if has_fields && fields.get("type") == Some(&json!("object")) && !is_part(fields) {
                    fields.entry("unevaluatedProperties").or_insert(json!(false));
                }
            }
            Value::Array(all) => all.iter_mut().for_each(close),
            _ => {}
        }
    }
    // A variant of a tagged enum may stand flattened beside the fields of others.
    fn is_part(fields: &serde_json::Map<String, Value>) -> bool {
        let tag = |field: &Value| field.get("const").is_some();
        fields["properties"].as_object().unwrap().values().any(tag)
    }
    close(&mut schemas);
    schemas
}

#[tokio::test]
async fn what_is_served_is_described_and_the_reverse() {
    let rig = Rig::start().await;
    let description = description(&rig).await;
    let described: BTreeSet<(String, String)> = description["paths"]
        .as_object()
        .unwrap()
        .iter()
        .flat_map(|(path, methods)| {
            methods.as_object().unwrap().keys().map(|method| (method.to_uppercase(), path.clone()))
        })
        .collect();
    let served: BTreeSet<(String, String)> = routes()
        .into_iter()
        .filter(|(_, path, _)| path.starts_with("/api/"))
        .map(|(method, path, _)| (method.to_string(), path.to_owned()))
        .collect();
    assert_eq!(described, served);
    let text = description.to_string();
    for (reference, _) in text.match_indices("\"#/") {
        let pointer = text[reference + 2..].split('"').next().unwrap();
        assert!(description.pointer(pointer).is_some(), "{pointer} leads nowhere");
    }
    for (method, path, access) in routes().into_iter().filter(|(_, path, _)| path.starts_with("/api/")) {
        let security = &description["paths"][path][method.as_str().to_lowercase()]["security"];
        let session = security.as_array().unwrap().iter().any(|scheme| scheme.get("session").is_some());
        assert_eq!(session, access == Access::Viewer, "{path}");
        assert_eq!(security == &json!([]), access == Access::Open, "{path}");
    }
}

#[tokio::test]
async fn a_name_that_scripts_read_does_not_change_with_the_code() {
    let rig = Rig::start().await;
    let description = description(&rig).await;
    let schemas = description["components"]["schemas"].as_object().unwrap();
    let lines = schemas.iter().filter_map(|(name, schema)| {
        let names: Vec<_> = names(schema).into_iter().collect();
        (!names.is_empty()).then(|| format!("{name}: {}\n", names.join(", ")))
    });
    let names: String = lines.collect();
    assert!(names == NAMES, "names.txt does not say:\n{names}");
}

/// The fields and words of a schema, and of what stands in it without a name of its own.
fn names(schema: &Value) -> BTreeSet<String> {
    let Some(keywords) = schema.as_object() else {
        return schema.as_array().into_iter().flatten().flat_map(names).collect();
    };
    let mut found = BTreeSet::new();
    for (keyword, value) in keywords {
        match (keyword.as_str(), value) {
            ("properties", Value::Object(fields)) => {
                found.extend(fields.keys().cloned());
                found.extend(fields.values().flat_map(names));
            }
            ("const", word) => found.extend(word.as_str().map(|word| format!("`{word}`"))),
            ("enum", Value::Array(words)) => {
                found.extend(words.iter().filter_map(Value::as_str).map(|word| format!("`{word}`")));
            }
            _ => found.extend(names(value)),
        }
    }
    found
}

#[tokio::test]
async fn every_answer_is_valid_by_its_schema() {
    let rig = Rig::start().await;
    for state in [busy(), EnvironmentState::new(name("blank"))] {
        rig.commit(&state, &["began", "went on"]).await;
    }
    let description = description(&rig).await;
    let requested =
        rig.post("/api/v1/environments/prod/hold", "operator", &json!({"reason": "a test"})).await;
    let requested: Value = requested.json().await.unwrap();
    let intent = requested["intent"].as_u64().unwrap();
    let document = rig
        .request(Method::PUT, "/api/v1/environments/prod/document")
        .bearer_auth("document-prod")
        .header("moorline-origin", "terraform")
        .json(&json!({"version": 1, "name": "prod"}))
        .send();
    assert_eq!(document.await.unwrap().status(), 200);
    apply_intent(&rig, intent).await;
    let mut seen = BTreeSet::new();
    for (method, path, _) in routes().into_iter().filter(|(_, path, _)| path.starts_with("/api/v1/")) {
        for environment in ["prod", "blank", "nowhere"] {
            let (body, address) =
                (body_of(path), path.replace("{name}", environment).replace("{id}", &intent.to_string()));
            let request = rig.request(method.clone(), &address).bearer_auth("admin");
            let request = request.header("moorline-origin", "terraform");
            let request = if method == Method::GET { request } else { request.json(&body) };
            let answer = request.send().await.unwrap();
            let status = answer.status().as_u16();
            if answer.headers()["content-type"] == "text/event-stream" {
                continue;
            }
            let body = answer.json().await.unwrap();
            seen.insert((path, status));
            assert_eq!(wrong(&description, &method, path, status, &body), Vec::<String>::new(), "{body:#}");
        }
        let unsigned = rig.request(method.clone(), path).send().await.unwrap();
        if unsigned.status() == 401 {
            let body = unsigned.json().await.unwrap();
            assert_eq!(wrong(&description, &method, path, 401, &body), Vec::<String>::new());
        }
    }
    let good = seen.iter().filter(|(_, status)| *status < 300).count();
    assert!(good > 10, "too few were answered with what they are for: {seen:?}");
    let mut broken: Value = json!({"environments": [], "surplus": 1});
    let path = "/api/v1/environments";
    assert_eq!(wrong(&description, &Method::GET, path, 200, &broken).len(), 1, "a field too many is found");
    broken = json!({"environments": [{"name": "prod"}]});
    assert!(!wrong(&description, &Method::GET, path, 200, &broken).is_empty(), "a field too few is found");
}

async fn apply_intent(rig: &Rig, intent: u64) {
    let state = busy();
    let outcome = Outcome::Waits {
        message: "noted".to_owned(),
        gate: "hold".to_owned(),
        rollout: state.rollout.as_ref().map(|rollout| rollout.id),
    };
    rig.apply_intent(&state, IntentId(intent), outcome).await;
}

/// A body with which a route does what it is for.
fn body_of(path: &str) -> Value {
    let digest = format!("sha256:{}", "1".repeat(64));
    match path.rsplit('/').next().unwrap() {
        "document" => json!({"version": 1, "name": "prod"}),
        "approve" => json!({"digest": digest}),
        "adopt" => json!({"found": {"http://10.0.1.10:8788": digest}}),
        _ => json!({"reason": "a test"}),
    }
}
