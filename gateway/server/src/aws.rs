//! The AWS account of this process: region, credentials and endpoint as every AWS tool finds them (environment,
//! profile, task role, instance role; `AWS_ENDPOINT_URL` and its forms for one service lead elsewhere).

use std::time::Duration;

use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, SdkConfig};
use aws_sdk_s3::error::{DisplayErrorContext, ProvideErrorMetadata, SdkError};
use tokio::sync::OnceCell;

/// The longest wait for a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// The longest wait for an answer, all tries together.
const CALL_TIMEOUT: Duration = Duration::from_secs(5);
/// The most characters told of what AWS says.
const SAID_MAX: usize = 300;

/// Found at the first use, and kept.
#[derive(Debug, Default)]
pub struct Account(OnceCell<SdkConfig>);

/// No region is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no AWS region is known: set AWS_REGION")]
pub struct NoRegion;

impl Account {
    /// What every client is made of.
    ///
    /// # Errors
    /// [`NoRegion`], which is asked for again the next time: the host's metadata may answer then.
    pub async fn config(&self) -> Result<&SdkConfig, NoRegion> {
        self.0
            .get_or_try_init(|| async {
                let timeouts = TimeoutConfig::builder()
                    .connect_timeout(CONNECT_TIMEOUT)
                    .operation_timeout(CALL_TIMEOUT)
                    .build();
                let config =
                    aws_config::defaults(BehaviorVersion::latest()).timeout_config(timeouts).load().await;
                if config.region().is_some() { Ok(config) } else { Err(NoRegion) }
            })
            .await
    }
}

/// What a call that failed says.
#[derive(Debug)]
pub struct Said {
    /// AWS' own word, when it answered with one.
    pub code: Option<String>,
    /// One line for people.
    pub text: String,
    /// Whether the same call may succeed in a while.
    pub is_passing: bool,
}

/// Reads a failure. AWS' messages name resources and callers, no values.
pub fn said<E>(error: &SdkError<E>) -> Said
where
    E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
{
    let Some(code) = error.code().map(str::to_owned) else {
        let text = shortened(&DisplayErrorContext(error).to_string());
        return Said { code: None, text, is_passing: true };
    };
    let status = error.raw_response().map_or(500, |response| response.status().as_u16());
    let is_passing =
        status >= 500 || status == 429 || code.contains("Throttl") || code.contains("InternalService");
    let text = shortened(&format!("{code}: {}", error.message().unwrap_or_default()));
    Said { code: Some(code), text, is_passing }
}

fn shortened(text: &str) -> String {
    let plain = text.chars().map(|c| if c.is_control() { ' ' } else { c });
    plain.take(SAID_MAX).collect()
}
