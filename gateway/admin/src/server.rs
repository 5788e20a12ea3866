//! Which of our servers one talks to: each names itself in the `server` header of what it says itself, errors included,
//! so that a wrong address is told as one.

use std::fmt;

use reqwest::header::{HeaderMap, SERVER};

/// A server of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Server {
    /// A gateway's admin API.
    GatewayAdmin,
    /// Where a gateway's callers go.
    GatewayCallers,
    /// The daemon.
    Daemon,
}

impl Server {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::GatewayAdmin, Self::GatewayCallers, Self::Daemon];

    /// What it calls itself in the header.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::GatewayAdmin => "moorline-gateway-admin",
            Self::GatewayCallers => "moorline-gateway",
            Self::Daemon => "moorline",
        }
    }

    /// Who gave an answer. `None`: nobody of ours, an older release, or somebody between us took the name away.
    #[must_use]
    pub fn of(headers: &HeaderMap) -> Option<Self> {
        let named = headers.get(SERVER)?;
        Self::ALL.into_iter().find(|server| named.as_bytes() == server.as_str().as_bytes())
    }
}

impl fmt::Display for Server {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::GatewayAdmin => "a gateway's admin port",
            Self::GatewayCallers => "a gateway's caller port",
            Self::Daemon => "a Moorline daemon",
        })
    }
}

#[cfg(test)]
mod tests {
    use reqwest::header::HeaderValue;

    use super::*;

    #[test]
    fn a_server_is_known_by_its_whole_name() {
        for server in Server::ALL {
            let headers = [(SERVER, HeaderValue::from_static(server.as_str()))].into_iter().collect();
            assert_eq!(Server::of(&headers), Some(server));
        }
        for other in ["", "nginx", "moorline-gateway-next", "Moorline"] {
            let headers = [(SERVER, HeaderValue::from_static(other))].into_iter().collect();
            assert_eq!(Server::of(&headers), None, "{other}");
        }
        assert_eq!(Server::of(&HeaderMap::new()), None);
    }
}
