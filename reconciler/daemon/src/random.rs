//! Secrets made up here: random, from the operating system.

use moorline_config::Secret;

/// Random bytes of a secret.
const BYTES: usize = 24;

/// Says that the operating system gave no random bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("this machine gives no random bytes")]
pub struct NoRandomBytes;

/// A new secret: 48 hex digits.
///
/// # Errors
/// [`NoRandomBytes`], and then nothing that was made up may be used.
pub fn secret() -> Result<Secret, NoRandomBytes> {
    let mut bytes = [0; BYTES];
    let provider = rustls::crypto::aws_lc_rs::default_provider();
    provider.secure_random.fill(&mut bytes).map_err(|_| NoRandomBytes)?;
    Ok(Secret::new(hex::encode(bytes)))
}
