//! Totals of the whole process, over all generations, for counters that must never go down.
//!
//! A generation's counts are kept open while anybody still holds a handle to them (it serves, or a request that
//! picked it is under way) and are added to the closed totals after that, in the same lock that readers take, so
//! that a reader sees each request counted once.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use jiff::Timestamp;
use moorline_admin::Usage;

use super::{Authentication, Recorder};

/// The most names kept of documents that are gone; the counts of further names are filed under `other`.
pub const NAMES_MAX: usize = 1024;
/// Stands for names beyond [`NAMES_MAX`].
const OTHER: &str = "other";

/// Stands for requests that named no declared model, or matched no route.
pub const NONE: &str = "none";

/// Totals since the process started.
#[derive(Debug, Clone, Default)]
pub struct Totals {
    /// By model; together they are all requests.
    pub models: BTreeMap<String, Usage>,
    /// By route path; together they are all requests.
    pub routes: BTreeMap<String, Usage>,
    /// By model that was sent copies of requests, which are in none of the others.
    pub shadows: BTreeMap<String, Usage>,
    /// Authentication results in the order of [`Authentication::ALL`].
    pub authentications: [u64; Authentication::ALL.len()],
}

impl Totals {
    fn add(&mut self, recorder: &Recorder, now: Timestamp) {
        let counts = &*recorder.0;
        let window = counts.window(None, now);
        let (models, routes) = counts.by_kind(&window);
        merge_named(&mut self.models, &counts.model_names, models);
        merge_named(&mut self.routes, &counts.route_paths, routes);
        if let Some(shadows) = &counts.shadows {
            let counts = &*shadows.0;
            let window = counts.window(None, now);
            merge_named(&mut self.shadows, &counts.model_names, counts.by_kind(&window).0);
        }
        for (sum, count) in self.authentications.iter_mut().zip(window.authentications) {
            *sum += count;
        }
    }
}

fn merge_named(sums: &mut BTreeMap<String, Usage>, names: &[String], cells: &[Usage]) {
    let names = names.iter().map(String::as_str).chain([NONE]);
    for (name, usage) in names.zip(cells).filter(|(_, usage)| usage.requests > 0) {
        let is_known = sums.contains_key(name) || sums.len() < NAMES_MAX;
        let name = if is_known { name } else { OTHER };
        sums.entry(name.to_owned()).or_default().merge(usage);
    }
}

/// Every recorder of this process.
#[derive(Default)]
pub struct Ledger(Mutex<Books>);

#[derive(Default)]
struct Books {
    closed: Totals,
    open: Vec<Recorder>,
}

impl Ledger {
    /// Takes a new generation's recorder in.
    pub fn open(&self, recorder: Recorder, now: Timestamp) {
        let mut books = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        books.close_unused(now);
        books.open.push(recorder);
    }

    /// Notes history in every recorder.
    pub fn tick(&self, now: Timestamp) {
        let mut books = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        books.close_unused(now);
        books.open.iter().for_each(|recorder| recorder.tick(now));
    }

    /// Totals as they stand now.
    #[must_use]
    pub fn totals(&self, now: Timestamp) -> Totals {
        let mut books = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        books.close_unused(now);
        let mut totals = books.closed.clone();
        books.open.iter().for_each(|recorder| totals.add(recorder, now));
        totals
    }
}

impl Books {
    fn close_unused(&mut self, now: Timestamp) {
        // The ledger gives no handle away, so one that is the last stays the last.
        let (unused, open) = self.open.drain(..).partition(Recorder::is_last);
        self.open = open;
        let unused: Vec<Recorder> = unused;
        unused.iter().for_each(|recorder| self.closed.add(recorder, now));
    }
}
