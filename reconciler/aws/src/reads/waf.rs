//! Reads of WAF.

use async_trait::async_trait;
use aws_sdk_wafv2::config::Builder;
use aws_sdk_wafv2::types::WebAcl;

use super::ReadError;

const OPERATION: &str = "wafv2:GetWebACL";
/// Where web ACLs of CloudFront live, wherever else everything is.
const CLOUDFRONT_REGION: &str = "us-east-1";

/// What a web ACL stands before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// Load balancers and APIs of a region.
    Regional,
    /// CloudFront.
    CloudFront,
}

/// Which web ACL. The id is its identity: one made anew under the same name is another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebAclAt {
    /// Its region, where the state names one.
    pub region: Option<String>,
    /// Its scope.
    pub scope: Scope,
    /// Its name.
    pub name: String,
    /// Its id.
    pub id: String,
}

/// What is read of WAF.
#[async_trait]
pub trait WafReads: Send + Sync {
    /// A web ACL; `None` when AWS says that it does not exist.
    async fn web_acl(&self, at: &WebAclAt) -> Result<Option<WebAcl>, ReadError>;
}

#[async_trait]
impl WafReads for aws_sdk_wafv2::Client {
    async fn web_acl(&self, at: &WebAclAt) -> Result<Option<WebAcl>, ReadError> {
        let (scope, region) = match at.scope {
            Scope::Regional => (aws_sdk_wafv2::types::Scope::Regional, at.region.as_deref()),
            Scope::CloudFront => (aws_sdk_wafv2::types::Scope::Cloudfront, Some(CLOUDFRONT_REGION)),
        };
        let region = Builder::new().region(super::region(region, self.config().region()));
        let request = self.get_web_acl().name(&at.name).id(&at.id).scope(scope);
        match request.customize().config_override(region).send().await {
            Ok(answer) => match answer.web_acl {
                Some(found) => Ok(Some(found)),
                None => Err(ReadError::Unreadable { operation: OPERATION, source: None }),
            },
            Err(error)
                if error
                    .as_service_error()
                    .is_some_and(|error| error.is_waf_nonexistent_item_exception()) =>
            {
                Ok(None)
            }
            Err(error) => Err(ReadError::new(OPERATION, error)),
        }
    }
}
