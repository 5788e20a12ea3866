//! The candidate: staged, weighed, promoted, dropped.

use moorline_admin::{Generation, Origin, Weight, WriteOptions};

use crate::harness::{Gateway, Home, digest, document, git, problem};

async fn with_candidate(home: &Home) -> (Gateway, String) {
    let gateway = home.start(&[]).await;
    gateway.client.put_config(&document("a"), &git("c1")).await.unwrap();
    let staged = gateway.client.stage(&document("b"), Weight::ZERO, &git("c2")).await.unwrap();
    (gateway, staged.probe_key)
}

#[tokio::test]
async fn a_candidate_goes_from_nothing_to_everything_and_each_verb_can_be_repeated() {
    let home = Home::new();
    let (gateway, probe_key) = with_candidate(&home).await;
    let client = &gateway.client;
    assert_eq!(probe_key.len(), 64);
    for _ in 0..2 {
        let again = client.stage(&document("b"), Weight::whole(1), &git("c2")).await.unwrap();
        assert_eq!(
            (again.probe_key.as_str(), again.candidate.weight),
            (probe_key.as_str(), Weight::whole(1))
        );
        assert_eq!(again.candidate.attestation.generation, Generation(2));
    }
    for _ in 0..2 {
        let candidate = client.set_weight(digest(&document("b")), Weight::whole(50)).await.unwrap();
        assert_eq!(candidate, client.status().await.unwrap().candidate.unwrap());
    }
    let first = client.promote(digest(&document("b"))).await.unwrap();
    let stable = first.stable.clone().unwrap();
    assert_eq!(
        (stable.digest, stable.generation, stable.commit.as_deref()),
        (digest(&document("b")), Generation(2), Some("c2"))
    );
    assert_eq!(client.promote(digest(&document("b"))).await.unwrap(), first);
    for _ in 0..2 {
        assert_eq!(client.discard().await.unwrap(), first);
    }
    // The counts of what served before can still be read.
    client.stats(Generation(1), None).await.unwrap();
    client.stats(Generation(2), None).await.unwrap();
    assert_eq!(problem(client.stats(Generation(3), None).await).1, "not-found");
}

#[tokio::test]
async fn a_verb_about_another_candidate_or_none_is_refused() {
    let home = Home::new();
    let (gateway, _) = with_candidate(&home).await;
    let client = &gateway.client;
    let other = digest(&document("other"));
    let (status, kind, detail) = problem(client.set_weight(other, Weight::HUNDRED).await);
    assert_eq!((status, kind.as_str()), (412, "precondition-failed"));
    assert!(
        detail.contains(&other.to_string()) && detail.contains(&digest(&document("b")).to_string()),
        "{detail}"
    );
    assert_eq!(problem(client.promote(other).await).1, "precondition-failed");
    assert_eq!(client.status().await.unwrap().candidate.unwrap().weight, Weight::ZERO);
    client.discard().await.unwrap();
    assert_eq!(problem(client.set_weight(digest(&document("b")), Weight::ZERO).await).1, "no-candidate");
    assert_eq!(problem(client.promote(digest(&document("b"))).await).1, "no-candidate");
}

#[tokio::test]
async fn a_candidate_of_another_owner_or_against_another_stable_is_refused() {
    let home = Home::new();
    let (gateway, _) = with_candidate(&home).await;
    let client = &gateway.client;
    let terraform = WriteOptions { origin: Some(Origin::Terraform), ..WriteOptions::default() };
    assert_eq!(problem(client.stage(&document("c"), Weight::ZERO, &terraform).await).1, "owned-by-another");
    let stale = WriteOptions { if_match: Some(digest(&document("z"))), ..git("c3") };
    assert_eq!(problem(client.stage(&document("c"), Weight::ZERO, &stale).await).1, "precondition-failed");
    assert_eq!(client.status().await.unwrap().candidate.unwrap().attestation.digest, digest(&document("b")));
    // Another candidate takes the place of the first, under its own number and key.
    let staged = client.stage(&document("c"), Weight::ZERO, &git("c3")).await.unwrap();
    assert_eq!(staged.candidate.attestation.generation, Generation(3));
}
