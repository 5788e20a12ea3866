//! Takes a pack in: measured first by the gate, then handed to libgit2, which writes and indexes it.

mod gate;
mod progress;

use std::io::Write as _;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use git2::{Odb, OdbPackwriter};

use crate::budget::Budget;
use crate::config::Limits;
use crate::fetch::FetchError;
use gate::PackGate;

pub use progress::FetchProgress;
pub(crate) use progress::Progress;

/// Bytes that go through between two looks at the clock.
const PIECE: usize = 16 * 1024;

/// Writes one pack into an object database. Nothing of it can be read before [`PackWriter::finish`].
pub(crate) struct PackWriter<'o> {
    gate: PackGate,
    writer: OdbPackwriter<'o>,
    budget: Budget,
    progress: Arc<Mutex<Progress>>,
}

/// What a pack took of the limits.
pub(crate) struct Taken {
    pub(crate) bytes: u64,
    pub(crate) objects: u32,
    pub(crate) expanded: u64,
}

impl<'o> PackWriter<'o> {
    pub(crate) fn new(
        odb: &'o Odb<'_>,
        limits: &Limits,
        budget: &Budget,
        progress: &Arc<Mutex<Progress>>,
    ) -> Result<Self, FetchError> {
        let mut writer = odb.packwriter().map_err(FetchError::git("starting a pack"))?;
        let (watched, shared) = (budget.clone(), progress.clone());
        writer.progress(move |stats| {
            let (done, of) = (stats.indexed_objects(), stats.total_objects());
            lock(&shared).indexed(done, of);
            watched.check().is_ok()
        });
        let progress = progress.clone();
        Ok(Self { gate: PackGate::new(limits), writer, budget: budget.clone(), progress })
    }

    pub(crate) fn write(&mut self, bytes: &[u8]) -> Result<(), FetchError> {
        for piece in bytes.chunks(PIECE) {
            FetchError::check(&self.budget)?;
            self.gate.pass(piece)?;
            self.writer.write_all(piece).map_err(|_| {
                // git2 keeps libgit2's own words out of this error; they are still there to be asked for.
                FetchError::Git { doing: "writing a pack", source: git2::Error::last_error(-1) }
            })?;
            let (done, of) = self.gate.objects_passed();
            lock(&self.progress).received(done, of, self.gate.taken().bytes);
        }
        Ok(())
    }

    /// Ends the pack: applies its deltas and makes its objects readable.
    pub(crate) fn finish(mut self) -> Result<Taken, FetchError> {
        self.gate.finish()?;
        let taken = self.gate.taken();
        if taken.objects > 0 {
            let result = self.writer.commit();
            FetchError::check(&self.budget)?;
            result.map_err(FetchError::git("indexing a pack"))?;
        }
        Ok(taken)
    }
}

fn lock(progress: &Mutex<Progress>) -> MutexGuard<'_, Progress> {
    progress.lock().unwrap_or_else(PoisonError::into_inner)
}
