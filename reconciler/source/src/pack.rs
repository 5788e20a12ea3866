//! Takes a pack in: measured first by the gate, then handed to libgit2, which writes and indexes it.

mod gate;

use std::io::Write as _;

use git2::{Odb, OdbPackwriter};

use crate::budget::Budget;
use crate::config::Limits;
use crate::fetch::FetchError;
use gate::PackGate;

/// Bytes that go through between two looks at the clock.
const PIECE: usize = 16 * 1024;

/// Writes one pack into an object database. Nothing of it can be read before [`PackWriter::finish`].
pub(crate) struct PackWriter<'o> {
    gate: PackGate,
    writer: OdbPackwriter<'o>,
    budget: Budget,
}

impl<'o> PackWriter<'o> {
    /// Starts a pack.
    pub(crate) fn new(odb: &'o Odb<'_>, limits: &Limits, budget: &Budget) -> Result<Self, FetchError> {
        let mut writer = odb.packwriter().map_err(FetchError::git("starting a pack"))?;
        let watched = budget.clone();
        writer.progress(move |_| watched.check().is_ok());
        Ok(Self { gate: PackGate::new(limits), writer, budget: budget.clone() })
    }

    /// Takes the next bytes.
    pub(crate) fn write(&mut self, bytes: &[u8]) -> Result<(), FetchError> {
        for piece in bytes.chunks(PIECE) {
            FetchError::check(&self.budget)?;
            self.gate.pass(piece)?;
            self.writer.write_all(piece).map_err(|_| {
                // git2 keeps libgit2's own words out of this error; they are still there to be asked for.
                FetchError::Git { doing: "writing a pack", source: git2::Error::last_error(-1) }
            })?;
        }
        Ok(())
    }

    /// Ends the pack: applies its deltas and makes its objects readable. Gives their number.
    pub(crate) fn finish(mut self) -> Result<u32, FetchError> {
        self.gate.finish()?;
        let objects = self.gate.objects();
        if objects > 0 {
            let result = self.writer.commit();
            FetchError::check(&self.budget)?;
            result.map_err(FetchError::git("indexing a pack"))?;
        }
        Ok(objects)
    }
}
