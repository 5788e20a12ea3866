//! What the runner remembers between two calls: where `init` has run and for what, and which plans it has just made.
//!
//! In memory only. What is not remembered, after a restart for one, is done again.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use sha2::{Digest as _, Sha256};

use super::PLAN_AGE_SECONDS_MAX;
use crate::gate::GateReport;
use crate::redact::Known;
use crate::runner::Job;
use crate::seal::Seal;

/// Most plans that are remembered; the oldest are forgotten first.
const PLANS_MAX: usize = 64;

/// All that `init` goes by: while it is the same, another `init` changes nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct InitKey([u8; 32]);

impl InitKey {
    /// The key of a job; `None` when part of it is known only at run time, or cannot be read.
    pub(super) fn of(job: &Job, program: &Path, report: &GateReport) -> Option<Self> {
        let mut hash = Sha256::new();
        let mut part = |bytes: &[u8]| {
            hash.update(bytes.len().to_le_bytes());
            hash.update(bytes);
        };
        part(&serde_json::to_vec(&job.environment).ok()?);
        for (name, value) in &job.variables {
            part(name.as_bytes());
            part(value.expose().as_bytes());
        }
        part(job.mirror.as_deref().map_or(OsStr::new(""), Path::as_os_str).as_encoded_bytes());
        part(program.as_os_str().as_encoded_bytes());
        let found = fs::metadata(program).ok()?;
        for number in [found.dev(), found.ino(), found.size()] {
            part(&number.to_le_bytes());
        }
        for number in [found.ctime(), found.ctime_nsec()] {
            part(&number.to_le_bytes());
        }
        let lock_file = job.tree.join(&job.environment.directory).join(".terraform.lock.hcl");
        match fs::read(lock_file) {
            Ok(content) => part(&content),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => part(b""),
            Err(_) => return None,
        }
        for provider in &report.providers {
            part(provider.as_bytes());
        }
        for text in &report.read_by_init {
            part(text.as_deref()?.as_bytes());
        }
        Some(Self(hash.finalize().into()))
    }
}

/// What one runner remembers.
#[derive(Debug, Default)]
pub(super) struct Memory {
    /// By Terraform's data directory: what `init` went by there, and the directory as `init` left it.
    initialised: Mutex<BTreeMap<PathBuf, (InitKey, Seal)>>,
    /// By the plan's file: the secrets known when it was made.
    plans: Mutex<BTreeMap<PathBuf, (Timestamp, Known)>>,
}

impl Memory {
    /// Whether `init` has run there for the same, and nobody has written there since. What a provider or a person
    /// has touched is not trusted.
    pub(super) fn is_initialised(&self, data: &Path, key: InitKey) -> bool {
        let known = lock(&self.initialised).get(data).copied();
        known.is_some_and(|(known, seal)| known == key && Seal::of(data).is_ok_and(|now| now == seal))
    }

    /// Remembers that `init` has run.
    pub(super) fn initialised(&self, data: &Path, key: InitKey) {
        if let Ok(seal) = Seal::of(data) {
            lock(&self.initialised).insert(data.to_owned(), (key, seal));
        }
    }

    /// Forgets that `init` has run: it is about to run again.
    pub(super) fn forget(&self, data: &Path) {
        lock(&self.initialised).remove(data);
    }

    /// Remembers a plan, with the secrets that the state had when it was made.
    pub(super) fn planned(&self, plan: &Path, now: Timestamp, known: Known) {
        let mut plans = lock(&self.plans);
        plans.retain(|_, (made_at, _)| now.as_second() - made_at.as_second() <= PLAN_AGE_SECONDS_MAX);
        plans.insert(plan.to_owned(), (now, known));
        if plans.len() > PLANS_MAX
            && let Some(oldest) = plans.iter().min_by_key(|(_, (made_at, _))| *made_at)
        {
            let oldest = oldest.0.clone();
            plans.remove(&oldest);
        }
    }

    /// The secrets of a plan that was just made. Asked once: a plan is applied at most once.
    pub(super) fn take_plan(&self, plan: &Path) -> Option<Known> {
        lock(&self.plans).remove(plan).map(|(_, known)| known)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
