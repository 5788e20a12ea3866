//! The AWS account of this process: region, credentials and endpoint as every AWS tool finds them (environment,
//! profile, task role, instance role; `AWS_ENDPOINT_URL` and its forms for one service lead elsewhere).

use std::time::Duration;

use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, SdkConfig};
use aws_sdk_secretsmanager::error::{DisplayErrorContext, ProvideErrorMetadata, SdkError};
use tokio::sync::OnceCell;

use super::{LOOK_UP_TIMEOUT, SecretError};

/// The longest wait for a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// The most characters told of what AWS says.
const SAID_MAX: usize = 300;

/// Found at the first use, and kept.
#[derive(Debug, Default)]
pub(super) struct Account(OnceCell<SdkConfig>);

impl Account {
    pub(super) async fn config(&self) -> Result<&SdkConfig, SecretError> {
        self.0
            .get_or_try_init(|| async {
                let timeouts = TimeoutConfig::builder()
                    .connect_timeout(CONNECT_TIMEOUT)
                    .operation_timeout(LOOK_UP_TIMEOUT)
                    .build();
                let config =
                    aws_config::defaults(BehaviorVersion::latest()).timeout_config(timeouts).load().await;
                // Not kept without a region: the host's metadata may answer the next time.
                if config.region().is_some() {
                    Ok(config)
                } else {
                    Err(SecretError::NotConfigured("no AWS region is known: set AWS_REGION".to_owned()))
                }
            })
            .await
    }
}

/// What AWS' refusal says about a secret. `NotFound` has a code of its own in each service.
pub(super) fn refusal<E>(error: &SdkError<E>, not_found: &[&str]) -> SecretError
where
    E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
{
    let Some(code) = error.code() else {
        return SecretError::Unreachable(shortened(&DisplayErrorContext(error).to_string()));
    };
    let said = shortened(&format!("{code}: {}", error.message().unwrap_or_default()));
    let status = error.raw_response().map_or(500, |response| response.status().as_u16());
    let is_passing =
        status >= 500 || status == 429 || code.contains("Throttl") || code.contains("InternalService");
    if not_found.contains(&code) {
        SecretError::NotFound
    } else if is_passing {
        SecretError::Unreachable(said)
    } else {
        SecretError::Refused(said)
    }
}

fn shortened(text: &str) -> String {
    let plain = text.chars().map(|c| if c.is_control() { ' ' } else { c });
    plain.take(SAID_MAX).collect()
}
