//! Who calls: the proof in a request's head, and whom it proves.
//!
//! A request proves itself once. Two proofs that differ are refused, whichever of them is good: a gateway that falls
//! from a bad proof to a good one lets callers choose who they are counted as.

use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderName};

use crate::limits::Millis;
use crate::recorder::Authentication;
use crate::routing::{Key, KeyHash, KeyIndex, Routing};

const API_KEY: HeaderName = HeaderName::from_static("x-api-key");

/// A caller that proved who it is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Caller<'a> {
    pub(super) index: KeyIndex,
    pub(super) key: &'a Key,
}

/// Finds the declared key that a request carries. `now` is asked for only when the key has an end.
pub(super) fn authenticate<'a>(
    headers: &HeaderMap,
    routing: &'a Routing,
    now: impl FnOnce() -> Millis,
) -> Result<Caller<'a>, Authentication> {
    let given = given(headers)?;
    let (proof, key) = routing.key(&KeyHash::of(given)).ok_or(Authentication::Unknown)?;
    if proof.until.is_some_and(|until| now() >= until) {
        return Err(Authentication::Expired);
    }
    Ok(Caller { index: proof.key, key })
}

/// What a request gives as proof: `Authorization: Bearer KEY`, or `x-api-key: KEY`. Some clients send both; they must
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
