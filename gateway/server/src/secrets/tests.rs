use std::fs::File;
use std::io::Write;

use jiff::Timestamp;
use moorline_config::Config;
use serde_json::json;

use super::held::Held;
use super::shelf::Shelf;
use super::*;

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(seconds).unwrap()
}

fn document(references: &[(&str, &str)]) -> Config {
    let providers: BTreeMap<&str, _> = references
        .iter()
        .map(|(name, reference)| (*name, json!({"kind": "openai", "api_key": reference})))
        .collect();
    Config::from_value("document", &json!({"version": 1, "name": "g", "providers": providers})).unwrap()
}

#[test]
fn every_reference_without_a_value_is_named_with_its_path_and_its_cause() {
    let config = document(&[
        ("a", "env:SET"),
        ("b", "env:UNSET"),
        ("c", "vault:kv/openai#key"),
        ("d", "file:/does/not/exist"),
        ("e", "ssm:/there"),
        ("f", "vault:kv/openai#key"),
    ]);
    let shelf = Shelf::default();
    shelf.put("ssm:/there", "marker-value");
    shelf.fail("vault:kv/openai#key", SecretError::Refused("Vault answers 403 Forbidden".to_owned()));
    let lacking = shelf.resolver().resolve("document", &config, &Held::default()).unwrap_err();
    let texts: Vec<String> = lacking.mistakes.iter().map(ToString::to_string).collect();
    assert_eq!((texts.len(), lacking.is_passing), (4, false), "{texts:?}");
    assert!(texts[0].contains("providers.b.api_key") && texts[0].contains("env:UNSET"), "{texts:?}");
    assert!(texts[1].contains("vault:kv/openai#key") && texts[1].contains("403"), "{texts:?}");
    assert!(texts[2].contains("file:/does/not/exist"), "{texts:?}");
    assert!(texts[3].contains("providers.f.api_key"), "{texts:?}");
    assert!(!texts.concat().contains("marker"));
}

#[test]
fn only_stores_that_cannot_be_heard_make_a_passing_lack() {
    let down = SecretError::Unreachable("down".to_owned());
    let shelf = Shelf::default();
    shelf.fail("ssm:/a", down.clone());
    let lacking = |references: &[(&str, &str)]| {
        shelf.resolver().resolve("document", &document(references), &Held::default()).unwrap_err().is_passing
    };
    assert!(lacking(&[("a", "ssm:/a"), ("b", "env:SET")]));
    assert!(!lacking(&[("a", "ssm:/a"), ("b", "env:UNSET")]));
}

#[test]
fn a_later_value_is_never_replaced_by_one_that_was_asked_for_before_it() {
    let held = Held::default();
    let reference: Reference = "ssm:/a".parse().unwrap();
    let found = |value: &str| Found::from([(reference.clone(), Ok(Secret::new(value.to_owned())))]);
    held.renew(&found("later"), at(2));
    held.renew(&found("earlier"), at(1));
    let now = || held.resolved(&BTreeSet::from([reference.clone()])).unwrap().get(&reference).unwrap();
    assert_eq!((now().expose(), held.oldest()), ("later", Some(at(2))));
    held.renew(&found("latest"), at(3));
    assert_eq!(now().expose(), "latest");
}

#[test]
fn a_file_is_read_without_its_last_line_end_and_only_when_it_is_one_line() {
    let directory = tempfile::tempdir().unwrap();
    let read_back = |content: &[u8]| {
        let path = directory.path().join("secret");
        File::create(&path).unwrap().write_all(content).unwrap();
        Shelf::default().resolver().on_this_host(&Reference::File(path.to_str().unwrap().to_owned()))
    };
    assert_eq!(read_back(b"value\n").unwrap().expose(), "value");
    for wrong in [b"\n".as_slice(), b"two\nlines\n", &[0xff; 4], &[b'x'; (64 << 10) + 1]] {
        assert_eq!(read_back(wrong).unwrap_err(), SecretError::NotText);
    }
}

#[test]
fn a_key_of_a_json_secret_is_text_or_nothing() {
    let json = r#"{"key": "value", "number": 1, "object": {"key": "x"}}"#;
    assert_eq!(behind_key(json, "key").unwrap().expose(), "value");
    for (json, key) in [(json, "number"), (json, "object"), (json, "none"), ("value", "key"), ("[]", "key")] {
        assert_eq!(behind_key(json, key).unwrap_err(), SecretError::NoKey, "{json} {key}");
    }
}
