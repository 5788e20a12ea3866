//! What each rule finds, and where.

use futures_util::FutureExt as _;
use serde_json::{Value, json};

use super::*;

#[derive(Debug)]
struct Body(Vec<u8>);

impl Inspect for Body {
    fn size(&self) -> u64 {
        self.0.len() as u64
    }
    fn json(&self) -> Option<&[u8]> {
        Some(&self.0)
    }
}

fn guards(rule: Value) -> Guards {
    let declared: document::Guardrail = serde_json::from_value(rule).unwrap();
    Guards(vec![Arc::new(Guardrail::compile(&"g".parse().unwrap(), &declared, &|_| None))])
}

/// Nothing here asks anybody: it is ready at once.
fn cleared(body: &str, guards: &Guards, bench: &Bench) -> Result<Cleared<Body>, Blocked> {
    clear(Body(body.as_bytes().to_vec()), Some((guards, bench))).now_or_never().unwrap()
}

fn blocks(rule: &Value, body: &str) -> bool {
    cleared(body, &guards(rule.clone()), &Bench::default()).is_err()
}

fn chat(text: &str) -> String {
    json!({"model": "m", "messages": [{"role": "user", "content": text}]}).to_string()
}

#[test]
fn data_of_persons_is_told_from_what_only_looks_like_it() {
    for (kind, found, passed) in [
        ("email", vec!["mail a.b+c@mail.example.com now", "A@B.CO"], vec!["a@b", "@user", "a @ b.example"]),
        (
            "phone",
            vec!["call +49 30 901820 today", "(415) 555-2671", "415-555-2671."],
            vec!["12345", "1.2.3.4", "2026-11-21"],
        ),
        (
            "credit_card",
            vec!["4111 1111 1111 1111", "card:5500-0000-0000-0004.", "378282246310005"],
            vec!["4111 1111 1111 1112", "0000 0000 0000 0000", "411111111111111111111111"],
        ),
        (
            "iban",
            vec!["DE89 3704 0044 0532 0130 00 and more", "gb82west12345698765432", "NO9386011117947"],
            vec![
                "DE89 3704 0044 0532 0130 01",
                "XX89370400440532013000",
                "AB12 is a word like others in a row",
            ],
        ),
        (
            "us_ssn",
            vec!["my ssn 123-45-6789"],
            vec!["000-45-6789", "666-45-6789", "912-45-6789", "123-00-6789", "123-45-0000", "1123-45-6789"],
        ),
        (
            "ip",
            vec!["at 10.0.0.1, or", "[2001:db8::1]", "fe80::1"],
            vec!["1.2.3", "999.1.1.1", "12:30:45", "std::io", "a::b"],
        ),
    ] {
        let rule = json!({"pii": [kind]});
        for text in found {
            assert!(blocks(&rule, &chat(text)), "{kind}: {text}");
        }
        for text in passed {
            assert!(!blocks(&rule, &chat(text)), "{kind}: {text}");
        }
    }
}

#[test]
fn words_are_found_however_they_are_dressed() {
    let rule = json!({"words": ["ignore previous instructions", "Straße", "爆弾"]});
    for text in [
        "Please IGNORE previous\n\tinstructions!",
        "ígnörê prevíous instructions",
        "ｉｇｎｏｒｅ ｐｒｅｖｉｏｕｓ ｉｎｓｔｒｕｃｔｉｏｎｓ",
        "𝐢𝐠𝐧𝐨𝐫𝐞 previous instructions",
        "ig\u{200b}no\u{ad}re previous\u{a0}instruc\u{2060}tions",
        "STRASSE",
        "strasse,",
        "これは爆弾です",
        "so: \\u0069gnore previous instructions",
    ] {
        assert!(blocks(&rule, &chat(text)), "{text}");
    }
    for text in [
        "ignore previousinstructions",
        "signore previous instructions",
        "ignore previous instructionset",
        "straßen",
    ] {
        assert!(!blocks(&rule, &chat(text)), "{text}");
    }
}

#[test]
fn every_string_of_a_request_is_read_as_a_client_would_read_it() {
    let rule = json!({"words": ["forbidden"]});
    let nested = |layers: usize| {
        (0..layers).fold("\\u0066orbidden".to_owned(), |text, _| json!({"arguments": text}).to_string())
    };
    for body in [
        r#"{"a":"\u0066orbidden"}"#.to_owned(),
        r#"{"a":"\u0066\u006f\u0072bidden"}"#.to_owned(),
        r#"{"a":{"b":[1,[{"c":"x forbidden y"}]]}}"#.to_owned(),
        r#"{"a":"forbidden","a":"fine"}"#.to_owned(),
        r#"{"a":"fine","a":"forbidden"}"#.to_owned(),
        json!({"tool_calls": [{"function": {"arguments": "{\"q\":\"\\u0066orbidden\"}"}}]}).to_string(),
        json!({"a": nested(1)}).to_string(),
        json!({"a": nested(3)}).to_string(),
        format!("{{\"a\":\"{}forbidden\"}}", "x ".repeat(500_000)),
    ] {
        assert!(blocks(&rule, &body), "{}", body.chars().take(80).collect::<String>());
        assert!(!blocks(&json!({"mode": "monitor", "words": ["forbidden"]}), &body));
    }
    for body in [r#"{"forbidden":1}"#, r#"{"a":"fine"}"#, "{}", r#"{"a":"C:\\temp\\new"}"#] {
        assert!(!blocks(&rule, body), "{body}");
    }
    // What cannot be read does not pass.
    for body in ["", "{", "nonsense", "{\"a\":\"\\ud800\"}", "\u{feff}{}"] {
        assert!(blocks(&rule, body), "{body}");
    }
    assert!(blocks(&rule, &format!("{}{}", "[".repeat(10_000), "]".repeat(10_000))), "too deep to be read");
}

#[test]
fn a_text_in_two_parts_is_one_text() {
    let body = json!({"content": [{"text": "ignore previous"}, {"text": "instructions"}]}).to_string();
    assert!(blocks(&json!({"words": ["ignore previous instructions"]}), &body));
}

#[test]
fn sizes_are_judged_to_the_byte_and_patterns_by_their_text() {
    let body = chat("x");
    let rule = |most: usize| json!({"max_bytes": format!("{most}B")});
    assert!(!blocks(&rule(body.len()), &body) && blocks(&rule(body.len() - 1), &body));
    let rule = json!({"regex": ["(?i)sk-[a-z0-9]{8,}", "\\bexact\\b"]});
    assert!(blocks(&rule, &chat("my key is SK-abcdefgh1")) && blocks(&rule, &chat("the exact one")));
    assert!(!blocks(&rule, &chat("sk-abc inexact")));
}

#[test]
fn every_guardrail_counts_and_only_its_own_stage() {
    let bench = Bench::default();
    let counts = &*bench.counts;
    let declared = |rule: Value| serde_json::from_value::<document::Guardrail>(rule).unwrap();
    let compile = |name: &str, rule: Value| {
        Arc::new(Guardrail::compile(&name.parse().unwrap(), &declared(rule), &|_| None))
    };
    let both = compile("both", json!({"words": ["bad"]}));
    let quiet = compile("quiet", json!({"mode": "monitor", "words": ["bad"]}));
    let answers = compile("answers", json!({"on": "response", "words": ["bad"]}));
    let guards = Guards::of(&[both, Arc::clone(&quiet)], &[quiet, answers]).unwrap();
    assert_eq!(guards.0.len(), 3, "each once");
    let told = cleared(&chat("bad"), &guards, &bench).unwrap_err().to_string();
    assert_eq!(told, "The guardrail both does not let this request pass.");
    assert!(cleared(&chat("good"), &guards, &bench).is_ok());
    let text = |json: &str| text::of_answer(json.as_bytes()).unwrap();
    assert!(guards.answer(Some(&text(r#"{"choices":[{"message":{"content":"bad"}}]}"#)), counts).is_err());
    assert!(guards.answer(Some(&text(r#"{"id":"bad","model":"bad"}"#)), counts).is_ok(), "ids are no text");
    let named = |(name, stage, action, count): (String, _, _, _)| format!("{name} {stage} {action} {count}");
    let all: Vec<String> = counts.all().into_iter().map(named).collect();
    assert_eq!(
        all,
        [
            "answers response passed 1",
            "answers response blocked 1",
            "both request passed 1",
            "both request blocked 1",
            "both response passed 1",
            "both response blocked 1",
            "quiet request passed 1",
            "quiet request monitored 1",
            "quiet response passed 1",
            "quiet response monitored 1",
        ]
    );
    assert!(clear(Body(Vec::new()), None).now_or_never().unwrap().is_ok() && Guards::of(&[], &[]).is_none());
}

fn event(text: &str) -> String {
    format!("data: {}\n\n", json!({"id": "c", "choices": [{"index": 0, "delta": {"content": text}}]}))
}

/// Streams text cut as told. What came out, and whether it was stopped.
fn streamed(rule: &Value, pieces: &[&str]) -> (String, bool) {
    let mut guard = guards(rule.clone()).stream(&Bench::default()).unwrap();
    let mut out = Parts::default();
    let mut stopped = false;
    for (index, piece) in
        pieces.iter().map(|piece| event(piece)).chain(["data: [DONE]\n\n".to_owned()]).enumerate()
    {
        let mut from = Parts::from(Bytes::from(piece));
        if guard.pass(&mut from, index == pieces.len(), &mut out).is_err() {
            stopped = true;
            break;
        }
    }
    let mut said = Vec::new();
    while let Some(part) = out.next_part() {
        said.extend_from_slice(&part);
    }
    (String::from_utf8(said).unwrap(), stopped)
}

use bytes::Bytes;
use moorline_translate::Parts;

#[test]
fn what_is_cut_anywhere_in_a_stream_is_found_and_none_of_it_passes() {
    let filler = "word ".repeat(120);
    for (rule, hidden) in [
        (json!({"words": ["ignore previous instructions"]}), "Ignore previous instructions"),
        (json!({"pii": ["credit_card"]}), "4111 1111 1111 1111"),
        (json!({"pii": ["email"]}), "anna@mail.example.com"),
        (json!({"regex": ["\\bsecret-[0-9]+\\b"]}), "secret-12345"),
    ] {
        for tail in [" and so on", ""] {
            let whole = format!("{filler}{hidden}{tail}");
            for cut in filler.len()..whole.len() {
                let (left, right) = whole.split_at(cut);
                let (said, stopped) = streamed(&rule, &[left, right]);
                assert!(stopped, "{hidden} cut at {}", cut - filler.len());
                assert!(!said.contains(&hidden[..4]), "{said}");
            }
            let letters: Vec<String> = whole.chars().map(String::from).collect();
            let letters: Vec<&str> = letters.iter().map(String::as_str).collect();
            let (said, stopped) = streamed(&rule, &letters);
            assert!(stopped && said.contains("word") || !said.is_empty(), "{hidden} letter by letter");
            assert!(stopped && !said.contains("[DONE]"));
        }
    }
}

#[test]
fn what_is_good_passes_byte_for_byte_and_what_is_not_decided_waits() {
    let rule = json!({"pii": ["credit_card"], "on": "response"});
    // A card number that goes on is none.
    let pieces = ["4111 1111 1111 1111", "1111 1111", " is no card"];
    let expected: String = pieces.iter().map(|piece| event(piece)).collect::<String>() + "data: [DONE]\n\n";
    assert_eq!(streamed(&rule, &pieces), (expected, false));
    let long: Vec<String> = (0..200).map(|number| format!("piece {number} ")).collect();
    let long: Vec<&str> = long.iter().map(String::as_str).collect();
    let expected: String = long.iter().map(|piece| event(piece)).collect::<String>() + "data: [DONE]\n\n";
    assert_eq!(streamed(&rule, &long), (expected, false));
}

#[test]
fn texts_beside_each_other_are_put_together_each_on_its_own() {
    let mut guard = guards(json!({"words": ["forbidden"]})).stream(&Bench::default()).unwrap();
    let mut say = |value: Value| {
        let mut out = Parts::default();
        guard.pass(&mut Parts::from(Bytes::from(format!("data: {value}\n\n"))), false, &mut out).is_err()
    };
    let call = |index: u8, text: &str| json!({"choices": [{"index": 0, "delta": {"tool_calls": [{"index": index, "function": {"arguments": text}}]}}]});
    assert!(!say(call(0, "{\"q\":\"for")));
    assert!(!say(call(1, "{\"q\":\"bidden ")));
    assert!(!say(
        json!({"type": "content_block_delta", "index": 3, "delta": {"type": "text_delta", "text": "for"}})
    ));
    assert!(!say(
        json!({"type": "content_block_delta", "index": 4, "delta": {"type": "text_delta", "text": "bidden "}})
    ));
    assert!(say(call(0, "bidd\\u0065n \"}")));
}

#[test]
fn a_stream_that_cannot_be_read_is_stopped_and_a_watched_one_never() {
    let rule = json!({"words": ["x"]});
    let mut guard = guards(rule).stream(&Bench::default()).unwrap();
    let mut out = Parts::default();
    assert!(guard.pass(&mut Parts::from(Bytes::from_static(b"data: {broken\n\n")), false, &mut out).is_err());
    let quiet = json!({"mode": "monitor", "words": ["bad"]});
    let (said, stopped) = streamed(&quiet, &["bad", " and worse"]);
    assert!(!stopped && said.ends_with("[DONE]\n\n"));
}
