//! What a caller asks for, and whether there is room: what is decided before anything goes upstream.

use http::header::CONTENT_ENCODING;
use http::{HeaderMap, HeaderValue};
use moorline_translate::{Fields, Tokens};

use super::body;
use super::refusal::Refusal;
use crate::limits::{self, Demand, Limits, Reservation};
use crate::routing::limit::Subject;
use crate::routing::{Key, Model, ModelIndex, Route, Routing};

/// Bytes of a prompt that are taken for a token before the upstream has counted.
const BYTES_PER_TOKEN: u64 = 4;

/// Refuses a body that we could not look into, whichever of its lines says so.
pub(super) fn readable(headers: &HeaderMap) -> Result<(), Refusal> {
    let encodings = headers.get_all(CONTENT_ENCODING).iter().map(HeaderValue::as_bytes);
    if body::is_encoded(encodings) { Err(Refusal::encoded_body()) } else { Ok(()) }
}

/// The model a request is for.
pub(super) fn model(
    routing: &Routing,
    route: &Route,
    key: &Key,
    fields: &Fields,
) -> Result<ModelIndex, Refusal> {
    let Some(name) = &fields.model else {
        let model = route.default_model.ok_or_else(Refusal::no_model)?;
        let name = routing.model(model).map_or("", |model| model.name.as_str());
        return if key.allows(model) { Ok(model) } else { Err(Refusal::forbidden_model(name)) };
    };
    let model = routing.model_named(name).ok_or_else(|| Refusal::unknown_model(name))?;
    if !route.allows(model) {
        return Err(Refusal::unknown_model(name));
    }
    if !key.allows(model) {
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
pub(super) async fn reserve(
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
    Ok(limits::reserve(limits, declared, subject, demand).await?)
}

#[cfg(test)]
mod tests {
    use super::*;

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
