//! The keys an issuer publishes (a JSON Web Key Set, RFC 7517), and checking a signature with one.
//!
//! A key is for one algorithm, by its type: an RSA key cannot check an HMAC, whatever a token says. Keys of other types,
//! for other uses, too weak or malformed are left out one by one; issuers publish those too.

use aws_lc_rs::rsa::PublicKeyComponents;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED, ED25519, RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use moorline_config::document::JwtAlgorithm;
use serde::Deserialize;

use super::token::{KID_BYTES_MAX, Token};

/// The largest key set that is read.
pub const KEYS_BYTES_MAX: usize = 256 * 1024;
/// Most keys of one issuer.
pub const KEYS_MAX: usize = 64;
/// RSA keys from 2048 to 8192 bits.
const RSA_BYTES: std::ops::RangeInclusive<usize> = 256..=1024;
/// An ordinate of P-256, and an Ed25519 key.
const CURVE_BYTES: usize = 32;

/// The keys of an issuer.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Keys(Vec<PublicKey>);

/// One of them.
#[derive(Debug, Clone, PartialEq, Eq)]
struct PublicKey {
    name: Option<String>,
    material: Material,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Material {
    Rsa { modulus: Vec<u8>, exponent: Vec<u8> },
    P256(Vec<u8>),
    Ed25519(Vec<u8>),
}

/// Says that what an issuer publishes holds no key that could be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected a JSON Web Key Set of at most {KEYS_MAX} keys, one of them for RS256, ES256 or EdDSA")]
pub struct NoKeySet;

#[derive(Deserialize)]
struct Published {
    keys: Vec<serde_json::Value>,
}

#[derive(Deserialize)]
struct Jwk {
    kty: String,
    kid: Option<String>,
    alg: Option<String>,
    #[serde(rename = "use")]
    usage: Option<String>,
    key_ops: Option<Vec<String>>,
    crv: Option<String>,
    n: Option<String>,
    e: Option<String>,
    x: Option<String>,
    y: Option<String>,
}

impl Keys {
    /// Reads a key set.
    ///
    /// # Errors
    /// [`NoKeySet`] when it is none, or holds nothing usable.
    pub fn read(json: &[u8]) -> Result<Self, NoKeySet> {
        let published: Published = serde_json::from_slice(json).map_err(|_| NoKeySet)?;
        if published.keys.len() > KEYS_MAX {
            return Err(NoKeySet);
        }
        let keys: Vec<PublicKey> = published
            .keys
            .into_iter()
            .filter_map(|key| PublicKey::read(serde_json::from_value(key).ok()?))
            .collect();
        if keys.is_empty() { Err(NoKeySet) } else { Ok(Self(keys)) }
    }

    /// The key a token is signed with: the one it names, or, when it names none, the only one for its algorithm.
    fn key(&self, token: &Token<'_>) -> Option<&PublicKey> {
        let mut fitting = self.0.iter().filter(|key| {
            key.material.algorithm() == token.algorithm && (token.key.is_none() || key.name == token.key)
        });
        let first = fitting.next()?;
        (token.key.is_some() || fitting.next().is_none()).then_some(first)
    }

    /// Whether there is a key for a token.
    #[must_use]
    pub fn know(&self, token: &Token<'_>) -> bool {
        self.key(token).is_some()
    }

    /// Whether a token is signed with its key.
    #[must_use]
    pub fn signed(&self, token: &Token<'_>) -> bool {
        self.key(token).is_some_and(|key| key.material.signed(token.signed, &token.signature))
    }
}

impl PublicKey {
    fn read(jwk: Jwk) -> Option<Self> {
        let is_for_signatures = jwk.usage.as_deref().is_none_or(|usage| usage == "sig")
            && jwk.key_ops.as_ref().is_none_or(|uses| uses.iter().any(|usage| usage == "verify"));
        let named_well = jwk.kid.as_ref().is_none_or(|name| name.len() <= KID_BYTES_MAX);
        if !is_for_signatures || !named_well {
            return None;
        }
        let bytes = |text: &Option<String>| URL_SAFE_NO_PAD.decode(text.as_ref()?).ok();
        let ordinate = |text| bytes(text).filter(|bytes| bytes.len() == CURVE_BYTES);
        let material = match (jwk.kty.as_str(), jwk.crv.as_deref()) {
            ("RSA", _) => Material::rsa(&bytes(&jwk.n)?, &bytes(&jwk.e)?)?,
            ("EC", Some("P-256")) => {
                Material::P256([&[4], ordinate(&jwk.x)?.as_slice(), ordinate(&jwk.y)?.as_slice()].concat())
            }
            ("OKP", Some("Ed25519")) => Material::Ed25519(ordinate(&jwk.x)?),
            _ => return None,
        };
        let fits = jwk.alg.is_none_or(|name| name == material.algorithm().as_str());
        fits.then_some(Self { name: jwk.kid, material })
    }
}

impl Material {
    fn rsa(modulus: &[u8], exponent: &[u8]) -> Option<Self> {
        // Some issuers write a leading zero, which is no part of the number.
        let number =
            |bytes: &[u8]| -> Vec<u8> { bytes.iter().copied().skip_while(|byte| *byte == 0).collect() };
        let (modulus, exponent) = (number(modulus), number(exponent));
        let is_strong =
            RSA_BYTES.contains(&modulus.len()) && modulus.first().is_some_and(|byte| *byte >= 0x80);
        (is_strong && !exponent.is_empty()).then_some(Self::Rsa { modulus, exponent })
    }

    const fn algorithm(&self) -> JwtAlgorithm {
        match self {
            Self::Rsa { .. } => JwtAlgorithm::Rs256,
            Self::P256(_) => JwtAlgorithm::Es256,
            Self::Ed25519(_) => JwtAlgorithm::EdDsa,
        }
    }

    fn signed(&self, message: &[u8], signature: &[u8]) -> bool {
        let checked = match self {
            Self::Rsa { modulus, exponent } => PublicKeyComponents { n: modulus, e: exponent }.verify(
                &RSA_PKCS1_2048_8192_SHA256,
                message,
                signature,
            ),
            Self::P256(point) => {
                UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point).verify(message, signature)
            }
            Self::Ed25519(key) => UnparsedPublicKey::new(&ED25519, key).verify(message, signature),
        };
        checked.is_ok()
    }
}
