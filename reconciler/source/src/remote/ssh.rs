//! `ssh://` addresses and their short form `user@host:path`.

use std::fmt;
use std::net::Ipv6Addr;

use super::{InvalidRemoteUrl, percent_decoded};

/// The port of SSH.
const PORT_DEFAULT: u16 = 22;

/// A repository behind SSH. No part starts with a dash, so none can be read as an option by `ssh` or by the program
/// at the other end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SshRemote {
    user: Option<String>,
    host: String,
    port: u16,
    path: String,
}

impl SshRemote {
    /// Reads what follows `ssh://`.
    pub(super) fn parse_url(rest: &str) -> Result<Self, InvalidRemoteUrl> {
        if rest.contains(['?', '#']) {
            return Err(InvalidRemoteUrl::Query);
        }
        let slash = rest.find('/').ok_or(InvalidRemoteUrl::Path)?;
        let (authority, path) = rest.split_at(slash);
        let (user, host_and_port) = split_user(authority)?;
        let (host, port) = split_port(host_and_port)?;
        let path = percent_decoded(path).ok_or(InvalidRemoteUrl::Path)?;
        // `ssh://host/~user/x` names a path below a home directory, as Git has it.
        let path = if path.starts_with("/~") { path[1..].to_owned() } else { path };
        Self::checked(user, host, port, path)
    }

    /// Reads `[user@]host:path`.
    pub(super) fn parse_short(text: &str) -> Result<Self, InvalidRemoteUrl> {
        // `ext::sh -c …` and its like are remote helpers: programs. There are none here.
        if text.contains("::") && !text.contains('[') {
            return Err(InvalidRemoteUrl::Form);
        }
        let colon = if let Some(bracket) = text.find("]:") {
            bracket + 1
        } else {
            text.find(':').ok_or(InvalidRemoteUrl::Form)?
        };
        let (authority, path) = (&text[..colon], &text[colon + 1..]);
        if authority.contains('/') {
            return Err(InvalidRemoteUrl::Form);
        }
        let (user, host) = split_user(authority)?;
        // `https:x` is a mistyped address, not a host of that name.
        if matches!(host, "https" | "http" | "ssh" | "git" | "file" | "ext") {
            return Err(InvalidRemoteUrl::Form);
        }
        Self::checked(user, host, PORT_DEFAULT, path.to_owned())
    }

    fn checked(user: Option<&str>, host: &str, port: u16, path: String) -> Result<Self, InvalidRemoteUrl> {
        if user.is_some_and(|user| !is_user(user)) {
            return Err(InvalidRemoteUrl::User);
        }
        let host = match host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
            Some(address) => address.parse::<Ipv6Addr>().map_err(|_| InvalidRemoteUrl::Host)?.to_string(),
            None if is_host(host) => host.to_owned(),
            None => return Err(InvalidRemoteUrl::Host),
        };
        if path.chars().any(char::is_control) {
            return Err(InvalidRemoteUrl::Character);
        }
        if path.is_empty() || path == "/" || path.starts_with(['-', ':']) {
            return Err(InvalidRemoteUrl::Path);
        }
        Ok(Self { user: user.map(str::to_owned), host, port, path })
    }

    /// The host name or address.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The path at the other end.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// `user@host`, or `host`.
    #[must_use]
    pub fn destination(&self) -> String {
        match &self.user {
            Some(user) => format!("{user}@{}", self.host),
            None => self.host.clone(),
        }
    }
}

impl fmt::Display for SshRemote {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let slash = if self.path.starts_with('/') { "" } else { "/" };
        let host = if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        let user = self.user.as_deref().map(|user| format!("{user}@")).unwrap_or_default();
        write!(formatter, "ssh://{user}{host}:{}{slash}{}", self.port, self.path)
    }
}

/// Splits `user@host`; a colon before the `@` is a password.
fn split_user(authority: &str) -> Result<(Option<&str>, &str), InvalidRemoteUrl> {
    match authority.rsplit_once('@') {
        None => Ok((None, authority)),
        Some((user, _)) if user.contains(':') => Err(InvalidRemoteUrl::Password),
        Some((user, host)) => Ok((Some(user), host)),
    }
}

/// Splits `host:port`, where the host may be an IPv6 address in brackets.
fn split_port(text: &str) -> Result<(&str, u16), InvalidRemoteUrl> {
    let end_of_host = text.rfind(']').map_or(0, |bracket| bracket + 1);
    match text[end_of_host..].find(':') {
        None => Ok((text, PORT_DEFAULT)),
        Some(colon) => {
            let digits = &text[end_of_host + colon + 1..];
            if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
                return Err(InvalidRemoteUrl::Port);
            }
            match digits.parse() {
                Ok(0) | Err(_) => Err(InvalidRemoteUrl::Port),
                Ok(port) => Ok((&text[..end_of_host + colon], port)),
            }
        }
    }
}

/// Whether a text is a user name of the plain kind.
pub(super) fn is_user(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= 128
        && !text.starts_with('-')
        && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-' | '+'))
}

fn is_host(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= 253
        && !text.starts_with(['-', '.'])
        && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_'))
}
