//! Reads everything that is managed, a few at a time, and compares it.

use std::sync::Arc;
use std::time::Duration;

use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, ConfigLoader, Region, SdkConfig};
use futures_util::future::BoxFuture;
use futures_util::{FutureExt as _, StreamExt as _, stream};
use moorline_model::config::chain;
use moorline_model::declaration;
use moorline_model::drift::Finding;
use tokio::time::{Instant, timeout_at};

use crate::compare::{self, unverifiable};
use crate::managed::{ListenerRule, Managed, Service, WebAcl};
use crate::reads::{EcsReads, LoadBalancerReads, ReadError, WafReads};

/// Longest wait for a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// Longest wait for an answer, with all its tries.
const OPERATION_TIMEOUT: Duration = Duration::from_secs(10);
/// One try and two more.
const ATTEMPTS_MAX: u32 = 3;
/// Longest reading of everything; what is not read by then is unverifiable.
const READING_TIMEOUT: Duration = Duration::from_secs(60);
/// Reads under way at once: enough to be quick, few enough not to be throttled.
const READS_AT_ONCE: usize = 4;

/// The three services of AWS, as far as they are read.
#[derive(Clone)]
pub struct Aws {
    services: Arc<dyn EcsReads>,
    load_balancers: Arc<dyn LoadBalancerReads>,
    firewalls: Arc<dyn WafReads>,
}

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
    /// Takes up the environment's AWS. Nothing is asked yet.
    pub async fn connect(declared: &declaration::Aws) -> Self {
        Self::with(&loader(declared).load().await)
    }

    /// Takes the SDK's own configuration.
    #[must_use]
    pub fn with(config: &SdkConfig) -> Self {
        Self::reading(
            Arc::new(aws_sdk_ecs::Client::new(config)),
            Arc::new(aws_sdk_elasticloadbalancingv2::Client::new(config)),
            Arc::new(aws_sdk_wafv2::Client::new(config)),
        )
    }

    /// Reads through others.
    #[must_use]
    pub fn reading(
        services: Arc<dyn EcsReads>,
        load_balancers: Arc<dyn LoadBalancerReads>,
        firewalls: Arc<dyn WafReads>,
    ) -> Self {
        Self { services, load_balancers, firewalls }
    }

    /// What AWS serves differently from what Terraform's state says, in the order of [`Managed`].
    ///
    /// Every managed resource is either read and compared, or a finding says that and why it could not be.
    pub async fn findings(&self, managed: &Managed) -> Vec<Finding> {
        let deadline = Instant::now() + READING_TIMEOUT;
        let services =
            managed.services.iter().map(|declared| (&declared.address, self.service(declared).boxed()));
        let rules =
            managed.listener_rules.iter().map(|declared| (&declared.address, self.rule(declared).boxed()));
        let web_acls =
            managed.web_acls.iter().map(|declared| (&declared.address, self.web_acl(declared).boxed()));
        // A list of boxed futures and not a lazy iterator: the compiler cannot show that one to be `Send`.
        let reads: Vec<BoxFuture<'_, Vec<Finding>>> = services
            .chain(rules)
            .chain(web_acls)
            .map(|(address, read)| settled(address, read, deadline).boxed())
            .collect();
        let mut findings = stream::iter(reads).buffered(READS_AT_ONCE).concat().await;
        let unreadable = managed.unreadable.iter();
        findings
            .extend(unreadable.map(|resource| unverifiable(&resource.address, resource.reason.to_string())));
        findings
    }

    async fn service(&self, declared: &Service) -> Result<Vec<Finding>, ReadError> {
        let live = self.services.service(&declared.at).await?;
        Ok(compare::service::findings(declared, live.as_ref()))
    }

    async fn rule(&self, declared: &ListenerRule) -> Result<Vec<Finding>, ReadError> {
        let live = self.load_balancers.listener_rule(&declared.at).await?;
        Ok(compare::listener_rule::findings(declared, live.as_ref()))
    }

    async fn web_acl(&self, declared: &WebAcl) -> Result<Vec<Finding>, ReadError> {
        let live = self.firewalls.web_acl(&declared.at).await?;
        Ok(compare::web_acl::findings(declared, live.as_ref()))
    }
}

/// A read's findings; what failed or came too late is a finding too.
async fn settled(
    address: &str,
    read: BoxFuture<'_, Result<Vec<Finding>, ReadError>>,
    deadline: Instant,
) -> Vec<Finding> {
    let reason = match timeout_at(deadline, read).await {
        Ok(Ok(findings)) => return findings,
        Ok(Err(error)) => chain::of(&error),
        Err(_) => format!("not read within {} s", READING_TIMEOUT.as_secs()),
    };
    tracing::warn!(address, reason, "an AWS resource could not be read");
    vec![unverifiable(address, reason)]
}

#[cfg(test)]
mod tests;
