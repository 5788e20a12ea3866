//! Addresses that the gateway will call: providers' base URLs and the identity provider's.
//!
//! Read strictly and by hand, as a plain subset of what URL parsers accept: two parsers that disagree on where the
//! host ends would send a provider's key elsewhere.

use std::net::Ipv6Addr;

use super::Problems;
use super::text::URL_LENGTH_MAX;
use crate::Document;
use crate::document::ProviderKind;

pub(super) fn check(document: &Document, problems: &mut Problems) {
    for (name, provider) in &document.providers {
        let path = format!("providers.{name}");
        match &provider.base_url {
            Some(url) => {
                if let Err(problem) = http_url(url) {
                    problems.add(format!("{path}.base_url"), problem);
                }
            }
            None if matches!(provider.kind, ProviderKind::OpenaiCompatible | ProviderKind::AzureOpenai) => {
                let kind = provider.kind.as_str();
                problems.add(
                    format!("{path}.base_url"),
                    format!("this field must be given for an `{kind}` provider: it has no public address"),
                );
            }
            None => {}
        }
    }
    if let Some(jwt) = document.auth.as_ref().and_then(|auth| auth.jwt.as_ref()) {
        // What is published there decides who may call: it must come from where it says.
        secret_destination("auth.jwt.issuer".to_owned(), &jwt.issuer, problems);
        secret_destination("auth.jwt.jwks_url".to_owned(), &jwt.jwks_url, problems);
    }
}

/// An address to which a secret is sent: `https://`, or this machine.
pub(super) fn secret_destination(path: String, url: &str, problems: &mut Problems) {
    match http_url(url) {
        Err(problem) => problems.add(path, problem),
        Ok(Scheme::Http) if !is_loopback(url) => {
            problems.add(path, "expected an address that begins with `https://`");
        }
        Ok(_) => {}
    }
}

fn is_loopback(url: &str) -> bool {
    let host = url.strip_prefix("http://").unwrap_or(url);
    let host = host.split('/').next().unwrap_or(host);
    ["127.0.0.1", "localhost", "[::1]"]
        .iter()
        .any(|own| host.strip_prefix(own).is_some_and(|rest| rest.is_empty() || rest.starts_with(':')))
}

/// How an address is spoken to.
#[derive(Debug, PartialEq, Eq)]
enum Scheme {
    Http,
    Https,
}

/// Checks an address: `http(s)://host[:port][/path]`. What is wrong never repeats it: a password may stand in it.
fn http_url(url: &str) -> Result<Scheme, &'static str> {
    if url.len() > URL_LENGTH_MAX {
        return Err("expected an address of at most 2048 characters");
    }
    let (scheme, rest) = match (url.strip_prefix("https://"), url.strip_prefix("http://")) {
        (Some(rest), _) => (Scheme::Https, rest),
        (_, Some(rest)) => (Scheme::Http, rest),
        (None, None) => return Err("expected an address that begins with `http://` or `https://`"),
    };
    if rest.contains('@') {
        return Err(
            "expected an address without user or password: a key belongs in `api_key`, as a reference",
        );
    }
    if rest.contains(['?', '#']) {
        return Err("expected an address without `?` and `#`");
    }
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    if !authority_fits(authority) {
        return Err("expected a host name or IP address, and a port from 1 to 65535 if any, after `://`");
    }
    let plain = |c: char| c.is_ascii_alphanumeric() || "-._~%!$&'()*+,;=:/".contains(c);
    if !path.chars().all(plain) || path.split('/').any(|part| matches!(part, "." | "..")) {
        return Err("expected a path of plain letters, digits and `-._~%`, without `.` and `..` parts");
    }
    Ok(scheme)
}

fn authority_fits(authority: &str) -> bool {
    let (host_fits, port) = if let Some(inside) = authority.strip_prefix('[') {
        let Some((address, after)) = inside.split_once(']') else { return false };
        (address.parse::<Ipv6Addr>().is_ok(), after)
    } else {
        let (host, port) = authority.split_at(authority.find(':').unwrap_or(authority.len()));
        (host_name_fits(host), port)
    };
    let port_fits = match port.strip_prefix(':') {
        None => port.is_empty(),
        Some(digits) => {
            digits.bytes().all(|b| b.is_ascii_digit()) && digits.parse::<u16>().is_ok_and(|port| port > 0)
        }
    };
    host_fits && port_fits
}

fn host_name_fits(host: &str) -> bool {
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.chars().all(|c| c.is_ascii_alphanumeric() || "-_".contains(c))
    };
    host.len() <= 253 && host.split('.').all(label)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_addresses_are_accepted() {
        for url in [
            "http://10.0.3.7:8000/v1",
            "https://api.openai.com/v1",
            "https://api.openai.com",
            "https://host/",
            "http://[::1]:8080/v1",
            "http://local_model:1/openai/v1/",
            "https://x.example/a%20b",
        ] {
            assert!(http_url(url).is_ok(), "{url}");
        }
        assert_eq!(http_url("https://x/"), Ok(Scheme::Https));
        assert_eq!(http_url("http://x/"), Ok(Scheme::Http));
    }

    #[test]
    fn only_addresses_of_this_machine_may_be_spoken_to_in_clear() {
        for url in ["http://127.0.0.1:80/k", "http://[::1]:80/", "http://localhost/k", "http://localhost"] {
            assert!(is_loopback(url), "{url}");
        }
        for url in
            ["http://10.0.0.1/127.0.0.1", "http://localhost.example/", "http://[::2]/", "http://0.0.0.0/"]
        {
            assert!(!is_loopback(url), "{url}");
        }
    }

    #[test]
    fn addresses_that_two_parsers_could_read_apart_are_refused() {
        for url in [
            "",
            "api.openai.com",
            "ftp://x",
            "HTTP://x",
            "file:///etc/passwd",
            "http://",
            "http:///v1",
            "http://:8000",
            "http://x:0",
            "http://x:65536",
            "http://x:+80",
            "http://x:",
            "http://x:80:90",
            "https://user:sk-live@x/v1",
            "https://x/v1@y",
            "https://x/v1?key=sk-live",
            "https://x/#f",
            "http://x\\@y/",
            "http://x y/",
            "http://x\t/",
            "http://x/a b",
            "http://x/\n",
            "http://[::1",
            "http://[::1]x",
            "http://[1.2.3.4]",
            "http://ex\u{e4}mple/",
            "http://a..b/",
            "https://x/v1/../admin",
            "https://x/./v1",
        ] {
            let problem = http_url(url).expect_err(url);
            assert!(!problem.contains("sk-live"));
        }
        assert!(http_url(&format!("https://x/{}", "a".repeat(URL_LENGTH_MAX))).is_err());
    }
}
