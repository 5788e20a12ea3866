//! The verbs that change what is served. Each either happens whole or not at all.

use std::sync::atomic::Ordering;
use std::sync::{Arc, MutexGuard, PoisonError};

use jiff::Timestamp;
use moorline_admin::{Candidate, CandidateStaged, Event, Generation as Number, Origin};
use moorline_config::{Digest, Mistakes, Percent};

use super::compile::{Checked, Proposal, Unfit, attest_again, renew};
use super::disk::{DiskError, Saved, SavedDocument};
use super::{Author, Ownership, State, Write, Writer, digest};
use crate::generation::{Generation, ProbeKey, Snapshot, Staged};
use crate::secrets::Lacking;

/// Retired generations whose counts stay readable: the former stable, and a candidate that was dropped.
const RETIRED_MAX: usize = 2;

/// Why nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum ChangeError {
    /// The document has mistakes.
    #[error("the document has mistakes")]
    Invalid(Mistakes),
    /// The document is right, but has references without values here.
    #[error("{}", if .0.is_passing { "a secret store cannot be asked now" } else { "the document names secrets that are not there" })]
    Secrets(Lacking),
    /// Something else serves than the writer believes.
    #[error("expected {expected}, but {} is there", actual.map_or_else(|| "nothing".to_owned(), |digest| digest.to_string()))]
    Precondition {
        /// What the writer expected.
        expected: Digest,
        /// What is there.
        actual: Option<Digest>,
    },
    /// Another owns the document.
    #[error("the document is owned by `{owner}`; a write from `{writer}` is refused unless it takes over")]
    Owned {
        /// Who owns it.
        owner: Origin,
        /// Who wrote.
        writer: Origin,
    },
    /// There is no candidate.
    #[error("no candidate is staged")]
    NoCandidate,
    /// It could not be made to last, so it was not made at all.
    #[error("the change could not be kept, so it was not made")]
    NotKept(#[source] DiskError),
    /// No random key could be drawn.
    #[error("the system gave no random bytes for a probe key")]
    NoRandomness,
    /// The change broke off before it was published.
    #[error("the change broke off; what served before keeps serving")]
    Stopped,
}

/// What a write came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Taken {
    /// The document serves as a new generation.
    Changed(Number),
    /// The same document serves already; what is attested of it may have changed.
    Same(Number),
    /// The file is not the owner, so it was not read.
    Ignored(Origin),
}

impl State {
    /// Replaces the stable document. The same document again only renews what is attested of it.
    ///
    /// # Errors
    /// See [`ChangeError`].
    pub fn replace(&self, proposal: &Proposal, write: &Write, now: Timestamp) -> Result<Taken, ChangeError> {
        let checked = self.prepare(proposal, write, now)?;
        let mut writer = self.writer();
        let before = self.snapshot.load_full();
        allowed(&before, write)?;
        self.held.learn(&checked.secrets, now);
        let mut after = Snapshot::clone(&before);
        if before.stable.as_ref().is_some_and(|stable| stable.attestation.origin != write.author.origin) {
            // The new owner's word is final: what the former one was trying out goes.
            drop_candidate(&mut after);
        }
        let same = before.stable.as_ref().filter(|stable| checked.is(stable));
        let (stable, next) = match same {
            Some(stable) => (checked.again(stable, &write.author), writer.saved.next_generation),
            None => writer.compile(checked, write, now, &before),
        };
        let number = stable.number;
        let stable = Arc::new(stable);
        let saved = Saved { next_generation: next, stable: Some(keep(&stable)), ..writer.saved.clone() };
        let taken = if same.is_some() { Taken::Same(number) } else { Taken::Changed(number) };
        let is_as_before = same.is_some_and(|same| same.fingerprints == stable.fingerprints);
        if is_as_before && saved == writer.saved && after.candidate.is_none() == before.candidate.is_none() {
            self.rejected().clear();
            return Ok(taken);
        }
        writer.save(saved)?;
        set_stable(&mut after, stable);
        self.publish(&before, after, now);
        Ok(taken)
    }

    /// Takes the files' document, while the file is the owner.
    ///
    /// # Errors
    /// See [`ChangeError`].
    pub fn reload(&self, proposal: &Proposal, now: Timestamp) -> Result<Taken, ChangeError> {
        if let Some(owner) = self.owner().filter(|owner| *owner != Origin::File) {
            return Ok(Taken::Ignored(owner));
        }
        let write = Write { author: Author::file(), if_match: None, ownership: Ownership::Respect };
        self.replace(proposal, &write, now)
    }

    /// Stages a candidate, replacing any other. The same document again changes only its weight and what is attested
    /// of it, and keeps its probe key.
    ///
    /// # Errors
    /// See [`ChangeError`].
    pub fn stage(
        &self,
        proposal: &Proposal,
        weight: Percent,
        write: &Write,
        now: Timestamp,
    ) -> Result<CandidateStaged, ChangeError> {
        let checked = self.prepare(proposal, write, now)?;
        let mut writer = self.writer();
        let before = self.snapshot.load_full();
        allowed(&before, write)?;
        self.held.learn(&checked.secrets, now);
        let mut after = Snapshot::clone(&before);
        let same = before.candidate.as_ref().filter(|staged| checked.is(&staged.generation));
        let staged = if let Some(staged) = same {
            let generation = Arc::new(checked.again(&staged.generation, &write.author));
            Staged { generation, weight, probe_key: staged.probe_key.clone() }
        } else {
            let probe_key = draw_probe_key()?;
            let (generation, next_generation) = writer.compile(checked, write, now, &before);
            // The candidate itself is not kept, but its number is: it is never given to another document.
            let saved = Saved { next_generation, ..writer.saved.clone() };
            writer.save(saved)?;
            drop_candidate(&mut after);
            Staged { generation: Arc::new(generation), weight, probe_key }
        };
        after.candidate = Some(staged.clone());
        self.publish(&before, after, now);
        Ok(CandidateStaged { candidate: described(&staged), probe_key: staged.probe_key.expose().to_owned() })
    }

    /// Sets the candidate's weight.
    ///
    /// # Errors
    /// [`ChangeError::NoCandidate`]; [`ChangeError::Precondition`] when the candidate is another document.
    pub fn set_weight(
        &self,
        expected: Option<Digest>,
        weight: Percent,
        now: Timestamp,
    ) -> Result<Candidate, ChangeError> {
        let _writer = self.writer();
        let before = self.snapshot.load_full();
        let staged = before.candidate.as_ref().ok_or(ChangeError::NoCandidate)?;
        expect(expected, Some(staged.generation.config.digest()))?;
        let staged = Staged { weight, ..staged.clone() };
        let candidate = described(&staged);
        self.publish(&before, Snapshot { candidate: Some(staged), ..Snapshot::clone(&before) }, now);
        Ok(candidate)
    }

    /// Makes the candidate stable, with its number and counts. Done already: nothing happens.
    ///
    /// # Errors
    /// As [`State::set_weight`], and [`ChangeError::NotKept`].
    pub fn promote(&self, expected: Option<Digest>, now: Timestamp) -> Result<(), ChangeError> {
        let mut writer = self.writer();
        let before = self.snapshot.load_full();
        let staged = before.candidate.as_ref();
        let is_done = expected.is_some() && expected == digest(before.stable.as_ref());
        if is_done && staged.is_none_or(|staged| Some(staged.generation.config.digest()) != expected) {
            return Ok(());
        }
        let generation =
            staged.map(|staged| Arc::clone(&staged.generation)).ok_or(ChangeError::NoCandidate)?;
        expect(expected, Some(generation.config.digest()))?;
        let saved = Saved { stable: Some(keep(&generation)), ..writer.saved.clone() };
        writer.save(saved)?;
        let mut after = Snapshot { candidate: None, ..Snapshot::clone(&before) };
        set_stable(&mut after, generation);
        self.publish(&before, after, now);
        Ok(())
    }

    /// Drops the candidate. None there: nothing happens.
    pub fn discard(&self, now: Timestamp) {
        let _writer = self.writer();
        let before = self.snapshot.load_full();
        if before.candidate.is_some() {
            let mut after = Snapshot::clone(&before);
            drop_candidate(&mut after);
            self.publish(&before, after, now);
        }
    }

    pub(super) fn writer(&self) -> MutexGuard<'_, Writer> {
        // A writer that panicked had not published; what it left in `saved` is what is on disk.
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Checks a document and looks its references up. Without the writer's lock, so that a rollback never waits for
    /// a slow store; whether the write is allowed is asked first, and again with the lock.
    fn prepare(&self, proposal: &Proposal, write: &Write, now: Timestamp) -> Result<Checked, ChangeError> {
        allowed(&self.snapshot(), write)?;
        let origin = write.author.origin;
        proposal.check(&self.resolver, &self.held).map_err(|unfit| {
            if origin == Origin::File {
                self.reject_once(origin, unfit.mistakes(), now);
            } else {
                self.reject(origin, unfit.mistakes(), now);
            }
            unfit.into()
        })
    }

    /// Who may change what serves, or what waits to be served.
    #[must_use]
    pub fn owner(&self) -> Option<Origin> {
        let stable = self.snapshot().stable.as_ref().map(|stable| stable.attestation.origin);
        stable.or_else(|| self.waiting().as_ref().map(|waiting| waiting.attestation.origin))
    }

    /// The one pointer store. Only called with the writer's lock held, after everything that can fail.
    pub(super) fn publish(&self, before: &Snapshot, after: Snapshot, now: Timestamp) {
        let stable = after.stable.as_ref().map(|stable| stable.number);
        let candidate = after.candidate.as_ref().map(|staged| staged.generation.number);
        let arrived = after.stable.iter().chain(after.candidate.as_ref().map(|staged| &staged.generation));
        for generation in arrived.filter(|generation| before.find(generation.number).is_none()) {
            self.ledger.open(generation.recorder.clone(), now);
            self.counters.changes.fetch_add(1, Ordering::Relaxed);
            self.rejected().clear();
            // Something else serves than what waited.
            self.waiting().take();
        }
        log(&after);
        self.snapshot.store(Arc::new(after));
        self.announce(Event::ConfigChanged { stable, candidate });
    }
}

impl Writer {
    /// Compiles a document under the next number; also the number after that.
    fn compile(
        &self,
        checked: Checked,
        write: &Write,
        now: Timestamp,
        before: &Snapshot,
    ) -> (Generation, u64) {
        let next = self.saved.next_generation;
        (checked.compile(Number(next), &write.author, now, before), next + 1)
    }

    fn save(&mut self, saved: Saved) -> Result<(), ChangeError> {
        if let Some(disk) = &self.disk {
            disk.save(&saved).map_err(ChangeError::NotKept)?;
        }
        self.saved = saved;
        Ok(())
    }
}

impl Checked {
    /// Whether this is the document a generation serves.
    fn is(&self, generation: &Generation) -> bool {
        generation.config.digest() == self.config.digest()
    }

    /// The same generation, said to come from another author, with the values its references have now.
    fn again(&self, generation: &Generation, author: &Author) -> Generation {
        attest_again(renew(generation, &self.secrets).as_ref().unwrap_or(generation), author)
    }
}

fn keep(generation: &Generation) -> SavedDocument {
    SavedDocument { attestation: generation.attestation.clone(), document: generation.config.value().clone() }
}

/// Whether a write may be made on what serves.
fn allowed(before: &Snapshot, write: &Write) -> Result<(), ChangeError> {
    expect(write.if_match, digest(before.stable.as_ref()))?;
    may_write(before, write)
}

impl From<Unfit> for ChangeError {
    fn from(unfit: Unfit) -> Self {
        match unfit {
            Unfit::Document(mistakes) => Self::Invalid(mistakes),
            Unfit::Secrets(lacking) => Self::Secrets(lacking),
        }
    }
}

fn expect(expected: Option<Digest>, actual: Option<Digest>) -> Result<(), ChangeError> {
    match expected {
        Some(expected) if actual != Some(expected) => Err(ChangeError::Precondition { expected, actual }),
        _ => Ok(()),
    }
}

fn may_write(before: &Snapshot, write: &Write) -> Result<(), ChangeError> {
    let writer = write.author.origin;
    match before.stable.as_ref().map(|stable| stable.attestation.origin) {
        Some(owner) if owner != writer && write.ownership == Ownership::Respect => {
            Err(ChangeError::Owned { owner, writer })
        }
        _ => Ok(()),
    }
}

fn set_stable(snapshot: &mut Snapshot, stable: Arc<Generation>) {
    let number = stable.number;
    if let Some(former) = snapshot.stable.replace(stable).filter(|former| former.number != number) {
        retire(snapshot, former);
    }
}

fn drop_candidate(snapshot: &mut Snapshot) {
    if let Some(staged) = snapshot.candidate.take() {
        retire(snapshot, staged.generation);
    }
}

fn retire(snapshot: &mut Snapshot, generation: Arc<Generation>) {
    snapshot.retired.insert(0, generation);
    snapshot.retired.truncate(RETIRED_MAX);
}

fn described(staged: &Staged) -> Candidate {
    Candidate { attestation: staged.generation.attestation.clone(), weight: staged.weight }
}

fn draw_probe_key() -> Result<ProbeKey, ChangeError> {
    let mut bytes = [0; 32];
    let random = rustls::crypto::aws_lc_rs::default_provider().secure_random;
    random.fill(&mut bytes).map_err(|_| ChangeError::NoRandomness)?;
    Ok(ProbeKey::new(bytes))
}

/// Says what will serve from here on, before it does.
fn log(snapshot: &Snapshot) {
    if let Some(stable) = &snapshot.stable {
        let said = &stable.attestation;
        tracing::info!(
            generation = said.generation.0, digest = %said.digest, origin = %said.origin,
            commit = said.commit, actor = said.actor, reason = said.reason, "stable document",
        );
    }
    if let Some(staged) = &snapshot.candidate {
        let said = &staged.generation.attestation;
        tracing::info!(
            generation = said.generation.0, digest = %said.digest, origin = %said.origin,
            commit = said.commit, weight = %staged.weight, "candidate document",
        );
    }
}
