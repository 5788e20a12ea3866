//! The reference pages (`docs/reference`) say what the schemas say, and their examples are read by the programs.

#![expect(clippy::unwrap_used, clippy::panic, reason = "in tests a panic is the report")]

use std::path::{Path, PathBuf};

use moorline_config::{Config, Source};
use moorline_model::bootstrap::Bootstrap;
use moorline_model::declaration::Declaration;
use moorline_notify::KINDS;
use moorline_tests::reference::Page;
use serde_json::Value;

/// How the pages are made anew.
const ANEW: &str = "UPDATE_REFERENCE=1 cargo test --workspace --locked --test reference";

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/reference")
}

/// Holds a page against the file, or writes it.
fn keep(file: &str, about: &str, schema: &Value, sample: &str, read: impl FnOnce(&str) -> Value) {
    let path = format!("examples/{sample}");
    let example = read(&std::fs::read_to_string(folder().join(&path)).unwrap());
    let schema_name = schema["$id"].as_str().unwrap().rsplit(':').next().unwrap();
    let intro = format!(
        "<!-- Written by tests/tests/reference.rs from the JSON Schema. Do not edit it: {ANEW} -->\n\n\
         {about}\n\n\
         `moorline schema {schema_name}` prints the JSON Schema, for editors and for what a table cannot say: which fields need \
         or exclude each other. A document with every field: [{sample}]({path}), from which the examples are taken. A path \
         with `[]` is of each entry of a list, `NAME` is a key of a map, and a type that may be absent may also be `null`."
    );
    let page = Page { title: sample, intro: &intro, schema, example: &example };
    let page = page.write().unwrap_or_else(|lacking| {
        panic!("docs/reference/{path} has no example of {}: add one", lacking.join(", "))
    });
    let place = folder().join(file);
    if std::env::var_os("UPDATE_REFERENCE").is_some() {
        std::fs::write(place, page).unwrap();
        return;
    }
    let kept = std::fs::read_to_string(place).unwrap_or_default();
    let differs = page.lines().zip(kept.lines().chain(std::iter::repeat(""))).find(|(new, old)| new != old);
    assert!(page == kept, "docs/reference/{file} is not what the schema says any more ({differs:?}): {ANEW}");
}

#[test]
fn the_page_of_the_declaration_is_current() {
    let about = "What the daemon reads at the root of the watched repository. A change applies with its commit, without a restart.";
    keep("moorline.yaml.md", about, &Declaration::schema(&KINDS), "moorline.yaml", |text| {
        let decoded = Declaration::decode("moorline.yaml", text, &KINDS).unwrap();
        serde_json::to_value(decoded.document).unwrap()
    });
}

#[test]
fn the_page_of_the_daemons_settings_is_current() {
    let about = "How the daemon is started: `moorline daemon --config moorlined.yaml`. A change applies when the daemon starts again.";
    keep("moorlined.yaml.md", about, &Bootstrap::schema(), "moorlined.yaml", |text| {
        serde_json::to_value(Bootstrap::parse(&[Source { name: "moorlined.yaml", text }]).unwrap()).unwrap()
    });
}

#[test]
fn the_page_of_the_gateway_document_is_current() {
    let about = "What a gateway serves: `gateway.yaml`. A change applies when the gateway takes the document, without a restart.";
    keep("gateway.md", about, &moorline_config::schema::gateway(), "gateway.yaml", |text| {
        Config::parse(&[Source { name: "gateway.yaml", text }]).unwrap().value().clone()
    });
}
