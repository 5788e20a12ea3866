//! Says whether a folder is as it was: no file in it was written, made, replaced or removed since.
//!
//! It goes by what the file system keeps of each entry, not by content: size, inode, and the times of change, of which
//! the last one (`ctime`) cannot be set by whoever writes to the file. It costs one look at each entry.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use sha2::{Digest as _, Sha256};

/// Most entries of a folder that is sealed.
const ENTRIES_MAX: usize = 100_000;

/// What a folder was when it was looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seal([u8; 32]);

impl Seal {
    /// Looks at a folder. The folder's own times do not count, so that it can be renamed.
    ///
    /// # Errors
    /// When it cannot be read, or holds too much.
    pub fn of(folder: &Path) -> io::Result<Self> {
        let (mut hash, mut entries) = (Sha256::new(), 0);
        let mut open = vec![folder.to_owned()];
        while let Some(folder) = open.pop() {
            let mut inside = fs::read_dir(&folder)?.collect::<io::Result<Vec<_>>>()?;
            inside.sort_by_key(fs::DirEntry::file_name);
            entries += inside.len();
            if entries > ENTRIES_MAX {
                return Err(io::Error::other("it holds too many files to be sealed"));
            }
            hash.update(inside.len().to_le_bytes());
            for entry in inside {
                let (name, found) = (entry.file_name(), entry.metadata()?);
                hash.update(name.as_encoded_bytes());
                hash.update([0]);
                hash.update(found.mode().to_le_bytes());
                for number in [found.dev(), found.ino(), found.size()] {
                    hash.update(number.to_le_bytes());
                }
                for time in [found.mtime(), found.mtime_nsec(), found.ctime(), found.ctime_nsec()] {
                    hash.update(time.to_le_bytes());
                }
                if found.is_dir() {
                    open.push(entry.path());
                }
            }
        }
        Ok(Self(hash.finalize().into()))
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn sample() -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir_all(dir.path().join("tree/below")).unwrap();
        fs::write(dir.path().join("tree/below/a.tf"), "one").unwrap();
        symlink("below", dir.path().join("tree/link")).unwrap();
        dir
    }

    #[test]
    fn a_folder_that_was_only_read_and_renamed_is_as_it_was() {
        let dir = sample();
        let seal = Seal::of(&dir.path().join("tree")).unwrap();
        fs::read(dir.path().join("tree/below/a.tf")).unwrap();
        fs::rename(dir.path().join("tree"), dir.path().join("other")).unwrap();
        assert_eq!(Seal::of(&dir.path().join("other")).unwrap(), seal);
    }

    #[test]
    fn whatever_is_written_breaks_the_seal() {
        type Change = fn(&Path);
        let changes: [Change; 4] = [
            |tree| fs::write(tree.join("below/new"), "").unwrap(),
            |tree| fs::remove_file(tree.join("below/a.tf")).unwrap(),
            // As long as before, and with the time of change put back.
            |tree| {
                let path = tree.join("below/a.tf");
                let before = fs::metadata(&path).unwrap().modified().unwrap();
                fs::write(&path, "two").unwrap();
                fs::File::options().write(true).open(&path).unwrap().set_modified(before).unwrap();
            },
            |tree| {
                fs::write(tree.join("swapped"), "one").unwrap();
                fs::rename(tree.join("swapped"), tree.join("below/a.tf")).unwrap();
            },
        ];
        for (number, change) in changes.into_iter().enumerate() {
            let dir = sample();
            let tree = dir.path().join("tree");
            let seal = Seal::of(&tree).unwrap();
            // The kernel's clock for files ticks every few milliseconds.
            let changed = |path: &Path| {
                let found = fs::metadata(path).unwrap();
                (found.ctime(), found.ctime_nsec())
            };
            let other = dir.path().join("other");
            fs::write(&other, "").unwrap();
            while changed(&other) <= changed(&tree.join("below/a.tf")) {
                fs::write(&other, "").unwrap();
            }
            change(&tree);
            assert_ne!(Seal::of(&tree).unwrap(), seal, "change {number}");
        }
    }
}
