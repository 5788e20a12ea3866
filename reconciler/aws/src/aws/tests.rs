use std::sync::atomic::{AtomicUsize, Ordering};

use moorline_model::drift::{DriftKind, Lane};
use serde_json::json;

use super::*;
use crate::batch::Addressed;
use crate::finding::missing;
use crate::kind::{Kind, Place};
use crate::managed::managed;
use crate::read::{ReadError, Refused};
use crate::sample;
use crate::state::{Declared, State};

/// A kind of which each resource says how the call for it ends. A call for several ends as the worst of them.
#[derive(Debug)]
struct Fake {
    cluster: &'static str,
    ends: End,
    calls: Arc<AtomicUsize>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum End {
    Found,
    /// The answer says nothing of it.
    Unmentioned,
    Gone,
    Denied,
    Invalid,
    ClusterGone,
    Throttled,
    Never,
}

impl Kind for Fake {
    const TYPES: &'static [&'static str] = &["fake"];
    const PERMISSION: &'static str = "fake:Read";
    const PER_CALL: usize = 10;

    type Client = ();
    type Answer = ();
    type Live = ();

    fn connect(_: &SdkConfig) {}

    fn declared(_: &State<'_>) -> Vec<Declared<Self>> {
        Vec::new()
    }

    fn place(&self) -> Place<'_> {
        Place { region: None, within: self.cluster }
    }

    async fn read((): &(), requested: &[&Self]) -> Result<(), Refused> {
        assert!(
            requested.iter().all(|fake| fake.cluster == requested[0].cluster)
                && requested.len() <= Self::PER_CALL
        );
        requested[0].calls.fetch_add(1, Ordering::Relaxed);
        let (operation, code) = (Self::PERMISSION, "Code".to_owned());
        match requested.iter().map(|fake| fake.ends).max() {
            None | Some(End::Found | End::Unmentioned) => Ok(()),
            Some(End::Gone) => Err(Refused::OneIsMissing),
            Some(End::Denied) => {
                let message = "why".to_owned();
                Err(Refused::PerhapsOne(ReadError::Denied { operation, code, message }))
            }
            Some(End::Invalid) => {
                Err(ReadError::Invalid { operation, code, message: "why".to_owned() }.into())
            }
            Some(End::ClusterGone) => Err(Refused::AllAreMissing),
            Some(End::Throttled) => Err(Refused::Failed(ReadError::Throttled { operation, code })),
            Some(End::Never) => std::future::pending().await,
        }
    }

    fn find<'a>(&self, answer: &'a ()) -> Result<Option<&'a ()>, ReadError> {
        match self.ends {
            End::Unmentioned => Err(ReadError::Unreadable { operation: Self::PERMISSION, source: None }),
            _ => Ok(Some(answer)),
        }
    }

    fn findings(&self, address: &str, live: Option<&()>) -> Vec<Finding> {
        if live.is_some() { Vec::new() } else { vec![missing(address, "a fake".to_owned())] }
    }
}

/// The findings about these resources, and how many calls it took.
async fn found(fakes: &[(&'static str, End)]) -> (Vec<Finding>, usize) {
    let calls = Arc::new(AtomicUsize::new(0));
    let fake = |(number, (cluster, ends)): (usize, &(&'static str, End))| Addressed {
        address: format!("fake.{number}"),
        resource: Fake { cluster, ends: *ends, calls: Arc::clone(&calls) },
    };
    let fakes: Vec<Addressed<Fake>> = fakes.iter().enumerate().map(fake).collect();
    let managed = Managed { kinds: vec![Box::new(fakes)], unreadable: Vec::new() };
    let findings = Aws::with(SdkConfig::builder().build()).findings(&managed).await;
    (findings, calls.load(Ordering::Relaxed))
}

fn described(findings: &[Finding]) -> Vec<String> {
    findings.iter().map(|finding| format!("{} {:?}", finding.address, finding.kind)).collect()
}

#[tokio::test]
async fn twenty_five_of_one_cluster_are_three_calls_and_another_clusters_are_apart() {
    assert_eq!(found(&[("one", End::Found); 25]).await, (Vec::new(), 3));
    let mixed: Vec<_> = (0..25).map(|number| (["one", "two"][number % 2], End::Found)).collect();
    assert_eq!(found(&mixed).await, (Vec::new(), 4));
    assert_eq!(found(&[]).await, (Vec::new(), 0));
}

#[tokio::test]
async fn findings_are_in_the_order_of_the_state_however_they_were_read() {
    let (findings, _) =
        found(&[("b", End::Gone), ("a", End::Throttled), ("b", End::Gone), ("a", End::Gone)]).await;
    let expected = ["fake.0 Missing", "fake.1 Unverifiable", "fake.2 Missing", "fake.3 Unverifiable"];
    assert_eq!(described(&findings), expected);
    assert!(findings.iter().all(|finding| finding.lane == Lane::Aws && finding.path.is_empty()));
}

#[tokio::test]
async fn one_that_is_gone_denied_or_invalid_is_found_out_and_the_others_are_compared() {
    for (end, kind) in [(End::Gone, "Missing"), (End::Denied, "Unverifiable"), (End::Invalid, "Unverifiable")]
    {
        let mut fakes = [("one", End::Found); 10];
        fakes[6].1 = end;
        let (findings, calls) = found(&fakes).await;
        assert_eq!(described(&findings), [format!("fake.6 {kind}")]);
        assert!(calls <= 9, "{calls}");
    }
    let (findings, _) = found(&[("one", End::Denied)]).await;
    assert_eq!(findings[0].note.as_deref(), Some("fake:Read is not permitted: Code: why"));
}

#[tokio::test]
async fn a_call_that_failed_says_nothing_of_all_that_it_asked_for_and_only_of_them() {
    let (findings, calls) = found(&[
        ("one", End::Throttled),
        ("one", End::Found),
        ("two", End::ClusterGone),
        ("two", End::Found),
        ("three", End::Found),
    ])
    .await;
    let expected = ["fake.0 Unverifiable", "fake.1 Unverifiable", "fake.2 Missing", "fake.3 Missing"];
    assert_eq!(described(&findings), expected);
    assert_eq!(findings[1].note.as_deref(), Some("fake:Read was throttled: Code"));
    assert_eq!(calls, 3);
}

#[tokio::test]
async fn one_that_an_answer_leaves_out_is_unverifiable() {
    let (findings, _) = found(&[("one", End::Found), ("one", End::Unmentioned)]).await;
    assert_eq!(described(&findings), ["fake.1 Unverifiable"]);
}

#[tokio::test(start_paused = true)]
async fn a_read_that_never_ends_is_unverifiable_and_what_was_read_before_stays() {
    let began = Instant::now();
    let (findings, _) = found(&[("one", End::Never), ("two", End::Gone), ("two", End::Found)]).await;
    assert!(began.elapsed() <= READING_TIMEOUT + Duration::from_secs(1));
    assert_eq!(described(&findings), ["fake.0 Unverifiable", "fake.1 Missing"]);
    assert_eq!(findings[0].note.as_deref(), Some("not read within 60 s"));
}

#[tokio::test]
async fn a_resource_that_cannot_be_understood_is_unverifiable() {
    let mut state = sample::state();
    for kind in ["resources", "child_modules"] {
        state["values"]["root_module"][kind]
            .as_array_mut()
            .unwrap()
            .retain(|one| one["address"] == sample::RULE);
    }
    sample::values(&mut state, sample::RULE)["action"] = json!("forward");
    let findings = Aws::with(SdkConfig::builder().build()).findings(&managed(&state)).await;
    assert_eq!(findings.len(), 1);
    assert_eq!((findings[0].address.as_str(), findings[0].kind), (sample::RULE, DriftKind::Unverifiable));
    assert!(findings[0].note.as_ref().unwrap().contains("attribute action in the state"));
}
