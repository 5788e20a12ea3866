//! `secretsmanager:id[#key]`: the current version of a secret in AWS Secrets Manager, or one key of its JSON.

use std::sync::Arc;

use aws_sdk_secretsmanager::Client;
use moorline_config::Secret;
use tokio::sync::OnceCell;

use super::aws::refusal;
use super::{SecretError, behind_key, one_line};
use crate::aws::Account;

/// AWS Secrets Manager.
pub(super) struct SecretsManager {
    account: Arc<Account>,
    client: OnceCell<Client>,
}

impl SecretsManager {
    pub(super) fn new(account: Arc<Account>) -> Self {
        Self { account, client: OnceCell::new() }
    }

    pub(super) async fn get(&self, id: &str, key: Option<&str>) -> Result<Secret, SecretError> {
        let made = async || Ok::<_, SecretError>(Client::new(self.account.config().await?));
        let client = self.client.get_or_try_init(made).await?;
        let answer = client.get_secret_value().secret_id(id).send().await;
        let answer = answer.map_err(|error| refusal(&error, &["ResourceNotFoundException"]))?;
        // A binary secret has no text.
        let text = answer.secret_string.ok_or(SecretError::NotText)?;
        match key {
            Some(key) => behind_key(Secret::new(text).expose(), key),
            None => one_line(text),
        }
    }
}
