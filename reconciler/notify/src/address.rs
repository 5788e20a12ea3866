//! Where secrets, and what is signed with one, may be sent: over TLS, or to this machine.

use moorline_model::config::schema::SECRET_URL;
use url::{Host, Url};

/// Whether an address is plain HTTP on this machine.
pub(crate) fn is_loopback(text: &str) -> bool {
    let Ok(url) = Url::parse(text) else { return false };
    url.scheme() == "http"
        && match url.host() {
            Some(Host::Ipv4(address)) => address.is_loopback(),
            Some(Host::Ipv6(address)) => address.is_loopback(),
            Some(Host::Domain(name)) => name == "localhost",
            None => false,
        }
}

/// The JSON Schema's pattern of what [`destination`] takes.
pub(crate) const DESTINATION: &str = SECRET_URL;

/// Reads an address that messages are posted to. What is wrong never repeats it: a secret may stand in it.
pub(crate) fn destination(text: &str) -> Result<Url, &'static str> {
    if text.contains(['@', '?', '#']) || text.contains(char::is_whitespace) {
        return Err("expected an address without user, query and fragment");
    }
    let url = Url::parse(text).map_err(|_| "expected an address that begins with `https://`")?;
    let is_tls = url.scheme() == "https" && text.starts_with("https://");
    let is_here = ["127.0.0.1", "localhost", "[::1]"].into_iter().any(|own| {
        let rest = text.strip_prefix("http://").and_then(|rest| rest.strip_prefix(own));
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with([':', '/']))
    });
    match url.has_host() && (is_tls || is_here) {
        true => Ok(url),
        false => Err("expected an address that begins with `https://`, or one on this machine"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_tls_only_to_this_machine() {
        for (url, is_fine) in [
            ("http://127.0.0.1:9/api", true),
            ("http://[::1]:9/api", true),
            ("http://10.0.0.1/api", false),
            ("http://127.0.0.1.example.com/api", false),
        ] {
            assert_eq!(is_loopback(url), is_fine, "{url}");
            assert_eq!(destination(url).is_ok(), is_fine, "{url}");
        }
        assert!(destination("https://hooks.example.com/x").is_ok());
        for url in [
            "http://hooks.example.com/x",
            "http://169.254.169.254/latest",
            "https://me:pw@example.com/",
            "https://example.com/?token=x",
            "https://example.com/#x",
            "ftp://example.com/",
            "file:///etc/passwd",
            "https://",
            "example.com",
            "",
        ] {
            assert!(destination(url).is_err(), "{url}");
        }
    }
}
