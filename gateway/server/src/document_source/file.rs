//! A layer in a file.

use std::path::Path;

use tokio::io::AsyncReadExt as _;

use super::{LAYER_BYTES_MAX, SourceError, Text};

/// Reads the file whole.
pub(super) async fn read(path: &Path) -> Result<Text, SourceError> {
    let failed = |error: std::io::Error| SourceError::File(error.kind());
    let mut bytes = Vec::new();
    let file = tokio::fs::File::open(path).await.map_err(failed)?;
    file.take(LAYER_BYTES_MAX as u64 + 1).read_to_end(&mut bytes).await.map_err(failed)?;
    if bytes.len() > LAYER_BYTES_MAX {
        return Err(SourceError::TooLarge);
    }
    String::from_utf8(bytes).map(Text::New).map_err(|_| SourceError::NotText)
}
