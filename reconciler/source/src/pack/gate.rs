//! Measures a pack while it arrives: objects, their sizes once inflated and once their deltas are applied, the
//! length of delta chains.
//!
//! A pack of a megabyte can hold objects of many gigabytes, and libgit2 makes room for whatever an object's header
//! announces. So the pack is inflated here first, into nothing, and what goes over a limit never reaches libgit2.

use flate2::{Decompress, FlushDecompress, Status};

use crate::config::Limits;
use crate::fetch::{FetchError, Limit};

use super::Taken;

/// Git itself makes no chain longer than this.
const DELTA_DEPTH_MAX: u16 = 4095;

/// The bytes of a delta that hold its two sizes, at most.
const DELTA_HEAD: usize = 20;

/// Follows a pack through its bytes.
pub(super) struct PackGate {
    limits: Limits,
    state: State,
    /// Bytes so far, which is also the offset of the next.
    offset: u64,
    objects_left: u32,
    expanded: u64,
    /// Offset and chain length of every object, in order of offset.
    depths: Vec<(u64, u16)>,
    inflate: Box<Decompress>,
    sink: Box<[u8]>,
    objects: u32,
}

enum State {
    /// `PACK`, version, count.
    Head(Vec<u8>),
    /// Kind and size of an object.
    Entry {
        start: u64,
        kind: u8,
        size: u64,
        shift: u32,
    },
    /// How far back a delta's base is.
    BackOffset {
        start: u64,
        size: u64,
        back: u64,
        is_first: bool,
    },
    /// The name of a delta's base.
    BaseName {
        start: u64,
        size: u64,
        left: u8,
    },
    /// The deflated content.
    Body {
        size: u64,
        produced: u64,
        delta_head: Option<Vec<u8>>,
    },
    /// The pack's own hash.
    Tail {
        left: u8,
    },
    Done,
}

impl PackGate {
    pub(super) fn new(limits: &Limits) -> Self {
        Self {
            limits: limits.clone(),
            state: State::Head(Vec::with_capacity(12)),
            offset: 0,
            objects_left: 0,
            expanded: 0,
            depths: Vec::new(),
            inflate: Box::new(Decompress::new(true)),
            sink: vec![0; 32 * 1024].into_boxed_slice(),
            objects: 0,
        }
    }

    /// How many objects went through, and how many the pack says it holds.
    pub(super) fn objects_passed(&self) -> (u32, u32) {
        (self.objects - self.objects_left, self.objects)
    }

    /// What went through so far.
    pub(super) fn taken(&self) -> Taken {
        Taken { bytes: self.offset, objects: self.objects, expanded: self.expanded }
    }

    /// Looks at the next bytes.
    pub(super) fn pass(&mut self, mut bytes: &[u8]) -> Result<(), FetchError> {
        while !bytes.is_empty() {
            let used = if matches!(self.state, State::Body { .. }) {
                self.pass_body(bytes)?
            } else {
                self.pass_byte(bytes[0])?;
                1
            };
            bytes = &bytes[used..];
            self.offset += used as u64;
            if self.offset > self.limits.pack_bytes {
                return Err(FetchError::TooLarge { limit: Limit::PackBytes(self.limits.pack_bytes) });
            }
        }
        Ok(())
    }

    /// Whether the pack came to its end.
    pub(super) fn finish(&self) -> Result<(), FetchError> {
        match self.state {
            State::Done => Ok(()),
            _ => Err(damaged("it ended early")),
        }
    }

    fn pass_byte(&mut self, byte: u8) -> Result<(), FetchError> {
        let offset = self.offset;
        match &mut self.state {
            State::Head(head) => {
                head.push(byte);
                if let Ok(head) = <[u8; 12]>::try_from(head.as_slice()) {
                    self.begin(head)?;
                }
            }
            State::Entry { start, kind, size, shift } => {
                if *shift == 0 {
                    *start = offset;
                    *kind = (byte >> 4) & 7;
                    *size = u64::from(byte & 15);
                    *shift = 4;
                } else {
                    *size |= shifted(byte & 0x7f, *shift)?;
                    *shift += 7;
                }
                if byte & 0x80 == 0 {
                    let (start, kind, size) = (*start, *kind, *size);
                    self.begin_object(start, kind, size)?;
                }
            }
            State::BackOffset { start, size, back, is_first } => {
                let carried = if *is_first { 0 } else { back.saturating_add(1) };
                if carried >= 1 << 56 {
                    return Err(damaged("a delta reaches back too far"));
                }
                *back = (carried << 7) | u64::from(byte & 0x7f);
                *is_first = false;
                if byte & 0x80 == 0 {
                    let (start, size, back) = (*start, *size, *back);
                    self.begin_offset_delta(start, size, back)?;
                }
            }
            State::BaseName { start, size, left } => {
                *left -= 1;
                if *left == 0 {
                    // The base may come later or be far away; how long this chain is cannot be known yet.
                    let (start, size) = (*start, *size);
                    self.depths.push((start, 1));
                    self.begin_body(size, Some(Vec::new()));
                }
            }
            State::Tail { left } => {
                *left -= 1;
                if *left == 0 {
                    self.state = State::Done;
                }
            }
            State::Body { .. } => return Err(damaged("an object has no end")),
            State::Done => return Err(damaged("bytes follow its end")),
        }
        Ok(())
    }

    fn begin(&mut self, head: [u8; 12]) -> Result<(), FetchError> {
        let version = u32::from_be_bytes([head[4], head[5], head[6], head[7]]);
        let count = u32::from_be_bytes([head[8], head[9], head[10], head[11]]);
        if &head[..4] != b"PACK" || !matches!(version, 2 | 3) {
            return Err(damaged("it does not begin as a pack does"));
        }
        if count > self.limits.pack_objects {
            return Err(FetchError::TooLarge { limit: Limit::PackObjects(self.limits.pack_objects) });
        }
        self.objects = count;
        self.objects_left = count;
        self.next_object();
        Ok(())
    }

    fn next_object(&mut self) {
        self.state = match self.objects_left {
            0 => State::Tail { left: 20 },
            _ => State::Entry { start: 0, kind: 0, size: 0, shift: 0 },
        };
    }

    fn begin_object(&mut self, start: u64, kind: u8, size: u64) -> Result<(), FetchError> {
        self.measure(size)?;
        match kind {
            // Commit, tree, blob, tag.
            1..=4 => {
                self.depths.push((start, 0));
                self.begin_body(size, None);
            }
            6 => self.state = State::BackOffset { start, size, back: 0, is_first: true },
            7 => self.state = State::BaseName { start, size, left: 20 },
            _ => return Err(damaged("an object is of no known kind")),
        }
        Ok(())
    }

    fn begin_offset_delta(&mut self, start: u64, size: u64, back: u64) -> Result<(), FetchError> {
        let base = start.checked_sub(back).ok_or(damaged("a delta reaches back before the pack"))?;
        let found = self.depths.binary_search_by_key(&base, |(offset, _)| *offset);
        let index = found.map_err(|_| damaged("a delta names no object as its base"))?;
        let depth = self.depths[index].1 + 1;
        if depth > DELTA_DEPTH_MAX {
            return Err(FetchError::TooLarge { limit: Limit::DeltaDepth(DELTA_DEPTH_MAX) });
        }
        self.depths.push((start, depth));
        self.begin_body(size, Some(Vec::new()));
        Ok(())
    }

    fn begin_body(&mut self, size: u64, delta_head: Option<Vec<u8>>) {
        self.inflate.reset(true);
        self.state = State::Body { size, produced: 0, delta_head };
    }

    /// Inflates some of an object and returns how many bytes that took.
    fn pass_body(&mut self, bytes: &[u8]) -> Result<usize, FetchError> {
        let State::Body { size, produced, delta_head } = &mut self.state else {
            return Err(damaged("an object has no begin"));
        };
        let mut used = 0;
        loop {
            let (before_in, before_out) = (self.inflate.total_in(), self.inflate.total_out());
            let status = self
                .inflate
                .decompress(&bytes[used..], &mut self.sink, FlushDecompress::None)
                .map_err(|_| damaged("an object cannot be inflated"))?;
            let made = usize::try_from(self.inflate.total_out() - before_out).unwrap_or(usize::MAX);
            used += usize::try_from(self.inflate.total_in() - before_in).unwrap_or(usize::MAX);
            *produced += made as u64;
            if *produced > *size {
                return Err(damaged("an object is longer than it says"));
            }
            if let Some(head) = delta_head {
                let room = DELTA_HEAD - head.len();
                head.extend_from_slice(&self.sink[..made.min(room)]);
            }
            let is_stuck = made == 0 && used == bytes.len();
            match status {
                Status::StreamEnd => break,
                Status::Ok | Status::BufError if is_stuck => return Ok(used),
                Status::BufError if made == 0 => return Err(damaged("an object cannot be inflated")),
                Status::Ok | Status::BufError => {}
            }
        }
        if *produced != *size {
            return Err(damaged("an object is shorter than it says"));
        }
        let result = delta_head.as_deref().map(delta_result);
        if let Some(result) = result {
            self.measure(result.ok_or(damaged("a delta has no sizes"))?)?;
        }
        self.objects_left -= 1;
        self.next_object();
        Ok(used)
    }

    fn measure(&mut self, size: u64) -> Result<(), FetchError> {
        if size > self.limits.object_bytes {
            return Err(FetchError::TooLarge { limit: Limit::ObjectBytes(self.limits.object_bytes) });
        }
        self.expanded += size;
        if self.expanded > self.limits.expanded_bytes {
            return Err(FetchError::TooLarge { limit: Limit::ExpandedBytes(self.limits.expanded_bytes) });
        }
        Ok(())
    }
}

/// The size of a delta's result: the second of the two numbers it begins with.
fn delta_result(head: &[u8]) -> Option<u64> {
    let mut bytes = head.iter();
    let mut number = || {
        let (mut value, mut shift) = (0_u64, 0);
        loop {
            let byte = *bytes.next()?;
            value |= shifted(byte & 0x7f, shift).ok()?;
            shift += 7;
            if byte & 0x80 == 0 {
                return Some(value);
            }
        }
    };
    number()?;
    number()
}

fn shifted(bits: u8, shift: u32) -> Result<u64, FetchError> {
    let value = u64::from(bits);
    match value.checked_shl(shift) {
        Some(moved) if moved >> shift == value => Ok(moved),
        _ => Err(damaged("a size has too many digits")),
    }
}

fn damaged(problem: &'static str) -> FetchError {
    FetchError::Pack { problem }
}

#[cfg(test)]
mod tests;
