//! Answers that come in pieces.
//!
//! In: events on their way to the caller. Out: the same events, each held back until no guardrail can find anything
//! any more that begins in it. What a model says is put together again by where it belongs (which choice, which tool
//! call), so that a pattern is found however it is cut. A pattern longer than [`HELD_CHARS`] is not seen whole.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use moorline_translate::{Parts, sse};

use super::asked::Listener;
use super::finder::Window;
use super::tally::{Stage, Tallies};
use super::{Blocked, Guardrail, Rule, text};

/// Characters that are held back.
pub const HELD_CHARS: u64 = 256;
/// Characters that are looked back at.
const LOOKED_BACK: usize = 512;
/// When so much was said elsewhere a text that paused is not waited for any longer: its next piece is still looked at
/// together with its last.
const PAUSED_CHARS: u64 = 4_096;
/// The most that is held back.
const HELD_BYTES_MAX: usize = 2 * 1024 * 1024;
/// Texts that one answer may hold beside each other.
const TEXTS_MAX: usize = 1_024;

/// Lets a stream pass, or stops it.
pub struct StreamGuard {
    guardrails: Vec<(Arc<Guardrail>, bool)>,
    counts: Arc<Tallies>,
    framer: sse::Framer,
    partial: BytesMut,
    held: VecDeque<Held>,
    held_bytes: usize,
    texts: BTreeMap<String, Said>,
    chars: u64,
    bytes: u64,
    is_over: bool,
    /// What services outside will be shown, when it is all here.
    listener: Option<Box<Listener>>,
}

/// One text of the answer, as far as it was said.
#[derive(Default)]
struct Said {
    /// Its end.
    window: String,
    /// Whether something stands before the window.
    is_cut: bool,
    chars: u64,
}

/// An event that waits, and how far each of its texts had come with it.
struct Held {
    event: Bytes,
    texts: Vec<(String, u64)>,
    chars: u64,
}

impl StreamGuard {
    pub(super) fn new(
        guardrails: Vec<Arc<Guardrail>>,
        counts: Arc<Tallies>,
        listener: Option<Box<Listener>>,
    ) -> Self {
        Self {
            guardrails: guardrails.into_iter().map(|guardrail| (guardrail, false)).collect(),
            counts,
            framer: sse::Framer::default(),
            partial: BytesMut::new(),
            held: VecDeque::new(),
            held_bytes: 0,
            texts: BTreeMap::new(),
            chars: 0,
            bytes: 0,
            is_over: false,
            listener,
        }
    }

    /// Takes what may go to the caller next, and puts what goes now into `out`. `is_last`: nothing follows.
    ///
    /// # Errors
    /// The guardrail that stops the answer. Nothing of it may be passed on after that.
    pub fn pass(&mut self, from: &mut Parts, is_last: bool, out: &mut Parts) -> Result<(), Blocked> {
        while let Some(part) = from.next_part() {
            self.partial.extend_from_slice(&part);
        }
        let buffer = self.partial.split().freeze();
        let mut at = 0;
        while let Some(length) = self.framer.next_end(buffer.get(at..).unwrap_or_default()) {
            self.take(buffer.slice(at..at + length))?;
            at += length;
        }
        self.partial.extend_from_slice(buffer.get(at..).unwrap_or_default());
        if is_last {
            self.end()?;
            let rest = self.partial.split().freeze();
            self.held.drain(..).for_each(|held| out.push(held.event));
            self.held_bytes = 0;
            out.push(rest);
            return Ok(());
        }
        self.release(out);
        if self.held_bytes + self.partial.len() > HELD_BYTES_MAX {
            return self.cannot_read().map(|()| self.held.drain(..).for_each(|held| out.push(held.event)));
        }
        Ok(())
    }

    /// Looks at an event, and holds it.
    fn take(&mut self, event: Bytes) -> Result<(), Blocked> {
        let mut texts = Vec::new();
        let data = sse::data(&event).filter(|data| data.trim_ascii() != b"[DONE]");
        if let Some(data) = data {
            match text::read(&data) {
                Some(node) => {
                    let mut pieces = Vec::new();
                    node.said(&mut String::new(), &mut |place, piece| {
                        pieces.push((place.to_owned(), piece.to_owned()));
                    });
                    for (place, piece) in pieces {
                        texts.push(self.add(place, &piece)?);
                    }
                }
                None => self.cannot_read()?,
            }
        }
        self.held_bytes += event.len();
        self.held.push_back(Held { event, texts, chars: self.chars });
        Ok(())
    }

    /// Adds a piece to its text and looks at it there.
    fn add(&mut self, place: String, piece: &str) -> Result<(String, u64), Blocked> {
        if self.texts.len() >= TEXTS_MAX && !self.texts.contains_key(&place) {
            self.cannot_read()?;
        }
        if let Some(listener) = &mut self.listener {
            listener.texts.add(&place, piece);
        }
        let chars = piece.chars().count() as u64;
        self.chars += chars;
        self.bytes += piece.len() as u64;
        let said = self.texts.entry(place.clone()).or_default();
        said.window.push_str(piece);
        said.chars += chars;
        let at = said.chars;
        let window = said.window.clone();
        let is_cut = said.is_cut;
        if let Some((start, _)) = window.char_indices().rev().nth(LOOKED_BACK) {
            said.window.replace_range(..start, "");
            said.is_cut = true;
        }
        self.look(&window, is_cut, true)?;
        Ok((place, at))
    }

    /// Looks for everything in a window.
    fn look(&mut self, window: &str, is_cut: bool, is_open: bool) -> Result<(), Blocked> {
        let from = if is_cut { window.chars().next().map_or(0, char::len_utf8) } else { 0 };
        for (guardrail, is_told) in &mut self.guardrails {
            let found = match &guardrail.rule {
                Rule::Bytes(most) => self.bytes > *most,
                Rule::Text(finder) => finder.finds(Window { text: window, from, is_open }),
                // Asked elsewhere: they are not among these.
                Rule::Webhook(_) => false,
            };
            if found && !*is_told {
                *is_told = true;
                guardrail.act(true, Stage::Response, &self.counts)?;
            }
        }
        Ok(())
    }

    /// What is not decided yet is decided now: nothing follows.
    fn end(&mut self) -> Result<(), Blocked> {
        if std::mem::replace(&mut self.is_over, true) {
            return Ok(());
        }
        for (_, said) in std::mem::take(&mut self.texts) {
            self.look(&said.window, said.is_cut, false)?;
        }
        for (guardrail, is_told) in &self.guardrails {
            if !is_told {
                guardrail.act(false, Stage::Response, &self.counts)?;
            }
        }
        if let Some(listener) = self.listener.take() {
            listener.tell();
        }
        Ok(())
    }

    /// What comes cannot be looked into: everything that blocks does.
    fn cannot_read(&mut self) -> Result<(), Blocked> {
        for (guardrail, is_told) in &mut self.guardrails {
            if !*is_told {
                *is_told = true;
                guardrail.act(true, Stage::Response, &self.counts)?;
            }
        }
        Ok(())
    }

    /// Gives on what no guardrail waits for any longer.
    fn release(&mut self, out: &mut Parts) {
        let holds = self.guardrails.iter().any(|(guardrail, _)| guardrail.blocks());
        while let Some(first) = self.held.front() {
            let is_past = |(place, at): &(String, u64)| {
                self.texts.get(place).is_none_or(|said| said.chars >= at + HELD_CHARS)
            };
            let paused = self.chars >= first.chars + PAUSED_CHARS;
            if holds && !paused && !first.texts.iter().all(is_past) {
                return;
            }
            if let Some(held) = self.held.pop_front() {
                self.held_bytes -= held.event.len();
                out.push(held.event);
            }
        }
    }
}
