//! The verdict on a token.

use std::sync::Arc;

use hashbrown::HashMap;
use moorline_config::document::{Jwt, JwtAlgorithm, JwtClaims};
use moorline_config::{KeyName, ModelName, TeamName};
use sha2::{Digest as _, Sha256};
use url::Url;

use super::key_set::KeySet;
use super::known::{Known, Verdict};
use super::token::{Token, TokenError};
use crate::limits::{Millis, ValueId};
use crate::routing::limit::Limit;
use crate::routing::{Key, KeyHash, ModelIndex};

/// How far the issuer's clock and ours may be apart.
const LEEWAY: Millis = 60_000;
/// Begins the name of every identity that a token proves. Declared keys must not begin with it, so that nobody is
/// counted as somebody else.
const PREFIX: &str = "jwt:";
/// In its place when the claim is no name: what follows is a hash of it.
const HASHED_PREFIX: &str = "jwt-sha256:";
/// Bytes of that hash.
const HASH_BYTES: usize = 16;
/// The longest claim that names anybody.
const CLAIM_BYTES_MAX: usize = 1024;

/// Whom a token proves.
#[derive(Debug)]
pub struct Identity {
    /// What it may do, as of a virtual key.
    pub key: Key,
    /// Tells its counters from those of others.
    pub id: ValueId,
    /// Its team.
    pub team: Option<TeamName>,
}

/// Judges the tokens of one issuer, under one document.
#[derive(Debug)]
pub struct Verifier {
    issuer: String,
    audience: String,
    algorithms: Vec<JwtAlgorithm>,
    claims: JwtClaims,
    models: Option<Vec<ModelIndex>>,
    models_by_name: HashMap<ModelName, ModelIndex>,
    limits: Arc<[Limit]>,
    key_set: Arc<KeySet>,
    known: Known,
}

impl Verifier {
    /// Compiles what a document declares. `None` when its address is none, which checking a document refuses.
    pub(crate) fn compile(
        jwt: &Jwt,
        models_by_name: &HashMap<ModelName, ModelIndex>,
        models: Option<Vec<ModelIndex>>,
        limits: Vec<Limit>,
    ) -> Option<Self> {
        Some(Self {
            issuer: jwt.issuer.clone(),
            audience: jwt.audience.clone(),
            algorithms: jwt.algorithms.clone(),
            claims: jwt.claims.clone(),
            models,
            models_by_name: models_by_name.clone(),
            limits: limits.into(),
            key_set: Arc::new(KeySet::new(Url::parse(&jwt.jwks_url).ok()?)),
            known: Known::default(),
        })
    }

    /// The issuer's keys.
    #[must_use]
    pub const fn key_set(&self) -> &Arc<KeySet> {
        &self.key_set
    }

    /// Goes on with the keys that another generation has already, when they are of the same address.
    pub(crate) fn adopt(&mut self, other: &Self) {
        if self.key_set.url() == other.key_set.url() {
            self.key_set = Arc::clone(&other.key_set);
        }
    }

    /// Whom a token proves. A token seen before costs a look-up; one whose key is not known may wait for a moment
    /// until the issuer's keys were fetched anew.
    ///
    /// # Errors
    /// Why it proves nothing.
    pub async fn verify(
        &self,
        hash: KeyHash,
        token: &[u8],
        now: Millis,
    ) -> Result<Arc<Identity>, TokenError> {
        if let Some(identity) = self.known.find(&hash, self.key_set.epoch(), now) {
            return Ok(identity);
        }
        let token = Token::read(token)?;
        if !self.algorithms.contains(&token.algorithm) {
            return Err(TokenError::Algorithm);
        }
        // Before the keys are looked at: a token that is not for us does not make us fetch any.
        if token.claims.text("iss") != Some(self.issuer.as_str()) {
            return Err(TokenError::Issuer);
        }
        let audiences = token.claims.texts("aud").ok_or(TokenError::Audience)?;
        if !audiences.contains(&self.audience.as_str()) {
            return Err(TokenError::Audience);
        }
        // Read before the keys: keys that change in between make the verdict one of the past.
        let mut epoch = self.key_set.epoch();
        let mut keys = self.key_set.now();
        if !keys.as_ref().is_some_and(|keys| keys.know(&token)) {
            keys = self.key_set.renewed().await;
            epoch = self.key_set.epoch();
        }
        let keys = keys.ok_or(TokenError::NoKeys)?;
        if !keys.know(&token) {
            return Err(TokenError::UnknownKey);
        }
        if !keys.signed(&token) {
            return Err(TokenError::Signature);
        }
        let until = token.claims.expires.saturating_add(LEEWAY);
        if now >= until {
            return Err(TokenError::Expired);
        }
        if token.claims.not_before.is_some_and(|from| now.saturating_add(LEEWAY) < from) {
            return Err(TokenError::NotYet);
        }
        let identity = Arc::new(self.identity(&token).ok_or(TokenError::Claims)?);
        self.known.keep(hash, Verdict { identity: Arc::clone(&identity), until, epoch });
        Ok(identity)
    }

    /// Whom the claims name. Every claim that is declared must be there: a caller without a team would otherwise
    /// escape its team's limits, and one without models have all of them.
    fn identity(&self, token: &Token<'_>) -> Option<Identity> {
        let name = name_of(token.claims.text(&self.claims.name)?)?;
        let team = match &self.claims.team {
            Some(claim) => Some(token.claims.text(claim)?.parse().ok()?),
            None => None,
        };
        let models = match &self.claims.models {
            Some(claim) => {
                let claimed = token.claims.texts(claim)?;
                let declared = claimed.iter().filter_map(|name| self.models_by_name.get(*name).copied());
                Some(declared.filter(|model| self.allow(*model)).collect())
            }
            None => self.models.clone(),
        };
        let id = ValueId::of_name(name.as_str());
        Some(Identity { key: Key::of_token(name, models, Arc::clone(&self.limits)), id, team })
    }

    fn allow(&self, model: ModelIndex) -> bool {
        self.models.as_ref().is_none_or(|models| models.contains(&model))
    }
}

/// The name of whoever a claim names: the claim where it is a name, else a hash of it. Two claims never share one.
fn name_of(claim: &str) -> Option<KeyName> {
    if claim.is_empty() || claim.len() > CLAIM_BYTES_MAX {
        return None;
    }
    if let Ok(name) = format!("{PREFIX}{claim}").parse() {
        return Some(name);
    }
    let hash = Sha256::digest(claim.as_bytes());
    format!("{HASHED_PREFIX}{}", hex::encode(hash.get(..HASH_BYTES)?)).parse().ok()
}

#[cfg(test)]
mod tests;
