//! Which code an input reached: the counters that the compiler adds with `-Cpasses=sancov-module` and
//! `-sanitizer-coverage-inline-8bit-counters` (see the Makefile), one byte a branch.
//!
//! This is all of the runtime that such a build needs. The compiler's constructors hand over where each module's
//! counters are, before `main`; after each input they are read and cleared.

#![expect(unsafe_code, reason = "the counters are the compiler's memory, handed over as two addresses")]

use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

/// Counters of one module. Nearly all are in words, which are read eight at a time: most are zero most of the time.
type Module = (&'static [AtomicU8], &'static [AtomicU64], &'static [AtomicU8]);

/// The modules that this program is made of.
static MODULES: Mutex<Vec<Module>> = Mutex::new(Vec::new());

/// Called by a constructor of each instrumented module, with its counters' first byte and the one past the last.
#[unsafe(no_mangle)]
extern "C" fn __sanitizer_cov_8bit_counters_init(start: *const AtomicU8, stop: *const AtomicU8) {
    let length = stop.addr().saturating_sub(start.addr());
    if start.is_null() || length == 0 {
        return;
    }
    // SAFETY: by the interface, the bytes from start to stop are a static array of this program: valid and never
    // moved. Any eight bytes are a word. All of our access is atomic; a count that the watch's thread adds meanwhile
    // may be lost, which is all that can happen.
    let module = unsafe { std::slice::from_raw_parts(start, length).align_to::<AtomicU64>() };
    MODULES.lock().unwrap_or_else(PoisonError::into_inner).push(module);
}

/// What was reached so far, over all inputs.
#[derive(Debug)]
pub(crate) struct Coverage {
    modules: Vec<Module>,
    /// For each counter the orders of magnitude it was seen at, a bit each.
    seen: Vec<u8>,
}

impl Coverage {
    /// Nothing was reached yet.
    pub(crate) fn new() -> Self {
        let modules = MODULES.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let count = modules.iter().map(|(head, words, tail)| head.len() + words.len() * 8 + tail.len()).sum();
        Self { modules, seen: vec![0; count] }
    }

    /// Whether this program was built with counters.
    pub(crate) const fn is_there(&self) -> bool {
        !self.seen.is_empty()
    }

    /// Forgets what ran since the last look.
    pub(crate) fn clear(&self) {
        for (head, words, tail) in &self.modules {
            words.iter().for_each(|word| word.store(0, Ordering::Relaxed));
            head.iter().chain(*tail).for_each(|counter| counter.store(0, Ordering::Relaxed));
        }
    }

    /// Whether something ran since the counters were cleared that never ran so often before.
    pub(crate) fn is_new(&mut self) -> bool {
        let (mut at, mut is_new) = (0, false);
        let mut look = |at: usize, count: u8| {
            if count > 0 {
                let magnitude = 1 << count.ilog2();
                is_new |= self.seen[at] & magnitude == 0;
                self.seen[at] |= magnitude;
            }
        };
        for (head, words, tail) in &self.modules {
            for counter in head.iter().chain(*tail) {
                look(at, counter.load(Ordering::Relaxed));
                at += 1;
            }
            for word in *words {
                let counts = word.load(Ordering::Relaxed);
                if counts != 0 {
                    counts
                        .to_le_bytes()
                        .into_iter()
                        .enumerate()
                        .for_each(|(offset, count)| look(at + offset, count));
                }
                at += 8;
            }
        }
        is_new
    }

    /// How many counters were reached, and how many there are.
    pub(crate) fn reached(&self) -> (usize, usize) {
        (self.seen.iter().filter(|seen| **seen > 0).count(), self.seen.len())
    }
}
