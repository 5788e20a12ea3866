//! A process a target, as many at a time as there are cores. One that does not end well leaves a finding.

use std::collections::VecDeque;
use std::hash::{BuildHasher as _, RandomState};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::targets::{self, Target};
use crate::{Arguments, corpus};

/// Where findings are put, below the folder it was started in.
const FINDINGS: &str = "target/fuzz-findings";

/// Fuzzes all wanted targets. Fails when there is a finding.
pub(crate) fn run(arguments: &Arguments, time: Duration) -> ExitCode {
    let is_wanted = |target: &&Target| {
        arguments.targets.is_empty() || arguments.targets.iter().any(|name| name == target.name)
    };
    let waiting: Mutex<VecDeque<&Target>> = Mutex::new(targets::ALL.iter().filter(is_wanted).collect());
    // Another seed each time, said so that a run can be had again.
    let seed = arguments.seed.unwrap_or_else(|| RandomState::new().hash_one(0));
    eprintln!("fuzz: seed {seed}");
    let findings = Mutex::new(Vec::new());
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZeroUsize::get);
    std::thread::scope(|scope| {
        for _ in 0..cores {
            scope.spawn(|| {
                let next = || waiting.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
                while let Some(target) = next() {
                    if let Some(finding) = supervise(target, time, seed, arguments.found.as_deref()) {
                        findings.lock().unwrap_or_else(PoisonError::into_inner).push((target.name, finding));
                    }
                }
            });
        }
    });
    let findings = findings.into_inner().unwrap_or_else(PoisonError::into_inner);
    for (name, input) in &findings {
        eprintln!("fuzz: {name} has a finding: fuzz {name} --input {}", input.display());
    }
    if findings.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Runs one target's process to its end. Answers with the input that ended it before its time.
fn supervise(target: &Target, time: Duration, seed: u64, found: Option<&Path>) -> Option<PathBuf> {
    let scratch = std::env::temp_dir().join(format!("moorline-fuzz-{}-{}", std::process::id(), target.name));
    let program = std::env::current_exe().expect("this program has a path");
    let mut command = Command::new(program);
    command.arg(target.name).arg("--scratch").arg(&scratch);
    command.args(["--seconds", &time.as_secs().to_string(), "--seed", &seed.to_string()]);
    if let Some(folder) = found {
        command.arg("--found").arg(folder);
    }
    let status = command.status().expect("this program can be started");
    let record = std::fs::read(&scratch).unwrap_or_default();
    drop(std::fs::remove_file(&scratch));
    if status.success() {
        return None;
    }
    let (length, input) = record.split_first_chunk().unwrap_or((&[0; 8], &[]));
    let length = usize::try_from(u64::from_le_bytes(*length)).unwrap_or(0);
    let folder = Path::new(FINDINGS).join(target.name);
    eprintln!("fuzz: {} ended with {status}", target.name);
    Some(corpus::keep(&folder, &input[..length.min(input.len())]).expect("a finding must be writable"))
}
