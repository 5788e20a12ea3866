//! Request bodies: read up to a bound, within a time, before anything looks at them.

use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use serde::de::DeserializeOwned;

use crate::problem::Problem;

/// Longest wait for a whole body.
const BODY_TIMEOUT: Duration = Duration::from_secs(15);

/// Reads a body of at most `max` bytes.
pub(crate) async fn read(body: Body, max: usize) -> Result<Bytes, Problem> {
    let whole = Limited::new(body, max).collect();
    match tokio::time::timeout(BODY_TIMEOUT, whole).await {
        Err(_) => Err(Problem::too_slow()),
        Ok(Err(error)) if error.downcast_ref::<LengthLimitError>().is_some() => Err(Problem::too_large(max)),
        Ok(Err(_)) => Err(Problem::malformed("the body broke off")),
        Ok(Ok(whole)) => Ok(whole.to_bytes()),
    }
}

/// Reads a JSON body. An empty one stands for `{}`.
pub(crate) async fn json<T: DeserializeOwned>(body: Body, max: usize) -> Result<T, Problem> {
    let bytes = read(body, max).await?;
    parsed(if bytes.is_empty() { b"{}" } else { &bytes })
}

/// Reads JSON.
pub(crate) fn parsed<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    serde_json::from_slice(bytes)
        .map_err(|error| Problem::malformed(format!("the body is not as expected: {error}")))
}
