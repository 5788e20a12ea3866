use moorline_model::declaration::Declaration;
use serde_json::json;

use super::*;

/// A declaration with these notifications, as JSON.
fn declared(notifications: &Value) -> Value {
    let gateway = json!({"document": ["g.yaml"], "endpoints": ["http://a:1"], "admin_token": "env:T"});
    json!({"version": 1, "environments": [{"name": "prod", "gateway": gateway}], "notifications": notifications})
}

fn mistakes(notifications: &Value) -> String {
    let read = Declaration::decode("moorline.yaml", &declared(notifications).to_string(), &KINDS);
    read.err().map(|mistakes| mistakes.to_string()).unwrap_or_default()
}

/// What reading a channel's settings takes and refuses, the schema takes and refuses.
#[track_caller]
fn assert_refused(notifications: &Value, said: &str) {
    let mistakes = mistakes(notifications);
    assert!(mistakes.contains(said), "{notifications}: {mistakes}");
    let schema = jsonschema::validator_for(&Declaration::schema(&KINDS)).unwrap();
    assert!(!schema.is_valid(&declared(notifications)), "the schema takes {notifications}");
}

#[test]
fn the_short_form_and_the_long_form_are_read_by_the_same_kinds() {
    let slack = json!({"channel": "#a", "token": "env:SLACK"});
    let email = json!({"from": "a@b.c", "to": ["a@b.c"], "smtp": "env:SMTP"});
    let good = json!({
        "slack": slack, "email": email,
        "channels": {"network": {"slack": slack}, "night": {"email": email}},
    });
    assert_eq!(mistakes(&good), "");
    let schema = Declaration::schema(&KINDS);
    let schema = jsonschema::validator_for(&schema).unwrap();
    assert!(schema.is_valid(&declared(&good)), "{:?}", schema.iter_errors(&declared(&good)).next());

    for (short, long, said) in [
        ("slack", json!({"chanel": "#a", "token": "env:S"}), "chanel: this field is not known"),
        ("slack", json!({"channel": "#a", "token": "xoxb-1"}), "token: a literal stands where a reference"),
        ("email", json!({"from": "a@b.c", "to": [], "smtp": "env:S"}), "to: expected at least one receiver"),
        ("email", json!("a@b.c"), "expected"),
    ] {
        assert_refused(&json!({ short: long }), &format!("moorline.yaml:1:{}", ""));
        assert_refused(&json!({ short: long }), said);
        assert_refused(
            &json!({"channels": {"x": {short: long}}}),
            &format!("notifications.channels.x.{short}"),
        );
        assert_refused(&json!({"channels": {"x": {short: long}}}), said);
    }
}

#[test]
fn a_channel_has_one_kind_that_is_known() {
    let slack = json!({"channel": "#a", "token": "env:SLACK"});
    let misspelt = json!({"channels": {"x": {"slak": slack}}});
    assert_refused(&misspelt, "this kind of channel is not known: expected");
    assert_refused(&misspelt, "did you mean `slack`?");
    assert_refused(&json!({"channels": {"x": {}}}), "expected exactly one kind");
    assert_refused(&json!({"channels": {"a/b": {"slack": slack}}}), "is not a channel's name");
}

/// A kind is one file below `kinds/` and one line of the table; nothing else of the reconciler names it.
#[test]
fn a_kind_is_one_file_and_one_line() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = std::collections::BTreeSet::new();
    for entry in std::fs::read_dir(root.join("src/kinds")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        files.extend(name.strip_suffix(".rs").filter(|name| *name != "tests").map(str::to_owned));
    }
    let names = KINDS.iter().map(|kind| kind.name.to_owned()).collect();
    assert_eq!(files, names, "each kind has the file of its name, and each file its line");
    let texts =
        ["lib.rs", "channel.rs", "wording.rs", "../../daemon/src/outbox.rs", "../../record/src/outbox.rs"];
    for path in texts {
        let text = std::fs::read_to_string(root.join("src").join(path)).unwrap();
        let code = text.lines().filter(|line| !line.trim_start().starts_with("//"));
        let named = code.filter(|line| names_a_kind(line)).collect::<Vec<_>>();
        assert_eq!(named, Vec::<&str>::new(), "{path} names a kind");
    }
}

fn names_a_kind(line: &str) -> bool {
    let line = line.to_lowercase();
    KINDS.iter().any(|kind| line.contains(kind.name))
}
