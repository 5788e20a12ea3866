//! Places where a test may kill the daemon, to see that the next start ends in the same place.
//!
//! In a debug build, `MOORLINE_KILL_AT=terraform.apply:done` kills the process (SIGKILL to itself) when the effect
//! `terraform.apply` is done and before its outcome is recorded. Moments: `begun`, `done`, `recorded`. A release
//! build has none of this.

/// Marks that a step reached a moment.
#[cfg(debug_assertions)]
pub(crate) fn reach(step: &str, moment: &str) {
    let Ok(wanted) = std::env::var("MOORLINE_KILL_AT") else { return };
    if wanted.split_once(':') == Some((step, moment)) {
        tracing::warn!(step, moment, "killed by MOORLINE_KILL_AT");
        if rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL).is_err() {
            tracing::error!("could not be killed");
        }
    }
}

/// Does nothing in a release build.
#[cfg(not(debug_assertions))]
pub(crate) const fn reach(_step: &str, _moment: &str) {}
