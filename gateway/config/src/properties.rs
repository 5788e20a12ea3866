//! What holds of every document: layers, digests and differences agree with each other.

use proptest::prelude::*;
use proptest::sample::Index;
use serde_json::{Map, Value, json};

use crate::{Digest, Document, Source, decode, decode_value, diff, layer};

fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-z]{0,6}",
        // What must not be taken for something else, and what is hard to write.
        proptest::sample::select(vec![
            "5",
            "true",
            "null",
            "~",
            "1e3",
            "0x10",
            ".5",
            "<<",
            "- a",
            "a: b",
            "#",
            "'",
            "\"",
            "\\",
            "\u{e9}",
            "\u{1f600}",
            "\u{7f}",
            "\n",
            " a ",
            "*a",
            "&a",
            "!t",
            "",
            "2026-01-01"
        ])
        .prop_map(str::to_owned),
    ]
}

fn scalar() -> impl Strategy<Value = Value> {
    prop_oneof![
        any::<bool>().prop_map(Value::from),
        any::<i32>().prop_map(Value::from),
        (-9_007_199_254_740_991_i64..=9_007_199_254_740_991).prop_map(Value::from),
        any::<i32>().prop_map(|number| json!(f64::from(number) / 8.0)),
        proptest::num::f64::NORMAL
            .prop_filter("in range", |number| number.abs() < 1e15)
            .prop_map(|number| json!(number)),
        text().prop_map(Value::from),
    ]
}

fn key() -> impl Strategy<Value = String> {
    prop_oneof![4 => "[a-d]", 1 => text()].prop_filter("a merge key", |key| key != "<<")
}

fn any_value(with_null: bool) -> BoxedStrategy<Value> {
    let leaf =
        if with_null { prop_oneof![4 => scalar(), 1 => Just(Value::Null)].boxed() } else { scalar().boxed() };
    leaf.prop_recursive(4, 40, 5, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            proptest::collection::btree_map(key(), inner, 0..5)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
    .boxed()
}

fn any_document(with_null: bool) -> impl Strategy<Value = Value> {
    proptest::collection::btree_map(key(), any_value(with_null), 0..6)
        .prop_map(|map| Value::Object(map.into_iter().collect()))
}

/// Documents in which a key's name says whether a map stands there, as in documents of one type.
fn shaped() -> impl Strategy<Value = Value> {
    let leaf = proptest::collection::btree_map("[a-d]", scalar(), 0..4)
        .prop_map(|map| Value::Object(map.into_iter().collect()));
    leaf.prop_recursive(3, 30, 4, |inner| {
        (
            proptest::collection::btree_map("[a-d]", scalar(), 0..4),
            proptest::collection::btree_map("m[a-c]", inner, 0..3),
        )
            .prop_map(|(scalars, maps)| Value::Object(scalars.into_iter().chain(maps).collect()))
    })
}

/// The value as YAML in block style, its keys in an order of their own, with comments between.
fn yaml(value: &Value, indent: usize, order: &Index) -> String {
    let pad = " ".repeat(indent);
    match value {
        Value::Object(map) if !map.is_empty() => {
            let entries: Vec<(&String, &Value)> = map.iter().collect();
            let turn = order.index(entries.len());
            let turned = entries[turn..].iter().chain(&entries[..turn]);
            turned
                .map(|(key, value)| {
                    format!(
                        "{pad}# the next\n{pad}{}:\n{}",
                        Value::from(key.as_str()),
                        yaml(value, indent + 2, order)
                    )
                })
                .collect()
        }
        Value::Array(items) if !items.is_empty() => {
            items.iter().map(|item| format!("{pad}-\n{}", yaml(item, indent + 2, order))).collect()
        }
        Value::Number(number) if number.is_i64() && number.as_i64().unwrap().abs() < 1_000_000 => {
            format!("{pad}{number}.000\n")
        }
        scalar => format!("{pad}{scalar}\n"),
    }
}

/// The same value with the keys of every map put in from last to first, and numbers spelt with a fraction.
fn reversed(value: &Value) -> String {
    match value {
        Value::Object(map) => {
            let entries: Vec<String> = map
                .iter()
                .rev()
                .map(|(key, value)| format!("\n\t{} :  {}", Value::from(key.as_str()), reversed(value)))
                .collect();
            format!("{{{}\n}}", entries.join(" ,"))
        }
        Value::Array(items) => format!("[ {} ]", items.iter().map(reversed).collect::<Vec<_>>().join(" , ")),
        scalar => scalar.to_string(),
    }
}

fn read(texts: &[&str]) -> Value {
    let sources: Vec<Source<'_>> = texts.iter().map(|text| Source { name: "f", text }).collect();
    decode::<Value>(&sources).unwrap_or_else(|mistakes| panic!("{mistakes}\n{texts:#?}")).value
}

proptest! {
    #[test]
    fn layering_is_associative(a in shaped(), b in shaped(), c in shaped()) {
        let left = layer(layer(a.clone(), b.clone()), c.clone());
        let right = layer(a, layer(b, c));
        prop_assert_eq!(left, right);
    }

    #[test]
    fn a_layer_of_nothing_or_of_the_same_again_changes_nothing(a in any_document(true)) {
        let a = layer(Value::Null, a);
        prop_assert_eq!(layer(a.clone(), json!({})), a.clone());
        prop_assert_eq!(layer(json!({}), a.clone()), a.clone());
        prop_assert_eq!(layer(a.clone(), a.clone()), a);
    }

    #[test]
    fn layered_texts_say_what_layered_values_say(a in any_document(true), b in any_document(true), c in any_document(true)) {
        let decoded = read(&[&a.to_string(), &b.to_string(), &c.to_string()]);
        let layered = [a, b, c].into_iter().fold(Value::Null, layer);
        prop_assert_eq!(diff(&decoded, &layered), vec![]);
    }

    #[test]
    fn a_digest_knows_no_notation(value in any_document(false), order in any::<Index>()) {
        let digest = Digest::of(&value);
        let pretty = serde_json::to_string_pretty(&value).unwrap();
        for text in [value.to_string(), pretty, reversed(&value), yaml(&value, 0, &order)] {
            prop_assert_eq!(Digest::of(&read(&[&text])), digest, "{}", text);
        }
        let direct = decode_value::<Value>("f", &value, |_| Vec::new()).unwrap().value;
        prop_assert_eq!(Digest::of(&direct), digest);
    }

    #[test]
    fn nothing_differs_from_itself(value in any_value(true)) {
        prop_assert_eq!(diff(&value, &value), vec![]);
    }

    #[test]
    fn values_differ_exactly_when_their_digests_do(
        a in any_value(true),
        b in any_value(true),
        edit in any::<Index>(),
        put in scalar(),
    ) {
        let edited = edited(&a, &edit, &put);
        for b in [b, edited] {
            prop_assert_eq!(diff(&a, &b).is_empty(), Digest::of(&a) == Digest::of(&b), "{} {}", a, b);
        }
    }
}

/// The value with one part replaced: pairs that are nearly equal, which two random values never are.
fn edited(value: &Value, edit: &Index, put: &Value) -> Value {
    match value {
        Value::Object(map) if !map.is_empty() => {
            let turn = edit.index(map.len());
            let change = |(at, (key, value)): (usize, (&String, &Value))| {
                (key.clone(), if at == turn { edited(value, edit, put) } else { value.clone() })
            };
            Value::Object(map.iter().enumerate().map(change).collect::<Map<_, _>>())
        }
        Value::Array(items) if !items.is_empty() => {
            let turn = edit.index(items.len());
            let change =
                |(at, item): (usize, &Value)| if at == turn { edited(item, edit, put) } else { item.clone() };
            Value::Array(items.iter().enumerate().map(change).collect())
        }
        _ => put.clone(),
    }
}

#[test]
fn a_document_written_out_reads_back_the_same() {
    let source = Source { name: "everything.yaml", text: include_str!("../tests/everything.yaml") };
    let document = decode::<Document>(&[source]).unwrap().document;
    let written = serde_json::to_value(&document).unwrap();
    let read = decode_value::<Document>("written", &written, |_| Vec::new()).unwrap().document;
    assert_eq!(read, document);
}
