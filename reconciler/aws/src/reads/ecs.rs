//! Reads of ECS.

use async_trait::async_trait;
use aws_sdk_ecs::config::Builder;
use aws_sdk_ecs::types::Service;

use super::ReadError;

const OPERATION: &str = "ecs:DescribeServices";

/// Which service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceAt {
    /// Its region, where the state names one.
    pub region: Option<String>,
    /// Its cluster's name or ARN.
    pub cluster: String,
    /// Its name.
    pub name: String,
}

/// What is read of ECS.
#[async_trait]
pub trait EcsReads: Send + Sync {
    /// A service; `None` when AWS says that it, or its cluster, does not exist.
    async fn service(&self, at: &ServiceAt) -> Result<Option<Service>, ReadError>;
}

#[async_trait]
impl EcsReads for aws_sdk_ecs::Client {
    async fn service(&self, at: &ServiceAt) -> Result<Option<Service>, ReadError> {
        let request = self.describe_services().cluster(&at.cluster).services(&at.name);
        let region = Builder::new().region(super::region(at.region.as_deref(), self.config().region()));
        let answer = match request.customize().config_override(region).send().await {
            Ok(answer) => answer,
            Err(error)
                if error.as_service_error().is_some_and(|error| error.is_cluster_not_found_exception()) =>
            {
                return Ok(None);
            }
            Err(error) => return Err(ReadError::new(OPERATION, error)),
        };
        if let Some(service) = answer.services.into_iter().flatten().next() {
            return Ok(Some(service));
        }
        let failure = answer.failures.into_iter().flatten().next();
        match failure.as_ref().and_then(|failure| failure.reason.as_deref()) {
            Some("MISSING") => Ok(None),
            Some(reason) => Err(ReadError::Failed {
                operation: OPERATION,
                code: reason.to_owned(),
                message: failure.as_ref().and_then(|failure| failure.detail.clone()).unwrap_or_default(),
            }),
            None => Err(ReadError::Unreadable { operation: OPERATION, source: None }),
        }
    }
}
