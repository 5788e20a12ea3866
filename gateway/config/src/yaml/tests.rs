//! What the reader accepts, and what hostile text cannot do to it.

use serde_json::{Value, json};

use super::*;
use crate::{Source, decode};

fn read(text: &str) -> Result<Value, String> {
    decode::<Value>(&[Source { name: "f", text }])
        .map(|decoded| decoded.value)
        .map_err(|mistakes| mistakes.to_string())
}

fn refusal(text: &str) -> String {
    read(text).expect_err("the text was accepted")
}

#[test]
fn the_forms_people_write_are_read() {
    let text = r#"
# a comment
plain: some words here
quoted: "5"
single: 'it''s'
folded: >-
  two
  lines
literal: |
  kept
block:
  - 1
  - {a: b, "c": [x, "y"]}
  -
empty: ''
anchored: &base {cpu: 1, memory: [2]}
alias: *base
gpt-4.1: dotted
yes: no
"#;
    let expected = json!({
        "plain": "some words here", "quoted": "5", "single": "it's", "folded": "two lines", "literal": "kept\n",
        "block": [1, {"a": "b", "c": ["x", "y"]}, null], "empty": "",
        "anchored": {"cpu": 1, "memory": [2]}, "alias": {"cpu": 1, "memory": [2]},
        "gpt-4.1": "dotted", "yes": "no",
    });
    assert_eq!(read(text).unwrap(), expected);
}

#[test]
fn a_text_that_says_nothing_is_an_empty_layer() {
    for text in ["", "\n", "# only a comment\n", "---\n", "null", "~", "\u{feff}"] {
        assert_eq!(read(text).unwrap(), json!({}), "{text:?}");
    }
    let under = Source { name: "a", text: "x: 1" };
    let over = Source { name: "b", text: "# nothing yet" };
    assert_eq!(decode::<Value>(&[under, over]).unwrap().value, json!({"x": 1}));
}

#[test]
fn json_is_read_whether_it_is_yaml_or_not() {
    assert_eq!(
        read("{\"a\": [1, 2.5, true, {}],\n\t\"b\": \"x\\/y\"}").unwrap(),
        json!({"a": [1, 2.5, true, {}], "b": "x/y"})
    );
    // What Python's json.dumps writes, and what YAML has no word for.
    assert_eq!(read(r#"{"a": "\ud83d\ude00", "b": null}"#).unwrap(), json!({"a": "\u{1f600}"}));
    let long = "k".repeat(2_000);
    assert_eq!(read(&format!(r#"{{"{long}": 1}}"#)).unwrap(), json!({long: 1}));
    assert_eq!(refusal(r#"{"a": "\ud83d\ude00", "b": 1, "b": 2}"#), "f: the key `b` is given twice");
    assert_eq!(refusal(r#"{"a": "\ud83d\ude00", "b": 1e999}"#), refusal_of_a_broken_json());
    let deep = format!(r#"{{"a": "\ud83d\ude00", "b": {}1{}}}"#, "[".repeat(100), "]".repeat(100));
    assert_eq!(refusal(&deep), "f: nested too deep: expected at most 64 levels");
}

/// What YAML says of the text, since JSON cannot read it either.
fn refusal_of_a_broken_json() -> String {
    let problem = "while parsing a quoted scalar, found invalid Unicode character escape code";
    format!("f:1:7: this is not valid YAML: {problem}")
}

#[test]
fn notation_that_says_two_things_is_refused_with_its_place() {
    let cases = [
        ("a: 1\nb: 2\na: 3\n", "f:3:1: a: this key is given twice, first on line 1"),
        ("a: {b: 1, b: 2}", "f:1:11: a.b: this key is given twice, first on line 1"),
        ("l:\n- {x: 1, x: 1}", "f:2:10: l[0].x: this key is given twice, first on line 2"),
        ("1: a", "f:1:1: a key must be text: put it in quotes"),
        (
            "m: {true: a, null: b}",
            "f:1:5: m: a key must be text: put it in quotes\nf:1:14: m: a key must be text: put it in quotes",
        ),
        ("? [a]\n: b", "f:1:3: a key must be text, not a list, a map or an alias"),
        ("&k a: 1\n*k : 2", "f:2:1: a key must be text, not a list, a map or an alias"),
        ("a: 1\n---\nb: 2\n", "f:2:1: a second document begins here: expected one in a file"),
        (
            "a: !!str 5",
            "f:1:4: a: tags (`!…`) are not supported: write the plain value, in quotes if it is text",
        ),
        (
            "a: !include other.yaml",
            "f:1:4: a: tags (`!…`) are not supported: write the plain value, in quotes if it is text",
        ),
        (
            "b: &b {x: 1}\na: {<<: *b}",
            "f:2:5: a: merge keys (`<<`) are not supported: write the fields out, or use a second file as a layer",
        ),
        ("a: *nobody", "f:1:4: this is not valid YAML: while parsing node, found unknown anchor"),
        ("a: &a [*a]", "f:1:8: a[0]: an alias stands inside the part that it repeats"),
        (
            "a: .nan",
            "f:1:4: a: this number is out of range: expected one from -9007199254740991 to 9007199254740991 (put it in quotes if it is text)",
        ),
    ];
    for (text, expected) in cases {
        assert_eq!(refusal(text), expected, "{text:?}");
    }
    for text in
        ["a: [1", "a: \"x", "a:\n\tb: 1", "a: b: c", "a\n  b: c", "{a: 1}}", "a: \u{0}", "@a: 1", "- a\nb: c"]
    {
        assert!(read(text).is_err_and(|told| told.contains("not valid YAML")), "{text:?}: {:?}", read(text));
    }
}

#[test]
fn every_mistake_of_notation_in_every_layer_is_told() {
    let sources = [
        Source { name: "a", text: "x: 1\nx: 2\ny: !t 1\n" },
        Source { name: "b", text: "z: [1\n" },
        Source { name: "c", text: "1: 2\nw: 1\nw: 1\n" },
    ];
    let mistakes = decode::<Value>(&sources).unwrap_err();
    let told: Vec<String> =
        mistakes.0.iter().map(|mistake| format!("{}:{}", mistake.file, mistake.line)).collect();
    assert_eq!(told, ["a:2", "a:3", "b:2", "c:1", "c:3"]);
}

#[test]
fn bombs_of_aliases_are_refused_before_they_go_off() {
    let mut laughs = "a0: &a0 [lol, lol, lol, lol, lol, lol, lol, lol, lol, lol]\n".to_owned();
    for level in 1..10 {
        let before = vec![format!("*a{}", level - 1); 10].join(", ");
        laughs += &format!("a{level}: &a{level} [{before}]\n");
    }
    assert!(refusal(&laughs).contains("too large: expected at most 100000 values"));

    // Few values, but each of half a megabyte.
    let long = format!("a: &a {}\nb: [{}]\n", "x".repeat(500_000), vec!["*a"; 1_000].join(", "));
    assert!(refusal(&long).contains("too large: expected at most 8388608 bytes"));

    // Anchors in anchors, each kept apart.
    let core = vec!["1"; 50_000].join(",");
    let nested = format!("{}[{core}]{}", "&x [".repeat(60), "]".repeat(60));
    assert!(refusal(&nested).contains("too large"));
}

#[test]
fn deep_nesting_is_refused_in_every_notation() {
    let deep = "nested too deep: expected at most 64 levels";
    for count in [65, 1_000, 500_000] {
        for open in ["[", "{a: ", "[{a: "] {
            let told = refusal(&open.repeat(count).chars().take(TEXT_BYTES_MAX).collect::<String>());
            assert!(told.contains(deep) || told.contains("not valid YAML"), "{count} {open}: {told}");
        }
    }
    let block: String = (0..80).map(|level| format!("{}a:\n", " ".repeat(level))).collect();
    assert!(refusal(&block).contains(deep));
    assert!(refusal(&"- ".repeat(80)).contains(deep));
    let fits = format!("{}1{}", "[".repeat(64), "]".repeat(64));
    assert!(read(&fits).is_ok(), "{:?}", read(&fits));
    let through_alias =
        format!("a: &a {}1{}\nb: {}*a{}", "[".repeat(40), "]".repeat(40), "[".repeat(40), "]".repeat(40));
    assert!(refusal(&through_alias).contains(deep));
}

#[test]
fn long_texts_and_large_documents_are_refused() {
    let two_mebibytes = format!("a: {}", "x".repeat(2 * 1024 * 1024));
    assert_eq!(refusal(&two_mebibytes), "f: the text has 2097155 bytes: expected at most 1048576");
    let many = format!("a: [{}]", vec!["1"; NODES_MAX].join(","));
    assert!(refusal(&many).contains("too large"));
    let twice: String = (0..5_000).map(|_| "a: 1\n").collect();
    assert_eq!(refusal(&twice).lines().count(), WRONGS_MAX);
}

proptest::proptest! {
    /// Reading ends, without panic, whatever the text.
    #[test]
    fn any_text_is_read_or_refused(text in "[\\[\\]{}:,\\-?&*!|>'\"%@`#<~ \t\n\\\\a-c0-9.\u{e9}\u{0}]{0,80}") {
        match read(&text) {
            Ok(_) => {}
            Err(told) => proptest::prop_assert!(!told.is_empty()),
        }
    }
}
