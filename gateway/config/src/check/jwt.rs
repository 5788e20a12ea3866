//! JSON Web Tokens: what is accepted, and whom they name.

use super::text::one_line;
use super::{Problems, limits};
use crate::Document;

/// The longest name of a claim.
const CLAIM_LENGTH_MAX: usize = 128;
/// What names of callers with a token begin with.
const PREFIXES: [&str; 2] = ["jwt:", "jwt-sha256:"];

pub(super) fn check(document: &Document, problems: &mut Problems) {
    let Some(jwt) = document.auth.as_ref().and_then(|auth| auth.jwt.as_ref()) else { return };
    if jwt.algorithms.is_empty() {
        problems.add("auth.jwt.algorithms", "expected at least one algorithm");
    }
    let claims = &jwt.claims;
    let named =
        [("name", Some(&claims.name)), ("team", claims.team.as_ref()), ("models", claims.models.as_ref())];
    for (field, claim) in named {
        if let Some(claim) = claim {
            one_line(&format!("auth.jwt.claims.{field}"), claim, 1, CLAIM_LENGTH_MAX, problems);
        }
    }
    if let Some(models) = &jwt.models {
        problems.models(document, "auth.jwt.models", models);
    }
    let of = if claims.team.is_some() { limits::Of::KeyInTeam } else { limits::Of::KeyAlone };
    limits::check("auth.jwt.limits", &jwt.limits, of, problems);
    for (index, key) in document.keys.iter().enumerate() {
        if let Some(prefix) = PREFIXES.iter().find(|prefix| key.name.as_str().starts_with(**prefix)) {
            let path = format!("keys[{index}].name");
            problems.add(path, format!("names that begin with `{prefix}` are those of callers with a token"));
        }
    }
}
