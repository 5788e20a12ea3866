//! The child's process group: signals to its leader or to all of it, and no way to leave it behind by accident.

use rustix::process::{Pid, Signal, kill_process, kill_process_group};

/// What happens to a child whose run is dropped before it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum OnDrop {
    /// Kill the group: nothing is lost.
    Kill,
    /// Interrupt the leader: it still has a state to write.
    Interrupt,
}

pub(super) struct Group {
    leader: Option<Pid>,
    has_ended: bool,
    on_drop: OnDrop,
}

impl Group {
    pub(super) fn new(id: Option<u32>, on_drop: OnDrop) -> Self {
        let leader = id.and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        Self { leader, has_ended: false, on_drop }
    }

    pub(super) fn interrupt_leader(&self) {
        if let (Some(leader), false) = (self.leader, self.has_ended) {
            noted("interrupt", kill_process(leader, Signal::INT));
        }
    }

    pub(super) fn terminate(&self) {
        self.signal_group(Signal::TERM);
    }

    pub(super) fn kill(&self) {
        self.signal_group(Signal::KILL);
    }

    /// The leader is gone; what it left behind must go too: plugins, and whatever they started.
    pub(super) fn leader_ended(&mut self) {
        self.kill();
        self.has_ended = true;
    }

    fn signal_group(&self, signal: Signal) {
        if let (Some(leader), false) = (self.leader, self.has_ended) {
            noted("signal the group of", kill_process_group(leader, signal));
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        match self.on_drop {
            OnDrop::Kill => self.kill(),
            OnDrop::Interrupt => self.interrupt_leader(),
        }
    }
}

// A process that is gone already is what was wanted.
fn noted(attempt: &str, result: rustix::io::Result<()>) {
    if let Err(error) = result
        && error != rustix::io::Errno::SRCH
    {
        tracing::warn!(%error, "could not {attempt} terraform");
    }
}
