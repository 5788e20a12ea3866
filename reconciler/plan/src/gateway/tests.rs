use super::*;

use moorline_model::FailureClass;
use proptest::prelude::*;
use serde_json::json;

fn config(requests: u32) -> Config {
    let value = json!({
        "version": 1,
        "name": "gateway",
        "routes": [{"path": "/v1/*", "limits": [{"requests": requests, "window": "1h"}]}],
    });
    Config::from_value("gateway.yaml", &value).unwrap()
}

fn serving(digest: Digest, origin: &str) -> Serving {
    Serving {
        digest,
        commit: None,
        generation: 7,
        origin: origin.to_owned(),
        actor: None,
        reason: None,
        since: "2026-11-21T12:00:00Z".parse().unwrap(),
    }
}

fn reading(stable: Option<Serving>, document: Option<&Config>) -> ReplicaReading {
    let document = document.map(|config| config.value().clone());
    let status = ReplicaStatus { instance: "i".to_owned(), stable, candidate: None, document, recent: None };
    ReplicaReading { endpoint: "http://a:8788".to_owned(), result: Ok(status) }
}

#[test]
fn a_replica_that_attests_the_digest_has_no_findings_whatever_else_it_says() {
    let declared = config(1000);
    let reading = reading(Some(serving(declared.digest(), "manual")), Some(&config(5)));
    assert_eq!(gateway_findings(&declared, None, &[reading]), []);
}

#[test]
fn a_field_edited_by_hand_is_named_with_who_and_why() {
    let (declared, live) = (config(1000), config(5));
    let by_hand = Serving {
        actor: Some("bob".to_owned()),
        reason: Some("provider is slow".to_owned()),
        ..serving(live.digest(), "manual")
    };
    let findings = gateway_findings(&declared, None, &[reading(Some(by_hand), Some(&live))]);
    let [finding] = findings.as_slice() else { panic!("{findings:?}") };
    assert_eq!(finding.path, "routes[0].limits[0].requests");
    assert_eq!((finding.declared.as_deref(), finding.live.as_deref()), (Some("1000"), Some("5")));
    assert_eq!(finding.kind, DriftKind::Changed);
    assert_eq!(
        finding.note.as_deref(),
        Some("written by hand (bob) at 2026-11-21T12:00:00Z: provider is slow")
    );
}

#[test]
fn a_digest_that_differs_is_a_finding_even_without_the_document() {
    let (declared, live) = (config(1000), config(5));
    let findings = gateway_findings(&declared, None, &[reading(Some(serving(live.digest(), "file")), None)]);
    assert_eq!(findings.len(), 1);
    assert_eq!((findings[0].kind, findings[0].path.as_str()), (DriftKind::Changed, ""));
    assert_eq!(findings[0].live, Some(live.digest().short()));
}

#[test]
fn another_document_altogether_is_one_finding() {
    let tagged = |value: &str| {
        let tags: serde_json::Map<_, _> = (0..45).map(|n| (format!("t{n}"), json!(value))).collect();
        Config::from_value("g", &json!({"version": 1, "name": "gateway", "tags": tags})).unwrap()
    };
    let (declared, live) = (tagged("x"), tagged("y"));
    let reading = reading(Some(serving(live.digest(), "git")), Some(&live));
    let findings = gateway_findings(&declared, None, &[reading]);
    assert_eq!(findings.len(), 1);
    assert!(findings[0].note.as_ref().unwrap().starts_with("45 fields differ"), "{:?}", findings[0].note);
}

// Invariant 9.
#[test]
fn a_replica_that_cannot_be_read_is_unverifiable() {
    let dark = ReplicaReading {
        endpoint: "http://a:8788".to_owned(),
        result: Err(CheckFailed::transient("timed out")),
    };
    let findings = gateway_findings(&config(1), None, std::slice::from_ref(&dark));
    assert_eq!(findings.len(), 1);
    assert_eq!(findings[0].kind, DriftKind::Unverifiable);
    assert_eq!(findings[0].note.as_deref(), Some("timed out"));
    let replica = remembered(&dark, Timestamp::UNIX_EPOCH);
    assert_eq!(replica.error.as_deref(), Some("timed out"));
    assert_eq!(replica.failure, Some(FailureClass::Transient));
}

#[test]
fn a_replica_without_a_document_is_missing_it() {
    let findings = gateway_findings(&config(1), None, &[reading(None, None)]);
    assert_eq!(findings[0].kind, DriftKind::Missing);
}

#[test]
fn a_candidate_is_unmanaged_unless_the_rollout_put_it_there() {
    let (declared, other) = (config(1), config(2));
    let mut reading = reading(Some(serving(declared.digest(), "git")), None);
    let candidate = CandidateServing { digest: other.digest(), generation: 8, weight: Percent::whole(10) };
    reading.result.as_mut().unwrap().candidate = Some(candidate);
    let findings = gateway_findings(&declared, None, std::slice::from_ref(&reading));
    assert_eq!((findings[0].kind, findings[0].severity), (DriftKind::Unmanaged, Severity::Critical));
    assert_eq!(gateway_findings(&declared, Some(other.digest()), &[reading]), []);
}

proptest! {
    // Invariant 2: diff(x, x) is empty.
    #[test]
    fn a_replica_that_serves_what_is_declared_never_differs(requests in 1_u32..u32::MAX) {
        let declared = config(requests);
        let reading = reading(Some(serving(declared.digest(), "git")), Some(&declared));
        prop_assert!(gateway_findings(&declared, None, &[reading]).is_empty());
        prop_assert!(fields::fields(declared.value(), declared.value()).is_empty());
    }
}
