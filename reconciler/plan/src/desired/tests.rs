use super::*;

use serde_json::json;

use crate::sample::revision;

fn declaration(document: &Value) -> Declaration {
    let text = json!({"version": 1, "environments": [{
        "name": "prod",
        "gateway": {"document": document, "endpoints": ["http://a:1"], "admin_token": "env:T"},
        "terraform": {"directory": "infra"},
    }]});
    Declaration::parse("moorline.yaml", &text.to_string()).unwrap()
}

fn file(name: &str, text: &str) -> (String, String) {
    (name.to_owned(), text.to_owned())
}

#[test]
fn later_files_are_laid_over_earlier_ones() {
    let files = [
        file("base.yaml", "version: 1\nname: base\ntags: {A: one, B: two}\n"),
        file("prod.yaml", "name: prod\ntags: {B: three}\n"),
    ];
    let declaration = declaration(&json!(["base.yaml", "prod.yaml"]));
    let name = "prod".parse().unwrap();
    let desired = desired(revision("c1"), &name, &declaration, &files, None, Some("t".to_owned())).unwrap();
    let config = desired.document.config().unwrap();
    assert_eq!(config.value(), &json!({"version": 1, "name": "prod", "tags": {"A": "one", "B": "three"}}));
    assert_eq!(desired.terraform_tree.as_deref(), Some("t"));
}

#[test]
fn a_document_from_terraform_is_awaited_and_then_known() {
    let declaration = declaration(&json!({"terraform": "openai_gateway.main"}));
    let name = "prod".parse().unwrap();
    let with = |handed_over: Option<&Value>| {
        desired(revision("c1"), &name, &declaration, &[], handed_over, None).unwrap().document
    };
    assert_eq!(with(None), DesiredDocument::AwaitsTerraform);
    assert!(with(Some(&json!({"version": 1, "name": "prod"}))).config().is_some());
}

#[test]
fn every_mistake_of_the_document_is_named_with_its_file_and_line() {
    let files = [file("g.yaml", "version: 1\nname: prod\nkeyz: []\nproviders: {a: {kind: nope}}\n")];
    let name = "prod".parse().unwrap();
    let error =
        desired(revision("c1"), &name, &declaration(&json!(["g.yaml"])), &files, None, None).unwrap_err();
    let DesiredError::Document { mistakes, .. } = error else { panic!("{error}") };
    let lines: Vec<_> = mistakes.0.iter().map(|mistake| (mistake.file.as_str(), mistake.line)).collect();
    assert_eq!(lines, [("g.yaml", 3), ("g.yaml", 4)], "{mistakes}");
}

#[test]
fn an_unknown_environment_is_named_with_those_there_are() {
    let name = "prd".parse().unwrap();
    let error = desired(revision("c1"), &name, &declaration(&json!(["g"])), &[], None, None).unwrap_err();
    assert_eq!(error.to_string(), "moorline.yaml declares no environment `prd`: it has `prod`");
}
