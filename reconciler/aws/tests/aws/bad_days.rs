//! Answers that AWS gives on bad days: none of them may pass for absence, and none for being in step.

use std::net::SocketAddr;
use std::time::Duration;

use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use moorline_aws::reads::Scope;
use moorline_aws::{Aws, Managed, loader, managed};
use moorline_model::drift::{DriftKind, Finding};

use crate::canned::{Answer, Regions, answering};
use crate::world::{RULE, SERVICE, WEB_ACL, credentials, declared};

fn all() -> Managed {
    managed(&serde_json::from_str(include_str!("../fixtures/state.json")).unwrap())
}

/// As the daemon asks, but quicker: in a test nobody waits for a real network.
async fn aws(address: SocketAddr) -> Aws {
    let quick = TimeoutConfig::builder().operation_timeout(Duration::from_secs(5)).build();
    with_timeouts(address, quick).await
}

async fn with_timeouts(address: SocketAddr, timeouts: TimeoutConfig) -> Aws {
    let retries = RetryConfig::standard().with_max_attempts(3).with_initial_backoff(Duration::from_millis(1));
    let loader = loader(&declared(address)).credentials_provider(credentials());
    Aws::with(&loader.retry_config(retries).timeout_config(timeouts).load().await)
}

async fn found(answer: Answer, managed: &Managed) -> (Vec<Finding>, Regions) {
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
async fn throttling_is_tried_three_times_and_then_said() {
    let (found, mut regions) = found(Answer::Error(400, "ThrottlingException"), &all()).await;
    assert_unverifiable(&found, "was throttled");
    let mut requests = 0;
    while regions.try_recv().is_ok() {
        requests += 1;
    }
    assert_eq!(requests, 9);
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
    let mut managed = all();
    managed.listener_rules.clear();
    managed.web_acls.clear();
    let kind = async |body| found(Answer::Body(body), &managed).await.0[0].kind;
    assert_eq!(kind(r#"{"services": [], "failures": []}"#).await, DriftKind::Unverifiable);
    assert_eq!(kind(r#"{"failures": [{"reason": "ACCESS", "detail": "x"}]}"#).await, DriftKind::Unverifiable);
    assert_eq!(kind(r#"{"failures": [{"reason": "MISSING"}]}"#).await, DriftKind::Missing);
}

#[tokio::test]
async fn an_empty_answer_is_not_absence() {
    const NO_RULES: &str = "<DescribeRulesResponse><DescribeRulesResult><Rules/></DescribeRulesResult>\
        <ResponseMetadata><RequestId>1</RequestId></ResponseMetadata></DescribeRulesResponse>";
    let rules = Managed { listener_rules: all().listener_rules, ..Managed::default() };
    let web_acls = Managed { web_acls: all().web_acls, ..Managed::default() };
    for (body, managed) in [(NO_RULES, rules), ("{}", web_acls)] {
        let (found, _) = found(Answer::Body(body), &managed).await;
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
    let mut managed = all();
    managed.services[0].at.region = Some("eu-central-1".to_owned());
    managed.listener_rules[0].at.region = None;
    managed.web_acls[0].at.region = Some("eu-central-1".to_owned());
    managed.web_acls[0].at.scope = Scope::CloudFront;
    let mut asked = Vec::new();
    for only in 0..3 {
        let mut one = Managed::default();
        match only {
            0 => one.services.push(managed.services[0].clone()),
            1 => one.listener_rules.push(managed.listener_rules[0].clone()),
            _ => one.web_acls.push(managed.web_acls[0].clone()),
        }
        let (_, mut regions) = found(Answer::Error(400, "AccessDeniedException"), &one).await;
        asked.push(regions.recv().await.unwrap());
    }
    assert_eq!(asked, ["eu-central-1", "us-east-1", "us-east-1"]);
}
