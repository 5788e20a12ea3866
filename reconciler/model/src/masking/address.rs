//! Addresses without what people put secrets into: a user and a password, a query, a part of the path that is a token.

use super::{is_secret_name, word};

/// Parts of an address after which everything is a secret: whoever knows the rest may post there.
const HOOKS: [&str; 5] = ["hook", "hooks", "webhook", "webhooks", "webhookb2"];

/// How far the address goes that a text begins with, and where its scheme ends.
pub(super) fn extent(text: &str) -> Option<(usize, usize)> {
    let scheme = text.find(|c: char| !c.is_ascii_alphanumeric() && !matches!(c, '+' | '.' | '-'))?;
    let is_scheme = scheme > 0 && text[scheme..].starts_with("://");
    let start = scheme + 3;
    if !is_scheme {
        return None;
    }
    let body = &text[start..];
    let end = body.find(|c: char| c.is_whitespace() || "\"'<>`|".contains(c)).unwrap_or(body.len());
    // What ends a sentence ends no address.
    let body = body[..end].trim_end_matches(['.', ',', ';', ':', ')', ']', '}', '!', '…']);
    Some((start + body.len(), start))
}

/// What stands after the scheme, cleaned.
pub(super) fn masked(body: &str, mark: &str) -> String {
    let (user, place) = match user_end(body) {
        Some(at) => (mark, &body[at..]),
        None => ("", body),
    };
    let (place, query) = match place.find(['?', '#']) {
        Some(at) if at + 1 < place.len() => (&place[..at], format!("{}{mark}", &place[at..=at])),
        _ => (place, String::new()),
    };
    format!("{user}{}{query}", path(place, mark))
}

/// Where what may be a user and a password ends. Wherever an `@` stands: a password may hold every other sign.
fn user_end(body: &str) -> Option<usize> {
    let at = body.rfind('@')?;
    let is_in_path = body[..at].contains('/') && !body[..at].contains(':');
    (!is_in_path).then_some(at)
}

fn path(place: &str, mark: &str) -> String {
    let mut clean = String::with_capacity(place.len());
    let mut hides = None;
    for (index, part) in place.split('/').enumerate() {
        clean.push_str(if index == 0 { "" } else { "/" });
        match hides {
            Some(Hides::Rest) if !part.is_empty() => {
                clean.push_str(mark);
                return clean;
            }
            Some(Hides::Next) if !part.is_empty() => {
                clean.push_str(if word::is_plain(part) { part } else { mark });
                hides = None;
                continue;
            }
            _ => {}
        }
        let is_token = if index == 0 { word::is_credential(part) } else { is_token(part) };
        clean.push_str(if is_token { mark } else { part });
        hides = hidden_after(part, index).or(hides);
    }
    clean
}

/// What is hidden after a part.
#[derive(Clone, Copy)]
enum Hides {
    Next,
    Rest,
}

fn hidden_after(part: &str, index: usize) -> Option<Hides> {
    let is_hook = |name: &str| HOOKS.contains(&name.to_ascii_lowercase().as_str());
    // The first is the host.
    if part.split(['@', '.', ':']).filter(|_| index == 0).any(is_hook) || (index > 0 && is_hook(part)) {
        return Some(Hides::Rest);
    }
    let is_key = index > 0 && (part == "key" || (is_secret_name(part) && !word::is_address_token(part)));
    is_key.then_some(Hides::Next)
}

fn is_token(part: &str) -> bool {
    word::is_credential(part) || word::is_address_token(part) || bot(part) == Some(part.len())
}

/// The length of `bot123:token`, the way of chat services, at the beginning of a text.
pub(super) fn bot(text: &str) -> Option<usize> {
    let (number, token) = text.strip_prefix("bot")?.split_once(':')?;
    let is_number = !number.is_empty() && number.chars().all(|c| c.is_ascii_digit());
    let end =
        token.find(|c: char| !c.is_ascii_alphanumeric() && !matches!(c, '_' | '-')).unwrap_or(token.len());
    (is_number && end > 0).then_some("bot".len() + number.len() + 1 + end)
}
