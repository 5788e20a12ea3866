use async_trait::async_trait;
use moorline_model::drift::{DriftKind, Lane};
use serde_json::json;

use super::*;
use crate::managed::managed;
use crate::reads::{ListenerRuleAt, ServiceAt, WebAclAt};
use crate::sample;

/// What a fake answers.
#[derive(Clone, Copy)]
enum Answer {
    InStep,
    Gone,
    Denied,
    Throttled,
    TimedOut,
    Unreachable,
    Failed,
    Unreadable,
    Never,
}

impl Answer {
    const ERRORS: [Self; 6] =
        [Self::Denied, Self::Throttled, Self::TimedOut, Self::Unreachable, Self::Failed, Self::Unreadable];

    async fn give<T>(self, in_step: fn() -> T) -> Result<Option<T>, ReadError> {
        let operation = "test:Read";
        let (code, message) = ("Code".to_owned(), "words".to_owned());
        Err(match self {
            Self::InStep => return Ok(Some(in_step())),
            Self::Gone => return Ok(None),
            Self::Never => std::future::pending().await,
            Self::Denied => ReadError::Denied { operation, code, message },
            Self::Throttled => ReadError::Throttled { operation, code },
            Self::TimedOut => ReadError::TimedOut { operation },
            Self::Unreachable => ReadError::Unreachable { operation, source: "refused".into() },
            Self::Failed => ReadError::Failed { operation, code, message },
            Self::Unreadable => ReadError::Unreadable { operation, source: None },
        })
    }
}

#[async_trait]
impl EcsReads for Answer {
    async fn service(&self, _: &ServiceAt) -> Result<Option<aws_sdk_ecs::types::Service>, ReadError> {
        self.give(sample::service).await
    }
}

#[async_trait]
impl LoadBalancerReads for Answer {
    async fn listener_rule(
        &self,
        _: &ListenerRuleAt,
    ) -> Result<Option<aws_sdk_elasticloadbalancingv2::types::Rule>, ReadError> {
        self.give(sample::rule).await
    }
}

#[async_trait]
impl WafReads for Answer {
    async fn web_acl(&self, _: &WebAclAt) -> Result<Option<aws_sdk_wafv2::types::WebAcl>, ReadError> {
        self.give(sample::web_acl).await
    }
}

fn aws(services: Answer, load_balancers: Answer, firewalls: Answer) -> Aws {
    Aws::reading(Arc::new(services), Arc::new(load_balancers), Arc::new(firewalls))
}

fn kinds(findings: &[Finding]) -> Vec<(&str, DriftKind)> {
    findings.iter().map(|finding| (finding.address.as_str(), finding.kind)).collect()
}

#[tokio::test]
async fn nothing_is_found_when_everything_is_in_step() {
    let aws = aws(Answer::InStep, Answer::InStep, Answer::InStep);
    assert_eq!(aws.findings(&sample::all()).await, []);
}

#[tokio::test]
async fn what_aws_says_is_gone_is_missing() {
    let aws = aws(Answer::Gone, Answer::Gone, Answer::Gone);
    let found = aws.findings(&sample::all()).await;
    let missing =
        [sample::SERVICE, sample::RULE, sample::WEB_ACL].map(|address| (address, DriftKind::Missing));
    assert_eq!(kinds(&found), missing);
    assert!(found.iter().all(|finding| finding.lane == Lane::Aws && finding.path.is_empty()));
}

#[tokio::test]
async fn what_cannot_be_read_is_unverifiable_and_the_rest_is_still_compared() {
    for error in Answer::ERRORS {
        let found = aws(error, Answer::InStep, Answer::Gone).findings(&sample::all()).await;
        let expected = [(sample::SERVICE, DriftKind::Unverifiable), (sample::WEB_ACL, DriftKind::Missing)];
        assert_eq!(kinds(&found), expected);
        assert!(found[0].note.as_ref().unwrap().starts_with("test:Read "), "{:?}", found[0].note);
    }
    for error in Answer::ERRORS {
        let found = aws(Answer::InStep, error, error).findings(&sample::all()).await;
        let expected = [sample::RULE, sample::WEB_ACL].map(|address| (address, DriftKind::Unverifiable));
        assert_eq!(kinds(&found), expected);
    }
}

#[tokio::test(start_paused = true)]
async fn a_read_that_never_ends_is_unverifiable() {
    let began = Instant::now();
    let found = aws(Answer::InStep, Answer::Never, Answer::InStep).findings(&sample::all()).await;
    assert!(began.elapsed() <= READING_TIMEOUT + Duration::from_secs(1));
    assert_eq!(kinds(&found), [(sample::RULE, DriftKind::Unverifiable)]);
    assert_eq!(found[0].note.as_deref(), Some("not read within 60 s"));
}

#[tokio::test]
async fn a_resource_that_cannot_be_understood_is_unverifiable() {
    let mut state = sample::state();
    sample::values(&mut state, sample::RULE)["action"] = json!("forward");
    let found = aws(Answer::InStep, Answer::InStep, Answer::InStep).findings(&managed(&state)).await;
    assert_eq!(kinds(&found), [(sample::RULE, DriftKind::Unverifiable)]);
    assert!(found[0].note.as_ref().unwrap().contains("attribute action in the state"));
}
