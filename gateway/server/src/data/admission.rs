//! Who asks, for what, and whether there is room: everything decided before anything goes upstream.

use http::HeaderMap;
use http::header::{AUTHORIZATION, CONTENT_ENCODING};
use moorline_translate::{Fields, Tokens};

use super::refusal::Refusal;
use crate::limits::{self, Demand, Limits, Reservation};
use crate::recorder::Authentication;
use crate::routing::limit::Subject;
use crate::routing::{Key, KeyHash, KeyIndex, Model, ModelIndex, Route, Routing};

/// Bytes of a prompt that are taken for a token before the upstream has counted.
const BYTES_PER_TOKEN: u64 = 4;

/// A caller that proved who it is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Caller<'a> {
    pub(super) index: KeyIndex,
    pub(super) key: &'a Key,
}

/// Finds the declared key that a request carries.
pub(super) fn authenticate<'a>(
    headers: &HeaderMap,
    routing: &'a Routing,
) -> Result<Caller<'a>, Authentication> {
    let given = given_key(headers).ok_or(Authentication::Missing)?;
    let (index, key) = routing.key(&KeyHash::of(given)).ok_or(Authentication::Unknown)?;
    Ok(Caller { index, key })
}

/// `Authorization: Bearer KEY`, or `x-api-key: KEY`.
fn given_key(headers: &HeaderMap) -> Option<&[u8]> {
    let Some(value) = headers.get(AUTHORIZATION) else {
        return headers.get("x-api-key").map(http::HeaderValue::as_bytes);
    };
    let (scheme, key) = value.as_bytes().split_at_checked(7)?;
    scheme.eq_ignore_ascii_case(b"bearer ").then(|| key.trim_ascii())
}

/// Refuses a body that we could not look into.
pub(super) fn readable(headers: &HeaderMap) -> Result<(), Refusal> {
    match headers.get(CONTENT_ENCODING) {
        Some(encoding) if !encoding.as_bytes().eq_ignore_ascii_case(b"identity") => {
            Err(Refusal::encoded_body())
        }
        _ => Ok(()),
    }
}

/// The model a request is for.
pub(super) fn model(
    routing: &Routing,
    route: &Route,
    caller: Caller<'_>,
    fields: &Fields,
) -> Result<ModelIndex, Refusal> {
    let Some(name) = &fields.model else {
        let model = route.default_model.ok_or_else(Refusal::no_model)?;
        let name = routing.model(model).map_or("", |model| model.name.as_str());
        return if caller.key.allows(model) { Ok(model) } else { Err(Refusal::forbidden_model(name)) };
    };
    let model = routing.model_named(name).ok_or_else(|| Refusal::unknown_model(name))?;
    if !route.allows(model) {
        return Err(Refusal::unknown_model(name));
    }
    if !caller.key.allows(model) {
        return Err(Refusal::forbidden_model(name));
    }
    Ok(model)
}

/// What a request will use, as far as one can tell before.
pub(super) fn estimate(fields: &Fields) -> Tokens {
    let answers = fields.answers.unwrap_or(1).max(1);
    Tokens {
        input: fields.weight_bytes.div_ceil(BYTES_PER_TOKEN),
        cached_input: 0,
        output: fields.tokens_max.unwrap_or(0).saturating_mul(answers),
    }
}

/// Reserves the estimate from every limit that counts this request.
pub(super) fn reserve(
    limits: &Limits,
    route: &Route,
    key: &Key,
    subject: &Subject<'_>,
    model: &Model,
    estimate: Tokens,
) -> Result<Reservation, Refusal> {
    let declared = key.limits.iter().chain(&route.limits);
    let cost_micros = model.price_estimate().map_or(0, |price| price.cost_micros(estimate));
    let demand = Demand { tokens: estimate.total(), cost_micros };
    Ok(limits::reserve(limits, declared, subject, demand)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key_of(name: &'static str, value: &'static str) -> Option<Vec<u8>> {
        let mut headers = HeaderMap::new();
        headers.insert(name, http::HeaderValue::from_static(value));
        given_key(&headers).map(<[u8]>::to_vec)
    }

    #[test]
    fn keys_are_taken_from_the_two_headers_clients_use() {
        assert_eq!(key_of("authorization", "Bearer abc").as_deref(), Some(b"abc".as_slice()));
        assert_eq!(key_of("authorization", "bearer  abc ").as_deref(), Some(b"abc".as_slice()));
        assert_eq!(key_of("x-api-key", "abc").as_deref(), Some(b"abc".as_slice()));
        for value in ["Basic abc", "Bearer", "abc", ""] {
            assert_eq!(key_of("authorization", value), None, "{value}");
        }
    }

    #[test]
    fn an_authorization_that_is_no_key_is_not_made_good_by_another_header() {
        let mut headers = HeaderMap::new();
        headers.insert(AUTHORIZATION, http::HeaderValue::from_static("Basic abc"));
        headers.insert("x-api-key", http::HeaderValue::from_static("abc"));
        assert_eq!(given_key(&headers), None);
    }

    #[test]
    fn the_estimate_counts_the_prompt_and_the_most_that_was_asked_for() {
        let fields =
            Fields { weight_bytes: 401, tokens_max: Some(50), answers: Some(2), ..Fields::default() };
        assert_eq!(estimate(&fields), Tokens { input: 101, cached_input: 0, output: 100 });
        let most = Fields {
            weight_bytes: u64::MAX,
            tokens_max: Some(u64::MAX),
            answers: Some(u64::MAX),
            ..Fields::default()
        };
        assert_eq!(estimate(&most).total(), u64::MAX);
    }
}
