//! Target groups of load balancers: port, protocol, what kind of targets they have and where, and the health check.
//!
//! Terraform's plans refresh them too, but between two plans a health check that was loosened by hand lets broken
//! targets pass for healthy. Attributes that take a call for each group (stickiness, deregistration delay) are left to
//! the plan.

use std::collections::BTreeSet;

use aws_config::SdkConfig;
use aws_sdk_elasticloadbalancingv2::Client;
use aws_sdk_elasticloadbalancingv2::config::Builder;
use aws_sdk_elasticloadbalancingv2::operation::describe_target_groups::DescribeTargetGroupsOutput;
use aws_sdk_elasticloadbalancingv2::types::TargetGroup as LiveTargetGroup;
use moorline_model::drift::{Finding, Severity};

use crate::attributes::{Attributes, Unexpected};
use crate::fields::Fields;
use crate::finding::{changed, missing};
use crate::kind::{Kind, Place};
use crate::read::{ReadError, Refused, region};
use crate::state::{Declared, State};

/// A target group as the state has it.
#[derive(Debug)]
pub(super) struct TargetGroup {
    region: Option<String>,
    arn: String,
    fields: Fields,
}

/// An attribute that is compared: its name in the state, how much a difference matters, and what AWS says.
type Attribute = (&'static str, Severity, fn(&LiveTargetGroup) -> Option<String>);

/// Where requests go, and how.
const OWN: [Attribute; 6] = [
    ("ip_address_type", Severity::Critical, |live| word(live.ip_address_type.as_ref()?.as_str())),
    ("port", Severity::Critical, |live| number(live.port)),
    ("protocol", Severity::Critical, |live| word(live.protocol.as_ref()?.as_str())),
    ("protocol_version", Severity::Critical, |live| word(live.protocol_version.as_deref()?)),
    ("target_type", Severity::Critical, |live| word(live.target_type.as_ref()?.as_str())),
    ("vpc_id", Severity::Critical, |live| word(live.vpc_id.as_deref()?)),
];
/// What counts as healthy decides who gets requests; the rest decides how soon.
const HEALTH_CHECK: [Attribute; 9] = [
    ("enabled", Severity::Critical, |live| Some(live.health_check_enabled?.to_string())),
    ("healthy_threshold", Severity::Warning, |live| number(live.healthy_threshold_count)),
    ("interval", Severity::Warning, |live| number(live.health_check_interval_seconds)),
    ("matcher", Severity::Critical, |live| {
        let matcher = live.matcher.as_ref()?;
        word(matcher.http_code.as_deref().or(matcher.grpc_code.as_deref())?)
    }),
    ("path", Severity::Critical, |live| word(live.health_check_path.as_deref()?)),
    ("port", Severity::Critical, |live| word(live.health_check_port.as_deref()?)),
    ("protocol", Severity::Critical, |live| word(live.health_check_protocol.as_ref()?.as_str())),
    ("timeout", Severity::Warning, |live| number(live.health_check_timeout_seconds)),
    ("unhealthy_threshold", Severity::Warning, |live| number(live.unhealthy_threshold_count)),
];

impl Kind for TargetGroup {
    const TYPES: &'static [&'static str] = &["aws_lb_target_group", "aws_alb_target_group"];
    const PERMISSION: &'static str = "elasticloadbalancing:DescribeTargetGroups";
    // Not in the API's reference: AWS refuses more with a `ValidationError` that names this number.
    const PER_CALL: usize = 20;

    type Client = Client;
    type Answer = DescribeTargetGroupsOutput;
    type Live = LiveTargetGroup;

    fn connect(config: &SdkConfig) -> Client {
        Client::new(config)
    }

    fn declared(state: &State<'_>) -> Vec<Declared<Self>> {
        state.read(Self::TYPES, Self::of)
    }

    fn place(&self) -> Place<'_> {
        Place { region: self.region.as_deref(), within: "" }
    }

    async fn read(client: &Client, requested: &[&Self]) -> Result<DescribeTargetGroupsOutput, Refused> {
        let arns: BTreeSet<&str> = requested.iter().map(|group| group.arn.as_str()).collect();
        let arns = arns.into_iter().map(str::to_owned).collect();
        let named = requested.first().and_then(|group| group.region.as_deref());
        let region = Builder::new().region(region(named, client.config().region()));
        let request = client.describe_target_groups().set_target_group_arns(Some(arns));
        request.customize().config_override(region).send().await.map_err(|error| {
            if error.as_service_error().is_some_and(|error| error.is_target_group_not_found_exception()) {
                Refused::OneIsMissing
            } else {
                ReadError::new(Self::PERMISSION, error).into()
            }
        })
    }

    fn find<'a>(
        &self,
        answer: &'a DescribeTargetGroupsOutput,
    ) -> Result<Option<&'a LiveTargetGroup>, ReadError> {
        let is_it = |group: &&LiveTargetGroup| group.target_group_arn.as_deref() == Some(&self.arn);
        // AWS has an error of its own for absence; this is something else.
        let unreadable = ReadError::Unreadable { operation: Self::PERMISSION, source: None };
        answer.target_groups().iter().find(is_it).map(Some).ok_or(unreadable)
    }

    fn findings(&self, address: &str, live: Option<&LiveTargetGroup>) -> Vec<Finding> {
        let Some(live) = live else { return vec![missing(address, format!("target group {}", self.arn))] };
        // What the state leaves out is AWS's to choose.
        let live = live_fields(live).limited_to(&self.fields);
        let differences = self.fields.differences(&live).into_iter();
        let severity = |path: &str| {
            let attributes = paths().find(|(known, _)| known == path);
            attributes.map_or(Severity::Critical, |(_, (_, severity, _))| severity)
        };
        differences
            .map(|difference| {
                let severity = severity(&difference.path);
                changed(address, difference, severity)
            })
            .collect()
    }
}

impl TargetGroup {
    fn of(attributes: &Attributes<'_>) -> Result<Self, Unexpected> {
        let mut fields = Fields::default();
        for (name, _, _) in OWN {
            fields.put_some(name, attributes.text(name)?.filter(|value| is_set(value)));
        }
        if let Some(check) = attributes.block("health_check")? {
            for (name, _, _) in HEALTH_CHECK {
                fields.put_some(in_check(name), check.text(name)?.filter(|value| is_set(value)));
            }
        }
        Ok(Self { region: attributes.text("region")?, arn: attributes.required("arn")?, fields })
    }
}

fn live_fields(live: &LiveTargetGroup) -> Fields {
    let mut fields = Fields::default();
    for (path, (_, _, value)) in paths() {
        fields.put_some(path, value(live));
    }
    fields
}

/// All attributes by their paths.
fn paths() -> impl Iterator<Item = (String, Attribute)> {
    let own = OWN.into_iter().map(|attribute| (attribute.0.to_owned(), attribute));
    own.chain(HEALTH_CHECK.into_iter().map(|attribute| (in_check(attribute.0), attribute)))
}

fn in_check(name: &str) -> String {
    format!("health_check[0].{name}")
}

/// A Lambda function has no port and its check no threshold, which the provider writes as 0.
fn is_set(value: &str) -> bool {
    value != "0"
}

fn word(value: &str) -> Option<String> {
    Some(value.to_owned()).filter(|value| !value.is_empty())
}

fn number(value: Option<i32>) -> Option<String> {
    value.map(|number| number.to_string()).filter(|value| is_set(value))
}

#[cfg(test)]
mod tests {
    use aws_sdk_elasticloadbalancingv2::types::{Matcher, ProtocolEnum, TargetTypeEnum};
    use serde_json::{Value, json};

    use super::*;

    const ADDRESS: &str = "aws_lb_target_group.gateway";
    const ARN: &str =
        "arn:aws:elasticloadbalancing:us-east-1:123456789012:targetgroup/gateway/6d0ecf831eec9f09";

    fn resource() -> Value {
        serde_json::from_str(include_str!("../../tests/fixtures/target_group.json")).unwrap()
    }

    fn declared(resource: &Value) -> Result<TargetGroup, Unexpected> {
        let state = json!({"values": {"root_module": {"resources": [resource]}}});
        TargetGroup::declared(&State::of(&state)).remove(0).read
    }

    fn live() -> LiveTargetGroup {
        LiveTargetGroup::builder()
            .target_group_arn(ARN)
            .port(8787)
            .protocol(ProtocolEnum::Http)
            .protocol_version("HTTP1")
            .target_type(TargetTypeEnum::Ip)
            .vpc_id("vpc-0a1b2c3d4e5f60718")
            .ip_address_type("ipv4".into())
            .health_check_enabled(true)
            .healthy_threshold_count(3)
            .health_check_interval_seconds(30)
            .matcher(Matcher::builder().http_code("200").build())
            .health_check_path("/healthz")
            .health_check_port("traffic-port")
            .health_check_protocol(ProtocolEnum::Http)
            .health_check_timeout_seconds(5)
            .unhealthy_threshold_count(4)
            .build()
    }

    fn described(resource: &Value, live: Option<&LiveTargetGroup>) -> Vec<String> {
        let described = |finding: Finding| {
            let part = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
            let (kind, severity) = (finding.kind, finding.severity);
            format!(
                "{kind:?} {severity:?} {}: {} -> {}",
                finding.path,
                part(finding.declared),
                part(finding.live)
            )
        };
        declared(resource).unwrap().findings(ADDRESS, live).into_iter().map(described).collect()
    }

    #[test]
    fn a_target_group_in_sync_has_no_findings_and_one_that_is_gone_is_missing() {
        assert_eq!(described(&resource(), Some(&live())), Vec::<String>::new());
        assert_eq!(described(&resource(), None), [format!("Missing Critical : target group {ARN} -> -")]);
    }

    #[test]
    fn each_compared_attribute_is_found_by_its_path() {
        let other = LiveTargetGroup::builder()
            .port(80)
            .protocol(ProtocolEnum::Https)
            .protocol_version("GRPC")
            .target_type(TargetTypeEnum::Instance)
            .vpc_id("vpc-other")
            .ip_address_type("ipv6".into())
            .health_check_enabled(false)
            .healthy_threshold_count(2)
            .health_check_interval_seconds(300)
            .matcher(Matcher::builder().grpc_code("0-99").build())
            .health_check_path("/")
            .health_check_port("80")
            .health_check_timeout_seconds(60)
            .unhealthy_threshold_count(10)
            .build();
        insta::assert_snapshot!(described(&resource(), Some(&other)).join("\n"), @r"
        Changed Critical health_check[0].enabled: true -> false
        Changed Warning health_check[0].healthy_threshold: 3 -> 2
        Changed Warning health_check[0].interval: 30 -> 300
        Changed Critical health_check[0].matcher: 200 -> 0-99
        Changed Critical health_check[0].path: /healthz -> /
        Changed Critical health_check[0].port: traffic-port -> 80
        Changed Critical health_check[0].protocol: HTTP -> -
        Changed Warning health_check[0].timeout: 5 -> 60
        Changed Warning health_check[0].unhealthy_threshold: 4 -> 10
        Changed Critical ip_address_type: ipv4 -> ipv6
        Changed Critical port: 8787 -> 80
        Changed Critical protocol: HTTP -> HTTPS
        Changed Critical protocol_version: HTTP1 -> GRPC
        Changed Critical target_type: ip -> instance
        Changed Critical vpc_id: vpc-0a1b2c3d4e5f60718 -> vpc-other
        ");
    }

    #[test]
    fn what_the_state_leaves_out_is_not_compared() {
        let mut lambda = resource();
        let values = &mut lambda["values"];
        (values["port"], values["protocol"], values["vpc_id"]) = (json!(0), json!(null), json!(""));
        values["health_check"] = json!([]);
        lambda["sensitive_values"] = json!({});
        assert_eq!(described(&lambda, Some(&live())), Vec::<String>::new());
    }

    #[test]
    fn a_sensitive_value_is_neither_compared_nor_shown() {
        let mut hidden = resource();
        hidden["sensitive_values"] = json!({"health_check": [{"path": true}], "port": true});
        let mut other = live();
        (other.health_check_path, other.port) = (Some("/".to_owned()), Some(80));
        assert_eq!(described(&hidden, Some(&other)), Vec::<String>::new());
        assert!(!format!("{:?}", declared(&hidden)).contains("healthz"));
    }

    #[test]
    fn a_shape_that_is_not_in_the_schema_is_an_error() {
        let mut strange = resource();
        strange["values"]["health_check"] = json!("none");
        assert_eq!(declared(&strange).unwrap_err().path, "health_check");
    }
}
