//! Reads everything that is managed, a few calls at a time, and compares it.

use std::sync::Arc;
use std::time::Duration;

use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, ConfigLoader, Region, SdkConfig};
use futures_util::future::BoxFuture;
use futures_util::{FutureExt as _, StreamExt as _, stream};
use moorline_model::declaration;
use moorline_model::drift::Finding;
use tokio::time::Instant;

use crate::batch::{Deadline, Outcomes};
use crate::clients::Clients;
use crate::finding::unverifiable;
use crate::managed::Managed;

/// Longest wait for a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// Longest wait for an answer, with all its tries.
const OPERATION_TIMEOUT: Duration = Duration::from_secs(10);
/// One try and two more.
const ATTEMPTS_MAX: u32 = 3;
/// Longest reading of everything; what is not read by then is unverifiable.
const READING_TIMEOUT: Duration = Duration::from_secs(60);
/// Calls under way at once: enough to be quick, few enough not to be throttled.
const CALLS_AT_ONCE: usize = 4;

/// One environment's AWS. Clones share clients, connections and credentials.
#[derive(Debug, Clone)]
pub struct Aws(Arc<Clients>);

/// Settings of an environment's AWS: region, another address if one is declared, timeouts and retries. Credentials
/// come from where the AWS CLI has them, unless the caller names others.
#[must_use]
pub fn loader(declared: &declaration::Aws) -> ConfigLoader {
    let timeouts = TimeoutConfig::builder()
        .connect_timeout(CONNECT_TIMEOUT)
        .operation_timeout(OPERATION_TIMEOUT)
        .build();
    let loader = aws_config::defaults(BehaviorVersion::latest())
        .region(Region::new(declared.region.clone()))
        .timeout_config(timeouts)
        .retry_config(RetryConfig::standard().with_max_attempts(ATTEMPTS_MAX));
    match &declared.endpoint_url {
        Some(url) => loader.endpoint_url(url),
        None => loader,
    }
}

impl Aws {
    /// Takes the SDK's own configuration. Nothing is requested yet.
    #[must_use]
    pub fn with(config: SdkConfig) -> Self {
        Self(Arc::new(Clients::new(config)))
    }

    /// What AWS serves differently from what Terraform's state says: kind by kind, and within a kind in the order of
    /// the state.
    ///
    /// Every managed resource is either read and compared, or a finding says that and why it could not be.
    pub async fn findings(&self, managed: &Managed) -> Vec<Finding> {
        let deadline = Deadline { at: Instant::now() + READING_TIMEOUT, seconds: READING_TIMEOUT.as_secs() };
        // A list of boxed futures and not a lazy iterator: the compiler cannot show that one to be `Send`.
        let mut batches: Vec<BoxFuture<'_, (usize, Outcomes)>> = Vec::new();
        for (kind, resources) in managed.kinds.iter().enumerate() {
            let of_kind = resources.batches(&self.0, deadline).into_iter();
            batches.extend(of_kind.map(|batch| batch.map(move |outcomes| (kind, outcomes)).boxed()));
        }
        let done: Vec<(usize, Outcomes)> =
            stream::iter(batches).buffer_unordered(CALLS_AT_ONCE).collect().await;
        let mut outcomes: Vec<_> = done
            .into_iter()
            .flat_map(|(kind, outcomes)| {
                outcomes.into_iter().map(move |(number, findings)| ((kind, number), findings))
            })
            .collect();
        outcomes.sort_by_key(|(place, _)| *place);
        let mut findings: Vec<Finding> = outcomes.into_iter().flat_map(|(_, findings)| findings).collect();
        let unreadable = managed.unreadable.iter();
        findings
            .extend(unreadable.map(|resource| unverifiable(&resource.address, resource.reason.to_string())));
        findings
    }
}

#[cfg(test)]
mod tests;
