//! Stores over the network: AWS Secrets Manager, AWS Systems Manager Parameter Store and Vault.
//!
//! In: references. Out: for each, its value or why there is none. Clients are made when the first reference of their
//! kind is met: a gateway whose documents name no store speaks to none.

use std::sync::Arc;

use futures_util::future::join_all;
use moorline_config::{Reference, Secret};
use tokio::runtime::Handle;

use super::parameter_store::ParameterStore;
use super::secrets_manager::SecretsManager;
use super::vault::Vault;
use super::{Environment, Found, LOOK_UP_TIMEOUT, SecretError};
use crate::aws::Account;

/// Answers for references that do not stand on this host.
pub trait Stores: Send + Sync {
    /// Looks all of these up. Blocks the thread, for little longer than [`LOOK_UP_TIMEOUT`].
    fn look_up(&self, references: Vec<Reference>) -> Found;
}

/// The real stores.
pub struct Remote {
    runtime: Handle,
    secrets_manager: SecretsManager,
    parameter_store: ParameterStore,
    vault: Vault,
}

impl Remote {
    /// Stores as the environment says, asked on a runtime that somebody else drives.
    #[must_use]
    pub fn new(environment: Arc<Environment>, runtime: Handle) -> Self {
        let account = Arc::new(Account::default());
        Self {
            runtime,
            secrets_manager: SecretsManager::new(Arc::clone(&account)),
            parameter_store: ParameterStore::new(account),
            vault: Vault::new(environment),
        }
    }

    async fn one(&self, reference: &Reference) -> Result<Secret, SecretError> {
        let look_up = async {
            match reference {
                Reference::SecretsManager { id, key } => self.secrets_manager.get(id, key.as_deref()).await,
                Reference::Ssm(name) => self.parameter_store.get(name).await,
                Reference::Vault { path, key } => self.vault.get(path, key).await,
                Reference::Env(_) | Reference::File(_) => {
                    Err(SecretError::NotConfigured("stands on the host, in no store".to_owned()))
                }
            }
        };
        tokio::time::timeout(LOOK_UP_TIMEOUT, look_up).await.unwrap_or_else(|_| {
            Err(SecretError::Unreachable(format!("no answer within {} s", LOOK_UP_TIMEOUT.as_secs())))
        })
    }
}

impl Stores for Remote {
    fn look_up(&self, references: Vec<Reference>) -> Found {
        let look_up = async {
            let values = join_all(references.iter().map(|reference| self.one(reference))).await;
            references.iter().cloned().zip(values).collect()
        };
        self.runtime.block_on(look_up)
    }
}
