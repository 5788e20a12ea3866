//! `https://` addresses.

use std::fmt;

use url::{Host, Url};

use super::InvalidRemoteUrl;

/// The user name that is sent with a token when the address names none. GitHub and GitLab take any name with a
/// token; this one is the name GitHub documents.
const USER_DEFAULT: &str = "x-access-token";

/// A repository behind HTTPS, or behind HTTP on a loopback host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpsRemote {
    /// Without user, query and fragment, and without a slash at the end.
    url: Url,
    user: Option<String>,
}

impl HttpsRemote {
    pub(super) fn parse(text: &str) -> Result<Self, InvalidRemoteUrl> {
        // The parser reads `https:///x`, `https:x` and backslashes as hosts; an address has one form only.
        if text.contains('\\') || text.contains(":///") {
            return Err(InvalidRemoteUrl::Host);
        }
        let mut url = Url::parse(text).map_err(|_| InvalidRemoteUrl::Form)?;
        if url.password().is_some() {
            return Err(InvalidRemoteUrl::Password);
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err(InvalidRemoteUrl::Query);
        }
        let user = match url.username() {
            "" => None,
            user if super::ssh::is_user(user) => Some(user.to_owned()),
            _ => return Err(InvalidRemoteUrl::User),
        };
        check_host(&url)?;
        url.set_username("").map_err(|()| InvalidRemoteUrl::Host)?;
        let path = url.path().trim_end_matches('/').to_owned();
        if path.is_empty() {
            return Err(InvalidRemoteUrl::Path);
        }
        url.set_path(&path);
        Ok(Self { url, user })
    }

    /// The address of one of the two services of the smart protocol.
    pub(crate) fn endpoint(&self, suffix: &str) -> String {
        format!("{}{suffix}", self.url)
    }

    /// The user name for basic authentication.
    pub(crate) fn user(&self) -> &str {
        self.user.as_deref().unwrap_or(USER_DEFAULT)
    }

    /// Whether bytes travel in clear, which happens on loopback only.
    pub(crate) fn is_plain(&self) -> bool {
        self.url.scheme() == "http"
    }

    /// Where a `Location` header points, for people: without user, query and fragment.
    pub(crate) fn redirect_target(&self, location: &str) -> String {
        let Ok(mut target) = self.url.join(location) else {
            return "an address that cannot be read".to_owned();
        };
        target.set_query(None);
        target.set_fragment(None);
        if target.set_username("").is_err() || target.set_password(None).is_err() {
            return "an address that cannot be read".to_owned();
        }
        crate::text::line(target.as_str(), 300)
    }
}

/// The host must be there, and be this machine where bytes travel in clear.
fn check_host(url: &Url) -> Result<(), InvalidRemoteUrl> {
    let is_loopback = match url.host() {
        None => return Err(InvalidRemoteUrl::Host),
        Some(Host::Domain(name)) if name.starts_with('-') || name.is_empty() => {
            return Err(InvalidRemoteUrl::Host);
        }
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
    };
    if url.scheme() == "http" && !is_loopback {
        return Err(InvalidRemoteUrl::NotLoopback);
    }
    if url.port() == Some(0) {
        return Err(InvalidRemoteUrl::Port);
    }
    Ok(())
}

impl fmt::Display for HttpsRemote {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.url.fmt(formatter)
    }
}
