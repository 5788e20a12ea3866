//! The address of a repository: text goes in, a typed value comes out that no transport can misread.
//!
//! Everything after this module holds a [`RemoteUrl`]. Its parts cannot start with a dash, hold no control
//! character and no password, so that none of them turns into an option, a second line or a leak.

mod https;
mod ssh;

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

pub use https::HttpsRemote;
pub use ssh::SshRemote;

/// Longest address that is looked at.
const LENGTH_MAX: usize = 2048;

/// Where a repository is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RemoteUrl {
    /// `https://host/path`, and `http://` for loopback hosts only.
    Https(HttpsRemote),
    /// `ssh://[user@]host[:port]/path` or `[user@]host:path`.
    Ssh(SshRemote),
    /// An absolute path, or `file:///path`.
    Local(LocalRemote),
}

/// Says why a text is no address. The text is never repeated: people paste tokens into it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidRemoteUrl {
    /// Nothing, or too much.
    #[error("the repository address is empty or longer than 2048 characters")]
    Length,
    /// A control character or a space.
    #[error("the repository address holds a control character or a space")]
    Character,
    /// Not one of ours.
    #[error(
        "the repository address has none of the known forms: https://host/path, ssh://user@host/path, user@host:path, /absolute/path"
    )]
    Form,
    /// A secret in the address.
    #[error("the repository address holds a password: give the token as `token: env:NAME` instead")]
    Password,
    /// `http://` to another machine.
    #[error("http:// is allowed for loopback hosts only: use https://")]
    NotLoopback,
    /// `?…` or `#…`.
    #[error("the repository address holds a query or a fragment")]
    Query,
    #[error(
        "the user name in the repository address may hold letters, digits and . _ + only, and not start with a dash"
    )]
    User,
    #[error("the host in the repository address is missing, starts with a dash or is no host name")]
    Host,
    #[error("the port in the repository address is not a number from 1 to 65535")]
    Port,
    #[error(
        "the path in the repository address is missing, starts with a dash, or is not absolute where it must be"
    )]
    Path,
}

impl FromStr for RemoteUrl {
    type Err = InvalidRemoteUrl;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.is_empty() || text.len() > LENGTH_MAX {
            return Err(InvalidRemoteUrl::Length);
        }
        if text.starts_with('/') {
            return LocalRemote::parse(text).map(Self::Local);
        }
        if text.chars().any(|c| c.is_control() || c.is_whitespace()) {
            return Err(InvalidRemoteUrl::Character);
        }
        match text.split_once("://") {
            Some(("https" | "http", _)) => HttpsRemote::parse(text).map(Self::Https),
            Some(("ssh", rest)) => SshRemote::parse_url(rest).map(Self::Ssh),
            Some(("file", rest)) => LocalRemote::parse_url(rest).map(Self::Local),
            Some(_) => Err(InvalidRemoteUrl::Form),
            None => SshRemote::parse_short(text).map(Self::Ssh),
        }
    }
}

impl fmt::Display for RemoteUrl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Https(remote) => remote.fmt(formatter),
            Self::Ssh(remote) => remote.fmt(formatter),
            Self::Local(remote) => remote.fmt(formatter),
        }
    }
}

/// A repository on this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LocalRemote {
    path: PathBuf,
}

impl LocalRemote {
    fn parse(text: &str) -> Result<Self, InvalidRemoteUrl> {
        if !text.starts_with('/') || text.starts_with("//") {
            return Err(InvalidRemoteUrl::Path);
        }
        if text.chars().any(char::is_control) {
            return Err(InvalidRemoteUrl::Character);
        }
        Ok(Self { path: PathBuf::from(text) })
    }

    fn parse_url(rest: &str) -> Result<Self, InvalidRemoteUrl> {
        if rest.contains(['?', '#']) {
            return Err(InvalidRemoteUrl::Query);
        }
        let path = rest.strip_prefix("localhost").unwrap_or(rest);
        let path = percent_decoded(path).ok_or(InvalidRemoteUrl::Path)?;
        Self::parse(&path)
    }

    /// The path as it was written.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The directory that holds `HEAD`, `refs` and `objects`: the path itself, or `.git` below it.
    #[must_use]
    pub fn git_directory(&self) -> PathBuf {
        let inner = self.path.join(".git");
        if inner.is_dir() { inner } else { self.path.clone() }
    }
}

impl fmt::Display for LocalRemote {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.path.display().fmt(formatter)
    }
}

/// Replaces each `%XX` by its byte. Nothing comes out when a `%` is not followed by two digits, or when the result
/// is no UTF-8.
fn percent_decoded(text: &str) -> Option<String> {
    let mut decoded = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        if byte == b'%' {
            let digits = [bytes.next()?, bytes.next()?];
            decoded.extend(hex::decode(digits).ok()?);
        } else {
            decoded.push(byte);
        }
    }
    String::from_utf8(decoded).ok()
}

#[cfg(test)]
mod tests;
