//! `ssm:/name`: a parameter of AWS Systems Manager Parameter Store, decrypted.

use std::sync::Arc;

use aws_sdk_ssm::Client;
use moorline_config::Secret;
use tokio::sync::OnceCell;

use super::aws::refusal;
use super::{SecretError, one_line};
use crate::aws::Account;

/// AWS Systems Manager Parameter Store.
pub(super) struct ParameterStore {
    account: Arc<Account>,
    client: OnceCell<Client>,
}

impl ParameterStore {
    pub(super) fn new(account: Arc<Account>) -> Self {
        Self { account, client: OnceCell::new() }
    }

    pub(super) async fn get(&self, name: &str) -> Result<Secret, SecretError> {
        let made = async || Ok::<_, SecretError>(Client::new(self.account.config().await?));
        let client = self.client.get_or_try_init(made).await?;
        let answer = client.get_parameter().name(name).with_decryption(true).send().await;
        let answer =
            answer.map_err(|error| refusal(&error, &["ParameterNotFound", "ParameterVersionNotFound"]))?;
        one_line(answer.parameter.and_then(|parameter| parameter.value).ok_or(SecretError::NotText)?)
    }
}
