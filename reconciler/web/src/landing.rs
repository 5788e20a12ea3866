//! Where signing in leads: the page that one wanted, on this console and nowhere else.

use std::fmt;

use http::uri::PathAndQuery;

use crate::reader;

/// Longest address that is kept, in bytes.
const BYTES_MAX: usize = 2_048;
/// The sign-in form itself: nobody wants to land there.
const SIGN_IN: &str = "/session";

/// Path and query of a page of this console.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Landing(String);

impl Landing {
    /// Reads an address that a browser sent. What a browser could take for another site's is none of ours.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        // Browsers read a backslash as a slash and drop tabs and line ends; `//` begins another site's address.
        let is_plain = text.bytes().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'\\' | b'#'));
        if text.len() > BYTES_MAX || !is_plain || !text.starts_with('/') {
            return None;
        }
        let parsed: PathAndQuery = text.parse().ok()?;
        let path = parsed.path();
        let climbs = path
            .split('/')
            .any(|segment| matches!(segment.to_ascii_lowercase().replace("%2e", ".").as_str(), "." | ".."));
        let is_ours = parsed.as_str() == text && !path.starts_with("//") && !climbs;
        (is_ours && path != SIGN_IN && !path.starts_with("/session/") && reader::is_for_people(path))
            .then(|| Self(text.to_owned()))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for Landing {
    fn default() -> Self {
        Self("/".to_owned())
    }
}

impl fmt::Display for Landing {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_of_this_console_are_kept_with_their_query() {
        let rollout = "/environments/prod/rollouts/01900000-0000-7000-8000-000000000001";
        for text in
            ["/", "/environments/prod", rollout, "/environments/a%20b?x=1&y=//z", "/gone?next=https://x"]
        {
            assert_eq!(Landing::parse(text).map(|landing| landing.to_string()).as_deref(), Some(text));
        }
    }

    #[test]
    fn nothing_that_could_lead_elsewhere_is_a_landing() {
        let long = format!("/{}", "a".repeat(BYTES_MAX));
        for text in [
            "",
            "//evil.example",
            "///evil.example",
            "/\\evil.example",
            "\\\\evil.example",
            "/\t/evil.example",
            "/\r\nLocation: https://evil.example",
            "/\u{0}/evil.example",
            " //evil.example",
            "https://evil.example",
            "https:evil.example",
            "http:/evil.example",
            "javascript:alert(1)",
            "data:text/html,x",
            "evil.example",
            "@evil.example",
            "?next=/",
            "#/",
            "/page#fragment",
            "/.//evil.example",
            "/..//evil.example",
            "/%2e%2E//evil.example",
            "/é",
            "/session",
            "/session/end",
            "/api/v1/audit",
            "/metrics",
            &long,
        ] {
            assert_eq!(Landing::parse(text), None, "{text:?}");
        }
    }
}
