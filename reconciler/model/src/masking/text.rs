//! Secrets within a text that a person wrote: found from left to right, each at the beginning of a word.

use super::{address, is_secret_name, word};

/// Names of values whose first word is hidden even where it could be a word of a language.
const PASSWORDS: [&str; 4] = ["password", "passwd", "passphrase", "pwd"];
/// Ways to sign in with a word.
const SCHEMES: [&str; 2] = ["basic ", "bearer "];
/// What stands before a digest, which is no secret; SSH writes its own in capitals and in Base64.
const DIGESTS: [&str; 4] = ["sha256:", "sha512:", "sha1:", "md5:"];
/// What references to secrets begin with; where they point to is no secret here.
const REFERENCES: [&str; 5] = ["env:", "file:", "secretsmanager:", "ssm:", "vault:"];
/// Letters of a word after `Bearer` from which on it may be a secret.
const SIGN_IN_MIN: usize = 8;

/// Letters of a value after `name:` from which on it may be a secret.
const PLAIN_MIN: usize = 6;
/// What values are quoted with.
const QUOTES: [char; 3] = ['"', '\'', '`'];

/// What a text begins with: so much of it, and what stands for it. `None`: as it is.
type Piece = (usize, Option<String>);

pub(super) fn masked(text: &str, mark: &str) -> String {
    // What was masked before stays so.
    text.split(mark).map(|part| masked_part(part, mark)).collect::<Vec<_>>().join(mark)
}

fn masked_part(text: &str, mark: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    let mut rest = text;
    let mut last = None;
    while let Some(first) = rest.chars().next() {
        let found = match last {
            Some(last) if char::is_alphanumeric(last) => None,
            last => piece(rest, last, mark),
        };
        let (length, instead) = found.unwrap_or((first.len_utf8(), None));
        let (before, after) = rest.split_at(length);
        clean.push_str(instead.as_deref().unwrap_or(before));
        last = before.chars().next_back().or(last);
        rest = after;
    }
    clean
}

/// Whether a text as a whole is what an `Authorization` header holds.
pub(super) fn is_authorization(text: &str) -> bool {
    after_scheme(text).is_some_and(|word| word.trim().len() > SIGN_IN_MIN && !word.trim().contains(' '))
}

/// What the text begins with, where it is known what that is. `last` stands before it.
fn piece(text: &str, last: Option<char>, mark: &str) -> Option<Piece> {
    let is_in_name = last.is_some_and(is_name) && !text.starts_with("--");
    let hidden = |length: usize| (length, Some(mark.to_owned()));
    private_key(text)
        .map(hidden)
        .or_else(|| address_piece(text, mark))
        .or_else(|| as_it_is(text).map(|length| (length, None)))
        .or_else(|| sign_in(text, mark))
        .or_else(|| address::bot(text).map(hidden))
        .or_else(|| credential(text).map(hidden))
        .or_else(|| if is_in_name { None } else { assignment(text, mark) })
        .or_else(|| user_and_password(text).map(hidden))
        .or_else(|| key(text).map(hidden))
}

fn private_key(text: &str) -> Option<usize> {
    const END: &str = "-----END";
    let rest = text.strip_prefix("-----BEGIN")?;
    let end = rest.find(END).map(|at| {
        let tail = &rest[at + END.len()..];
        at + END.len() + tail.find("-----").map_or(tail.len(), |dashes| dashes + 5)
    });
    Some(text.len() - rest.len() + end.unwrap_or(rest.len()))
}

fn address_piece(text: &str, mark: &str) -> Option<Piece> {
    let (length, start) = address::extent(text)?;
    Some((length, Some(format!("{}{}", &text[..start], address::masked(&text[start..length], mark)))))
}

/// Digests and names of resources: long, and no secrets.
fn as_it_is(text: &str) -> Option<usize> {
    if text.starts_with("arn:") {
        return Some(word_length(text));
    }
    let is_named =
        |name: &&&str| text.get(..name.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(name));
    let name = DIGESTS.iter().find(is_named)?;
    let end = text[name.len()..].find(|c: char| !c.is_ascii_alphanumeric() && !matches!(c, '+' | '/' | '='));
    Some(end.map_or(text.len(), |end| name.len() + end))
}

/// The word after `Basic` or `Bearer`, unless it is one of a language.
fn sign_in(text: &str, mark: &str) -> Option<Piece> {
    let word = after_scheme(text)?.trim_start();
    let start = text.len() - word.len();
    let length = word_length(word);
    let inner = word[..length].trim_end_matches(['.', ',', ';', ':', ')', '!', '?']);
    let is_secret = inner.len() >= SIGN_IN_MIN && !word::is_plain(inner);
    is_secret.then(|| (start + inner.len(), Some(format!("{}{mark}", &text[..start]))))
}

fn after_scheme(text: &str) -> Option<&str> {
    let is_one =
        |scheme: &&&str| text.get(..scheme.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(scheme));
    SCHEMES.iter().find(is_one).map(|scheme| &text[scheme.len()..])
}

fn credential(text: &str) -> Option<usize> {
    let end = text.find(|c: char| !word::is_part(c)).unwrap_or(text.len());
    let one = text[..end].trim_end_matches(['.', '-']);
    word::is_credential(one).then_some(one.len())
}

/// `name=value`, `name: value`, `"name": "value"`, `--name value`.
fn assignment(text: &str, mark: &str) -> Option<Piece> {
    let is_flag = text.starts_with("--");
    let name_at = if is_flag { 2 } else { 0 };
    let name_end = name_at + text[name_at..].find(|c| !is_name(c)).unwrap_or(text.len() - name_at);
    let name = &text[name_at..name_end];
    if !is_secret_name(name) && !PASSWORDS.contains(&name.to_ascii_lowercase().as_str()) {
        return None;
    }
    let rest = text[name_end..].strip_prefix(QUOTES).unwrap_or(&text[name_end..]);
    let sign = rest.trim_start().chars().next()?;
    let value = match sign {
        '=' | ':' => rest.trim_start()[1..].trim_start(),
        _ if is_flag && rest.starts_with(' ') => rest.trim_start(),
        _ => return None,
    };
    let (start, length) = extent_of_value(text, value);
    let shown = &text[start..start + length];
    let is_password = PASSWORDS.iter().any(|password| name.to_ascii_lowercase().contains(password));
    let is_quoted = value.starts_with(QUOTES);
    // `token: refresh it earlier` is a title, and so is `secrets: 3 of them are gone`.
    let is_plain_word =
        sign == ':' && !is_password && !is_quoted && (word::is_plain(shown) || shown.len() < PLAIN_MIN);
    let is_reference = REFERENCES.iter().any(|scheme| shown.starts_with(scheme));
    let is_secret = length > 0 && !is_plain_word && !is_reference;
    is_secret.then(|| (start + length, Some(format!("{}{mark}", &text[..start]))))
}

const fn is_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.')
}

/// Where a value begins in the text, and how long it is: a quoted one to its quote, `Bearer x` as a whole.
fn extent_of_value(text: &str, value: &str) -> (usize, usize) {
    let start = text.len() - value.len();
    if let Some(quote) = value.chars().next().filter(|first| QUOTES.contains(first)) {
        let inner = &value[1..];
        return (start + 1, inner.find(quote).unwrap_or(inner.len()));
    }
    let scheme = after_scheme(value).map_or(0, |word| value.len() - word.trim_start().len());
    let length = scheme + word_length(&value[scheme..]);
    (start, value[..length].trim_end_matches([',', ';', ')']).len())
}

/// `user:password@host` without a scheme. `image:tag@sha256:…` and `kind:name@version` are none.
fn user_and_password(text: &str) -> Option<usize> {
    let one = &text[..word_length(text)];
    let (before, host) = one.rsplit_once('@')?;
    let (user, password) = before.split_once(':')?;
    let is_host = host.starts_with(|c: char| c.is_alphanumeric())
        && !DIGESTS.iter().any(|digest| host.starts_with(digest));
    let is_one = is_host && !user.is_empty() && user != "mailto" && !word::is_plain(password);
    is_one.then_some(before.len())
}

/// Letters and digits that nobody would think of.
fn key(text: &str) -> Option<usize> {
    let word = |is_in: fn(char) -> bool| &text[..text.find(|c| !is_in(c)).unwrap_or(text.len())];
    let base64 = word(|c| word::is_part(c) && c != '.');
    if word::is_base64_key(base64) {
        return Some(base64.len());
    }
    let run = word(|c| c.is_ascii_alphanumeric());
    word::is_key(run).then_some(run.len())
}

fn word_length(text: &str) -> usize {
    text.find(|c: char| c.is_whitespace() || "\"'<>`,".contains(c)).unwrap_or(text.len())
}
