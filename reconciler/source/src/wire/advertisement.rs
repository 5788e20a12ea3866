//! What a server says first: its capabilities and where each of its references is.

use std::collections::BTreeMap;

use git2::Oid;

use super::packet::{Packet, PacketReader};
use crate::fetch::FetchError;
use crate::text;

/// Names of branches that an error shows.
const NAMES_SHOWN: usize = 20;

/// The branches of a remote.
#[derive(Debug)]
pub(crate) struct Heads {
    /// The address, for messages.
    pub(crate) remote: String,
    /// Branch names without `refs/heads/`, and their commits.
    pub(crate) branches: BTreeMap<String, Oid>,
}

impl Heads {
    /// The commit of one branch.
    pub(crate) fn branch(&self, name: &str) -> Result<Oid, FetchError> {
        if let Some(id) = self.branches.get(name) {
            return Ok(*id);
        }
        let remote = self.remote.clone();
        if self.branches.is_empty() {
            return Err(FetchError::RepositoryEmpty { remote });
        }
        let existing = self.branches.keys().take(NAMES_SHOWN).map(|name| text::line(name, 100)).collect();
        Err(FetchError::BranchMissing { remote, branch: name.to_owned(), existing })
    }
}

/// Branches and capabilities of a server.
#[derive(Debug)]
pub(crate) struct Advertisement {
    /// The branches.
    pub(crate) heads: Heads,
    /// The capabilities, as they were written.
    pub(crate) capabilities: Vec<String>,
}

impl Advertisement {
    /// Reads all packets up to the flush.
    pub(crate) fn read(packets: &mut PacketReader<'_>) -> Result<Self, FetchError> {
        let remote = packets.remote().to_owned();
        let mut branches = BTreeMap::new();
        let mut capabilities = None;
        loop {
            let line = match packets.next()? {
                Packet::Flush => break,
                Packet::Data(line) => line.strip_suffix(b"\n").unwrap_or(line),
            };
            if line == b"version 1" && capabilities.is_none() {
                continue;
            }
            if let Some(message) = line.strip_prefix(b"ERR ") {
                let message = text::line(&String::from_utf8_lossy(message), 300);
                return Err(FetchError::Refused { remote, message });
            }
            if line.starts_with(b"shallow ") {
                return Err(FetchError::Shallow { remote });
            }
            let (reference, more) = match line.iter().position(|byte| *byte == 0) {
                Some(zero) if capabilities.is_none() => (&line[..zero], &line[zero + 1..]),
                _ => (line, [].as_slice()),
            };
            if capabilities.is_none() {
                capabilities =
                    Some(String::from_utf8_lossy(more).split_whitespace().map(str::to_owned).collect());
            }
            let Some((id, name)) = parse_reference(reference) else {
                return Err(packets.protocol("a line that names no reference"));
            };
            if let Some(branch) = name.strip_prefix("refs/heads/") {
                branches.insert(branch.to_owned(), id);
            }
        }
        let capabilities: Vec<String> = capabilities.unwrap_or_default();
        if capabilities.iter().any(|word| word.starts_with("object-format=") && word != "object-format=sha1")
        {
            return Err(
                packets.protocol("its objects are not named by SHA-1, and no other kind is known here")
            );
        }
        Ok(Self { heads: Heads { remote, branches }, capabilities })
    }
}

/// `ID NAME`, where the name of a reference that is no UTF-8 is read as well as can be: it is no branch of ours.
fn parse_reference(line: &[u8]) -> Option<(Oid, String)> {
    let (id, name) = (line.get(..40)?, line.get(41..)?);
    if line[40] != b' ' || name.is_empty() {
        return None;
    }
    let id = Oid::from_str(std::str::from_utf8(id).ok()?).ok()?;
    Some((id, String::from_utf8_lossy(name).into_owned()))
}

#[cfg(test)]
mod tests {
    use super::super::packet::tests::reader;
    use super::*;

    fn packet(line: &str) -> String {
        format!("{:04x}{line}", line.len() + 4)
    }

    fn read(lines: &[&str]) -> Result<Advertisement, FetchError> {
        let bytes = lines.iter().map(|line| packet(line)).collect::<String>() + "0000";
        Advertisement::read(&mut reader(bytes.as_bytes(), 7))
    }

    const ID: &str = "0123456789012345678901234567890123456789";

    #[test]
    fn branches_and_capabilities_are_read() {
        let found = read(&[
            &format!("{ID} HEAD\0side-band-64k ofs-delta\n"),
            &format!("{ID} refs/heads/main\n"),
            &format!("{ID} refs/tags/v1\n"),
        ])
        .unwrap();
        assert_eq!(found.capabilities, ["side-band-64k", "ofs-delta"]);
        assert_eq!(found.heads.branches.keys().collect::<Vec<_>>(), ["main"]);
        assert!(found.heads.branch("main").is_ok());
    }

    #[test]
    fn a_missing_branch_names_those_that_exist() {
        let found =
            read(&[&format!("{ID} refs/heads/main\0side-band-64k"), &format!("{ID} refs/heads/next")])
                .unwrap();
        let error = found.heads.branch("master").unwrap_err().to_string();
        assert_eq!(error, "the repository at test has no branch `master`; it has `main`, `next`");
    }

    #[test]
    fn an_empty_repository_is_told_apart_from_a_missing_branch() {
        let empty = read(&[&format!("{} capabilities^{{}}\0side-band-64k", "0".repeat(40))]).unwrap();
        assert!(matches!(empty.heads.branch("main"), Err(FetchError::RepositoryEmpty { .. })));
        assert!(matches!(read(&[]).unwrap().heads.branch("main"), Err(FetchError::RepositoryEmpty { .. })));
    }

    #[test]
    fn what_is_no_advertisement_is_refused() {
        assert!(
            matches!(read(&["ERR no\u{1b}[31m access"]), Err(FetchError::Refused { message, .. }) if !message.contains('\u{1b}'))
        );
        assert!(matches!(read(&[&format!("shallow {ID}")]), Err(FetchError::Shallow { .. })));
        assert!(matches!(read(&["<html>"]), Err(FetchError::Protocol { .. })));
        let sha256 = format!("{ID} HEAD\0object-format=sha256");
        assert!(matches!(read(&[&sha256]), Err(FetchError::Protocol { .. })));
    }
}
