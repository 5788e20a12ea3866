//! Inputs to begin with: `tests/fuzz/corpus/TARGET/`, kept in Git and small, and what longer runs found since.

use std::path::{Path, PathBuf};

use crate::targets::Target;

/// Longest input that is tried: what is found in a long one is found in a short one, and much sooner.
pub(crate) const INPUT_BYTES_MAX: usize = 16 * 1024;
/// Most inputs that longer runs keep for a target.
const FOUND_MAX: usize = 4_000;

/// What is in Git for a target: its corpus, and the golden cases that are its seeds.
pub(crate) fn of(target: &Target) -> Vec<Vec<u8>> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut inputs = read(&here.join("corpus").join(target.name));
    for (folder, ending) in target.seeds {
        below(&here.join("../..").join(folder), ending, &mut inputs);
    }
    inputs.retain(|input| input.len() <= INPUT_BYTES_MAX);
    inputs
}

/// Files at any depth whose names end so.
fn below(folder: &Path, ending: &str, inputs: &mut Vec<Vec<u8>>) {
    for path in paths(folder) {
        if path.is_dir() {
            below(&path, ending, inputs);
        } else if path.to_string_lossy().ends_with(ending) {
            inputs.extend(std::fs::read(&path));
        }
    }
}

fn paths(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let mut paths: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    paths.sort();
    paths
}

/// All inputs in a folder, in the order of their names.
pub(crate) fn read(folder: &Path) -> Vec<Vec<u8>> {
    paths(folder).iter().take(FOUND_MAX).filter_map(|path| std::fs::read(path).ok()).collect()
}

/// Keeps an input for later runs, under a name made of its bytes.
pub(crate) fn keep(folder: &Path, input: &[u8]) -> std::io::Result<PathBuf> {
    std::fs::create_dir_all(folder)?;
    // FNV-1a: the same input has the same name in every run.
    let hash = input.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    });
    let path = folder.join(format!("{hash:016x}"));
    std::fs::write(&path, input)?;
    Ok(path)
}
