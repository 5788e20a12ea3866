//! Descriptors that this process itself was started with, and that every child of it gets as well.
//!
//! All that we open is closed in children. What a careless parent left open when it started the daemon is not, and
//! closing it needs code that this workspace forbids; so it is found and reported.

use std::fs;

/// The bit of `O_CLOEXEC` in `/proc/self/fdinfo`.
const CLOSE_ON_EXEC: u32 = 0o2_000_000;

/// Descriptors beside the standard three that children would inherit: number, and what it leads to. Empty where there
/// is no `/proc`. Ask before anything else is started.
#[must_use]
pub fn inherited_descriptors() -> Vec<(u32, String)> {
    let Ok(entries) = fs::read_dir("/proc/self/fdinfo") else { return Vec::new() };
    let mut found: Vec<(u32, String)> = entries
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter(|number| *number > 2)
        .filter_map(|number: u32| {
            let info = fs::read_to_string(format!("/proc/self/fdinfo/{number}")).ok()?;
            let flags = info.lines().find_map(|line| line.strip_prefix("flags:"))?;
            let flags = u32::from_str_radix(flags.trim(), 8).ok()?;
            let leads = fs::read_link(format!("/proc/self/fd/{number}")).ok()?;
            (flags & CLOSE_ON_EXEC == 0).then(|| (number, leads.display().to_string()))
        })
        .collect();
    found.sort_unstable();
    found
}
