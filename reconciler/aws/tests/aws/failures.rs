//! AWS refuses, fails or says nothing: none of that may pass for absence, and none for being in sync.

use std::net::SocketAddr;
use std::time::Duration;

use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use moorline_aws::{Aws, Managed, loader, managed};
use moorline_model::drift::{DriftKind, Finding};
use serde_json::{Value, json};

use crate::server::{Answer, Request, answering};
use crate::world::{RULE, SERVICE, WEB_ACL, credentials, declared, only, resource, state};

fn all() -> Managed {
    managed(&state())
}

/// As the daemon asks, but quicker: in a test nobody waits for a real network.
async fn aws(address: SocketAddr) -> Aws {
    let quick = TimeoutConfig::builder().operation_timeout(Duration::from_secs(5)).build();
    with_timeouts(address, quick).await
}

async fn with_timeouts(address: SocketAddr, timeouts: TimeoutConfig) -> Aws {
    let retries = RetryConfig::standard().with_max_attempts(3).with_initial_backoff(Duration::from_millis(1));
    let loader = loader(&declared(address)).credentials_provider(credentials());
    Aws::with(loader.retry_config(retries).timeout_config(timeouts).load().await)
}

async fn found(answer: Answer, managed: &Managed) -> (Vec<Finding>, Vec<Request>) {
    answering(answer, |address| async move { aws(address).await.findings(managed).await }).await
}

/// Asserts that everything is unverifiable, and that each note says why.
fn assert_unverifiable(found: &[Finding], why: &str) {
    assert_eq!(
        found.iter().map(|finding| finding.address.as_str()).collect::<Vec<_>>(),
        [SERVICE, RULE, WEB_ACL]
    );
    for finding in found {
        assert_eq!(finding.kind, DriftKind::Unverifiable, "{finding:?}");
        let note = finding.note.as_ref().unwrap();
        assert!(note.contains(why), "{note}");
    }
}

#[tokio::test]
async fn no_permission_is_not_absence() {
    for (status, code) in
        [(400, "AccessDeniedException"), (403, "AccessDenied"), (400, "ExpiredTokenException")]
    {
        let (found, _) = found(Answer::Error(status, code), &all()).await;
        assert_unverifiable(&found, "is not permitted");
        assert!(found[0].note.as_ref().unwrap().ends_with(&format!("{code}: why")));
    }
}

#[tokio::test]
async fn throttling_is_tried_three_times_and_then_reported() {
    let (found, requests) = found(Answer::Error(400, "ThrottlingException"), &all()).await;
    assert_unverifiable(&found, "was throttled");
    assert_eq!(requests.len(), 9);
}

#[tokio::test]
async fn a_fault_of_aws_is_not_absence() {
    let (found, _) = found(Answer::Error(500, "InternalFailure"), &all()).await;
    assert_unverifiable(&found, "failed: InternalFailure");
}

#[tokio::test]
async fn silence_is_not_absence() {
    let short = TimeoutConfig::builder().operation_timeout(Duration::from_millis(200)).build();
    let managed = &all();
    let asking = |address| async move { with_timeouts(address, short).await.findings(managed).await };
    let (found, _) = answering(Answer::Silence, asking).await;
    assert_unverifiable(&found, "did not answer in time");
}

#[tokio::test]
async fn a_dropped_connection_is_not_absence() {
    let (found, _) = found(Answer::Hangup, &all()).await;
    assert_unverifiable(&found, "could not be sent");
}

#[tokio::test]
async fn an_answer_that_says_nothing_is_not_absence() {
    for body in ["<html>captive portal</html>", "{\"services\": ["] {
        let (found, _) = found(Answer::Body(body), &all()).await;
        assert_unverifiable(&found, "cannot be read");
    }
}

#[tokio::test]
async fn an_answer_without_the_service_is_not_absence_unless_it_says_so() {
    let managed = managed(&only(state(), SERVICE));
    let kind = async |body| found(Answer::Body(body), &managed).await.0[0].kind;
    assert_eq!(kind(r#"{"services": [], "failures": []}"#).await, DriftKind::Unverifiable);
    let named = r#"{"failures": [{"arn": "arn:aws:ecs:us-east-1:1:service/ai-gateway/gateway", "reason": "ACCESS"}]}"#;
    assert_eq!(kind(named).await, DriftKind::Unverifiable);
    let named = r#"{"failures": [{"arn": "arn:aws:ecs:us-east-1:1:service/gateway", "reason": "MISSING"}]}"#;
    assert_eq!(kind(named).await, DriftKind::Missing);
    // A failure that names no service is nobody's.
    assert_eq!(kind(r#"{"failures": [{"reason": "MISSING"}]}"#).await, DriftKind::Unverifiable);
}

#[tokio::test]
async fn an_empty_answer_is_not_absence() {
    const NO_RULES: &str = "<DescribeRulesResponse><DescribeRulesResult><Rules/></DescribeRulesResult>\
        <ResponseMetadata><RequestId>1</RequestId></ResponseMetadata></DescribeRulesResponse>";
    for (body, address) in [(NO_RULES, RULE), ("{}", WEB_ACL)] {
        let (found, _) = found(Answer::Body(body), &managed(&only(state(), address))).await;
        assert_eq!(found.iter().map(|finding| finding.kind).collect::<Vec<_>>(), [DriftKind::Unverifiable]);
    }
}

#[tokio::test]
async fn each_service_has_its_own_word_for_absence() {
    let kinds = async |code| {
        let (found, _) = found(Answer::Error(400, code), &all()).await;
        found.into_iter().map(|finding| finding.kind == DriftKind::Missing).collect::<Vec<_>>()
    };
    assert_eq!(kinds("ClusterNotFoundException").await, [true, false, false]);
    assert_eq!(kinds("RuleNotFound").await, [false, true, false]);
    assert_eq!(kinds("ListenerNotFound").await, [false, true, false]);
    assert_eq!(kinds("WAFNonexistentItemException").await, [false, false, true]);
}

#[tokio::test]
async fn each_resource_is_read_in_its_own_region() {
    let mut state = state();
    resource(&mut state, SERVICE)["values"]["region"] = json!("eu-central-1");
    resource(&mut state, RULE)["values"]["region"] = json!(null);
    resource(&mut state, WEB_ACL)["values"]["region"] = json!("eu-central-1");
    resource(&mut state, WEB_ACL)["values"]["scope"] = json!("CLOUDFRONT");
    let mut requested = Vec::new();
    for address in [SERVICE, RULE, WEB_ACL] {
        let managed = managed(&only(state.clone(), address));
        let (_, requests) = found(Answer::Error(400, "AccessDeniedException"), &managed).await;
        requested.push(requests[0].region.clone());
    }
    assert_eq!(requested, ["eu-central-1", "us-east-1", "us-east-1"]);
}

/// A state with that many copies of a resource, whose attribute ends in their numbers.
fn copies(address: &str, attribute: &str, count: usize) -> Value {
    let original = resource(&mut state(), address).take();
    let copy = |number: usize| {
        let mut copy = original.clone();
        copy["address"] = json!(format!("{address}[{number}]"));
        copy["values"][attribute] =
            json!(format!("{}-{number}", original["values"][attribute].as_str().unwrap()));
        copy
    };
    json!({"values": {"root_module": {"resources": (0..count).map(copy).collect::<Vec<_>>()}}})
}

/// Everything that was requested is gone.
fn none_is_there(body: &str) -> String {
    let requested: Value = serde_json::from_str(body).unwrap();
    let names = requested["services"].as_array().unwrap().iter();
    let arn = |name: &Value| format!("arn:aws:ecs:us-east-1:1:service/ai-gateway/{}", name.as_str().unwrap());
    let failures: Vec<Value> = names.map(|name| json!({"arn": arn(name), "reason": "MISSING"})).collect();
    json!({"services": [], "failures": failures}).to_string()
}

#[tokio::test]
async fn twenty_five_services_of_a_cluster_are_three_calls() {
    let managed = managed(&copies(SERVICE, "name", 25));
    let (found, requests) = found(Answer::Made(none_is_there), &managed).await;
    assert_eq!(requests.len(), 3);
    let addresses: Vec<_> = (0..25).map(|number| format!("{SERVICE}[{number}]")).collect();
    assert_eq!(
        found.iter().map(|finding| &finding.address).collect::<Vec<_>>(),
        addresses.iter().collect::<Vec<_>>()
    );
    assert!(found.iter().all(|finding| finding.kind == DriftKind::Missing), "{found:?}");
}

#[tokio::test]
async fn no_call_asks_for_more_rules_than_aws_takes() {
    let managed = managed(&copies(RULE, "arn", 45));
    let (found, requests) = found(Answer::Error(500, "InternalFailure"), &managed).await;
    assert_eq!(found.len(), 45);
    let requested: Vec<_> =
        requests.iter().map(|request| request.body.matches("RuleArns.member.").count()).collect();
    // Three tries of each call.
    assert_eq!(
        (requested.len(), requested.iter().max(), requested.iter().sum::<usize>()),
        (9, Some(&20), 3 * 45)
    );
}

#[tokio::test]
async fn a_call_that_aws_takes_for_a_mistake_is_halved_until_it_is_clear_whose() {
    let managed = managed(&copies(RULE, "arn", 3));
    let (found, requests) = found(Answer::Error(400, "ValidationError"), &managed).await;
    let count = |request: &Request| request.body.matches("RuleArns.member.").count();
    assert_eq!(requests.iter().map(count).collect::<Vec<_>>(), [3, 1, 2, 1, 1]);
    assert_eq!(found.len(), 3);
    assert!(found.iter().all(|finding| finding.kind == DriftKind::Unverifiable), "{found:?}");
}

#[tokio::test]
async fn services_of_two_clusters_are_asked_for_apart() {
    let mut state = copies(SERVICE, "name", 4);
    for (number, resource) in
        state["values"]["root_module"]["resources"].as_array_mut().unwrap().iter_mut().enumerate()
    {
        resource["values"]["cluster"] = json!(["one", "two"][number % 2]);
    }
    let (found, requests) = found(Answer::Made(none_is_there), &managed(&state)).await;
    assert_eq!(found.len(), 4);
    let mut requested: Vec<(Value, Value)> = requests
        .iter()
        .map(|request| serde_json::from_str::<Value>(&request.body).unwrap())
        .map(|body| (body["cluster"].clone(), body["services"].clone()))
        .collect();
    requested.sort_by_key(|(cluster, _)| cluster.to_string());
    let of = |cluster: &str, names: [&str; 2]| (json!(cluster), json!(names));
    assert_eq!(requested, [of("one", ["gateway-0", "gateway-2"]), of("two", ["gateway-1", "gateway-3"])]);
}
