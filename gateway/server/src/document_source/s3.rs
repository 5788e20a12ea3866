//! A layer in an S3 object, asked for by its ETag.

use std::sync::Arc;

use aws_sdk_s3::Client;
use aws_sdk_s3::config::Builder;
use tokio::sync::OnceCell;

use super::{LAYER_BYTES_MAX, SourceError, Text};
use crate::aws::{Account, said};

/// An object of a bucket.
pub(super) struct Object {
    bucket: String,
    key: String,
    account: Arc<Account>,
    client: OnceCell<Client>,
    etag: Option<String>,
}

impl Object {
    pub(super) fn new(bucket: &str, key: &str, account: &Arc<Account>) -> Self {
        let (bucket, key) = (bucket.to_owned(), key.to_owned());
        Self { bucket, key, account: Arc::clone(account), client: OnceCell::new(), etag: None }
    }

    /// Reads the object, unless it is the one read last.
    pub(super) async fn read(&mut self) -> Result<Text, SourceError> {
        let client = self.client.get_or_try_init(|| client(&self.account)).await?;
        let request = client.get_object().bucket(&self.bucket).key(&self.key);
        let answer = request.set_if_none_match(self.etag.clone()).send().await;
        let mut object = match answer {
            Ok(object) => object,
            Err(error) if error.raw_response().is_some_and(|answer| answer.status().as_u16() == 304) => {
                return Ok(Text::Unchanged);
            }
            Err(error) => return Err(SourceError::Unreachable(said(&error).text)),
        };
        let mut bytes = Vec::new();
        let broke_off = |_| SourceError::Unreachable("the object broke off".to_owned());
        while let Some(chunk) = object.body.try_next().await.map_err(broke_off)? {
            if bytes.len() + chunk.len() > LAYER_BYTES_MAX {
                return Err(SourceError::TooLarge);
            }
            bytes.extend_from_slice(&chunk);
        }
        let text = String::from_utf8(bytes).map_err(|_| SourceError::NotText)?;
        self.etag = object.e_tag;
        Ok(Text::New(text))
    }
}

/// A client that names the bucket in the path when the endpoint is another one than AWS' own: an emulator or another
/// store that has no name for each bucket.
async fn client(account: &Account) -> Result<Client, SourceError> {
    let config = account.config().await.map_err(|error| SourceError::Unreachable(error.to_string()))?;
    let is_elsewhere = config.endpoint_url().is_some() || std::env::var_os("AWS_ENDPOINT_URL_S3").is_some();
    Ok(Client::from_conf(Builder::from(config).force_path_style(is_elsewhere).build()))
}
