//! JSON Web Tokens as proof of who calls.
//!
//! In: a token, and the keys its issuer publishes. Out: an [`Identity`], which the rest of the gateway treats as a
//! virtual key, or a [`TokenError`]. Everything a token may say is judged here, and nothing of it is trusted before: the
//! signature is checked with a key of the declared issuer, by an algorithm that is declared and that the key is for.
//! What a token says about where its key is found is not read at all.
//!
//! Reading order: [`token`] (what is written), [`keys`] (what it is checked with), [`verifier`] (the verdict, and what
//! is remembered of it), [`key_set`] and [`fetch`] (how the issuer's keys get here, on a thread that serves nobody).
//!
//! docs/decisions/0007-json-web-tokens.md says why this is our own code on aws-lc-rs.

pub mod fetch;
pub mod key_set;
pub mod keys;
mod known;
#[cfg(test)]
mod signer;
pub mod token;
pub mod verifier;

pub use fetch::{Fetcher, Pace};
pub use key_set::KeySet;
pub use token::TokenError;
pub use verifier::{Identity, Verifier};
