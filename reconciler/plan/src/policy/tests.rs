use super::*;

use serde_json::json;

fn one(text: &str) -> Vec<(String, String)> {
    vec![("policies/a.rego".to_owned(), text.to_owned())]
}

fn denials(text: &str, input: &Value) -> Result<Vec<Denial>, PolicyError> {
    Policies::compile(&one(text))?.evaluate(input)
}

/// The policies of this repository.
fn shipped() -> Vec<(String, String)> {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../policies");
    let mut files = Vec::new();
    for folder in [root.clone(), root.join("tests")] {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|extension| extension == "rego") {
                let name = path.file_name().unwrap().to_str().unwrap().to_owned();
                files.push((name, std::fs::read_to_string(&path).unwrap()));
            }
        }
    }
    files.sort();
    files
}

#[test]
fn a_denial_names_its_package_and_says_why() {
    let text = "package moorline.a\n\ndeny contains m if {\n\tinput.n > 1\n\tm := \"too many\"\n}\n";
    let denial = Denial { rule: "moorline.a".to_owned(), message: "too many".to_owned() };
    assert_eq!(denials(text, &json!({"n": 2})).unwrap(), [denial]);
    assert_eq!(denials(text, &json!({"n": 1})).unwrap(), []);
    assert_eq!(denials(text, &json!({})).unwrap(), []);
}

#[test]
fn what_does_not_compile_is_refused_with_file_and_line() {
    let error =
        denials("package moorline.a\n\ndeny contains m if {\n\tm := (1\n}\n", &json!({})).unwrap_err();
    let PolicyError::Compile { file, line, problem } = error else { panic!("{error:?}") };
    assert_eq!((file.as_str(), line), ("policies/a.rego", 4));
    assert!(!problem.is_empty() && !problem.contains('\n'), "{problem}");
}

#[test]
fn a_name_that_does_not_exist_refuses() {
    let text = "package moorline.a\n\ndeny contains m if {\n\tm := no_such(1)\n}\n";
    assert!(denials(text, &json!({})).is_err());
    let text = "package moorline.a\n\ndeny contains m if {\n\tinput.x == y\n\tm := \"x\"\n}\n";
    assert!(denials(text, &json!({})).is_err());
}

#[test]
fn a_package_that_nobody_asks_is_refused() {
    let error = denials("package acme.a\n\ndeny contains \"x\" if true\n", &json!({})).unwrap_err();
    assert!(matches!(&error, PolicyError::Package { package, .. } if package == "acme.a"), "{error}");
}

#[test]
fn an_answer_that_is_no_set_of_texts_refuses() {
    for rule in ["deny := true", "deny contains 7 if true", "deny := [\"x\"]", "deny if true"] {
        let error = denials(&format!("package moorline.a\n\n{rule}\n"), &json!({})).unwrap_err();
        assert!(matches!(error, PolicyError::Answer { .. }), "{rule}: {error}");
    }
}

#[test]
fn a_failing_builtin_refuses_instead_of_passing() {
    let text = "package moorline.a\n\ndeny contains m if {\n\tto_number(input.n) > 1\n\tm := \"x\"\n}\n";
    assert!(matches!(denials(text, &json!({"n": "seven"})), Err(PolicyError::Evaluation { .. })));
}

#[test]
fn a_rule_without_end_is_stopped() {
    let text = "package moorline.a\n\nn := numbers.range(1, 4000)\n\ndeny contains m if {\n\tsome i in n\n\
        \tsome j in n\n\tsome k in n\n\ti * j * k == -1\n\tm := \"x\"\n}\n";
    assert!(matches!(denials(text, &json!({})), Err(PolicyError::Evaluation { .. })));
}

#[test]
fn the_network_cannot_be_asked() {
    let text = "package moorline.a\n\ndeny contains m if {\n\tr := http.send({\"method\": \"get\", \"url\": \"http://127.0.0.1:1\"})\n\
        \tm := r.body\n}\n";
    assert!(denials(text, &json!({})).is_err());
}

#[test]
fn test_rules_run_and_one_that_does_not_hold_fails() {
    let files = vec![
        ("a.rego".to_owned(), "package moorline.a\n\ndeny contains \"x\" if input.bad\n".to_owned()),
        (
            "a_test.rego".to_owned(),
            "package moorline.a_test\n\nimport data.moorline.a\n\n\
             test_bad_is_denied if count(a.deny) == 1 with input as {\"bad\": true}\n\n\
             test_wrong if count(a.deny) == 1 with input as {\"bad\": false}\n"
                .to_owned(),
        ),
    ];
    let results: Vec<_> =
        test_policies(&files).unwrap().into_iter().map(|test| (test.name, test.passed)).collect();
    assert_eq!(
        results,
        [
            ("moorline.a_test.test_bad_is_denied".to_owned(), true),
            ("moorline.a_test.test_wrong".to_owned(), false),
        ]
    );
}

#[test]
fn the_tests_of_the_shipped_policies_hold() {
    let tests = test_policies(&shipped()).unwrap();
    let failed: Vec<_> = tests.iter().filter(|test| !test.passed).collect();
    assert!(failed.is_empty(), "{failed:#?}");
    assert!(tests.len() >= 19, "only {} tests ran", tests.len());
}

#[test]
fn each_shipped_rule_can_deny_and_can_pass() {
    let policies = Policies::compile(&shipped()).unwrap();
    let bad = json!({
        "environment": "prod",
        "document": {
            "providers": {"a": {"kind": "openai"}, "b": {"kind": "openai", "api_key": "env:B", "base_url": "http://b.example.com"}},
            "routes": [{"path": "/v1/*"}],
            "keys": [{"name": "search", "sha256": "00"}],
        },
        "plan": {"changes": [{"address": "openai_gateway.main", "resource_type": "openai_gateway", "action": "replace"}]},
    });
    let rules: Vec<_> = policies.evaluate(&bad).unwrap().into_iter().map(|denial| denial.rule).collect();
    assert_eq!(
        rules,
        [
            "moorline.limits",
            "moorline.limits",
            "moorline.protected",
            "moorline.providers",
            "moorline.providers"
        ]
    );
    let good = json!({
        "environment": "prod",
        "document": {
            "providers": {"a": {"kind": "openai", "api_key": "env:A"}},
            "routes": [{"path": "/v1/*", "limits": [{"requests": 1, "window": "1s"}]}],
            "keys": [{"name": "search", "sha256": "00", "limits": [{"budget": 1.0, "window": "1d"}]}],
        },
        "plan": {"changes": [{"address": "openai_gateway.main", "resource_type": "openai_gateway", "action": "update"}]},
    });
    assert_eq!(policies.evaluate(&good).unwrap(), []);
    assert_eq!(
        policies.evaluate(&json!({"environment": "prod", "document": null, "plan": null})).unwrap(),
        []
    );
}

#[test]
fn the_input_is_what_the_readme_says() {
    let desired = crate::sample::declared("c2", &json!({}));
    let plan = crate::sample::plan("c2", &[("aws_lb.main", moorline_model::plan::Action::Replace)]);
    let input = policy_input(&desired, Some(&plan), desired.document.config(), crate::sample::now());
    let names: Vec<_> = input.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(names, ["author", "commit", "document", "environment", "now", "plan"]);
    let denials = Policies::compile(&shipped()).unwrap().evaluate(&input).unwrap();
    assert_eq!(denials[0].message, "the plan would replace aws_lb.main");
}
