//! The description of the admin API is what is served: every answer is valid by the schema that its endpoint names.

#![expect(clippy::unwrap_used, reason = "in tests a panic is the report, also in what they share")]

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::harness::{Gateway, Home, document};

/// What is wrong with an answer by the description; nothing: it is as described.
fn wrong(description: &Value, method: &str, path: &str, status: u16, body: &Value) -> Vec<String> {
    let mut answer = &description["paths"][path][method.to_lowercase()]["responses"][status.to_string()];
    if let Some(reference) = answer["$ref"].as_str() {
        answer = description.pointer(reference.trim_start_matches('#')).unwrap();
    }
    let Some((_, content)) = answer["content"].as_object().and_then(|kinds| kinds.iter().next()) else {
        return vec![format!("{method} {path} does not say that it answers {status}")];
    };
    let mut schema = content["schema"].clone();
    schema["components"] = description["components"].clone();
    let validator = jsonschema::draft202012::new(&schema).unwrap();
    validator.iter_errors(body).map(|error| format!("{}: {error}", error.instance_path())).collect()
}

async fn asked(gateway: &Gateway, method: &str, path: &str, body: Option<&Value>) -> (u16, Value) {
    let request = gateway.raw(method, path).header("moorline-origin", "git").header("moorline-commit", "c1");
    let request = match body {
        Some(body) => request.json(body),
        None => request,
    };
    let answer = request.send().await.unwrap();
    let status = answer.status().as_u16();
    (status, answer.json().await.unwrap())
}

#[tokio::test]
async fn every_answer_of_the_admin_api_is_valid_by_its_schema() {
    let home = Home::new();
    let gateway = home.start(&[]).await;
    let (_, description) = asked(&gateway, "GET", "/admin/v1/openapi.json", None).await;
    let described: BTreeSet<(String, String)> = description["paths"]
        .as_object()
        .unwrap()
        .iter()
        .flat_map(|(path, methods)| {
            methods.as_object().unwrap().keys().map(|method| (method.to_uppercase(), path.clone()))
        })
        .collect();
    let served = moorline_gateway::admin::routes();
    let served: BTreeSet<_> =
        served.into_iter().map(|(method, path)| (method.to_string(), path.to_owned())).collect();
    assert_eq!(described, served);
    assert!(description["components"]["schemas"]["Event"].is_object());

    let unsigned =
        reqwest::Client::new().get(format!("{}/admin/v1/status", gateway.admin)).send().await.unwrap();
    let (status, body) = (unsigned.status().as_u16(), unsigned.json().await.unwrap());
    assert_eq!(wrong(&description, "GET", "/admin/v1/status", status, &body), Vec::<String>::new());

    let (new, share) = (document("b"), json!({"weight": "10%"}));
    let broken = json!({"version": 1, "name": "b", "models": {"m": {"targets": 7}}});
    let calls: [(&str, &str, Option<&Value>, u16); 19] = [
        ("GET", "/admin/v1/config", None, 404),
        ("GET", "/admin/v1/stats", None, 404),
        ("POST", "/admin/v1/candidate/promote", None, 404),
        ("PUT", "/admin/v1/config", Some(&broken), 422),
        ("PUT", "/admin/v1/config", Some(&document("a")), 200),
        ("GET", "/admin/v1/config", None, 200),
        ("POST", "/admin/v1/config/validate", Some(&broken), 200),
        ("POST", "/admin/v1/config/validate", Some(&new), 200),
        ("POST", "/admin/v1/config/plan", Some(&new), 200),
        ("PUT", "/admin/v1/candidate", Some(&new), 200),
        ("PATCH", "/admin/v1/candidate", Some(&share), 200),
        ("PATCH", "/admin/v1/candidate", Some(&json!({"weight": 7})), 400),
        ("GET", "/admin/v1/status", None, 200),
        ("POST", "/admin/v1/candidate/promote", None, 200),
        ("DELETE", "/admin/v1/candidate", None, 200),
        ("GET", "/admin/v1/stats", None, 200),
        ("GET", "/admin/v1/failures", None, 400),
        ("GET", "/admin/v1/openapi.json", None, 200),
        ("POST", "/admin/v1/drain", None, 200),
    ];
    for (method, path, body, expected) in calls {
        let (status, answer) = asked(&gateway, method, path, body).await;
        assert_eq!(status, expected, "{method} {path}: {answer:#}");
        assert_eq!(wrong(&description, method, path, status, &answer), Vec::<String>::new(), "{answer:#}");
    }
    let few = wrong(&description, "GET", "/admin/v1/status", 200, &json!({"instance": "a"}));
    assert!(!few.is_empty(), "a field too few is found");
}
