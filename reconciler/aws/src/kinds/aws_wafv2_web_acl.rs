//! Web ACLs of WAF: the default action; of each rule its priority, action and kind of statement, and of a rate-based
//! statement all but the texts inside its scope-down statement.

mod compare;
mod custom_key;
mod form;
mod rule_json;
#[cfg(test)]
pub(super) mod sample;
mod statement;

use aws_config::SdkConfig;
use aws_sdk_wafv2::Client;
use aws_sdk_wafv2::config::Builder;
use aws_sdk_wafv2::operation::get_web_acl::GetWebAclOutput;
use aws_sdk_wafv2::types::{Scope, WebAcl as LiveWebAcl};
use moorline_model::drift::Finding;

use crate::attributes::{Attributes, Unexpected};
use crate::kind::{Kind, Place};
use crate::read::{ReadError, Refused, region};
use crate::state::{Declared, State};
use form::Form;

/// Where web ACLs of CloudFront live, wherever else everything is.
const CLOUDFRONT_REGION: &str = "us-east-1";

/// A web ACL as the state has it.
#[derive(Debug)]
pub(super) struct WebAcl {
    region: Option<String>,
    /// What it stands before: load balancers and APIs of a region, or CloudFront.
    scope: Scope,
    name: String,
    /// Its identity: one made anew under the same name is another.
    id: String,
    form: Form,
}

impl Kind for WebAcl {
    const TYPES: &'static [&'static str] = &["aws_wafv2_web_acl"];
    const PERMISSION: &'static str = "wafv2:GetWebACL";
    // There is no call for several.
    const PER_CALL: usize = 1;

    type Client = Client;
    type Answer = GetWebAclOutput;
    type Live = LiveWebAcl;

    fn connect(config: &SdkConfig) -> Client {
        Client::new(config)
    }

    fn declared(state: &State<'_>) -> Vec<Declared<Self>> {
        state.read(Self::TYPES, Self::of)
    }

    fn place(&self) -> Place<'_> {
        let region = match self.scope {
            Scope::Cloudfront => Some(CLOUDFRONT_REGION),
            _ => self.region.as_deref(),
        };
        Place { region, within: "" }
    }

    async fn read(client: &Client, requested: &[&Self]) -> Result<GetWebAclOutput, Refused> {
        let Some(requested) = requested.first() else {
            return Err(Refused::Failed(ReadError::Unreadable { operation: Self::PERMISSION, source: None }));
        };
        let region = Builder::new().region(region(requested.place().region, client.config().region()));
        let request =
            client.get_web_acl().name(&requested.name).id(&requested.id).scope(requested.scope.clone());
        request.customize().config_override(region).send().await.map_err(|error| {
            if error.as_service_error().is_some_and(|error| error.is_waf_nonexistent_item_exception()) {
                Refused::OneIsMissing
            } else {
                ReadError::new(Self::PERMISSION, error).into()
            }
        })
    }

    fn find<'a>(&self, answer: &'a GetWebAclOutput) -> Result<Option<&'a LiveWebAcl>, ReadError> {
        let unreadable = ReadError::Unreadable { operation: Self::PERMISSION, source: None };
        answer.web_acl.as_ref().map(Some).ok_or(unreadable)
    }

    fn findings(&self, address: &str, live: Option<&LiveWebAcl>) -> Vec<Finding> {
        compare::findings(self, address, live)
    }
}

impl WebAcl {
    fn of(attributes: &Attributes<'_>) -> Result<Self, Unexpected> {
        let scope = match attributes.required("scope")?.as_str() {
            "REGIONAL" => Scope::Regional,
            "CLOUDFRONT" => Scope::Cloudfront,
            _ => return Err(attributes.unexpected("scope", "REGIONAL or CLOUDFRONT")),
        };
        Ok(Self {
            region: attributes.text("region")?,
            scope,
            name: attributes.required("name")?,
            id: attributes.required("id")?,
            form: form::declared(attributes)?,
        })
    }
}

#[cfg(test)]
mod tests;
