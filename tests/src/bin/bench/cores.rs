//! Which core a process runs on. Whoever is measured has one core for itself; load and provider share another.

use std::io;
use std::path::Path;

use rustix::process::setpriority_process;
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// The two cores of a measurement.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cores {
    measured: usize,
    load: usize,
    all: CpuSet,
}

impl Cores {
    /// The first two that this process may use; this thread (and what it starts from now on) runs on the second.
    ///
    /// Asks to be scheduled before everything else on the machine, which only root may; without it the figures are
    /// the same on a machine at rest.
    pub(crate) fn take() -> Self {
        let all = sched_getaffinity(None).unwrap();
        let mut allowed = (0..CpuSet::MAX_CPU).filter(|core| all.is_set(*core));
        let (Some(measured), Some(load)) = (allowed.next(), allowed.next()) else {
            panic!("two cores are needed: one for who is measured, one for provider and load")
        };
        let cores = Self { measured, load, all };
        pin(&only(cores.load));
        if prefer(-20).is_err() {
            eprintln!("bench: not root, so that other work on this machine shows in the figures");
        }
        cores
    }

    /// What this thread starts from now on runs on the core of who is measured, as a child inherits the affinity of
    /// the thread that makes it, until the guard is dropped.
    pub(crate) fn measured(self) -> OnMeasured {
        pin(&only(self.measured));
        OnMeasured(self)
    }

    /// Lets this thread run anywhere again.
    pub(crate) fn give_back(self) {
        pin(&self.all);
        if prefer(0).is_err() {
            eprintln!("bench: what follows keeps the priority of this measurement");
        }
    }
}

/// This thread is on the core of who is measured.
pub(crate) struct OnMeasured(Cores);

impl Drop for OnMeasured {
    fn drop(&mut self) {
        pin(&only(self.0.load));
    }
}

/// Sets the priority of what this thread starts from now on, and of its session where the kernel schedules whole
/// sessions against each other.
fn prefer(nice: i32) -> io::Result<()> {
    setpriority_process(None, nice)?;
    let session = Path::new("/proc/self/autogroup");
    if session.exists() { std::fs::write(session, nice.to_string()) } else { Ok(()) }
}

fn only(core: usize) -> CpuSet {
    let mut set = CpuSet::new();
    set.set(core);
    set
}

fn pin(set: &CpuSet) {
    sched_setaffinity(None, set).unwrap();
}
