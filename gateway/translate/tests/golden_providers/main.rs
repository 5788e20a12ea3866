//! Providers' protocols, held against files: what is asked of each (`requests`), what whole answers say (`answers`), and
//! what streams say (`streams`), which is the same wherever they are cut; and each as each caller gets it.
//!
//! `requests/CASE.json` is a request in the vocabulary's own words; `requests/CASE.PROVIDER.snap` is what is asked of
//! the provider. `answers/CASE.PROVIDER.json` and `streams/CASE.PROVIDER.*` were written after the providers'
//! documentation. `INSTA_UPDATE=always cargo test -p moorline-translate --test golden_providers` renews the snapshots.

#![expect(clippy::unwrap_used, clippy::panic, reason = "in tests a panic is the report")]

mod callers;
mod case;
mod frames;
mod providers;

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use moorline_translate::chat::{Answer, Block, BrokenStream, Event, Part};
use proptest::prelude::*;

use crate::providers::{PROVIDERS, Provider};

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden_providers").join(name)
}

/// The files of a folder whose names end so, with their names without that end.
fn files(folder_name: &str, end: &str) -> Vec<(String, PathBuf)> {
    let mut found: Vec<(String, PathBuf)> = std::fs::read_dir(folder(folder_name))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter_map(|path| Some((path.file_name()?.to_str()?.strip_suffix(end)?.to_owned(), path)))
        .collect();
    found.sort();
    found
}

fn golden(folder_name: &str, name: &str, text: &str) {
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path(folder(folder_name));
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| insta::assert_snapshot!(name, text));
}

/// JSON with a line for each member, every other byte as it is.
fn pretty(json: &[u8]) -> String {
    let (mut out, mut depth, mut in_string, mut escaped) = (String::new(), 0, false, false);
    let line = |out: &mut String, depth: usize| {
        out.push('\n');
        out.push_str(&"  ".repeat(depth));
    };
    let text = String::from_utf8(json.to_vec()).unwrap();
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        if in_string {
            in_string = escaped || character != '"';
            escaped = !escaped && character == '\\';
            out.push(character);
            continue;
        }
        match character {
            '{' | '[' if characters.peek().is_some_and(|next| matches!(next, '}' | ']')) => {
                out.push(character);
            }
            '{' | '[' => {
                depth += 1;
                out.push(character);
                line(&mut out, depth);
            }
            '}' | ']' => {
                if !out.ends_with(['{', '[']) {
                    depth -= 1;
                    line(&mut out, depth);
                }
                out.push(character);
            }
            ',' => {
                out.push(character);
                line(&mut out, depth);
            }
            _ => {
                in_string = character == '"';
                out.push(character);
            }
        }
    }
    out
}

fn lines(events: &[Event]) -> String {
    events.iter().fold(String::new(), |mut text, event| {
        writeln!(text, "{event:?}").unwrap();
        text
    })
}

/// Reads a stream that comes in the given pieces and is then closed.
fn read(provider: &Provider, pieces: &[&[u8]]) -> Result<Vec<Event>, BrokenStream> {
    let (mut decoder, mut events) = ((provider.decoder)(), Vec::new());
    for piece in pieces {
        decoder.feed(piece, &mut events)?;
    }
    decoder.end(&mut events);
    Ok(events)
}

#[test]
fn every_request_is_asked_of_every_provider_as_recorded() {
    let cases = files("requests", ".json");
    assert!(cases.len() > 5);
    for (name, path) in cases {
        // A case about one provider's models is named after it.
        let is_about = |provider: &&Provider| name.starts_with(&format!("{}_", provider.name));
        let about = PROVIDERS.iter().find(is_about);
        for provider in PROVIDERS.iter().filter(|one| about.is_none_or(|about| about.name == one.name)) {
            let mut request = case::read(&std::fs::read(&path).unwrap(), provider.model);
            let text = match (provider.write)(&mut request) {
                Ok(body) => {
                    serde_json::from_slice::<serde::de::IgnoredAny>(&body).unwrap();
                    format!("dropped: {:?}\n{}", request.dropped, pretty(&body))
                }
                Err(error) => format!("refused: {error}"),
            };
            golden("requests", &format!("{name}.{}", provider.name), &text);
        }
    }
}

#[test]
fn every_answer_says_what_is_recorded() {
    for provider in &PROVIDERS {
        let answers = files("answers", &format!(".{}.json", provider.name));
        assert!(answers.len() > 2, "{}", provider.name);
        for (name, path) in answers {
            let text = match (provider.read)(&std::fs::read(path).unwrap()) {
                Ok(answer) => format!("{answer:#?}"),
                Err(error) => format!("unreadable: {error}"),
            };
            golden("answers", &format!("{name}.{}", provider.name), &text);
        }
    }
}

#[test]
fn every_stream_says_the_same_wherever_it_is_cut() {
    for provider in &PROVIDERS {
        let streams = files("streams", &format!(".{}.txt", provider.name));
        assert!(streams.len() > 2, "{}", provider.name);
        for (name, path) in streams {
            let bytes = (provider.stream)(&std::fs::read_to_string(path).unwrap());
            let whole = read(provider, &[&bytes]).unwrap();
            golden("streams", &format!("{name}.{}", provider.name), &lines(&whole));
            in_order(&name, &whole);
            for at in 0..=bytes.len() {
                let (left, right) = bytes.split_at(at);
                assert_eq!(read(provider, &[left, right]).unwrap(), whole, "{name} cut at {at}");
            }
            let one_by_one: Vec<&[u8]> = bytes.chunks(1).collect();
            assert_eq!(read(provider, &one_by_one).unwrap(), whole, "{name} byte by byte");
            cut_off(provider, &name, &bytes, &whole);
        }
    }
}

/// A stream that ends too early never looks like one that ended well.
fn cut_off(provider: &Provider, name: &str, bytes: &[u8], whole: &[Event]) {
    let Some(Event::End { stop, .. }) = whole.last() else { return };
    for at in 0..bytes.len() {
        let mut events = read(provider, &[&bytes[..at]]).unwrap();
        if let Some(Event::End { stop: found, .. }) = events.pop() {
            // What was still to come is no more than counts.
            assert_eq!(&found, stop, "{name} cut off at {at}");
            assert_eq!(events, whole[..whole.len() - 1], "{name} cut off at {at}");
        }
    }
}

/// One start; blocks numbered as they are opened, filled while they are open, closed once; nothing after the end.
fn in_order(name: &str, events: &[Event]) {
    let (mut open, mut count, mut has_ended) = (Vec::new(), 0, false);
    for (at, event) in events.iter().enumerate() {
        assert!(!has_ended, "{name}: something after the end");
        match event {
            Event::Start { .. } => assert_eq!(at, 0, "{name}"),
            Event::Open { index, .. } => {
                assert_eq!(*index, count, "{name}");
                open.push(*index);
                count += 1;
            }
            Event::Text { index, .. } | Event::Arguments { index, .. } | Event::Signature { index, .. } => {
                assert!(open.contains(index), "{name}: {event:?}");
            }
            Event::Close { index } => {
                assert!(open.contains(index), "{name}: {event:?}");
                open.retain(|one| one != index);
            }
            Event::End { .. } => {
                assert!(open.is_empty(), "{name}: {open:?}");
                has_ended = true;
            }
            Event::Fault(_) => has_ended = true,
        }
    }
    assert!(has_ended, "{name} has no end");
}

/// An answer whose twin is a stream says the same in both forms.
#[test]
fn a_stream_says_what_the_whole_answer_says() {
    let mut twins = 0;
    for provider in &PROVIDERS {
        for (name, path) in files("streams", &format!(".{}.txt", provider.name)) {
            let twin = folder("answers").join(format!("{name}.{}.json", provider.name));
            let Ok(whole) = std::fs::read(twin) else { continue };
            let bytes = (provider.stream)(&std::fs::read_to_string(path).unwrap());
            let events = read(provider, &[&bytes]).unwrap();
            let Ok(answer) = (provider.read)(&whole) else {
                assert!(matches!(events.last(), Some(Event::Fault(_))), "{name}");
                continue;
            };
            let gathered = gather(&events);
            assert_eq!(
                gathered,
                Answer { id: gathered.id.clone(), model: gathered.model.clone(), ..answer },
                "{name}"
            );
            twins += 1;
        }
    }
    assert!(twins >= PROVIDERS.len());
}

fn gather(events: &[Event]) -> Answer {
    let mut answer = Answer {
        id: String::new(),
        model: String::new(),
        parts: Vec::new(),
        stop: moorline_translate::chat::Stop::Pause,
        usage: None,
    };
    for event in events.iter().cloned() {
        match event {
            Event::Start { id, model, .. } => (answer.id, answer.model) = (id, model),
            Event::Open { block, .. } => answer.parts.push(match block {
                Block::Text => Part::Text(String::new()),
                Block::Reasoning => Part::Reasoning { text: String::new(), signature: None },
                Block::RedactedReasoning(data) => Part::RedactedReasoning(data),
                Block::ToolCall { id, name } => Part::ToolCall { id, name, arguments: String::new() },
                Block::Refusal => Part::Refusal(String::new()),
            }),
            Event::Text { index, text: more } => match &mut answer.parts[index] {
                Part::Text(text) | Part::Refusal(text) | Part::Reasoning { text, .. } => text.push_str(&more),
                other => panic!("text in {other:?}"),
            },
            Event::Arguments { index, json } => match &mut answer.parts[index] {
                Part::ToolCall { arguments, .. } => arguments.push_str(&json),
                other => panic!("arguments in {other:?}"),
            },
            Event::Signature { index, signature: given } => match &mut answer.parts[index] {
                Part::Reasoning { signature, .. } => assert_eq!(signature.replace(given), None),
                other => panic!("a signature in {other:?}"),
            },
            Event::Close { .. } => {}
            Event::End { stop, usage } => (answer.stop, answer.usage) = (stop, usage),
            Event::Fault(fault) => panic!("{fault:?}"),
        }
    }
    answer
}

#[test]
fn an_event_that_never_ends_is_given_up() {
    for provider in &PROVIDERS {
        let mut decoder = (provider.decoder)();
        let start = (provider.endless)();
        let fed = std::iter::once(start.as_slice())
            .chain(std::iter::repeat_n([b'a'; 64 * 1024].as_slice(), 400))
            .try_for_each(|chunk| decoder.feed(chunk, &mut Vec::new()));
        assert_eq!(fed, Err(BrokenStream::Oversized), "{}", provider.name);
    }
}

proptest! {
    #[test]
    fn any_bytes_are_read_or_refused(
        bytes in prop::collection::vec(any::<u8>(), 0..300),
        at in any::<prop::sample::Index>(),
        which in any::<prop::sample::Index>(),
    ) {
        for provider in &PROVIDERS {
            // Nonsense alone, and in the midst of a stream that makes sense.
            let streams = files("streams", &format!(".{}.txt", provider.name));
            let (_, path) = &streams[which.index(streams.len())];
            let stream = (provider.stream)(&std::fs::read_to_string(path).unwrap());
            let (left, right) = stream.split_at(at.index(stream.len() + 1));
            for pieces in [&[bytes.as_slice()][..], &[left, &bytes, right]] {
                let whole = read(provider, &[&pieces.concat()]);
                prop_assert_eq!(read(provider, pieces), whole);
            }
        }
    }

    #[test]
    fn any_json_is_read_or_refused(text in "[\\[\\]{}\":,a-z0-9]{0,80}") {
        for provider in &PROVIDERS {
            drop((provider.read)(text.as_bytes()));
            drop(read(provider, &[(provider.stream)(&format!("data: {text}\n\n")).as_slice()]));
        }
    }
}
