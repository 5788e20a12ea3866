//! Who calls: the proof in a request's head, and whom it proves.
//!
//! A request proves itself once. Two proofs that differ are refused, whichever of them is good: a gateway that falls
//! from a bad proof to a good one lets callers choose who they are counted as. What looks like a token is judged as one,
//! and as nothing else after that.

use std::sync::Arc;

use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderName};

use crate::jwt::token::is_token;
use crate::jwt::{Identity, TokenError};
use crate::limits::Millis;
use crate::recorder::Authentication;
use crate::routing::limit::Who;
use crate::routing::{Key, KeyHash, KeyIndex, Routing};

const API_KEY: HeaderName = HeaderName::from_static("x-api-key");

/// A caller that proved who it is.
#[derive(Debug)]
pub(super) enum Caller<'a> {
    /// By a declared key.
    Key(KeyIndex, &'a Key),
    /// By a token.
    Token(Arc<Identity>),
}

/// A caller that is remembered beyond its request.
#[derive(Debug)]
pub(super) enum Kept {
    Key(KeyIndex),
    Token(Arc<Identity>),
}

impl Kept {
    /// What it may do.
    pub(super) fn key<'a>(&'a self, routing: &'a Routing) -> Option<&'a Key> {
        match self {
            Self::Key(index) => routing.key_at(*index),
            Self::Token(identity) => Some(&identity.key),
        }
    }
}

impl Caller<'_> {
    /// What the caller may do.
    pub(super) fn key(&self) -> &Key {
        match self {
            Self::Key(_, key) => key,
            Self::Token(identity) => &identity.key,
        }
    }

    /// The same, to be kept beyond the request.
    pub(super) fn kept(&self) -> Kept {
        match self {
            Self::Key(index, _) => Kept::Key(*index),
            Self::Token(identity) => Kept::Token(Arc::clone(identity)),
        }
    }

    /// Whose use limits count.
    pub(super) fn who(&self) -> Who<'_> {
        match self {
            Self::Key(index, _) => Who::Key(*index),
            Self::Token(identity) => Who::Token { id: identity.id, team: identity.team.as_ref() },
        }
    }
}

/// Finds whom a request's proof proves. `now` is asked for only when the proof has an end.
pub(super) async fn authenticate<'a>(
    headers: &HeaderMap,
    routing: &'a Routing,
    now: impl FnOnce() -> Millis,
) -> Result<Caller<'a>, Authentication> {
    let given = given(headers)?;
    let hash = KeyHash::of(given);
    let Some((proof, key)) = routing.key(&hash) else {
        let Some(verifier) = routing.tokens().filter(|_| is_token(given)) else {
            return Err(Authentication::Unknown);
        };
        // In a box: most requests come with a key, and should not carry the space for this.
        return Box::pin(verifier.verify(hash, given, now())).await.map(Caller::Token).map_err(judged);
    };
    if proof.until.is_some_and(|until| now() >= until) {
        return Err(Authentication::Expired);
    }
    Ok(Caller::Key(proof.key, key))
}

/// What callers are told, and what is counted, of a token that was refused. The cause is for whoever runs the gateway.
fn judged(error: TokenError) -> Authentication {
    tracing::debug!(%error, "a token is refused");
    match error {
        TokenError::Expired => Authentication::Expired,
        TokenError::NoKeys => Authentication::Unverifiable,
        _ => Authentication::Invalid,
    }
}

/// What a request gives as proof: `Authorization: Bearer KEY`, or `x-api-key: KEY`, a key or a token. Some clients send both; they must
/// agree then.
fn given(headers: &HeaderMap) -> Result<&[u8], Authentication> {
    let bearer = only(headers, &AUTHORIZATION)?;
    let api_key = only(headers, &API_KEY)?;
    let Some(value) = bearer else { return api_key.ok_or(Authentication::Missing) };
    let given = value
        .split_at_checked(7)
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case(b"bearer "))
        .map(|(_, key)| key.trim_ascii());
    match (given, api_key) {
        (Some(given), None) => Ok(given),
        (Some(given), Some(other)) if given == other => Ok(given),
        (_, Some(_)) => Err(Authentication::Ambiguous),
        (None, None) => Err(Authentication::Missing),
    }
}

/// The one value of a header.
fn only<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<Option<&'a [u8]>, Authentication> {
    let mut values = headers.get_all(name).iter();
    let first = values.next();
    if values.next().is_some() {
        return Err(Authentication::Ambiguous);
    }
    Ok(first.map(http::HeaderValue::as_bytes))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn judged(lines: &[(&'static str, &'static str)]) -> Result<Vec<u8>, Authentication> {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(*name, HeaderValue::from_static(value));
        }
        given(&headers).map(<[u8]>::to_vec)
    }

    #[test]
    fn keys_are_taken_from_the_two_headers_clients_use() {
        for (name, value) in
            [("authorization", "Bearer abc"), ("authorization", "bearer  abc "), ("x-api-key", "abc")]
        {
            assert_eq!(judged(&[(name, value)]), Ok(b"abc".to_vec()), "{name}: {value}");
        }
        for value in ["Basic abc", "Bearer", "abc", "", "Bearerabc"] {
            assert_eq!(judged(&[("authorization", value)]), Err(Authentication::Missing), "{value}");
        }
        assert_eq!(judged(&[]), Err(Authentication::Missing));
    }

    #[test]
    fn two_proofs_are_refused_unless_they_are_the_same() {
        let (bearer, other) = (("authorization", "Bearer abc"), ("authorization", "Bearer xyz"));
        for lines in [
            &[bearer, other][..],
            &[bearer, bearer],
            &[bearer, ("x-api-key", "xyz")],
            &[bearer, ("x-api-key", "")],
            &[("x-api-key", "abc"), ("x-api-key", "xyz")],
            &[("authorization", "Basic abc"), ("x-api-key", "abc")],
            &[("authorization", ""), ("x-api-key", "abc")],
        ] {
            assert_eq!(judged(lines), Err(Authentication::Ambiguous), "{lines:?}");
        }
        assert_eq!(judged(&[bearer, ("x-api-key", "abc")]), Ok(b"abc".to_vec()));
    }
}
