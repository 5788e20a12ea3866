//! An issuer of tokens, for tests: real keys of each type, and nothing that is checked before it is signed.

#![expect(dead_code, reason = "two test programs use it, each a part")]

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair as RsaKeyPair, KeySize};
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair,
    KeyPair as _, RSA_PKCS1_SHA256,
};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

/// An issuer with a key of each type, named `rsa`, `ec` and `ed`.
pub(crate) struct Issuer {
    suffix: &'static str,
    rsa: RsaKeyPair,
    second: RsaKeyPair,
    ec: EcdsaKeyPair,
    ed: Ed25519KeyPair,
}

pub(crate) fn encoded(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// The modulus of a key of 2048 bits, out of its DER: SEQUENCE, INTEGER, a leading zero, 256 bytes, and 65537.
fn modulus(key: &RsaKeyPair) -> Vec<u8> {
    key.public_key().as_ref()[9..265].to_vec()
}

impl Issuer {
    pub(crate) fn new() -> Self {
        let rsa = || RsaKeyPair::generate(KeySize::Rsa2048).unwrap();
        Self {
            suffix: "",
            rsa: rsa(),
            second: rsa(),
            ec: EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap(),
            ed: Ed25519KeyPair::generate().unwrap(),
        }
    }

    /// One whose keys have names of their own.
    pub(crate) fn renamed() -> Self {
        Self { suffix: "-new", ..Self::new() }
    }

    pub(crate) fn modulus(&self) -> Vec<u8> {
        modulus(&self.rsa)
    }

    pub(crate) fn point(&self) -> Vec<u8> {
        self.ec.public_key().as_ref().to_vec()
    }

    pub(crate) fn edwards(&self) -> Vec<u8> {
        self.ed.public_key().as_ref().to_vec()
    }

    /// What the issuer publishes: its keys, and some that are of no use to us.
    pub(crate) fn jwks(&self) -> Value {
        let rsa = |kid: &str, key: &RsaKeyPair| json!({"kty": "RSA", "kid": kid, "use": "sig", "alg": "RS256", "n": encoded(modulus(key)), "e": "AQAB"});
        let point = self.point();
        let mut for_encryption = rsa("enc", &self.rsa);
        for_encryption["use"] = json!("enc");
        json!({"keys": [
            rsa("rsa", &self.rsa),
            rsa("rsa-2", &self.second),
            {"kty": "EC", "crv": "P-256", "kid": format!("ec{}", self.suffix), "x": encoded(&point[1..33]), "y": encoded(&point[33..])},
            {"kty": "OKP", "crv": "Ed25519", "kid": format!("ed{}", self.suffix), "x": encoded(self.edwards())},
            {"kty": "oct", "kid": "oct", "k": encoded(b"secret")},
            {"kty": "RSA", "kid": "weak", "n": encoded([0xff; 128]), "e": "AQAB"},
            {"kty": "EC", "crv": "P-384", "kid": "other", "x": "AA", "y": "AA"},
            for_encryption,
            {"no": "key"},
            7,
        ]})
    }

    pub(crate) fn rs256(&self, header: &str, payload: &str) -> String {
        let signed = format!("{}.{}", encoded(header), encoded(payload));
        let mut signature = vec![0; self.rsa.public_modulus_len()];
        self.rsa.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), signed.as_bytes(), &mut signature).unwrap();
        format!("{signed}.{}", encoded(signature))
    }

    pub(crate) fn es256(&self, header: &str, payload: &str) -> String {
        let signed = format!("{}.{}", encoded(header), encoded(payload));
        let signature = self.ec.sign(&SystemRandom::new(), signed.as_bytes()).unwrap();
        format!("{signed}.{}", encoded(signature))
    }

    /// A token that names the key it is signed with.
    pub(crate) fn es256_named(&self, payload: &str) -> String {
        self.es256(&json!({"alg": "ES256", "kid": format!("ec{}", self.suffix)}).to_string(), payload)
    }

    /// The same key's signature in the encoding that tokens do not use.
    pub(crate) fn es256_der(&self, header: &str, payload: &str) -> String {
        let signed = format!("{}.{}", encoded(header), encoded(payload));
        let pkcs8 = self.ec.to_pkcs8v1().unwrap();
        let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, pkcs8.as_ref()).unwrap();
        let signature = key.sign(&SystemRandom::new(), signed.as_bytes()).unwrap();
        format!("{signed}.{}", encoded(signature))
    }

    pub(crate) fn eddsa(&self, header: &str, payload: &str) -> String {
        let signed = format!("{}.{}", encoded(header), encoded(payload));
        format!("{signed}.{}", encoded(self.ed.sign(signed.as_bytes())))
    }
}
